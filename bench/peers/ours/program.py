"""Ours in the protocol of `bench.peers.running`: ``python -m bench.peers.ours.program WORK``.

Group and evaluator are those that the environment chooses (`zk.backends`). Technique: one-hot
digits for the codes, exact digits for the prices (`bench.peers.ours.circuits`); Pedersen
commitments to whole lines on secp256k1; one proof about all (``docs/protocol.md``). There is no
set-up: what is made once are the generators and the tables over them. A fresh process that verifies
one proof makes no tables.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bench  # noqa: F401  says, before numpy is loaded, that linear algebra has one thread
from bench.peers.ours.circuits import Statement, statement_of
from bench.peers.statement import read_statement
from circuits.slots import Slot
from zk.backends import load_group
from zk.commitment import Opening, commit, fresh_opening
from zk.encoding import Proof, decode_proof, encode_proof
from zk.errors import ProofRejected, WitnessError, ZkError
from zk.generators import Generators
from zk.instance import Instance
from zk.program import native
from zk.prove import prove
from zk.verify import verify, verify_batch

CONTEXT = b"clairobscur beside its peers".ljust(32, b"\0")


def evaluator_name() -> str:
    """Which evaluator this process has: ``native`` is the compiled one."""
    return "python" if native is None else "native"


class Program:
    """The state of one process; a method a verb, each returning its answer."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._content: dict[str, Any] = read_statement(work)
        self._generators = Generators(load_group())
        self._statement: Statement | None = None
        self._proofs: dict[int, tuple[bytes, bytes]] = {}  # commitments, proof

    def versions(self) -> dict[str, Any]:
        """Versions, and what computes: the group, and the evaluator of the field part."""
        names = {
            "clairobscur": version("clairobscur"),
            "group": self._generators.group.name,
            "evaluator": evaluator_name(),
        }
        return {"versions": names, "threads": 1}

    # -- once -------------------------------------------------------------------------------------

    def _compile(self) -> Statement:
        self._statement = statement_of(self._content)
        return self._statement

    def setup(self) -> dict[str, Any]:
        """Circuit, generators and tables: nothing secret, nothing to be trusted."""
        start = time.perf_counter()
        circuit = self._compile().circuit
        self._generators.warm(circuit.wires, circuit.slots)
        seconds = time.perf_counter() - start
        gc.freeze()  # tables are spared the garbage collector, as in `verifier check-batch`
        return {
            "seconds": seconds,
            "setup": "none",
            "forgeable": False,
            "proving_key_bytes": 0,
            "verifying_key_bytes": 0,
            "constraints": len(circuit.equations),
            "notes": f"{circuit.wires} wires, degree {circuit.degree}; the seconds are those of "
            f"generators and tables",
        }

    def load(self) -> dict[str, Any]:
        """The circuit, generators without tables, and the proofs of the work folder."""
        start = time.perf_counter()
        circuit = self._compile().circuit
        self._generators.public_points(circuit.wires, circuit.slots)
        for path in self._work.glob("proof-*.bin"):
            name = path.name.removeprefix("proof-")
            lines = (self._work / f"lines-{name}").read_bytes()
            self._proofs[int(name.removesuffix(".bin"))] = (lines, path.read_bytes())
        return {"seconds": time.perf_counter() - start}

    # -- proving ----------------------------------------------------------------------------------

    def _witness(self, index: int) -> Mapping[str, Any]:
        witness: Mapping[str, Any] = self._content["witnesses"][index]
        return witness

    def _make(self, witness: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Encoded commitments with fresh blindings, and the proof about them."""
        g, statement = self._generators, self._ready()
        circuit, publics = statement.circuit, statement.publics()
        wires = statement.wires(witness)
        openings = [fresh_opening(g, v) for v in circuit.line_values(wires, publics)]
        lines = tuple(commit(g, opening) for opening in openings)
        instance = Instance(circuit, publics, CONTEXT, lines)
        proof = prove(g, instance, wires, openings)
        return b"".join(map(g.group.encode, lines)), encode_proof(proof, g.group)

    def _ready(self) -> Statement:
        if self._statement is None:
            raise ZkError("set-up or load comes first")
        return self._statement

    def prove(self, index: int) -> dict[str, Any]:
        """From the codes and prices of a witness to bytes."""
        witness = self._witness(index)
        start = time.perf_counter()
        lines, proof = self._make(witness)
        seconds = time.perf_counter() - start
        self._proofs[index] = (lines, proof)
        (self._work / f"lines-{index}.bin").write_bytes(lines)
        (self._work / f"proof-{index}.bin").write_bytes(proof)
        return {"seconds": seconds, "proof_bytes": len(proof), "public_bytes": len(lines)}

    # -- verifying --------------------------------------------------------------------------------

    def _read(self, lines: bytes, proof: bytes) -> tuple[Instance, Proof]:
        group, statement = self._generators.group, self._ready()
        commitments = tuple(group.decode_many(lines))
        instance = Instance(statement.circuit, statement.publics(), CONTEXT, commitments)
        return instance, decode_proof(proof, statement.circuit, group)

    def _is_accepted(self, lines: bytes, proof: bytes) -> bool:
        try:
            verify(self._generators, *self._read(lines, proof))
        except ProofRejected:
            return False
        return True

    def verify(self, index: int) -> dict[str, Any]:
        """From bytes to the verdict."""
        lines, proof = self._proofs[index]
        start = time.perf_counter()
        accepted = self._is_accepted(lines, proof)
        return {"seconds": time.perf_counter() - start, "accepted": accepted}

    def batch(self, indices: Sequence[int]) -> dict[str, Any]:
        """The same for all together."""
        chosen = [self._proofs[index] for index in indices]
        start = time.perf_counter()
        wrong = verify_batch(self._generators, [self._read(*item) for item in chosen])
        return {"seconds": time.perf_counter() - start, "accepted": not wrong}

    def reject(self, index: int) -> dict[str, Any]:
        """Beside commitments of other openings of the same witness; and with a changed scalar,
        alone and in a batch."""
        lines, proof = self._proofs[index]
        others, _ = self._make(self._witness(index))
        changed = bytearray(proof)
        changed[-1] ^= 1
        accepted = self._is_accepted(others, proof) or self._is_accepted(lines, bytes(changed))
        wrong = verify_batch(
            self._generators, [self._read(lines, proof), self._read(others, proof)]
        )
        return {"rejected": not accepted and wrong == [1]}

    def dishonest(self, index: int) -> dict[str, Any]:
        """Lies about the first line: a code out of its set, a price over its cap; or a value too
        large. No wires satisfy the circuit, so a liar commits to the lie and proves the truth."""
        return {"rejected": all(self._is_refused(lie) for lie in self._lies(self._witness(index)))}

    def _lies(self, witness: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "values" in witness:
            return [{"values": [1 << self._content["bits"], *witness["values"][1:]]}]
        codes, prices = list(witness["codes"]), list(witness["prices"])
        members = set(self._content["sets"][0])
        outside = next(code for code in range(1_000_000, 10_000_000) if code not in members)
        over = self._content["caps"][0] + 1
        return [
            {"codes": [outside, *codes[1:]], "prices": prices},
            {"codes": codes, "prices": [over, *prices[1:]]},
        ]

    def _is_refused(self, lie: Mapping[str, Any]) -> bool:
        try:
            self._make(lie)
        except WitnessError:
            pass
        else:
            return False
        return not self._is_accepted(*self._lying_proof(lie))

    def _lying_proof(self, lie: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Commitments to a lie, with a proof made from wires that are not its."""
        g, statement = self._generators, self._ready()
        circuit, publics = statement.circuit, statement.publics()
        wires = statement.wires(self._content["witnesses"][0])
        openings = [fresh_opening(g, v) for v in circuit.line_values(wires, publics)]
        first = list(openings[0].values)
        if "values" in lie:
            first[Slot.PRICE - 1] = lie["values"][0]
        else:
            first[Slot.CODE - 1], first[Slot.PRICE - 1] = lie["codes"][0], lie["prices"][0]
        told = [Opening(tuple(first), openings[0].r), *openings[1:]]
        lines = tuple(commit(g, opening) for opening in told)
        proof = prove(g, Instance(circuit, publics, CONTEXT, lines), wires, openings)
        return b"".join(map(g.group.encode, lines)), encode_proof(proof, g.group)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one line of input."""
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "versions": self.versions,
            "setup": self.setup,
            "load": self.load,
            "prove": self.prove,
            "verify": self.verify,
            "batch": self.batch,
            "reject": self.reject,
            "dishonest": self.dishonest,
        }
        verb = verbs.get(str(question.get("do")))
        if verb is None:
            return {"error": "no such verb"}
        fields = {name: value for name, value in question.items() if name != "do"}
        try:
            return verb(**fields)
        except Exception as error:  # whatever fails is the answer
            return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.ours.program")
    parser.add_argument("work", type=Path)
    arguments = parser.parse_args()
    program = Program(arguments.work)
    for line in sys.stdin:
        question = json.loads(line)
        if question.get("do") == "stop":
            break
        print(json.dumps(program.answer(question)), flush=True)


if __name__ == "__main__":
    main()
