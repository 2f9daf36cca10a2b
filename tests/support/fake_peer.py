"""A program in the protocol of `bench.peers.running` that proves nothing: ``fake_peer.py MODE
WORK``.

MODE says how it behaves; see `MODES`. It needs the standard library alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

MODES = {
    "honest": "as it should",
    "slow": "verification takes as long as it tells",
    "no-batch": "has no batch verification",
    "absent": "says that it is not here",
    "no-versions": "does not tell its versions",
    "accepts-other-commitments": "does not refuse what it must",
    "accepts-lies": "does not refuse a witness that breaks the statement",
    "refuses-edges": "refuses the second proof, whose prices reach the total",
    "refuses-batch": "refuses a batch of honest proofs",
    "error": "answers proving with an error",
    "hangs": "never answers a verification",
    "dies": "ends when it should prove",
    "garbage": "answers proving with no JSON",
    "two-lines": "answers proving twice",
    "no-seconds": "leaves out the seconds",
    "infinite": "tells that proving took no finite time",
    "clock": "tells of more seconds than have passed",
    "no-load": "fails in a fresh process",
    "setup": "has a set-up of a kind that there is none of",
    "stays": "does not end when told to",
}
SLEEP = 0.01  # seconds


class Fake:
    """The answers of one process."""

    def __init__(self, mode: str, work: Path) -> None:
        self.mode, self.work = mode, work
        self.statement = json.loads((work / "statement.json").read_text(encoding="utf-8"))

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What MODE answers."""
        verb: str = question["do"]
        method = getattr(self, f"_{verb}")
        answer: dict[str, Any] = method(question)
        return answer

    def _versions(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.mode == "absent":
            return {"missing": "not on this machine"}
        if self.mode == "no-versions":
            return {"threads": 1}
        return {"versions": {"fake": "1.0"}, "threads": 1}

    def _setup(self, _: dict[str, Any]) -> dict[str, Any]:
        (self.work / "key").write_bytes(b"key")
        return {
            "seconds": 0.0,
            "setup": "ceremony" if self.mode == "setup" else "circuit",
            "forgeable": True,
            "proving_key_bytes": 3,
            "verifying_key_bytes": 3,
            "constraints": 7,
            "notes": "a fake | of a peer",
        }

    def _load(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.mode == "no-load":
            return {"error": "nothing to load"}
        (self.work / "key").read_bytes()
        (self.work / "proof-0.bin").read_bytes()
        return {"seconds": 0.0}

    def _prove(self, question: dict[str, Any]) -> dict[str, Any]:
        if self.mode == "error":
            return {"error": "cannot prove: /a/hidden/place https://example.org/x"}
        if self.mode == "dies":
            sys.stderr.write("out of luck\n")
            sys.exit(7)
        (self.work / f"proof-{question['index']}.bin").write_bytes(b"proof")
        answer = {"seconds": 1e-6, "proof_bytes": 5, "public_bytes": 3}
        if self.mode == "no-seconds":
            del answer["seconds"]
        if self.mode == "infinite":
            answer["seconds"] = float("inf")
        if self.mode == "clock":
            answer["seconds"] = 1000.0
        return answer

    def _verify(self, question: dict[str, Any]) -> dict[str, Any]:
        if self.mode == "hangs":
            time.sleep(60)
        start = time.perf_counter()
        if self.mode == "slow":
            time.sleep(SLEEP)
        accepted = self.mode != "refuses-edges" or question["index"] != 1
        return {"seconds": time.perf_counter() - start, "accepted": accepted}

    def _batch(self, question: dict[str, Any]) -> dict[str, Any]:
        if self.mode == "no-batch":
            return {"missing": "the fake has none"}
        accepted = self.mode != "refuses-batch" and bool(question["indices"])
        return {"seconds": 1e-6, "accepted": accepted}

    def _reject(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"rejected": self.mode != "accepts-other-commitments"}

    def _dishonest(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"rejected": self.mode != "accepts-lies"}


def main() -> None:
    """Answer until told to stop."""
    fake = Fake(sys.argv[1], Path(sys.argv[2]))
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "stop":
            break
        if fake.mode == "garbage" and question["do"] == "prove":
            sys.stdout.write("proved!\n")
            sys.stdout.flush()
            continue
        answer = json.dumps(fake.answer(question)) + "\n"
        if fake.mode == "two-lines" and question["do"] == "prove":
            answer *= 2
        sys.stdout.write(answer)
        sys.stdout.flush()
    if fake.mode == "stays":
        time.sleep(60)


if __name__ == "__main__":
    main()
