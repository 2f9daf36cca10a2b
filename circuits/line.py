"""Statement ``line``: the hidden code is in the declared class, the hidden price in [0, limit].

    public inputs  date of service
    line 0         code, price, date, correction (lenses)

The limit is the contract's largest price, the class's price cap, or the row's own hidden limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from circuits.compiled import Amounts, CompiledStatement
from circuits.contract import Contract
from circuits.declaration import Declaration, rows_of
from circuits.items import Article, ItemCircuit
from circuits.nomenclature import Nomenclature
from circuits.slots import encode_day
from zk.errors import StatementError

DEGREE = 5
"""Chosen by measurement, see ``docs/performance.md``."""


class LineStatement(CompiledStatement):
    """See module docstring. Raises `StatementError` for a declaration that is not one line."""

    def __init__(
        self,
        declaration: Declaration,
        contract: Contract,
        nomenclature: Nomenclature,
        day: date,
        degree: int = DEGREE,
    ) -> None:
        if [line.role for line in declaration.lines] != ["item"]:
            raise StatementError("statement line: one line, with role item")
        if declaration.level is not None or declaration.price_class is not None:
            raise StatementError("statement line: no level and no price class")
        (line,) = declaration.lines
        rows = rows_of(line, "item", "", contract, nomenclature, day)
        builder, day_input = self._start()
        self.items = (
            ItemCircuit(
                builder,
                "item",
                rows,
                contract,
                degree=degree,
                day=day_input,
                has_correction=rows[0].family == "lens",
            ),
        )
        self.circuit = builder.build()

    def publics(self, day: date, amounts: Amounts | None) -> tuple[int, ...]:
        if amounts is not None:
            raise StatementError("statement line: no amounts")
        return (encode_day(day),)

    def largest_amounts(self, articles: Sequence[Article]) -> Amounts | None:
        return None
