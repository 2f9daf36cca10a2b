"""An insurer's contract: what is reimbursed, what a price may be, and how little a proof may hide.

A *reimbursement ceiling* limits what is paid and never the price; a *price cap* (care network)
limits the price. Both are figures of the contract, never constants of the code. Amounts are cents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from circuits.canonical import canonical_bytes, tagged_digest
from circuits.document import (
    MAX_PRICE_CENTS,
    Cents,
    ClassCode,
    Identifier,
    IsoDate,
    StrictDocument,
    parse_document,
)
from circuits.nomenclature import ClassSize, LegalLevel, Nomenclature, hiding_set
from zk.errors import StatementError

DIGEST_TAG = b"clairobscur/contract/v1"

MAX_CONTRACT_BYTES = 64 * 2**10
DEFAULT_LARGEST_PRICE_CENTS = 300_000
MAX_FLOOR = 1000
MAX_NOTE = 2000
MAX_PRICE_CAPS = 100
MAX_RENEWAL_MONTHS = 120
MAX_EARLY_GROUNDS = 20
MAX_GRANT_DAYS = 366
MAX_ATTESTATION_RULES = 10
MAX_RULE_CLASSES = 50
MAX_RULE_ATTESTERS = 20
MAX_ATTESTATION_DAYS = 366
MAX_AUDIT_GROUNDS = 20
MAX_ANSWER_DAYS = 92
MAX_KEEP_DAYS = 366

EquipmentLevel: TypeAlias = Literal["a", "b", "c", "d", "e", "f"]
StatementName: TypeAlias = Literal["line", "equipment", "pair"]
AttestedSlot: TypeAlias = Literal["code", "price"]
FloorVerdict: TypeAlias = Literal["ok", "warn", "refuse"]

EQUIPMENT_LEVELS: Final[tuple[EquipmentLevel, ...]] = get_args(EquipmentLevel)
STATEMENT_NAMES: Final[tuple[StatementName, ...]] = get_args(StatementName)

LEVEL_WEIGHT: Final[Mapping[LegalLevel, int]] = MappingProxyType(
    {"simple": 0, "complex": 1, "very_complex": 3}
)
"""Weight of one lens; chosen so that the sum over a pair names its level (R.871-2 CSS)."""

_WEIGHT_OF_LEVEL: Final[Mapping[str, int]] = MappingProxyType(
    {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 6}
)
_SAMPLE = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)


def weight_of(level: str) -> int:
    """The sum of the two lenses' weights at equipment level "a"…"f".

    Raises `StatementError` for any other level.
    """
    try:
        return _WEIGHT_OF_LEVEL[level]
    except (KeyError, TypeError):
        raise StatementError("equipment level: not one of a, b, c, d, e, f") from None


def level_of(weight: int) -> EquipmentLevel:
    """The equipment level of a pair whose weights sum to ``weight``; inverse of `weight_of`.

    Raises `StatementError` for a sum that no pair has, such as 5.
    """
    for level in EQUIPMENT_LEVELS:
        if _WEIGHT_OF_LEVEL[level] == weight:
            return level
    raise StatementError("sum of level weights: no pair of lenses has it")


def _in_statement_order(names: tuple[StatementName, ...]) -> tuple[StatementName, ...]:
    if not names:
        raise ValueError("no statement is allowed, so no claim could be made")
    if len(set(names)) != len(names):
        raise ValueError("a statement is named twice")
    return tuple(name for name in STATEMENT_NAMES if name in names)


def _distinct(what: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Names without order, each once; ``what`` says of what."""

    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"{what} is named twice")
        return tuple(sorted(names))

    return check


def _require_every_level(ceilings: Mapping[EquipmentLevel, int]) -> Mapping[EquipmentLevel, int]:
    missing = [level for level in EQUIPMENT_LEVELS if level not in ceilings]
    if missing:
        raise ValueError(f"no ceiling for level {', '.join(missing)}")
    return {level: ceilings[level] for level in EQUIPMENT_LEVELS}


class Floor(StrictDocument):
    """The smallest hiding sets a contract puts up with; see `judge_floor`.

    Counted in type-and-correction cells, or in codes for what carries no correction. Below
    ``refuse`` no claim is made or accepted, below ``warn`` the optician is told.
    """

    warn: Annotated[int, Field(ge=1, le=MAX_FLOOR)] = 8
    refuse: Annotated[int, Field(ge=1, le=MAX_FLOOR)] = 3

    @model_validator(mode="after")
    def _require_order(self) -> Floor:
        if self.refuse > self.warn:
            raise ValueError("refuse is above warn")
        return self


class RenewalMonths(StrictDocument):
    """How many months after one equipment's date of service the next one is due, by age.

    0: at once. The insurer knows the age (his record of the beneficiary's rights says it); no claim
    tells it.
    """

    adult: Annotated[int, Field(ge=0, le=MAX_RENEWAL_MONTHS)]
    under_16: Annotated[int, Field(ge=0, le=MAX_RENEWAL_MONTHS)]


class AttestationRule(StrictDocument):
    """Lines that somebody who knows the real code has to confirm (`circuits.attestation`).

    A line of one of the ``classes``, or one whose hidden class may be among them, needs an
    attestation of one of the ``attesters`` that covers ``slots``: with the claim where
    ``within_days`` is null, else within so many days of the grant.
    """

    classes: Annotated[
        tuple[ClassCode, ...],
        Field(min_length=1, max_length=MAX_RULE_CLASSES),
        AfterValidator(_distinct("a class")),
    ]
    attesters: Annotated[
        tuple[Identifier, ...],
        Field(min_length=1, max_length=MAX_RULE_ATTESTERS),
        AfterValidator(_distinct("an attester")),
    ]
    slots: Annotated[
        tuple[AttestedSlot, ...],
        Field(min_length=1, max_length=2),
        AfterValidator(_distinct("a slot")),
    ] = ("code",)
    within_days: Annotated[int, Field(ge=1, le=MAX_ATTESTATION_DAYS)] | None


class AuditRules(StrictDocument):
    """How audits under the contract go (`circuits.audit`).

    ``grounds`` is a closed list without order. An optician has at least ``answer_days`` to answer;
    a sealed answer is kept for at most ``keep_days`` after that.
    """

    grounds: Annotated[
        tuple[Identifier, ...],
        Field(min_length=1, max_length=MAX_AUDIT_GROUNDS),
        AfterValidator(_distinct("a ground")),
    ]
    answer_days: Annotated[int, Field(ge=1, le=MAX_ANSWER_DAYS)]
    keep_days: Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS)]


class Contract(StrictDocument):
    """What both sides compute a circuit from, with the nomenclature and the date of service.

    Valid from ``valid_from`` to ``valid_to``, both included. ``reimbursement_ceilings_cents`` has
    one ceiling per equipment level a…f; of it ``frame_ceiling_cents`` at most is for the frame.
    ``price_caps_cents`` maps classes to the network's price cap; a class without one is capped by
    ``largest_price_cents`` alone. ``row_price_limits`` says whether the price limits of the hidden
    rows (class A) are enforced. A claim before ``renewal_months`` have passed needs one of the
    ``early_renewal_grounds``, a closed list without order. An invoice may come until ``grant_days``
    after the grant. ``attestations`` says what has to be confirmed and by whom, ``audits`` how
    lines are audited (null: not at all). Floats, unknown keys and contradictions are refused.
    """

    # Not Literal[1], which takes true for 1.
    format_version: Annotated[int, Field(ge=1, le=1)]
    insurer_id: Identifier
    product_id: Identifier
    contract_id: Identifier
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""
    valid_from: IsoDate
    valid_to: IsoDate
    reimbursement_ceilings_cents: Annotated[
        Mapping[EquipmentLevel, Cents], AfterValidator(_require_every_level)
    ]
    frame_ceiling_cents: Cents
    price_caps_cents: Annotated[Mapping[ClassCode, Cents], Field(max_length=MAX_PRICE_CAPS)] = {}
    largest_price_cents: Annotated[int, Field(ge=1, le=MAX_PRICE_CENTS)] = (
        DEFAULT_LARGEST_PRICE_CENTS
    )
    public_payer_rate_percent: Annotated[int, Field(ge=0, le=100)]
    floor_cells: Floor = Floor()
    statements: Annotated[tuple[StatementName, ...], AfterValidator(_in_statement_order)] = (
        STATEMENT_NAMES
    )
    row_price_limits: bool = True
    renewal_months: RenewalMonths
    early_renewal_grounds: Annotated[
        tuple[Identifier, ...],
        Field(max_length=MAX_EARLY_GROUNDS),
        AfterValidator(_distinct("a ground")),
    ] = ()
    grant_days: Annotated[int, Field(ge=1, le=MAX_GRANT_DAYS)]
    attestations: Annotated[
        tuple[AttestationRule, ...], Field(max_length=MAX_ATTESTATION_RULES)
    ] = ()
    audits: AuditRules | None = None

    def __hash__(self) -> int:
        return hash((self.insurer_id, self.product_id, self.contract_id, self.valid_from))

    @model_validator(mode="after")
    def _require_consistent(self) -> Contract:
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        if self.frame_ceiling_cents > max(self.reimbursement_ceilings_cents.values()):
            raise ValueError("frame_ceiling_cents is above every one of the ceilings it is part of")
        for regroupement, cap in self.price_caps_cents.items():
            if cap > self.largest_price_cents:
                raise ValueError(
                    f"price_caps_cents.{regroupement} is above largest_price_cents "
                    f"({cap} > {self.largest_price_cents})"
                )
        return self

    def is_valid_on(self, day: date) -> bool:
        """Whether ``day`` is within the contract's validity."""
        return self.valid_from <= day <= self.valid_to

    def price_cap_cents(self, regroupement: str) -> int:
        """The largest price of an item of a class: its cap if it has one, else the largest price.

        Cents. The circuits' ranges follow from it.
        """
        return self.price_caps_cents.get(regroupement, self.largest_price_cents)


def parse_contract(data: bytes) -> Contract:
    """The contract in a JSON file.

    Raises `EncodingError` if ``data`` is not strict JSON of at most `MAX_CONTRACT_BYTES`, and
    `StatementError`, naming every field at fault, if it is not a contract or contradicts itself.
    """
    return parse_document(Contract, data, max_bytes=MAX_CONTRACT_BYTES, what="contract")


def require_classes_known(contract: Contract, nomenclature: Nomenclature) -> None:
    """Refuse a rule for a class that does not exist: it would silently rule nothing.

    Raises `StatementError` naming the class.
    """
    known = {entry.code for entry in nomenclature.classes()}
    for regroupement in contract.price_caps_cents:
        if regroupement not in known:
            raise StatementError(f"contract: price_caps_cents.{regroupement}: no such class")
    for number, rule in enumerate(contract.attestations):
        for regroupement in rule.classes:
            if regroupement not in known:
                raise StatementError(
                    f"contract: attestations.{number}.classes: {regroupement}: no such class"
                )


def contract_digest(contract: Contract) -> bytes:
    """SHA-256 over `DIGEST_TAG` and the RFC 8785 form of the contract, defaults written out."""
    return tagged_digest(DIGEST_TAG, canonical_bytes(contract.model_dump(mode="json")))


def load_sample(name: str) -> Contract:
    """A sample contract that ships with the project: "responsable" or "reseau".

    Raises `StatementError` if there is no sample of that name.
    """
    folder = files("circuits").joinpath("data", "contracts")
    if not _SAMPLE.fullmatch(name) or not folder.joinpath(f"{name}.json").is_file():
        raise StatementError("no sample contract of that name")
    return parse_contract(folder.joinpath(f"{name}.json").read_bytes())


def judge_floor(size: ClassSize, floor: Floor) -> FloorVerdict:
    """Whether a set of rows hides a code well enough for the contract.

    Compares `hiding_set` (cells, or codes without a correction) with the two marks of ``floor``.
    """
    count = hiding_set(size)
    if count < floor.refuse:
        return "refuse"
    return "warn" if count < floor.warn else "ok"
