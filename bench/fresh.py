"""A fresh verifying process: ``python -m bench.fresh FOLDER [--batch N]``.

Reads ``contract.json``, ``keys.json`` and ``claims.ndjson`` in FOLDER, judges the first claim, and
with ``--batch`` makes the tables and judges N claims together, the claims of the file in turn.
Prints the seconds of each step and the peak of its memory as JSON. Raises `SystemExit` if a claim
is refused.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

NOW = datetime(2020, 10, 6, 12, tzinfo=UTC)  # of the judgement; the claims are made for it


def peak_bytes() -> int:
    """Largest resident set of this program so far.

    On Linux the kernel's high-water mark of this address space: what ``getrusage`` tells also
    counts the process that started this one, whose memory it shared until it loaded Python.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource_peak_bytes()
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024


def resource_peak_bytes() -> int:
    """The same as ``getrusage`` tells it (kibibytes on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(folder: Path, batch: int) -> dict[str, Any]:
    """Load, judge one, and judge ``batch`` claims if that is not 0."""
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}

    def step(name: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = action()
        seconds[name] = round(time.perf_counter() - start, 6)
        peaks[name] = peak_bytes()
        return result

    def load_code() -> Any:
        import verifier_api.judge
        import verifier_api.keys
        import zk.backends

        return verifier_api.judge, verifier_api.keys, zk.backends

    judge_module, keys_module, backends = step("import", load_code)

    from circuits.claim import decode_claim
    from circuits.contract import parse_contract
    from circuits.nomenclature import load_shipped
    from zk.generators import generators_of

    nomenclature = step("nomenclature", load_shipped)
    contract = parse_contract((folder / "contract.json").read_bytes())
    keys = keys_module.parse_keys((folder / "keys.json").read_bytes())
    generators = generators_of(backends.load_group())
    judge = judge_module.Judge(contract, nomenclature, keys, generators, lambda: NOW)
    texts = (folder / "claims.ndjson").read_bytes().splitlines()

    def require(verdicts: list[Any]) -> None:
        refused = [verdict.reason for verdict in verdicts if not verdict.is_accepted]
        if refused:
            raise SystemExit(f"a valid claim was refused: {refused[0]}")

    require([step("first claim", lambda: judge.judge(decode_claim(texts[0])))])
    if batch:
        from circuits.claim import build_instance

        def warm() -> None:
            for text in texts:
                claim = decode_claim(text)
                _, instance = build_instance(claim, contract, nomenclature, generators.group)
                generators.warm(instance.circuit.wires, instance.circuit.slots)

        step("tables", warm)
        require([step("warm claim", lambda: judge.judge(decode_claim(texts[0])))])
        chosen = list(islice(cycle(texts), batch))
        require(step("batch", lambda: judge.judge_batch([decode_claim(text) for text in chosen])))
    return {"seconds": seconds, "peak_bytes": peaks, "ru_maxrss_bytes": resource_peak_bytes()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fresh")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.folder, arguments.batch)))


if __name__ == "__main__":
    main()
