"""A Dask scheduler and workers on loopback, as processes of their own, which may be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from bench.machine import ROOT

HOST = "127.0.0.1"
START_SECONDS = 60


def start_scheduler(stack: ExitStack, folder: Path) -> str:
    """Its address, ``tcp://127.0.0.1:…``, told in ``folder/scheduler.json`` as well."""
    described = folder / "scheduler.json"
    _start(
        stack,
        folder,
        "scheduler",
        *("distributed.cli.dask_scheduler", "--host", HOST, "--port", "0", "--no-dashboard"),
        *("--scheduler-file", str(described)),
    )
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            return str(json.loads(described.read_text(encoding="utf-8"))["address"])
        except (FileNotFoundError, ValueError):
            time.sleep(0.05)
    raise TimeoutError("the scheduler does not start")


def start_worker(stack: ExitStack, folder: Path, address: str, name: str) -> subprocess.Popen[str]:
    """A worker with one thread and no guardian that would replace it."""
    return _start(
        stack,
        folder,
        name,
        *("distributed.cli.dask_worker", address, "--host", HOST, "--no-dashboard", "--no-nanny"),
        *("--nthreads", "1", "--name", name, "--local-directory", str(folder)),
    )


def _start(stack: ExitStack, folder: Path, name: str, *command: str) -> subprocess.Popen[str]:
    log = stack.enter_context((folder / f"{name}.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
        text=True,
    )
    stack.callback(process.wait, 60)
    stack.callback(process.kill)
    return process
