"""The security arguments of ``docs/protocol.md``, run: extractor, simulator, and hiding by
enumeration."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import pytest
from gmpy2 import invert, mpz
from numpy.typing import NDArray

from tests.support.circuits import Example, bit, purchase
from tests.support.extractor import (
    RefusedAnswer,
    RelationFound,
    extract,
    honest_prover,
    leading_weights,
    polynomial_through,
    random_challenges,
)
from tests.support.simulator import Choices, ProgrammableOracle, simulate, solve
from tests.support.textbook import equations_hold, expression_value, field_part, is_satisfied
from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.commitment import Opening, commit
from zk.encoding import Proof, decode_proof, encode_proof
from zk.errors import ProofRejected
from zk.field import Scalar
from zk.generators import Generators, generators_of
from zk.group import Point
from zk.instance import Instance, start_transcript
from zk.prove import InteractiveProver, Masks, prove
from zk.randomness import random_scalars
from zk.relation import Circuit, CircuitBuilder, Table
from zk.verify import challenges, verify

FAST = generators_of(load_group("libsecp256k1"))
Q = FAST.group.order


# -- special soundness: the extractor --------------------------------------------------------------


@pytest.mark.parametrize("example", [bit(), purchase()], ids=["bit", "purchase"])
def test_the_extractor_returns_the_witness(example: Example) -> None:
    circuit = example.circuit
    instance, openings = example.instance(FAST)
    prover = honest_prover(FAST, instance, example.wires, openings)
    found = extract(FAST, instance, prover, random_challenges(circuit, Q))
    assert found.wires == tuple(w % Q for w in example.wires)
    assert found.openings == tuple(openings)


def test_what_is_extracted_satisfies_the_circuit() -> None:
    # Not by comparison with the prover's own witness: by the equations, modulo q.
    example = purchase()
    circuit, publics = example.circuit, example.publics
    instance, openings = example.instance(FAST)
    prover = honest_prover(FAST, instance, example.wires, openings)
    found = extract(FAST, instance, prover, random_challenges(circuit, Q))
    assert is_satisfied(circuit, found.wires, publics, Q)
    for line, opening, C in zip(circuit.lines, found.openings, instance.commitments, strict=True):
        values = [expression_value(circuit, slot, found.wires, publics, Q) for slot in line]
        assert values == list(opening.values)
        assert commit(FAST, opening) == C


class _Blinded:
    """An honest prover seen through another strategy: T and z_2 are blinded anew for each y."""

    def __init__(self, prover: InteractiveProver) -> None:
        self._prover, self._extra = prover, mpz(0)

    def announce(self) -> tuple[Point, Point]:
        return self._prover.announce()

    def combine(self, y: Scalar) -> list[Point]:
        (self._extra,) = random_scalars(1, Q)
        first, *rest = self._prover.combine(y)
        return [FAST.group.sum([first, FAST.group.mul(self._extra, FAST.H)]), *rest]

    def respond(self, x: Scalar) -> tuple[Sequence[Scalar], Scalar, Scalar]:
        f, z_1, z_2 = self._prover.respond(x)
        return f, z_1, (z_2 + self._extra) % Q


class _Lying(_Blinded):
    """A prover that answers one challenge wrongly."""

    def respond(self, x: Scalar) -> tuple[Sequence[Scalar], Scalar, Scalar]:
        f, z_1, z_2 = super().respond(x)
        return f, z_1, (z_2 + 1) % Q


def test_the_extractor_needs_no_particular_prover() -> None:
    example = bit()
    instance, openings = example.instance(FAST)
    prover = _Blinded(honest_prover(FAST, instance, example.wires, openings))
    found = extract(FAST, instance, prover, random_challenges(example.circuit, Q))
    assert (found.wires, found.openings) == (example.wires, tuple(openings))


def test_the_extractor_takes_nothing_from_answers_that_do_not_convince() -> None:
    example = bit()
    instance, openings = example.instance(FAST)
    prover = _Lying(honest_prover(FAST, instance, example.wires, openings))
    with pytest.raises(RefusedAnswer):
        extract(FAST, instance, prover, random_challenges(example.circuit, Q))


class _Liar:
    """Proves a false statement in a group where it knows the discrete logarithm of G to the base
    H."""

    def __init__(
        self,
        generators: Generators,
        instance: Instance,
        wires: Sequence[int],
        openings: Sequence[Opening],
        log_G: Scalar,
    ) -> None:
        self._generators, self._instance, self._openings = generators, instance, openings
        self._w, self._log_G, self._q = wires, log_G, generators.group.order
        scalars = random_scalars(Masks.count(instance.circuit), self._q)
        self._masks = Masks.of(instance.circuit, scalars)
        self._line_powers: list[Scalar] = []
        self._false = mpz(0)

    def announce(self) -> tuple[Point, Point]:
        masks, g = self._masks, self._generators
        points = [*g.W(len(self._w)), g.H]
        w = [mpz(value) for value in self._w]
        return g.group.msm([*w, masks.r_B], points), g.group.msm([*masks.a, masks.r_A], points)

    def combine(self, y: Scalar) -> list[Point]:
        g, circuit, q = self._generators, self._instance.circuit, self._q
        D, E = circuit.degree, len(circuit.equations)
        ts = [mpz(t) for t in range(D + 1)]
        values = []
        for t in ts:
            f = [(w * t + a) % q for w, a in zip(self._w, self._masks.a, strict=True)]
            on_G, on_J = field_part(circuit, f, t, y, self._instance.publics, q)
            values.append([on_G, *on_J])
        parts = [polynomial_through(ts, part, q) for part in zip(*values, strict=True)]
        self._false = parts[0][D]  # Σ y^e P_e(w): what an honest prover does not have
        self._line_powers = [y ** (E + l) % q for l in range(len(circuit.lines))]
        points = [g.G, *g.J(circuit.slots), g.H]
        return [
            g.group.msm([*(part[k] for part in parts), self._masks.rho[k]], points)
            for k in range(D)
        ]

    def respond(self, x: Scalar) -> tuple[list[Scalar], Scalar, Scalar]:
        masks, q, D = self._masks, self._q, self._instance.circuit.degree
        f = [(w * x + a) % q for w, a in zip(self._w, masks.a, strict=True)]
        z_2 = sum((rho * x**k for k, rho in enumerate(masks.rho)), mpz(0))
        for power, opening in zip(self._line_powers, self._openings, strict=True):
            z_2 += x**D * power * opening.r
        return f, (masks.r_B * x + masks.r_A) % q, (z_2 - x**D * self._false * self._log_G) % q


def test_a_convincing_proof_of_a_false_statement_gives_a_relation_between_generators() -> None:
    group = ToyGroup(251)
    generators, q = Generators(group), group.order
    circuit = bit().circuit
    opening = Opening((2,), mpz(77))  # a "bit" with the value 2
    instance = Instance(circuit, (), bytes(32), (commit(generators, opening),))
    log_H = invert(mpz(group.exponent(generators.H)), q)
    log_G = group.exponent(generators.G) * log_H % q
    prover = _Liar(generators, instance, [2], [opening], log_G)
    sets = random_challenges(circuit, q)
    with pytest.raises(RelationFound) as caught:
        extract(generators, instance, prover, sets)
    relation = caught.value
    assert any(relation.exponents)
    assert not group.msm(relation.exponents, relation.points)
    # The relation is the very thing the liar knew: false·G + r·H = 0.
    on_G, on_J, on_H = relation.exponents
    assert on_J == 0
    assert -on_H * invert(on_G, q) % q == log_G


class _TwoOpenings(_Blinded):
    """Opens B in one way before the second y and in another way after it."""

    def __init__(self, prover: InteractiveProver, log: Scalar, q: Scalar) -> None:
        super().__init__(prover)
        self._log, self._q, self._round = log, q, 0

    def combine(self, y: Scalar) -> list[Point]:
        self._round += 1
        return self._prover.combine(y)

    def respond(self, x: Scalar) -> tuple[Sequence[Scalar], Scalar, Scalar]:
        f, z_1, z_2 = self._prover.respond(x)
        if self._round == 1:
            return f, z_1, z_2
        return [(f[0] + 1) % self._q], (z_1 - self._log) % self._q, z_2


def test_opening_the_first_message_in_two_ways_gives_a_relation_between_generators() -> None:
    group = ToyGroup(251)
    generators, q, example = Generators(group), group.order, bit()
    (W_1,) = generators.W(1)
    log = group.exponent(W_1) * invert(mpz(group.exponent(generators.H)), q) % q
    openings = [Opening((1,), mpz(77))]
    instance = Instance(example.circuit, (), bytes(32), (commit(generators, openings[0]),))
    prover = _TwoOpenings(honest_prover(generators, instance, example.wires, openings), log, q)
    sets = random_challenges(example.circuit, q)
    with pytest.raises(RelationFound) as caught:
        extract(generators, instance, prover, sets, check_every=1_000)
    assert any(caught.value.exponents)
    assert not group.msm(caught.value.exponents, caught.value.points)


def test_the_linear_algebra_of_the_extractor() -> None:
    q = mpz(101)
    coefficients = [mpz(c) for c in (5, 0, 100, 7)]
    points = [mpz(p) for p in (3, 99, 0, 41)]
    values = [sum(c * p**k for k, c in enumerate(coefficients)) % q for p in points]
    assert polynomial_through(points, values, q) == coefficients
    weights = leading_weights(points, q)
    assert sum(k * v for k, v in zip(weights, values, strict=True)) % q == coefficients[-1]


# -- zero knowledge: the simulator -----------------------------------------------------------------


def false_instance() -> Instance:
    """Two lines committed to values that no witness of the circuit takes (codes outside the
    table)."""
    example = purchase()
    openings = [Opening((1_203_418, 999, 1, 0), mpz(5)), Opening((0, 0, 0, 0), mpz(6))]
    commitments = tuple(commit(FAST, opening) for opening in openings)
    return Instance(example.circuit, example.publics, bytes(32), commitments)


@pytest.mark.parametrize("kind", ["true", "false"])
def test_the_simulator_is_accepted_only_where_it_programmed_the_hash(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = purchase().instance(FAST)[0] if kind == "true" else false_instance()
    oracle = ProgrammableOracle()
    proof = simulate(FAST, instance, oracle)

    # It has the form of any proof, and survives the wire.
    data = encode_proof(proof, FAST.group)
    assert decode_proof(data, instance.circuit, FAST.group) == proof
    # Both equations, each by itself and written out, hold for the programmed challenges …
    y, x = oracle.challenges(FAST.group, instance, data)
    assert equations_hold(FAST, instance, proof, y, x) == (True, True)
    # … the real verifier agrees once it asks the programmed oracle …
    with monkeypatch.context() as patched:
        patched.setattr("zk.verify.challenges", oracle.challenges)
        verify(FAST, instance, proof)
    # … and refuses when it asks the real hash.
    with pytest.raises(ProofRejected):
        verify(FAST, instance, proof)


def test_the_simulator_programs_the_last_challenge_only() -> None:
    instance = false_instance()
    oracle = ProgrammableOracle()
    data = encode_proof(simulate(FAST, instance, oracle), FAST.group)
    assert len(oracle.answers) == 1
    y, x = challenges(FAST.group, instance, data)
    programmed_y, programmed_x = oracle.challenges(FAST.group, instance, data)
    assert y == programmed_y
    assert x != programmed_x


def test_a_simulated_proof_does_not_fit_another_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, oracle = false_instance(), ProgrammableOracle()
    proof = simulate(FAST, instance, oracle)
    other = Instance(instance.circuit, instance.publics, b"\1" * 32, instance.commitments)
    monkeypatch.setattr("zk.verify.challenges", oracle.challenges)
    with pytest.raises(ProofRejected):
        verify(FAST, other, proof)


# -- perfect hiding, exhaustively ------------------------------------------------------------------
#
# In a group of q elements, a proof is drawn from the q^(n+2+D) values of the masks. Every one of
# them is run through.

Hash = Callable[..., Scalar]


def random_function(seed: str, order: Scalar) -> Hash:
    """A fixed function that looks random."""

    def answer(*messages: bytes) -> Scalar:
        digest = hashlib.sha256("|".join([seed, *(m.hex() for m in messages)]).encode()).digest()
        return mpz(int.from_bytes(digest, "big")) % order

    return answer


def constant_function(value: int) -> Hash:
    """A hash as bad as can be."""
    return lambda *messages: mpz(value)


def digit_circuit() -> Circuit:
    """A base-3 digit, committed itself and with a public input added: n = 1, D = 3."""
    builder = CircuitBuilder(2)
    date = builder.public(1)
    digit = builder.digit(3)
    builder.line({1: digit, 2: 2 * digit + date})
    return builder.build()


def lookup_circuit() -> Circuit:
    """A row of a table of three, padded to four, in two digits; the column stands in the slot: n =
    2, D = 2."""
    builder = CircuitBuilder(1)
    selector = builder.select(Table(((1, 3, 4),)), (2, 2))
    builder.line({1: builder.column(selector, 0)})
    return builder.build()


def two_line_circuit() -> Circuit:
    """Two lines that share a bit, with a free wire in one: n = 2, D = 2."""
    builder = CircuitBuilder(1)
    first = builder.digit(2)
    free = builder.free_wire()
    builder.line({1: first})
    builder.line({1: first + 2 * free})
    return builder.build()


Witness = tuple[tuple[int, ...], list[Opening]]


def witnesses_of_one_instance(
    generators: Generators,
    circuit: Circuit,
    publics: tuple[int, ...],
    wires_of_each: Sequence[tuple[int, ...]],
) -> tuple[Instance, list[Witness]]:
    """One instance and several witnesses for it: openings of the same commitments to other
    values."""
    group = generators.group
    assert isinstance(group, ToyGroup)
    inverse = invert(mpz(group.exponent(generators.H)), group.order)
    # Any target will do, as a Pedersen commitment opens to anything for whoever knows the
    # logarithms.
    targets = [mpz(l + 1) for l in range(len(circuit.lines))]
    witnesses = []
    for wires in wires_of_each:
        openings = []
        for target, values in zip(targets, circuit.line_values(wires, publics), strict=True):
            unblinded = group.msm([v % group.order for v in values], generators.J(circuit.slots))
            r = (target - group.exponent(unblinded)) * inverse % group.order
            openings.append(Opening(tuple(values), r))
        witnesses.append((wires, openings))
    commitments = tuple(group.point(int(target)) for target in targets)
    for _, openings in witnesses:
        assert tuple(commit(generators, opening) for opening in openings) == commitments
    return Instance(circuit, publics, bytes(32), commitments), witnesses


def all_transcripts(
    generators: Generators, instance: Instance, witness: Witness, y_hash: Hash, x_hash: Hash
) -> Iterator[tuple[object, ...]]:
    """What the prover sends, for every value of its masks; challenges from two fixed functions."""
    circuit = instance.circuit
    wires, openings = witness
    every = [mpz(value) for value in range(int(generators.group.order))]
    for scalars in product(every, repeat=Masks.count(circuit)):
        masks = Masks.of(circuit, scalars)
        prover = InteractiveProver(generators, instance, wires, openings, masks)
        B, A = prover.announce()
        T = prover.combine(y_hash(B, A))
        f, z_1, z_2 = prover.respond(x_hash(B, A, *T))
        yield B, A, tuple(T), tuple(f), z_1, z_2


HidingCase = tuple[int, Circuit, tuple[int, ...], list[tuple[int, ...]]]

# Order of the group, circuit, public inputs, wires of each witness.
HIDING_CASES: dict[str, HidingCase] = {
    "bit": (5, bit().circuit, (), [(0,), (1,)]),
    "digit": (5, digit_circuit(), (1,), [(0,), (1,), (2,)]),
    "lookup": (3, lookup_circuit(), (), [(0, 0), (1, 0), (0, 1), (1, 1)]),
    "lookup, larger": (5, lookup_circuit(), (), [(0, 0), (0, 1), (1, 1)]),
    "two lines": (3, two_line_circuit(), (), [(0, 0), (1, 2), (1, 1)]),
}


@pytest.mark.parametrize(
    ("case", "hashes"),
    [
        *product(("bit", "lookup", "two lines"), ("random", "constant", "zero")),
        ("digit", "random"),
        ("lookup, larger", "random"),
    ],
)
def test_every_witness_gives_exactly_the_same_proofs(case: str, hashes: str) -> None:
    order, circuit, publics, wires_of_each = HIDING_CASES[case]
    generators = Generators(ToyGroup(order))
    q = generators.group.order
    instance, witnesses = witnesses_of_one_instance(generators, circuit, publics, wires_of_each)
    y_hash, x_hash = {
        "random": (random_function("y", q), random_function("x", q)),
        "constant": (constant_function(2), constant_function(order - 1)),
        "zero": (constant_function(0), constant_function(0)),
    }[hashes]
    n, D = circuit.wires, circuit.degree
    sets = []
    for witness in witnesses:
        proofs = Counter(all_transcripts(generators, instance, witness, y_hash, x_hash))
        assert proofs.total() == len(proofs) == q ** (n + 2 + D)  # no proof occurs twice
        sets.append(proofs)
    assert all(other == sets[0] for other in sets[1:])
    # B, A, T and f are uniform and independent: every combination occurs, once.
    assert len({proof[:4] for proof in sets[0]}) == q ** (2 + D + n)
    # And the proofs are all convincing, so these are the proofs the verifier sees.
    for B, A, T, f, z_1, z_2 in list(sets[0])[:: max(1, len(sets[0]) // 50)]:
        proof = Proof(B, A, T, f, z_1, z_2)  # type: ignore[arg-type]
        y, x = y_hash(B, A), x_hash(B, A, *T)  # type: ignore[misc]
        assert equations_hold(generators, instance, proof, y, x) == (True, True)


def test_the_enumeration_would_notice_a_leak() -> None:
    # Without a mask on T_1 the first witness's proofs are not the second's.
    generators = Generators(ToyGroup(3))
    circuit = bit().circuit
    instance, witnesses = witnesses_of_one_instance(generators, circuit, (), [(0,), (1,)])
    every = [mpz(value) for value in range(3)]
    sets = []
    for wires, openings in witnesses:
        proofs = set()
        for a, r_A, r_B, rho_0 in product(every, repeat=4):
            masks = Masks([a], r_A, r_B, [rho_0, mpz(0)])
            prover = InteractiveProver(generators, instance, wires, openings, masks)
            B, A = prover.announce()
            T = prover.combine(mpz(1))
            f, z_1, z_2 = prover.respond(mpz(2))
            proofs.add((B, A, tuple(T), tuple(f), z_1, z_2))
        sets.append(proofs)
    assert sets[0] != sets[1]


@pytest.mark.parametrize("case", ["bit", "lookup", "two lines"])
@pytest.mark.parametrize("challenge", [(2, 1), (0, 2), (1, 0)])
def test_simulated_proofs_are_exactly_the_real_ones(case: str, challenge: tuple[int, int]) -> None:
    # For given challenges (y, x): all choices of the simulator against all masks of the prover.
    order, circuit, publics, wires_of_each = HIDING_CASES[case]
    generators = Generators(ToyGroup(order))
    instance, witnesses = witnesses_of_one_instance(generators, circuit, publics, wires_of_each)
    y_hash, x_hash = map(constant_function, challenge)
    real = Counter(all_transcripts(generators, instance, witnesses[0], y_hash, x_hash))
    n, D = circuit.wires, circuit.degree
    every = [mpz(value) for value in range(order)]
    simulated: Counter[tuple[object, ...]] = Counter()
    for z_1, z_2, b, *rest in product(every, repeat=3 + n + D - 1):
        chosen = Choices(x_hash(), rest[:n], z_1, z_2, b, rest[n:])
        proof = solve(generators, instance, chosen, y_hash)
        simulated[proof.B, proof.A, proof.T, proof.f, proof.z_1, proof.z_2] += 1
    assert simulated == real


# The same with 17 elements, with the real transcript as the hash function and the proofs that
# `prove` gives. That is 1.4 million masks a witness: the prover's formulas are written out on
# arrays, and held to the real prover first.

Table17 = NDArray[np.int64]


def bit_proofs(
    generators: Generators, witness: Witness, masks: Table17, tables: tuple[Table17, Table17]
) -> Table17:
    """Proofs of the `bit` circuit, a row of exponents B, A, T_0, T_1, f, z_1, z_2 for each row of
    masks.

    Masks are a, r_A, r_B, ρ_0, ρ_1, all fully general; rows with an identity among the points are
    left out, as `prove` starts again there.
    """
    group = generators.group
    assert isinstance(group, ToyGroup)
    q, log = int(group.order), group.exponent
    G, H, J, W = (
        log(generators.G),
        log(generators.H),
        log(generators.J(1)[0]),
        log(generators.W(1)[0]),
    )
    (wires, (opening,)) = witness
    w, r = wires[0], int(opening.r)
    a, r_A, r_B, rho_0, rho_1 = masks.T
    B, A = (w * W + r_B * H) % q, (a * W + r_A * H) % q
    y_of, x_of = tables
    y = y_of[B, A]
    # F(X) = f(X)·(f(X) − X) with f(X) = wX + a, and the slot's form is f(X), times X to have
    # degree 2.
    T_0 = (a * a % q * G + rho_0 * H) % q
    T_1 = ((2 * w * a - a) % q * G + y * a % q * J + rho_1 * H) % q
    proper = (B != 0) & (A != 0) & (T_0 != 0) & (T_1 != 0)
    x = x_of[B, A, T_0, T_1]
    f, z_1 = (w * x + a) % q, (r_B * x + r_A) % q
    z_2 = (rho_0 + rho_1 * x + x * x % q * y % q * r) % q
    proofs = np.stack([B, A, T_0, T_1, f, z_1, z_2], axis=1)
    kept: Table17 = proofs[proper]
    return kept


def challenge_tables(group: ToyGroup, instance: Instance) -> tuple[Table17, Table17]:
    """y for every (B, A) and x for every (B, A, T_0, T_1), from the real transcript; 0 where there
    is an identity."""
    q = int(group.order)
    y_of = np.zeros((q, q), dtype=np.int64)
    x_of = np.zeros((q, q, q, q), dtype=np.int64)
    start = start_transcript(group, instance)
    encoded = [group.encode(group.point(e)) for e in range(1, q)]
    for (B, first), (A, second) in product(enumerate(encoded, 1), repeat=2):
        transcript = start.copy()
        transcript.absorb(first, second)
        y_of[B, A] = int(transcript.challenge())
        for (T_0, third), (T_1, fourth) in product(enumerate(encoded, 1), repeat=2):
            fork = transcript.copy()
            fork.absorb(third, fourth)
            x_of[B, A, T_0, T_1] = int(fork.challenge())
    return y_of, x_of


def prove_with(
    generators: Generators,
    instance: Instance,
    witness: Witness,
    masks: Sequence[int],
    monkeypatch: pytest.MonkeyPatch,
) -> Proof | None:
    """What `prove` makes of these masks; None if it starts again."""
    draws = iter([[mpz(mask) for mask in masks]])
    with monkeypatch.context() as patched:
        patched.setattr("zk.prove.hedged_scalars", lambda *arguments: next(draws))
        try:
            return prove(generators, instance, *witness)
        except StopIteration:
            return None


def test_in_a_group_of_17_real_proofs_say_nothing_about_the_witness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = ToyGroup(17)
    generators, circuit, q = Generators(group), bit().circuit, 17
    instance, witnesses = witnesses_of_one_instance(generators, circuit, (), [(0,), (1,)])
    tables = challenge_tables(group, instance)
    masks = np.stack(np.unravel_index(np.arange(q**5), (q,) * 5), axis=1)
    some = np.random.default_rng(17).choice(masks, 400, axis=0)
    sets = []
    for witness in witnesses:
        # The formulas on arrays are the real prover: on some masks at random, with those that
        # start again.
        rows = bit_proofs(generators, witness, some, tables).tolist()
        for chosen in some.tolist():
            proof = prove_with(generators, instance, witness, chosen, monkeypatch)
            if proof is not None:
                points = [group.exponent(P) for P in (proof.B, proof.A, *proof.T)]
                assert rows.pop(0) == [*points, *proof.f, proof.z_1, proof.z_2]
                verify(generators, instance, proof)
        assert not rows

        proofs = bit_proofs(generators, witness, masks, tables)
        assert len(proofs) == (q - 1) ** 4 * q
        codes = np.sort(proofs @ q ** np.arange(proofs.shape[1]))
        assert np.all(np.diff(codes) > 0)  # no proof occurs twice
        sets.append(codes)
        first = np.unique(proofs[:, :5] @ q ** np.arange(5))
        assert len(first) == len(proofs)  # every B, A, T_0, T_1, f occurs, once
    assert np.array_equal(sets[0], sets[1])
