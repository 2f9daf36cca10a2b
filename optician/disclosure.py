"""What a claim will tell the insurer, and what stays in the shop: said before anything is sent.

What shelters a patient is the number of *type-and-correction cells* that a hidden lens may lie in,
so cells are counted and codes named beside them. Everything here follows from the sale, the
contract and the table; nothing is proved yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from circuits.attestation import Duty, declared_duties
from circuits.compiled import Amounts, CompiledStatement
from circuits.contract import Contract, EquipmentLevel, FloorVerdict, StatementName, judge_floor
from circuits.declaration import Declaration
from circuits.equipment import EquipmentStatement, possible_lenses
from circuits.nomenclature import (
    ClassSize,
    LegalLevel,
    Nomenclature,
    PriceClass,
    Row,
    hiding_set,
    size_of,
)
from circuits.statements import compile_statement, require_ground_allowed
from optician.claiming import declare
from optician.lenses import code_fits, correction_text, lens_types_of
from optician.sale import Sale, SaleItem

SeenKey: TypeAlias = Literal[
    "insurer",
    "contract",
    "date_of_service",
    "beneficiary",
    "statement",
    "price_class",
    "level",
    "class",
    "code",
    "lenses_amount",
    "frame_amount",
    "early_renewal_ground",
    "envelope",
]
KeptKey: TypeAlias = Literal["code", "price", "correction", "class"]
FactKind: TypeAlias = Literal["text", "cents", "day", "code", "made"]
"""How a value is to be written; "made": made with the claim, tells nothing of the sale."""

WarningKey: TypeAlias = Literal[
    "floor",
    "lenses_below_ceiling",
    "frame_below_ceiling",
    "code_correction",
    "attestation_first",
]
"""Keys of `optician.messages.MESSAGES`."""

LENSES: Final = "lenses"
"""Both lenses, where a statement hides which is which."""


@dataclass(frozen=True, repr=False)
class Fact:
    """A value that somebody sees or that stays: ``key`` names it in `optician.messages.
    DISCLOSURE_WORDS`, ``place`` the article's field in the sale ("" for the whole sale).

    ``value`` is an integer of kinds "cents" and "code", an ISO date of kind "day", else a text, ""
    of kind "made". May be secret.
    """

    key: SeenKey | KeptKey
    kind: FactKind
    value: str | int
    place: str = ""

    def __repr__(self) -> str:
        return f"Fact({self.key!r}, {self.place!r})"


@dataclass(frozen=True)
class Hiding:
    """Among what a hidden code hides.

    ``place`` is the article's field, or `LENSES`; ``regroupement`` the class that the claim names,
    None for a union of classes, of which the insurer knows ``legal_level`` (None for what is no
    lens). ``cells`` is 0 for what carries no correction; then ``codes`` counts.
    """

    place: str
    regroupement: str | None
    legal_level: LegalLevel | None
    cells: int
    codes: int
    verdict: FloorVerdict

    @property
    def count(self) -> int:
        """Among how many possibilities: cells, or codes where there is no correction."""
        return hiding_set(ClassSize(self.codes, self.cells))


@dataclass(frozen=True)
class Alternative:
    """Another statement that the contract allows for this sale, and what it would hide among.

    ``tells_less``: it leaves a lens among more, or hides which eye has which.
    """

    statement: StatementName
    tells_less: bool
    hides_among: tuple[Hiding, ...]


@dataclass(frozen=True)
class DisclosureWarning:
    """Where an accepted claim shelters the patient less than it could, or looks wrong."""

    key: WarningKey
    place: str
    regroupement: str | None = None


@dataclass(frozen=True)
class Disclosure:
    """What a claim of a sale tells; see the module."""

    statement: StatementName
    level: EquipmentLevel | None
    price_class: PriceClass | None
    classes: tuple[tuple[str, str], ...]
    """Place and class of every line whose class the claim names."""
    amounts: Amounts | None
    sees: tuple[Fact, ...]
    keeps: tuple[Fact, ...]
    hides_among: tuple[Hiding, ...]
    alternatives: tuple[Alternative, ...]
    warnings: tuple[DisclosureWarning, ...]
    duties: tuple[Duty, ...]
    """Attestations that the contract asks for, by line from 1."""


def disclose(sale: Sale, contract: Contract, nomenclature: Nomenclature) -> Disclosure:
    """What the claim of ``sale`` will tell and hide.

    Raises what `optician.claiming.make_claim` raises for the same three: a sale that is disclosed
    here is one that can be proved.
    """
    day = sale.date_of_service
    declaration = declare(sale, nomenclature)
    require_ground_allowed(sale.early_renewal_ground, sale.statement, contract)
    statement = compile_statement(declaration, contract, nomenclature, day)
    articles = [item.article() for item in sale.items()]
    amounts = statement.largest_amounts(articles)
    if sale.amounts is not None:
        amounts = Amounts(sale.amounts.lenses_cents, sale.amounts.frame_cents)
    statement.publics(day, amounts)
    statement.wires(articles, amounts)
    rows = [nomenclature.row(item.code, day) for item in sale.items()]
    places = _places(sale)
    hides = _hidings(declaration, places, contract, nomenclature, sale)
    duties = declared_duties(declaration, day, contract, nomenclature)
    level = declaration.level
    price_class = declaration.price_class
    if isinstance(statement, EquipmentStatement):
        level = statement.level
        price_class = nomenclature.regroupement_class(rows[0].regroupement).price_class
    return Disclosure(
        statement=sale.statement,
        level=level,
        price_class=price_class,
        classes=tuple(
            (place, line.regroupement)
            for place, line in zip(places, declaration.lines, strict=True)
            if line.regroupement is not None
        ),
        amounts=amounts,
        sees=_seen(sale, contract, declaration, places, level, price_class, amounts),
        keeps=_kept(sale, declaration, places, rows),
        hides_among=hides,
        alternatives=_alternatives(sale, contract, nomenclature, places),
        warnings=(
            *_floor_warnings(hides),
            *_amount_warnings(sale, statement, amounts),
            *_code_warnings(sale.items(), rows, places),
            *_attestation_warnings(duties, places),
        ),
        duties=duties,
    )


def _places(sale: Sale) -> list[str]:
    """The field of each article, in the order of the claim's lines."""
    if sale.statement == "line":
        return ["item"]
    named = ["right_lens", "left_lens", "frame"]
    return named + [f"supplements.{number}" for number in range(len(sale.supplements))]


# -- the two sides ------------------------------------------------------------------------------


def _seen(
    sale: Sale,
    contract: Contract,
    declaration: Declaration,
    places: Sequence[str],
    level: EquipmentLevel | None,
    price_class: PriceClass | None,
    amounts: Amounts | None,
) -> tuple[Fact, ...]:
    facts = [
        Fact("insurer", "text", contract.insurer_id),
        Fact("contract", "text", contract.contract_id),
        Fact("date_of_service", "day", sale.date_of_service.isoformat()),
        Fact("beneficiary", "text", sale.beneficiary),
        Fact("statement", "text", sale.statement),
    ]
    if price_class is not None:
        facts.append(Fact("price_class", "text", price_class))
    if level is not None:
        facts.append(Fact("level", "text", level))
    for place, line in zip(places, declaration.lines, strict=True):
        if line.regroupement is not None:
            facts.append(Fact("class", "text", line.regroupement, place))
        if line.code is not None:
            facts.append(Fact("code", "code", line.code, place))
    if amounts is not None:
        facts.append(Fact("lenses_amount", "cents", amounts.lenses_cents))
        facts.append(Fact("frame_amount", "cents", amounts.frame_cents))
    if sale.early_renewal_ground is not None:
        facts.append(Fact("early_renewal_ground", "text", sale.early_renewal_ground))
    facts.append(Fact("envelope", "made", ""))
    return tuple(facts)


def _kept(
    sale: Sale, declaration: Declaration, places: Sequence[str], rows: Sequence[Row]
) -> tuple[Fact, ...]:
    facts = []
    for place, line, item, row in zip(places, declaration.lines, sale.items(), rows, strict=True):
        if line.regroupement is None:
            facts.append(Fact("class", "text", row.regroupement, place))
        if line.code is None:
            facts.append(Fact("code", "code", item.code, place))
        facts.append(Fact("price", "cents", item.price_cents, place))
        correction = item.article().correction
        if correction is not None:
            facts.append(Fact("correction", "text", correction_text(correction), place))
    return tuple(facts)


# -- what hides ---------------------------------------------------------------------------------


def _hidings(
    declaration: Declaration,
    places: Sequence[str],
    contract: Contract,
    nomenclature: Nomenclature,
    sale: Sale,
) -> tuple[Hiding, ...]:
    """Of the lines with a class of their own first, then of the lenses of a pair."""
    day = sale.date_of_service
    hidings = [
        _hiding(
            place,
            line.regroupement,
            nomenclature.legal_level(line.regroupement),
            nomenclature.class_size(line.regroupement, day),
            contract,
        )
        for place, line in zip(places, declaration.lines, strict=True)
        if line.regroupement is not None and line.code is None
    ]
    if declaration.statement == "pair":
        for rows in possible_lenses(declaration, nomenclature, day):
            level = nomenclature.legal_level(rows[0].regroupement)
            hidings.append(_hiding(LENSES, None, level, size_of(rows), contract))
    return tuple(hidings)


def _hiding(
    place: str,
    regroupement: str | None,
    level: LegalLevel | None,
    size: ClassSize,
    contract: Contract,
) -> Hiding:
    verdict = judge_floor(size, contract.floor_cells)
    return Hiding(place, regroupement, level, size.cells, size.codes, verdict)


def _alternatives(
    sale: Sale, contract: Contract, nomenclature: Nomenclature, places: Sequence[str]
) -> tuple[Alternative, ...]:
    """The other statements about an equipment that the contract allows and its floor bears."""
    found = []
    others: tuple[StatementName, ...] = () if sale.statement == "line" else ("pair", "equipment")
    for statement in others:
        if statement == sale.statement or statement not in contract.statements:
            continue
        declaration = declare(sale.model_copy(update={"statement": statement}), nomenclature)
        hides = _hidings(declaration, places, contract, nomenclature, sale)
        if all(hiding.verdict != "refuse" for hiding in hides):
            tells_less = statement == "pair" and _is_worth_hiding(sale, hides, nomenclature)
            found.append(Alternative(statement, tells_less, hides))
    return tuple(found)


def _is_worth_hiding(sale: Sale, pair_hides: Sequence[Hiding], nomenclature: Nomenclature) -> bool:
    """Whether ``pair`` tells less than the two classes: of two lenses V04 it tells the same, since
    no other class of price class A has their legal level."""
    day = sale.date_of_service
    classes = {nomenclature.row(item.code, day).regroupement for item in sale.items()[:2]}
    if len(classes) > 1:
        return True
    size = nomenclature.class_size(classes.pop(), day)
    return any(hiding.place == LENSES and hiding.codes > size.codes for hiding in pair_hides)


# -- warnings -----------------------------------------------------------------------------------


def _floor_warnings(hides: Sequence[Hiding]) -> list[DisclosureWarning]:
    return [
        DisclosureWarning("floor", hiding.place, hiding.regroupement)
        for hiding in hides
        if hiding.verdict != "ok"
    ]


def _amount_warnings(
    sale: Sale, statement: CompiledStatement, amounts: Amounts | None
) -> list[DisclosureWarning]:
    """Where the most that can be claimed is less than the ceiling, it is what the articles cost."""
    if sale.amounts is not None or amounts is None:
        return []
    if not isinstance(statement, EquipmentStatement):
        return []
    warnings = []
    if amounts.lenses_cents < statement.ceiling_cents - amounts.frame_cents:
        warnings.append(DisclosureWarning("lenses_below_ceiling", LENSES))
    if amounts.frame_cents < statement.frame_ceiling_cents:
        warnings.append(DisclosureWarning("frame_below_ceiling", "frame"))
    return warnings


def _code_warnings(
    items: Sequence[SaleItem], rows: Sequence[Row], places: Sequence[str]
) -> list[DisclosureWarning]:
    """Codes of lenses for another correction than the one that is given."""
    warnings = []
    for item, row, place in zip(items, rows, places, strict=True):
        correction = item.article().correction
        types = lens_types_of(row)
        if correction is None or not types:
            continue
        if not any(code_fits(row, lens_type, correction) for lens_type in types):
            warnings.append(DisclosureWarning("code_correction", place))
    return warnings


def _attestation_warnings(duties: Sequence[Duty], places: Sequence[str]) -> list[DisclosureWarning]:
    first = sorted({duty.line for duty in duties if duty.within_days is None})
    return [DisclosureWarning("attestation_first", places[line - 1]) for line in first]
