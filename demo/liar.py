"""A deviating optician: the project's own prover with its conscience removed.

Whoever lies has the same source code as whoever does not, may change it at will, and signs with a
key of his own that the insurer registered. This module is such a change: every check that the
honest prover makes of its own work is gone. What is left to stop the lie is the insurer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimBody, context_digest, sign_claim
from circuits.compiled import CompiledStatement
from circuits.slots import Slot
from optician.identity import Identity
from zk.commitment import Opening, commit
from zk.encoding import Proof, encode_proof
from zk.field import Scalar
from zk.generators import Generators
from zk.instance import Instance, start_transcript
from zk.prove import InteractiveProver, Masks
from zk.randomness import random_scalars
from zk.relation import Circuit, Digit, LinearForm, Zero


class LyingProver(InteractiveProver):
    """`InteractiveProver` for any wires and openings whatever, true or false, modulo q.

    It sends the T_k as if Σ_e y^e·F_e had no coefficient at X^D, which is so exactly when every
    equation holds.
    """

    def __init__(
        self,
        generators: Generators,
        instance: Instance,
        wires: Sequence[Scalar],
        openings: Sequence[Opening],
        masks: Masks,
    ) -> None:
        # Not the parent's: that one checks the witness.
        self._generators, self._instance, self._masks = generators, instance, masks
        self._w, self._openings = wires, openings
        self._small = set()  # a false digit may lie anywhere
        self._y_powers = []


def prove_anything(
    generators: Generators,
    instance: Instance,
    wires: Sequence[int],
    openings: Sequence[Opening],
) -> Proof:
    """A proof in the right form of ``instance``, whether or not ``wires`` are a witness of it."""
    group, circuit = generators.group, instance.circuit
    masks = Masks.of(circuit, random_scalars(Masks.count(circuit), group.order))
    reduced = [wire % group.order for wire in wires]
    prover = LyingProver(generators, instance, reduced, openings, masks)
    transcript = start_transcript(group, instance)
    first = prover.announce()
    transcript.absorb(*map(group.encode, first))
    second = prover.combine(transcript.challenge())
    transcript.absorb(*map(group.encode, second))
    f, z_1, z_2 = prover.respond(transcript.challenge())
    return Proof(*first, tuple(second), tuple(f), z_1, z_2)


# -- wires that lie as little as possible ----------------------------------------------------------


def raise_price(circuit: Circuit, wires: Sequence[int], line: int, cents: int) -> list[int]:
    """``wires`` with the hidden price of a line raised, whatever its digits' ranges say."""
    changed = list(wires)
    changed[_unit_wire(circuit.lines[line][Slot.PRICE - 1].form)] += cents
    return changed


def balance(circuit: Circuit, wires: Sequence[int], publics: Sequence[int]) -> list[int]:
    """``wires`` with every sum put right at the price of a digit outside its range.

    Each linear equation that does not hold is settled on a wire that no other one and no line uses.
    """
    changed = list(wires)
    sums = [e.expression for e in circuit.equations if isinstance(e, Zero)]
    in_lines = {wire for line in circuit.lines for e in line for wire, _ in e.form.wires}
    for number, expression in enumerate(sums):
        others = {w for i, e in enumerate(sums) if i != number for w, _ in e.form.wires}
        difference = circuit.value(expression, changed, publics)
        if difference:
            wire, sign = next(
                (w, c)
                for w, c in expression.form.wires
                if abs(c) == 1 and w not in others | in_lines
            )
            changed[wire] -= sign * difference
    return changed


def broken_equations(circuit: Circuit, wires: Sequence[int], publics: Sequence[int]) -> int:
    """How many equations of the circuit do not hold."""
    broken = 0
    for equation in circuit.equations:
        if isinstance(equation, Digit):
            holds = 0 <= equation.form.value(wires, publics) < equation.base
        else:
            holds = circuit.value(equation.expression, wires, publics) == 0
        broken += not holds
    return broken


def _unit_wire(form: LinearForm) -> int:
    return next(wire for wire, coefficient in form.wires if coefficient == 1)


# -- claims that lie -------------------------------------------------------------------------------


def body_of(claim: ClaimBody, **changes: object) -> ClaimBody:
    """The body of a claim with some fields changed."""
    return ClaimBody.model_validate(claim.model_dump(include=set(ClaimBody.model_fields)) | changes)


def with_commitments(body: ClaimBody, texts: Sequence[str]) -> ClaimBody:
    """The body with other line commitments."""
    lines = zip(body.lines, texts, strict=True)
    return body_of(
        body, lines=tuple(line.model_copy(update={"commitment": text}) for line, text in lines)
    )


@dataclass(frozen=True)
class Liar:
    """Somebody with a registered key and changed software."""

    identity: Identity
    generators: Generators

    def resign(self, body: ClaimBody, proof: bytes) -> Claim:
        """A claim of this body and this proof, signed with the liar's own key."""
        return sign_claim(
            body_of(body, key_id=self.identity.key_id), proof, self.identity.signing_key
        )

    def reopen(self, opening: Opening, changes: Mapping[Slot, int]) -> Opening:
        """An opening of the same line with other values in it."""
        values = list(opening.values)
        for slot, value in changes.items():
            values[slot - 1] = value
        return Opening(tuple(values), opening.r)

    def commitments(self, openings: Sequence[Opening]) -> list[str]:
        """The line commitments of these openings, as a claim writes them."""
        group = self.generators.group
        return [encode_base64url(group.encode(commit(self.generators, o))) for o in openings]

    def forge(
        self,
        body: ClaimBody,
        statement: CompiledStatement,
        publics: tuple[int, ...],
        wires: Sequence[int],
        openings: Sequence[Opening],
    ) -> Claim:
        """A fresh proof of a false claim: commitments to ``openings``, T_k as if all were true."""
        body = with_commitments(body, self.commitments(openings))
        body = body_of(body, key_id=self.identity.key_id)
        points = tuple(commit(self.generators, opening) for opening in openings)
        instance = Instance(statement.circuit, publics, context_digest(body), points)
        proof = prove_anything(self.generators, instance, wires, openings)
        return self.resign(body, encode_proof(proof, self.generators.group))
