"""Provers that deviate. Each forger's docstring gives the algebra of its attack.

A forger talks to a `WeakVerifier`, from which it also draws its challenges: told to attack a weak
one it uses the weakness, told to attack one without weakness it does the same work in vain.
Symbols as in ``docs/protocol.md``: E_1 and E_2 are what is left of the verifier's equations (i)
and (ii), left side minus right side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flint import fmpq_mat, fmpz_mat, fmpz_mod_poly_ctx
from gmpy2 import invert, mpz

from tests.support.weak_verifier import WeakVerifier
from zk.encoding import Proof
from zk.field import Scalar, interpolate
from zk.group import Point
from zk.instance import Instance
from zk.randomness import random_scalars
from zk.relation import Circuit

Forgery = tuple[Instance, Proof]

CONTEXT = bytes(range(32))
OTHER_CONTEXT = bytes(reversed(CONTEXT))


# -- a prover without a conscience -------------------------------------------------------------


class FreeProver:
    """The prover's messages for any wires whatever, true or false, modulo q.

    With a true witness it is an honest prover. With a false one it sends the T_k as if Σ_e y^e·F_e
    had no coefficient at X^D, and is caught unless the attack built on it does something about
    that.
    """

    def __init__(
        self,
        verifier: WeakVerifier,
        circuit: Circuit,
        publics: Sequence[int],
        wires: Sequence[int],
    ) -> None:
        self.verifier, self.circuit, self.publics = verifier, circuit, tuple(publics)
        self.q = q = verifier.group.order
        self.w = [mpz(w) % q for w in wires]
        self.a = random_scalars(circuit.wires, q)
        self.r_A, self.r_B, *self.rho = random_scalars(3 + circuit.degree, q)
        self.r = random_scalars(len(circuit.lines), q)
        self.g: list[Scalar] = []
        self.h: list[list[Scalar]] = []

    def line_values(self) -> list[list[Scalar]]:
        """What the lines say of these wires."""
        return [
            [self.verifier.expression(self.circuit, e, self.publics, self.w, mpz(1)) for e in line]
            for line in self.circuit.lines
        ]

    def commitments(
        self,
        values: Sequence[Sequence[int]] | None = None,
        extra: Mapping[int, Sequence[tuple[int, Point]]] | None = None,
    ) -> tuple[Point, ...]:
        """C_l to what the lines say, or to ``values``, plus whatever ``extra`` adds to line l."""
        generators, lines = self.verifier.generators, []
        for l, line in enumerate(self.line_values() if values is None else values):
            added = list((extra or {}).get(l, ()))
            lines.append(
                self.combine(
                    [*line, self.r[l], *(k for k, _ in added)],
                    [*generators.J(len(line)), generators.H, *(P for _, P in added)],
                )
            )
        return tuple(lines)

    def instance(
        self,
        commitments: tuple[Point, ...] | None = None,
        context: bytes = CONTEXT,
    ) -> Instance:
        """An instance about ``commitments``, by default about true ones."""
        return Instance(self.circuit, self.publics, context, commitments or self.commitments())

    def first(self) -> tuple[Point, Point]:
        """B and A."""
        points = [*self.verifier.generators.W(self.circuit.wires), self.verifier.generators.H]
        return self.combine([*self.w, self.r_B], points), self.combine([*self.a, self.r_A], points)

    def second(self, y: Scalar) -> list[Point]:
        """T_0…T_{D−1}; keeps all D + 1 coefficients on G in `g`, on J_1, J_2, … in `h`."""
        generators, D = self.verifier.generators, self.circuit.degree
        values = [
            self.verifier.field_part(self.circuit, self.publics, self.f(mpz(t)), mpz(t), y)
            for t in range(D + 1)
        ]
        self.g = interpolate([on_G for on_G, _ in values], self.q)
        slots = range(self.circuit.slots)
        self.h = [interpolate([on_J[s] for _, on_J in values], self.q) for s in slots]
        points = [generators.G, *generators.J(self.circuit.slots), generators.H]
        return [
            self.combine([self.g[k], *(h[k] for h in self.h), self.rho[k]], points)
            for k in range(D)
        ]

    def f(self, x: Scalar) -> list[Scalar]:
        """f_i = w_i·x + a_i."""
        return [(w * x + a) % self.q for w, a in zip(self.w, self.a, strict=True)]

    def third(self, x: Scalar, y: Scalar) -> tuple[tuple[Scalar, ...], Scalar, Scalar]:
        """f, z_1, z_2."""
        z_2 = self.at(self.rho[: self.circuit.degree], x)
        for l, r in enumerate(self.r):
            power = self.verifier.line_power(self.circuit, y, l)
            z_2 += pow(x, self.circuit.degree, self.q) * power * r
        return tuple(self.f(x)), (self.r_B * x + self.r_A) % self.q, z_2 % self.q

    def at(self, coefficients: Sequence[Scalar], x: Scalar) -> Scalar:
        """The polynomial with these coefficients, lowest first, at x."""
        return sum((c * pow(x, k, self.q) for k, c in enumerate(coefficients)), mpz(0)) % self.q

    def combine(self, scalars: Sequence[int], points: Sequence[Point]) -> Point:
        """``Σ scalars[i]·points[i]`` for any integers."""
        return self.verifier.group.msm([mpz(k) % self.q for k in scalars], points)

    def speak(self, instance: Instance) -> Proof:
        """The whole protocol as it should be spoken."""
        B, A = self.first()
        T = self.second(self.verifier.challenge_y(instance, B, A))
        y, x = self.verifier.challenges(instance, B, A, T)
        return Proof(B, A, tuple(T), *self.third(x, y))


def forge_with_false_wires(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    wires: Sequence[int],
    values: Sequence[Sequence[int]] | None = None,
) -> Forgery:
    """Claim wires that no honest prover would, and commit to what the lines read off them (or to
    ``values``).

    Whatever the verifier's equations do not say about the wires, these may break: accepted exactly
    when every P_e(w) = 0 modulo q as the verifier reads it, and the lines fit.
    """
    prover = FreeProver(verifier, circuit, publics, wires)
    instance = prover.instance(prover.commitments(values))
    return instance, prover.speak(instance)


# -- messages left out of the transcript -------------------------------------------------------


def forge_with_late_T(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int], k: int
) -> Forgery:
    """T_k not bound: x does not depend on it. Prove anything, then T_k := T_k − x^(−k)·E_2."""
    prover = FreeProver(verifier, circuit, publics, wires)
    instance = prover.instance()
    proof = prover.speak(instance)
    _, x = verifier.challenges(instance, proof.B, proof.A, proof.T)
    _, E_2 = verifier.residuals(instance, proof)
    late = prover.combine([1, -invert(x**k, prover.q)], [proof.T[k], E_2])
    return instance, replace(proof, T=(*proof.T[:k], late, *proof.T[k + 1 :]))


def forge_with_late_commitment(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int], l: int
) -> Forgery:
    """C_l not bound: prove anything, then C_l := C_l − (x^D·y^(E+l))^(−1)·E_2.

    The C_l found holds a component on G that takes the broken equations up, so it cannot be opened.
    """
    prover = FreeProver(verifier, circuit, publics, wires)
    instance = prover.instance()
    proof = prover.speak(instance)
    y, x = verifier.challenges(instance, proof.B, proof.A, proof.T)
    _, E_2 = verifier.residuals(instance, proof)
    weight = x**circuit.degree * verifier.line_power(circuit, y, l)
    late = prover.combine([1, -invert(weight, prover.q)], [instance.commitments[l], E_2])
    lines = (*instance.commitments[:l], late, *instance.commitments[l + 1 :])
    return replace(instance, commitments=lines), proof


def forge_with_late_B(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> Forgery:
    """B not bound: nothing holds f to anything. After x move one f_i until (ii) holds,

        g(f; x) = Σ_{k<D} x^k·g_k   (one polynomial equation in f_i; no line reads wire i),

    and then solve (i) for B := B − x^(−1)·E_1.
    """
    instance, proof, x = _with_f_after_x(verifier, circuit, publics, wires)
    E_1, _ = verifier.residuals(instance, proof)
    q = verifier.group.order
    return instance, replace(
        proof, B=verifier.group.msm([mpz(1), -invert(x, q) % q], [proof.B, E_1])
    )


def forge_with_late_A(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> Forgery:
    """A not bound: as `forge_with_late_B`, but A := A − E_1."""
    instance, proof, _ = _with_f_after_x(verifier, circuit, publics, wires)
    E_1, _ = verifier.residuals(instance, proof)
    q = verifier.group.order
    return instance, replace(proof, A=verifier.group.msm([mpz(1), q - 1], [proof.A, E_1]))


def _with_f_after_x(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> tuple[Instance, Proof, Scalar]:
    """A proof whose f satisfies (ii) and not (i)."""
    while True:
        prover = FreeProver(verifier, circuit, publics, wires)
        instance = prover.instance()
        proof = prover.speak(instance)
        y, x = verifier.challenges(instance, proof.B, proof.A, proof.T)
        target = prover.at(prover.g[: circuit.degree], x)
        for wire in unread_wires(circuit):
            moved = moved_along(verifier, circuit, publics, proof.f, {wire: 1}, x, y, target)
            if moved is not None:
                return instance, replace(proof, f=tuple(moved)), x


def forge_with_late_publics(
    verifier: WeakVerifier, circuit: Circuit, wires: Sequence[int]
) -> Forgery:
    """Public inputs not bound: choose them after y such that the broken equations cancel.

    Σ_e y^e·P_e(w, u) is affine in u. With enough public inputs it has a zero with every u_j in its
    range: a short vector of a lattice (`small_solution`). From there on the proof is honest.
    """
    prover = FreeProver(verifier, circuit, [0] * len(circuit.publics), wires)
    commitments = prover.commitments()
    B, A = prover.first()
    y = verifier.challenge_y(prover.instance(commitments), B, A)

    def errors(publics: Sequence[int]) -> Scalar:
        return verifier.field_part(circuit, publics, prover.w, mpz(1), y)[0]

    prover.publics = affine_zero(errors, len(circuit.publics), min(circuit.publics), prover.q)
    instance = prover.instance(commitments)
    T = prover.second(y)
    _, x = verifier.challenges(instance, B, A, T)
    return instance, Proof(B, A, tuple(T), *prover.third(x, y))


def forge_with_late_circuit(
    verifier: WeakVerifier,
    circuit_of: Callable[[Sequence[int]], Circuit],
    count: int,
    bound: int,
    wires: Sequence[int],
) -> Forgery:
    """Circuit digest not bound: choose its ``count`` constants in [0, ``bound``) after y, as
    public inputs above."""
    prover = FreeProver(verifier, circuit_of([0] * count), (), wires)
    commitments = prover.commitments()
    B, A = prover.first()
    y = verifier.challenge_y(prover.instance(commitments), B, A)

    def errors(constants: Sequence[int]) -> Scalar:
        return verifier.field_part(circuit_of(constants), (), prover.w, mpz(1), y)[0]

    prover.circuit = circuit_of(affine_zero(errors, count, bound, prover.q))
    instance = prover.instance(commitments)
    T = prover.second(y)
    _, x = verifier.challenges(instance, B, A, T)
    return instance, Proof(B, A, tuple(T), *prover.third(x, y))


def forge_for_another_context(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> Forgery:
    """Context not bound: hand in, under another context, a proof made for this one."""
    prover = FreeProver(verifier, circuit, publics, wires)
    instance = prover.instance(context=OTHER_CONTEXT)
    return replace(instance, context=CONTEXT), prover.speak(instance)


def forge_from_another_session(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> Forgery:
    """Session tag not bound: hand in what was proved in another protocol, here a rehearsal."""
    rehearsal = WeakVerifier(verifier.generators, verifier.weakness, "clairobscur/rehearsal/v1")
    prover = FreeProver(rehearsal, circuit, publics, wires)
    instance = prover.instance()
    return instance, prover.speak(instance)


# -- weights -----------------------------------------------------------------------------------


def forge_by_reopening_B(
    verifier: WeakVerifier, circuit: Circuit, publics: Sequence[int], wires: Sequence[int]
) -> Forgery:
    """(i) and (ii) of one proof under the same weight: T_1, sent after y, re-opens B.

    Both B and T_1 come with x^1, so only x·(B + T_1) is checked. After y move one wire, w_i' = w_i
    + Δ, until Σ_e y^e·P_e(w') = 0; speak as if B held w', and add Δ·G_i to T_1. Then E_1 = −xΔ·G_i
    = −E_2.
    """
    while True:
        prover = FreeProver(verifier, circuit, publics, wires)
        instance = prover.instance()
        B, A = prover.first()
        y = verifier.challenge_y(instance, B, A)
        for wire in unread_wires(circuit):
            moved = moved_along(verifier, circuit, publics, prover.w, {wire: 1}, mpz(1), y, mpz(0))
            if moved is None:
                continue
            shift = moved[wire] - prover.w[wire]
            prover.w = moved
            T = prover.second(y)
            G_i = verifier.generators.W(circuit.wires)[wire]
            T[1] = prover.combine([1, shift], [T[1], G_i])
            _, x = verifier.challenges(instance, B, A, T)
            return instance, Proof(B, A, tuple(T), *prover.third(x, y))


def forge_cancelling_pair(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    false_wires: Sequence[int],
    true_wires: Sequence[int],
) -> list[Forgery]:
    """Equal weights: one proof of a falsehood, with E_2 = E; one of a truth, with T_0 − E for T_0,
    hence E_2 = −E."""
    false_instance, false_proof = forge_with_false_wires(verifier, circuit, publics, false_wires)
    _, error = verifier.residuals(false_instance, false_proof)
    prover = FreeProver(verifier, circuit, publics, true_wires)
    instance = prover.instance()
    B, A = prover.first()
    T = prover.second(verifier.challenge_y(instance, B, A))
    T[0] = prover.combine([1, -1], [T[0], error])
    y, x = verifier.challenges(instance, B, A, T)
    return [
        (false_instance, false_proof),
        (instance, Proof(B, A, tuple(T), *prover.third(x, y))),
    ]


def spoil_pair(verifier: WeakVerifier, pair: Sequence[Forgery], name: str) -> list[Forgery]:
    """Equal weights: add 1 to the response ``name`` (z_1 or z_2) of one valid proof, take it off
    another's.

    The errors −H and +H cancel in (i), or in (ii); no hash covers the responses.
    """
    q = verifier.group.order
    (one, first), (two, second) = pair
    return [
        (one, replace(first, **{name: (getattr(first, name) + 1) % q})),
        (two, replace(second, **{name: (getattr(second, name) - 1) % q})),
    ]


# -- powers, shapes, generators ----------------------------------------------------------------


def forge_with_extra_T(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    wires: Sequence[int],
    commitments: tuple[Point, ...],
) -> Forgery:
    """As many T_k as one likes: T_D stands at x^D, where only the C_l may stand, and takes
    everything up,

        T_D = g_D·G + Σ_s h_{D,s}·J_s + ρ_D·H − Σ_l y^(E+l)·C_l,

    for any wires and any C_l at all, with components on whatever generator.
    """
    prover = FreeProver(verifier, circuit, publics, wires)
    generators, D = verifier.generators, circuit.degree
    instance = prover.instance(commitments)
    B, A = prover.first()
    y = verifier.challenge_y(instance, B, A)
    T = prover.second(y)
    T.append(
        prover.combine(
            [
                prover.g[D],
                *(h[D] for h in prover.h),
                prover.rho[D],
                *(-verifier.line_power(circuit, y, l) for l in range(len(commitments))),
            ],
            [generators.G, *generators.J(circuit.slots), generators.H, *commitments],
        )
    )
    _, x = verifier.challenges(instance, B, A, T)
    f, z_1, _ = prover.third(x, y)
    return instance, Proof(B, A, tuple(T), f, z_1, prover.at(prover.rho, x))


def forge_with_component_on_G(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    wires: Sequence[int],
    component: int,
) -> Forgery:
    """Lines share the equations' powers of y: P_0(w) = ε at y^0·G is met by ε·G in C_0 at y^0."""
    prover = FreeProver(verifier, circuit, publics, wires)
    extra = {0: [(component, verifier.generators.G)]}
    instance = prover.instance(prover.commitments(extra=extra))
    return instance, prover.speak(instance)


def forge_over_repeated_generator(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    wires: Sequence[int],
    pair: tuple[int, int],
) -> Forgery:
    """G_i = G_j: (i) sees f_i + f_j only. After x move f_i up and f_j down by the same until (ii)
    holds."""
    i, j = pair
    while True:
        prover = FreeProver(verifier, circuit, publics, wires)
        instance = prover.instance()
        proof = prover.speak(instance)
        y, x = verifier.challenges(instance, proof.B, proof.A, proof.T)
        target = prover.at(prover.g[: circuit.degree], x)
        moved = moved_along(verifier, circuit, publics, proof.f, {i: 1, j: -1}, x, y, target)
        if moved is not None:
            return instance, replace(proof, f=tuple(moved))


# -- algebra -----------------------------------------------------------------------------------


def unread_wires(circuit: Circuit) -> list[int]:
    """Wires that no line reads, directly or through a column."""
    read: set[int] = set()
    for line in circuit.lines:
        for expression in line:
            read.update(wire for wire, _ in expression.form.wires)
            for column, _ in expression.columns:
                for digit in circuit.selectors[column.selector].digits:
                    read.update(digit)
    return [wire for wire in range(circuit.wires) if wire not in read]


def moved_along(
    verifier: WeakVerifier,
    circuit: Circuit,
    publics: Sequence[int],
    f: Sequence[Scalar],
    direction: Mapping[int, int],
    x: Scalar,
    y: Scalar,
    target: Scalar,
) -> list[Scalar] | None:
    """f + t·direction with g(f + t·direction; x) = ``target`` for some t, or None where there is
    no such t."""
    q = verifier.group.order

    def moved(t: Scalar) -> list[Scalar]:
        return [(value + t * direction.get(i, 0)) % q for i, value in enumerate(f)]

    values = [
        verifier.field_part(circuit, publics, moved(mpz(t)), x, y)[0] - target
        for t in range(circuit.degree + 1)
    ]
    polynomial = fmpz_mod_poly_ctx(int(q))([int(c) for c in interpolate(values, q)])
    if polynomial.degree() < 1:
        return None
    roots = polynomial.roots()
    return moved(mpz(int(roots[0][0]))) if roots else None


def affine_zero(
    function: Callable[[Sequence[int]], Scalar], count: int, bound: int, q: Scalar
) -> tuple[int, ...]:
    """u in [0, ``bound``)^``count`` with function(u) = 0 modulo q, for an affine function."""
    at_zero = function([0] * count)
    slopes = [(function([int(i == j) for i in range(count)]) - at_zero) % q for j in range(count)]
    return small_solution(slopes, -at_zero % q, bound, q)


def small_solution(
    coefficients: Sequence[Scalar], target: Scalar, bound: int, q: Scalar
) -> tuple[int, ...]:
    """u in [0, ``bound``)^m with Σ c_j·u_j = ``target`` modulo q; needs bound^m well above q.

    The solutions form a coset of the lattice {v: Σ c_j·v_j = 0 mod q}, of determinant q. Babai's
    rounding in an LLL-reduced basis finds one about q^(1/m) away from the middle of the box.
    """
    m, scale = len(coefficients), invert(coefficients[0], q)
    rows = [[int(q)] + [0] * (m - 1)]
    for j in range(1, m):
        rows.append([int(-coefficients[j] * scale % q)] + [int(j == i) for i in range(1, m)])
    basis = fmpz_mat(rows).lll()
    away = [int(target * scale % q) - bound // 2] + [-(bound // 2)] * (m - 1)
    real = fmpq_mat(basis).transpose().solve(fmpq_mat(m, 1, away))
    nearest = [int((real[j, 0] * 2 + 1).floor()) // 2 for j in range(m)]
    lattice_point = fmpz_mat(1, m, nearest) * basis
    solution = tuple(bound // 2 + away[j] - int(lattice_point[0, j]) for j in range(m))
    assert all(0 <= u < bound for u in solution), "no small solution: use more unknowns"
    return solution
