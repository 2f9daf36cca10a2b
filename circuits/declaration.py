"""What a claim declares in clear about its lines: the public half of a statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from circuits.contract import Contract, EquipmentLevel, StatementName, judge_floor
from circuits.nomenclature import Nomenclature, PriceClass, Row, hiding_set, size_of
from zk.errors import StatementError

Role: TypeAlias = Literal["item", "right_lens", "left_lens", "frame", "supplement"]

MAX_SUPPLEMENTS = 4
EQUIPMENT_ROLES: tuple[Role, ...] = ("right_lens", "left_lens", "frame")


@dataclass(frozen=True)
class DeclaredLine:
    """One line: its role, its regroupement class (None where the statement hides it too), and its
    LPP code where the class is too small to hide one (`Nomenclature.is_declared_in_clear`)."""

    role: Role
    regroupement: str | None = None
    code: int | None = None


@dataclass(frozen=True)
class Declaration:
    """Statement, lines in order, and for `pair` the level and the price class of the two lenses."""

    statement: StatementName
    lines: tuple[DeclaredLine, ...]
    level: EquipmentLevel | None = None
    price_class: PriceClass | None = None


class FloorError(StatementError):
    """A hidden code would hide among fewer possibilities than the contract's floor allows."""


def equipment_lines(declaration: Declaration) -> tuple[DeclaredLine, ...]:
    """The supplements of an equipment; raises `StatementError` unless the roles are as they must
    be.

    Right lens, left lens, frame, then at most `MAX_SUPPLEMENTS` supplements, in this order.
    """
    roles = tuple(line.role for line in declaration.lines)
    if roles[:3] != EQUIPMENT_ROLES or any(role != "supplement" for role in roles[3:]):
        raise StatementError("an equipment is right lens, left lens, frame, then supplements")
    if len(roles) > 3 + MAX_SUPPLEMENTS:
        raise StatementError(f"an equipment has at most {MAX_SUPPLEMENTS} supplements")
    return declaration.lines[3:]


def rows_of(
    line: DeclaredLine,
    label: str,
    family: str,
    contract: Contract,
    nomenclature: Nomenclature,
    day: date,
) -> tuple[Row, ...]:
    """The rows a line may be, on ``day``: those of its class, or the one row declared in clear.

    Raises `StatementError` for a missing, unknown, empty or unsuitable class, a code in clear where
    it should be hidden or the other way round, and `FloorError` below the contract's floor.
    """
    if line.regroupement is None:
        raise StatementError(f"{label}: the class is missing")
    rows = nomenclature.class_rows(line.regroupement, day)
    if family and nomenclature.regroupement_class(line.regroupement).family != family:
        raise StatementError(f"{label}: class {line.regroupement} is not a class of that kind")
    if nomenclature.is_declared_in_clear(line.regroupement, day):
        chosen = tuple(row for row in rows if row.code == line.code)
        if not chosen:
            raise StatementError(
                f"{label}: class {line.regroupement} is small; its code is declared in clear"
            )
        return chosen
    if line.code is not None:
        raise StatementError(
            f"{label}: class {line.regroupement} hides its code; it is not declared"
        )
    check_floor(rows, label, contract)
    return rows


def check_floor(rows: tuple[Row, ...], label: str, contract: Contract) -> None:
    """Raise `FloorError` if ``rows`` hide a code less well than the contract demands."""
    size = size_of(rows)
    if judge_floor(size, contract.floor_cells) == "refuse":
        raise FloorError(
            f"{label}: hides among {hiding_set(size)}, "
            f"the contract's floor is {contract.floor_cells.refuse}"
        )
