"""What the numbers were measured on: processor, cores, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gmpy2

LIBRARIES = ("coincurve", "cryptography", "gmpy2", "numpy", "py_ecc", "pydantic", "rfc8785")
MEASURED = ("zk", "circuits", "console", "optician", "verifier_api", "bench")

ROOT = Path(__file__).resolve().parent.parent


def describe_machine() -> dict[str, Any]:
    """Processor model, cores that this process may use, load, Python, libraries."""
    return {
        "processor": processor_model(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: version(name) for name in LIBRARIES},
        "gmp": str(gmpy2.mp_version()),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def processor_model() -> str:
    """The processor's name as the kernel knows it, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_commit() -> dict[str, Any]:
    """The commit checked out, and whether the code measured differs from it; "unknown" outside
    git."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {"commit": "unknown", "modified": False}
    changed = _git("status", "--porcelain", "--", *(f"{name}/*.py" for name in MEASURED))
    return {"commit": commit, "modified": bool(changed)}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
