"""The service under steady load for minutes: no error, no growth.

``CLAIROBSCUR_SOAK_SECONDS`` says how long, 60 by default and 600 in `make test-long`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.load import CONNECTIONS

SECONDS = int(os.environ.get("CLAIROBSCUR_SOAK_SECONDS", "60"))
GROWTH = 1.1
"""Of memory, from the second fifth of the soak to the last: ten minutes measured show less than
one per cent, but a short soak still sees the caches fill."""
MORE_HANDLES = CONNECTIONS
"""A sample may fall on connections that are being closed. A handle lost every 20 requests shows."""


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.timeout(SECONDS + 600)
def test_memory_and_handles_stay_flat(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "load.json"
    ended = subprocess.run(
        [sys.executable, "-m", "bench.load", "--rounds", "1", "--claims", "64",
         "--soak", str(SECONDS), "--out", str(out)],
        cwd=repository, capture_output=True, text=True, timeout=SECONDS + 500,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    soak = json.loads(out.read_text("utf-8"))["soak"]
    assert soak["seconds"] >= SECONDS
    assert soak["requests"] > 10 * SECONDS
    assert soak["errors"] == {}
    assert soak["memory_mb_late"] <= GROWTH * soak["memory_mb_early"], soak["samples"]
    assert soak["handles_late"] <= soak["handles_early"] + MORE_HANDLES, soak["samples"]
