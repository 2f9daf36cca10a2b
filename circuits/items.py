"""One article of a sale inside a circuit: hidden row, hidden price, and the limits on that price.

    wires      one-hot digits of the row; price digits; digits of limit − price where the limit
               depends on the row; one free wire for the correction, for lenses
    equations  column limit − price − slack = 0, where the limit depends on the row
    line       slot 1 the code (a column), 2 the price (a linear form), 3 the date (a public
               input), 4 the correction

What is the same for every row of the class (limit, share of the public payer, weight) is a constant
and costs no wire and no column. An article whose code is declared in clear has a single row, and
its code is a constant too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuits.contract import LEVEL_WEIGHT, Contract
from circuits.gadgets import Range, select_row
from circuits.nomenclature import Nomenclature, Row
from circuits.slots import Correction, Slot, pack_correction
from zk.errors import StatementError, WitnessError
from zk.relation import CircuitBuilder, Expression, LinearForm, Selector, Value


@dataclass(frozen=True, repr=False)
class Article:
    """What the optician sold: LPP code, price in cents, correction if known. Secret."""

    code: int = field(repr=False)
    price_cents: int = field(repr=False)
    correction: Correction | None = field(default=None, repr=False)


def price_limit_cents(row: Row, contract: Contract) -> int:
    """The largest price of a row in cents: the contract's cap, and the row's own limit if
    enforced."""
    cap = contract.price_cap_cents(row.regroupement)
    if contract.row_price_limits and row.price_limit_cents is not None:
        return min(cap, row.price_limit_cents)
    return cap


def level_weight(row: Row, nomenclature: Nomenclature) -> int:
    """Weight of a lens's legal level: simple 0, complex 1, very complex 3."""
    level = nomenclature.legal_level(row.regroupement)
    if level is None:
        raise StatementError(f"class {row.regroupement} has no legal level")
    return LEVEL_WEIGHT[level]


class ItemCircuit:
    """The part of a circuit that speaks of one article, and how to fill in its wires.

    ``bound`` is a price in cents that the rest of the statement rules out exceeding. ``weights``
    gives every row a number to be summed (`pair`).
    """

    def __init__(
        self,
        builder: CircuitBuilder,
        label: str,
        rows: Sequence[Row],
        contract: Contract,
        *,
        degree: int,
        day: LinearForm,
        bound: int | None = None,
        has_correction: bool = False,
        weights: Sequence[int] | None = None,
    ) -> None:
        self.label = label
        self._codes = [row.code for row in rows]
        self._limits = [price_limit_cents(row, contract) for row in rows]
        if bound is not None:
            self._limits = [min(limit, bound) for limit in self._limits]
        rate = contract.public_payer_rate_percent
        self._shares = shares = [row.public_share_cents(rate) for row in rows]
        self._selector: Selector | None = None
        needed = [self._codes, self._limits, shares, list(weights or [0])]
        varying = [column for column in needed if len(set(column)) > 1]
        if varying:
            self._selector = select_row(builder, varying, degree, f"{label}: code in its class")

        def value(column: list[int]) -> Value:
            if self._selector is None or column not in varying:
                return column[0]
            return builder.column(self._selector, varying.index(column))

        self.share: Value = value(shares)
        self.weight: Value = value(needed[3])
        self.largest_price = max(self._limits)
        self._price = Range.build(
            builder, self.largest_price, degree, f"{label}: price within its limit"
        )
        self.price = self._price.form
        self._slack: Range | None = None
        if len(set(self._limits)) > 1:
            self._slack = Range.build(
                builder, self.largest_price, degree, f"{label}: price within its limit"
            )
            builder.zero(
                Expression.of(value(self._limits)) - (self.price + self._slack.form),
                f"{label}: price within its limit",
            )
        self._correction = builder.free_wire() if has_correction else None
        builder.line(
            {
                Slot.CODE: value(self._codes),
                Slot.PRICE: self.price,
                Slot.DATE: day,
                Slot.CORRECTION: self._correction or 0,
            }
        )

    def assignment(self, article: Article) -> dict[int, int]:
        """This article's wires; raises `WitnessError`, in the user's words, if it does not fit."""
        row = self._row(article)
        wires = self._price.assignment(article.price_cents)
        if self._selector is not None:
            wires |= self._selector.assignment(row)
        if self._slack is not None:
            wires |= self._slack.assignment(self._limits[row] - article.price_cents)
        if self._correction is not None:
            wires[self._correction.wires[0][0]] = pack_correction(article.correction)
        elif article.correction is not None:
            raise WitnessError(f"{self.label}: only a lens has a correction")
        return wires

    def share_cents(self, article: Article) -> int:
        """The public payer's share of this article's row, in cents."""
        return self._shares[self._row(article)]

    def _row(self, article: Article) -> int:
        # No exception is caught here: its text, and so the context of ours, would hold the code.
        if article.code not in self._codes:
            raise WitnessError(f"{self.label}: the code is not in the declared class")
        return self._codes.index(article.code)
