"""Statements ``equipment`` and ``pair``: right lens, left lens, frame, up to four supplements.

    public inputs  date of service, amount claimed for lenses with supplements, amount for the frame
    lines          one an article, in this order

Proved of the hidden codes and prices p (`ItemCircuit`: each code in its class, each price within
its limit):

    slack_lenses  = Σ p_lens,supplement − Σ shares − amount_lenses  ≥ 0
    slack_frame   = p_frame − share_frame − amount_frame            ≥ 0
    slack_ceiling = ceiling − amount(class B part) − Σ p(class A part) ≥ 0   in a mixed basket
    Σ weights of the two lenses = weight of the declared level              for ``pair``

where a share is the public payer's part of a hidden row. Both amounts are public, so the ceilings
on them are compared in clear (`EquipmentStatement.publics`). A ceiling limits what is paid and
never a price.

``pair`` looks both lenses up in the union of all classes of their price class: the insurer learns
the level of the pair and neither class nor which eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from circuits.compiled import Amounts, CompiledStatement
from circuits.contract import LEVEL_WEIGHT, Contract, EquipmentLevel, level_of, weight_of
from circuits.declaration import Declaration, check_floor, equipment_lines, rows_of
from circuits.gadgets import Range
from circuits.items import Article, ItemCircuit, level_weight
from circuits.nomenclature import Nomenclature, PriceClass, Row
from circuits.slots import encode_day
from zk.errors import StatementError, WitnessError
from zk.relation import Expression

EQUIPMENT_DEGREE = 10
PAIR_DEGREE = 11
"""Chosen by measurement, see ``docs/performance.md``."""

_LENS_LABELS = ("right lens", "left lens")


class CeilingError(StatementError):
    """An amount claimed is over a reimbursement ceiling."""


class EquipmentStatement(CompiledStatement):
    """See module docstring. Raises `StatementError` for a declaration that does not fit."""

    def __init__(
        self,
        declaration: Declaration,
        contract: Contract,
        nomenclature: Nomenclature,
        day: date,
        degree: int | None = None,
    ) -> None:
        supplements = equipment_lines(declaration)
        is_pair = declaration.statement == "pair"
        degree = degree or (PAIR_DEGREE if is_pair else EQUIPMENT_DEGREE)
        if is_pair:
            lens_rows, weights = _union_rows(declaration, contract, nomenclature, day)
            level = declaration.level
            assert level is not None  # `_union_rows` has refused that
        else:
            lens_rows = _class_rows(declaration, contract, nomenclature, day)
            weights = None
            level = level_of(sum(level_weight(rows[0], nomenclature) for rows in lens_rows))
        frame_rows = rows_of(declaration.lines[2], "frame", "frame", contract, nomenclature, day)
        price_classes = {_price_class(rows, nomenclature) for rows in lens_rows}
        if len(price_classes) != 1:
            raise StatementError("the two lenses are of different price classes")
        (lens_class,) = price_classes
        frame_class = _price_class(frame_rows, nomenclature)

        self.level: EquipmentLevel = level
        self.ceiling_cents = ceiling = contract.reimbursement_ceilings_cents[level]
        self.frame_ceiling_cents = min(contract.frame_ceiling_cents, ceiling)
        # In a mixed basket the class A prices count against the ceiling, which bounds them.
        self._mixed = lens_class != frame_class
        self._class_a_lenses = lens_class == "A"
        lens_bound = ceiling if self._mixed and lens_class == "A" else None
        frame_bound = ceiling if self._mixed and frame_class == "A" else None

        builder, day_input = self._start()
        lenses_claimed = builder.public(ceiling)
        frame_claimed = builder.public(self.frame_ceiling_cents)

        def item(
            label: str, rows: Sequence[Row], bound: int | None, is_lens: bool = False
        ) -> ItemCircuit:
            return ItemCircuit(
                builder,
                label,
                rows,
                contract,
                degree=degree,
                day=day_input,
                bound=bound,
                has_correction=is_lens,
                weights=weights if is_lens else None,
            )

        self._lenses = [
            item(label, rows, lens_bound, is_lens=True)
            for label, rows in zip(_LENS_LABELS, lens_rows, strict=True)
        ]
        self._frame = item("frame", frame_rows, frame_bound)
        self._supplements = []
        for number, line in enumerate(supplements, start=1):
            label = f"supplement {number}"
            rows = rows_of(line, label, "supplement", contract, nomenclature, day)
            if _price_class(rows, nomenclature) not in (None, lens_class):
                raise StatementError(f"{label}: not of the lenses' price class")
            self._supplements.append(item(label, rows, lens_bound))
        self.items = (*self._lenses, self._frame, *self._supplements)

        if is_pair:
            total = Expression.of(self._lenses[0].weight) + self._lenses[1].weight
            builder.zero(total - weight_of(level), "pair: the declared level")

        def slack(cap: int, of: Expression, label: str) -> Range:
            part = Range.build(builder, cap, degree, label)
            builder.zero(of - part.form, label)
            return part

        lens_part = [*self._lenses, *self._supplements]
        lens_cap = sum(item.largest_price for item in lens_part)
        self._lenses_slack = slack(
            min(lens_cap, ceiling) if lens_bound is not None else lens_cap,
            _net(lens_part) - lenses_claimed,
            "amount for the lenses within their prices less the public payer's shares",
        )
        self._frame_slack = slack(
            self._frame.largest_price,
            _net([self._frame]) - frame_claimed,
            "amount for the frame within its price less the public payer's share",
        )
        self._ceiling_slack: Range | None = None
        if self._mixed:
            class_a = lens_part if self._class_a_lenses else [self._frame]
            claimed = frame_claimed if self._class_a_lenses else lenses_claimed
            self._ceiling_slack = slack(
                ceiling,
                Expression.of(ceiling - claimed) - _total(class_a),
                "amount for the class B part within the ceiling less the class A prices",
            )
        self.circuit = builder.build()

    def publics(self, day: date, amounts: Amounts | None) -> tuple[int, ...]:
        """As the base class says; raises `CeilingError` for an amount over its ceiling."""
        if amounts is None:
            raise StatementError("the amounts are missing")
        if amounts.total_cents > self.ceiling_cents:
            raise CeilingError(
                f"total claimed is over the ceiling of {self.ceiling_cents} cents "
                f"for level {self.level}"
            )
        if amounts.frame_cents > self.frame_ceiling_cents:
            raise CeilingError(
                f"frame: claimed over its ceiling of {self.frame_ceiling_cents} cents"
            )
        return encode_day(day), amounts.lenses_cents, amounts.frame_cents

    def largest_amounts(self, articles: Sequence[Article]) -> Amounts:
        """Frame first, up to its ceiling; then the lenses, up to what is left."""
        lenses, frame, ceiling_left = self._net_cents(articles)
        frame_claimed = min(frame, self.frame_ceiling_cents)
        if self._mixed and self._class_a_lenses:
            frame_claimed = min(frame_claimed, ceiling_left)
        frame_claimed = max(frame_claimed, 0)
        lenses_claimed = min(lenses, self.ceiling_cents - frame_claimed)
        if self._mixed and not self._class_a_lenses:
            lenses_claimed = min(lenses_claimed, ceiling_left)
        return Amounts(max(lenses_claimed, 0), frame_claimed)

    def _net_cents(self, articles: Sequence[Article]) -> tuple[int, int, int]:
        """Lenses and frame less the shares, and the ceiling less the class A prices, in cents."""
        net = [
            article.price_cents - item.share_cents(article)
            for item, article in zip(self.items, articles, strict=True)
        ]
        prices = [article.price_cents for article in articles]
        class_a = sum(prices) - prices[2] if self._class_a_lenses else prices[2]
        return sum(net) - net[2], net[2], self.ceiling_cents - class_a

    def _amount_wires(self, articles: Sequence[Article], amounts: Amounts | None) -> dict[int, int]:
        if amounts is None:
            raise WitnessError("the amounts are missing")
        lenses, frame, ceiling_left = self._net_cents(articles)
        wires = self._lenses_slack.assignment(lenses - amounts.lenses_cents)
        wires |= self._frame_slack.assignment(frame - amounts.frame_cents)
        if self._ceiling_slack is not None:
            claimed = amounts.frame_cents if self._class_a_lenses else amounts.lenses_cents
            wires |= self._ceiling_slack.assignment(ceiling_left - claimed)
        return wires


def _price_class(rows: Sequence[Row], nomenclature: Nomenclature) -> PriceClass | None:
    return nomenclature.regroupement_class(rows[0].regroupement).price_class


def _class_rows(
    declaration: Declaration, contract: Contract, nomenclature: Nomenclature, day: date
) -> list[tuple[Row, ...]]:
    if declaration.level is not None or declaration.price_class is not None:
        raise StatementError("statement equipment: level and price class follow from the classes")
    return [
        rows_of(line, label, "lens", contract, nomenclature, day)
        for line, label in zip(declaration.lines, _LENS_LABELS, strict=False)
    ]


def possible_lenses(
    declaration: Declaration, nomenclature: Nomenclature, day: date
) -> list[tuple[Row, ...]]:
    """What the lenses of a `pair` can be, given the level: the rows of each legal level in it.

    Level d says that one lens is simple and the other very complex, so each hides among the rows of
    its own legal level only. Raises `StatementError` if level or price class are missing, or if no
    lens of the price class has one of the legal levels.
    """
    if declaration.level is None or declaration.price_class is None:
        raise StatementError("statement pair: level and price class of the lenses are declared")
    total = weight_of(declaration.level)
    rows = nomenclature.lens_union(declaration.price_class, day)
    sets = [
        tuple(row for row in rows if level_weight(row, nomenclature) == weight)
        for weight in sorted(LEVEL_WEIGHT.values())
        if total - weight in LEVEL_WEIGHT.values()
    ]
    if not all(sets):
        raise StatementError("statement pair: no lenses of this price class make this level")
    return sets


def _union_rows(
    declaration: Declaration, contract: Contract, nomenclature: Nomenclature, day: date
) -> tuple[list[tuple[Row, ...]], list[int]]:
    """The union twice, and the weights of its rows."""
    for line, label in zip(declaration.lines, _LENS_LABELS, strict=False):
        if line.regroupement is not None or line.code is not None:
            raise StatementError(f"statement pair: {label}: the class is hidden and not declared")
    for possible in possible_lenses(declaration, nomenclature, day):
        check_floor(possible, "lenses", contract)
    assert declaration.price_class is not None  # `possible_lenses` has refused that
    rows = nomenclature.lens_union(declaration.price_class, day)
    return [rows, rows], [level_weight(row, nomenclature) for row in rows]


def _total(items: Sequence[ItemCircuit]) -> Expression:
    return sum((Expression.of(item.price) for item in items), Expression())


def _net(items: Sequence[ItemCircuit]) -> Expression:
    """Prices less the public payer's shares."""
    return _total(items) - sum((Expression.of(item.share) for item in items), Expression())
