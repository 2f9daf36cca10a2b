"""Circuits that demand too little: one equation missing, and somebody lives in the gap.

Each forger is accepted by our own verifier on the circuit with the gap. The constructor refuses to
make such a circuit, and on the right one the same wires prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.adversarial.statements import (
    CODES,
    HONEST,
    LIMITS,
    Purchase,
    bits,
    number,
    publics_of,
    purchase_of_any_code,
    purchase_of_two_rows,
    purchases,
    wires_of,
)
from tests.support.forgers import FreeProver, forge_with_false_wires
from tests.support.weak_verifier import WeakVerifier, checked_again, unchecked_circuit
from zk.errors import ProofRejected, StatementError, WitnessError
from zk.generators import Generators
from zk.relation import (
    Circuit,
    CircuitBuilder,
    Digit,
    Equation,
    Expression,
    LinearForm,
    Table,
    Zero,
)
from zk.verify import verify

pytestmark = pytest.mark.usefixtures("either_evaluator")


def digit_zero_is_a_bit(equation: Equation) -> bool:
    """1 − b_1 − b_2 of the row number's low digit."""
    return isinstance(equation, Digit) and equation.form == LinearForm(1, ((0, -1), (1, -1)))


def bit_of_wire(*wires: int) -> Callable[[Equation], bool]:
    """The equations that make bits of these wires."""
    forms = [LinearForm(0, ((wire, 1),)) for wire in wires]
    return lambda equation: isinstance(equation, Digit) and equation.form in forms


def limit_equation(equation: Equation) -> bool:
    """price + slack = limit of the row."""
    return isinstance(equation, Zero) and equation.label == "price ≤ limit"


@dataclass(frozen=True)
class Gap:
    """Equations left out, a purchase that uses it, its code, and the constructor's complaint."""

    missing: Callable[[Equation], bool]
    purchase: Purchase
    code: int
    complaint: str


GAPS = {
    # Indicators (−1, 1, 1): a sum of rows.
    "two-hot digit": Gap(
        digit_zero_is_a_bit,
        Purchase(0, 4, 4, one_hot=(1, 1, 0), limit=LIMITS[1] + LIMITS[2] - LIMITS[0]),
        CODES[1] + CODES[2] - CODES[0],
        "not one-hot",
    ),
    # Indicators (0, −1, 2): still 1 in all, but no row holds that code, nor so high a limit.
    "digit (2, −1)": Gap(
        bit_of_wire(0, 1),
        Purchase(0, 7, 7, one_hot=(-1, 2, 0), limit=2 * LIMITS[2] - LIMITS[1]),
        2 * CODES[2] - CODES[1],
        "not one-hot",
    ),
    # The high digit alone: indicators (−1, 2).
    "digit (2, −1) of base 2": Gap(
        bit_of_wire(2),
        Purchase(0, 2, 2, one_hot=(0, 0, 2), limit=2 * LIMITS[3] - LIMITS[0]),
        2 * CODES[3] - CODES[0],
        "not one-hot",
    ),
    "negative slack": Gap(
        bit_of_wire(6, 7, 8), Purchase(1, 7, 7), CODES[1], "a wire that nothing bounds"
    ),
    # A price of 900 fits under no limit: the limit's equation has to be gone too.
    "price digit without a bound": Gap(
        lambda equation: bit_of_wire(5)(equation) or limit_equation(equation),
        Purchase(1, 900, 900, slack=(1, 1, 1), limit=907),
        CODES[1],
        "a wire that nothing bounds",
    ),
}


def without(circuit: Circuit, missing: Callable[[Equation], bool]) -> Circuit:
    """``circuit`` without some equations; at least one."""
    kept = [equation for equation in circuit.equations if not missing(equation)]
    assert len(kept) < len(circuit.equations)
    return unchecked_circuit(circuit, equations=kept)


@pytest.mark.parametrize("name", GAPS)
def test_forger_succeeds_on_the_gap_and_fails_on_the_right_circuit(
    generators: Generators, name: str
) -> None:
    gap, plain = GAPS[name], WeakVerifier(generators)
    publics, wires = publics_of(gap.purchase), gap.purchase.wires
    weak = without(purchases(), gap.missing)
    # The accept that this mutates: an honest purchase, on the weak circuit and on the right one.
    for circuit in (weak, purchases()):
        verify(
            generators,
            *forge_with_false_wires(plain, circuit, publics_of(HONEST), wires_of(HONEST)),
        )
    instance, proof = forge_with_false_wires(plain, weak, publics, wires)
    verify(generators, instance, proof)
    code, price, *_ = FreeProver(plain, weak, publics, wires).line_values()[0]
    assert (code, price) == (gap.code, gap.purchase.price)
    assert (code, price) not in allowed()

    with pytest.raises(StatementError, match=gap.complaint):
        checked_again(weak)
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_false_wires(plain, purchases(), publics, wires))
    with pytest.raises(ProofRejected):
        verify(generators, replace(instance, circuit=purchases()), proof)


def allowed() -> set[tuple[int, int]]:
    """Every (code, price) that `purchases` permits."""
    return {
        (code, price)
        for code, limit in zip(CODES, LIMITS, strict=True)
        for price in range(limit + 1)
    }


# -- lawful circuits that say something else ---------------------------------------------------


def test_limit_of_another_row(generators: Generators) -> None:
    """One selector a column: the code of row 1 (limit 3) under the limit of row 2 (limit 7).

    With one selector for both, the wires have nowhere to hold a second row number, so the forger
    can only claim the limit of row 2 for row 1 and break the limit's equation.
    """
    plain = WeakVerifier(generators)
    greedy = Purchase(row=1, price=7, amount=7, slack=(0, 0, 0))
    publics = publics_of(greedy)
    one_hot_of_row_2 = [0, 1, 0]
    wires = [*greedy.wires[:3], *one_hot_of_row_2, *greedy.wires[3:]]
    verify(generators, *forge_with_false_wires(plain, purchase_of_two_rows(), publics, wires))
    modest = Purchase(row=1, price=3, amount=3)
    verify(
        generators, *forge_with_false_wires(plain, purchases(), publics_of(modest), modest.wires)
    )
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_false_wires(plain, purchases(), publics, greedy.wires))


def test_code_of_another_row(generators: Generators) -> None:
    """The code not tied to the row: code of row 1 (limit 3), index of row 2 (limit 7).

    On the right circuit the forger points at row 2 and commits to the code of row 1; (ii) then has
    the difference of the codes left over, on J_1.
    """
    plain = WeakVerifier(generators)
    index = Purchase(row=2, price=7, amount=7)
    publics, values = publics_of(index), [[CODES[1], 7, 7_300, 77_777]]
    loose = purchase_of_any_code()
    wires = [*index.wires[:3], CODES[1], *index.wires[3:]]
    verify(generators, *forge_with_false_wires(plain, loose, publics, wires, values))
    right_values = [[CODES[2], 7, 7_300, 77_777]]
    verify(
        generators,
        *forge_with_false_wires(plain, purchases(), publics, index.wires, right_values),
    )
    with pytest.raises(ProofRejected):
        verify(
            generators, *forge_with_false_wires(plain, purchases(), publics, index.wires, values)
        )


@pytest.mark.parametrize("slot", range(4))
def test_committing_to_what_the_wires_do_not_say(generators: Generators, slot: int) -> None:
    """Each slot in turn one higher than what the accepted line holds."""
    plain = WeakVerifier(generators)
    publics, wires = publics_of(HONEST), HONEST.wires
    honest = [CODES[3], HONEST.price, 7_300, 77_777]
    verify(generators, *forge_with_false_wires(plain, purchases(), publics, wires, [honest]))
    lie = [value + (s == slot) for s, value in enumerate(honest)]
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_false_wires(plain, purchases(), publics, wires, [lie]))


# -- sums that wrap around ---------------------------------------------------------------------


def cap_with_slack(digits: int, cap: int = 5) -> Circuit:
    """price + slack = cap for a price of 3 bits and a slack of ``digits`` hexadecimal digits."""
    builder = CircuitBuilder(1)
    price = number([builder.digit(2, "price") for _ in range(3)])
    first = 3
    for _ in range(digits):
        builder.digit(16, "slack")
    builder.line({1: price})
    circuit = builder.build()
    slack = LinearForm(0, tuple((first + k, 16**k) for k in range(digits)))
    total = Zero(Expression(price + slack - cap), "price ≤ cap")
    return unchecked_circuit(circuit, equations=[*circuit.equations, total])


def test_wrapped_sum(generators: Generators) -> None:
    """Price 7, cap 5: the slack is −2, modulo q the same as q − 2, which 64 digits can say.

    With as many digits as the constructor lets through no slack makes the equation hold: it would
    have to be q − 2, and the forger who writes the low digits of that is refused.
    """
    plain = WeakVerifier(generators)
    q = int(generators.group.order)

    def wires(price: int, slack: int, digits: int) -> list[int]:
        return [*bits(price), *(slack >> 4 * k & 15 for k in range(digits))]

    weak = cap_with_slack(64)
    verify(generators, *forge_with_false_wires(plain, weak, (), wires(5, 0, 64)))
    verify(generators, *forge_with_false_wires(plain, weak, (), wires(7, q - 2, 64)))
    with pytest.raises(StatementError, match=r"coefficient reaches 2\^53"):
        checked_again(weak)

    widest = max(d for d in range(1, 64) if is_lawful(cap_with_slack(d)))
    assert widest == 14  # 16^13 < 2^53 ≤ 16^14
    lawful = checked_again(cap_with_slack(widest))
    verify(generators, *forge_with_false_wires(plain, lawful, (), wires(5, 0, widest)))
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_false_wires(plain, lawful, (), wires(7, q - 2, widest)))


def is_lawful(circuit: Circuit) -> bool:
    """Whether the constructor lets a circuit pass."""
    try:
        checked_again(circuit)
    except StatementError:
        return False
    return True


@pytest.mark.parametrize(("columns", "lawful"), [(4_095, True), (4_097, False)])
def test_no_equation_may_come_near_the_group_order(columns: int, lawful: bool) -> None:
    """Coefficients below 2^53 on entries below 2^63 reach 2^128 with 2^12 columns: refused."""
    builder = CircuitBuilder(1)
    selector = builder.select(Table((((1 << 63) - 1,),) * columns), (2,))
    terms = tuple((builder.column(selector, c), (1 << 53) - 1) for c in range(columns))
    builder.zero(Expression(columns=terms))
    builder.line({1: 0})
    if lawful:
        assert builder.build().magnitude < 1 << 128
    else:
        with pytest.raises(StatementError, match="wrap around"):
            builder.build()


def test_an_unbounded_wire_in_an_equation_is_a_slack_for_everything(generators: Generators) -> None:
    """price + w = cap for a free wire w = cap − price: proves nothing, so it is refused."""
    plain = WeakVerifier(generators)
    builder = CircuitBuilder(1)
    price = number([builder.digit(2, "price") for _ in range(3)])
    slack = builder.free_wire()
    builder.line({1: price})
    circuit = builder.build()
    weak = unchecked_circuit(
        circuit, equations=[*circuit.equations, Zero(Expression(price + slack - 5))]
    )
    verify(generators, *forge_with_false_wires(plain, weak, (), [*bits(7), -2]))
    with pytest.raises(StatementError, match="nothing bounds"):
        checked_again(weak)


def test_our_own_prover_does_not_lend_itself() -> None:
    """`check_witness` names the equation for each of the gaps' wires."""
    for gap in GAPS.values():
        with pytest.raises(WitnessError):
            purchases().check_witness(gap.purchase.wires, publics_of(gap.purchase))
