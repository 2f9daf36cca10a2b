"""The statements by name, compiled and kept.

A circuit costs milliseconds to build and is the same for every claim with the same declaration,
contract and nomenclature in a span of time without changes, so compiled statements are kept. The
cache is bounded: what a claim declares cannot fill the memory.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from circuits.compiled import CompiledStatement
from circuits.contract import Contract, StatementName
from circuits.declaration import Declaration
from circuits.equipment import EquipmentStatement
from circuits.line import LineStatement
from circuits.nomenclature import Nomenclature
from zk.errors import StatementError

_STATEMENTS: dict[StatementName, type[LineStatement] | type[EquipmentStatement]] = {
    "line": LineStatement,
    "equipment": EquipmentStatement,
    "pair": EquipmentStatement,
}


class NotAllowedError(StatementError):
    """The contract does not allow this statement."""


class ContractPeriodError(StatementError):
    """The contract is not in force on the date of service."""


class GroundError(StatementError):
    """The contract does not list the ground for an early renewal, or the statement takes none."""


def require_ground_allowed(
    ground: str | None, statement: StatementName, contract: Contract
) -> None:
    """Raise `GroundError` for a ground that a claim under ``contract`` cannot name.

    None, no early renewal, is always allowed. A ``line`` claims no equipment, so it renews none.
    """
    if ground is None:
        return
    if statement == "line":
        raise GroundError("early_renewal_ground: the statement line renews no equipment")
    if ground not in contract.early_renewal_grounds:
        raise GroundError("early_renewal_ground: not in the contract's list")


def compile_statement(
    declaration: Declaration, contract: Contract, nomenclature: Nomenclature, day: date
) -> CompiledStatement:
    """The statement a claim makes on ``day``.

    Raises `ContractPeriodError`, `NotAllowedError`, `circuits.declaration.FloorError`, or
    `StatementError` for a declaration, class or date that cannot be.
    """
    if not contract.is_valid_on(day):
        raise ContractPeriodError(f"the contract is not in force on {day.isoformat()}")
    if declaration.statement not in contract.statements:
        raise NotAllowedError(f"the contract does not allow the statement {declaration.statement}")
    return _compile(declaration, contract, nomenclature, nomenclature.period_start(day))


@lru_cache(maxsize=256)
def _compile(
    declaration: Declaration, contract: Contract, nomenclature: Nomenclature, period_start: date
) -> CompiledStatement:
    statement = _STATEMENTS[declaration.statement]
    return statement(declaration, contract, nomenclature, period_start)
