"""What the insurer's commands tell: as facts for JSON (cents), and as lines to read (euros)."""

from __future__ import annotations

from datetime import date
from typing import Any

from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.contract import Contract, Floor, contract_digest, judge_floor
from circuits.items import price_limit_cents
from circuits.nomenclature import Nomenclature, Row
from circuits.opening import RevealedValues
from console.running import euros
from verifier_api.judge import Verdict
from zk.errors import StatementError

_TOLD = (
    *("optician_id", "key_id", "insurer_id", "contract_id", "beneficiary", "date_of_service"),
    *("statement", "level", "price_class", "amounts", "lines"),
    "early_renewal_ground",
)


# -- verdicts ---------------------------------------------------------------------------------


def claim_facts(claim: Claim) -> dict[str, Any]:
    """What the claim says, and its digest.

    Whoever pays once for each claim, service and line compares digests, beneficiaries with dates,
    and the commitments of the lines. Of a refused claim this is hearsay.
    """
    document = claim.model_dump(mode="json", include=set(_TOLD))
    told = {name: document[name] for name in _TOLD}
    return {
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
    } | told


def verdict_facts(verdict: Verdict, claim: Claim) -> dict[str, Any]:
    """The verdict, and what it is about."""
    return {
        "claim_id": verdict.claim_id,
        "verdict": "accepted" if verdict.is_accepted else "refused",
        "reason": verdict.reason,
        "detail": verdict.detail,
        "claim": claim_facts(claim),
    }


def verdict_line(verdict: Verdict) -> str:
    """The verdict, and the reason of a refusal."""
    if verdict.is_accepted:
        return f"accepted    {verdict.claim_id}"
    return f"refused     {verdict.claim_id}  {verdict.reason}: {verdict.detail}"


def claim_lines(claim: Claim) -> list[str]:
    """What an accepted claim says."""
    classes = ", ".join(
        f"{line.role.replace('_', ' ')} {line.regroupement or '(class hidden)'}"
        + (f" (code {line.code})" if line.code is not None else "")
        for line in claim.lines
    )
    told = {
        "optician": claim.optician_id,
        "key": claim.key_id,
        "contract": claim.contract_id,
        "beneficiary": claim.beneficiary,
        "date": claim.date_of_service.isoformat(),
        "statement": claim.statement,
        "classes": classes,
    }
    if claim.level is not None:
        told["lenses"] = f"price class {claim.price_class}, level {claim.level}"
    if claim.amounts is not None:
        lenses, frame = claim.amounts.lenses_cents, claim.amounts.frame_cents
        told["amounts"] = (
            f"lenses {euros(lenses)}, frame {euros(frame)}, together {euros(lenses + frame)}"
        )
    if claim.early_renewal_ground is not None:
        told["early"] = f"renewed before it is due, ground {claim.early_renewal_ground}"
    told["digest"] = encode_base64url(claim_digest(claim))
    return [f"  {name + ':':12} {text}" for name, text in told.items()]


def times(verdict: Verdict) -> dict[str, float]:
    """Milliseconds of every step that ran, and of all together."""
    steps = {step: round(spent, 3) for step, spent in verdict.milliseconds.items()}
    return steps | {"total": round(sum(verdict.milliseconds.values()), 3)}


# -- openings ---------------------------------------------------------------------------------


def revealed_facts(values: RevealedValues) -> dict[str, Any]:
    """The values that an opening reveals; None for a correction where none was committed to."""
    shown: dict[str, Any] = {}
    if "code" in values.names:
        shown["code"] = values.code
    if "price" in values.names:
        shown["price_cents"] = values.price_cents
    if "date" in values.names and values.date_of_service is not None:
        shown["date_of_service"] = values.date_of_service.isoformat()
    if "correction" in values.names:
        given = values.correction
        shown["correction"] = given and {
            "sphere": f"{given.sphere / 4:+.2f}",
            "cylinder": f"{given.cylinder / 4:+.2f}",
            "axis": given.axis,
            "addition": f"{given.addition / 4:+.2f}",
        }
    return shown


# -- table and contract -----------------------------------------------------------------------


def default_day(nomenclature: Nomenclature) -> date:
    """Today, or the last day of a table that has ended."""
    return min(date.today(), max(row.valid_to or date.max for row in nomenclature.rows))


def class_facts(
    nomenclature: Nomenclature, regroupement: str, on: date, floor: Floor | None
) -> dict[str, Any]:
    """A class on a day. ``floor`` is "clear" where the class is too small to hide a code and
    declares it, None where there is no floor to judge by."""
    entry = nomenclature.regroupement_class(regroupement)
    facts = {
        "class": entry.code,
        "family": entry.family,
        "label_fr": entry.label_fr,
        "price_class": entry.price_class,
        "legal_level": entry.legal_level,
    }
    try:
        size = nomenclature.class_size(regroupement, on)
    except StatementError:  # the class is known and the day is: so it is empty
        return facts | {"codes": 0, "cells": 0, "status": None, "floor": "empty"}
    is_clear = nomenclature.is_declared_in_clear(regroupement, on)
    return facts | {
        "codes": size.codes,
        "cells": size.cells if size.carries_correction else None,
        "status": nomenclature.class_status(regroupement, on),
        "floor": "clear" if is_clear else floor and judge_floor(size, floor),
    }


def class_line(facts: dict[str, Any]) -> str:
    """`class_facts` under `CLASS_HEADING`."""
    return (
        "{class:5}  {codes:5}  {cells:5}  {price_class:5}  {legal_level:12}  "
        "{status:11}  {floor:6}  {label_fr}".format(**_dashed(facts))
    )


CLASS_HEADING = "class  codes  cells  price  level         status       floor   label"


def code_facts(row: Row, contract: Contract | None) -> dict[str, Any]:
    """A row: its code, cell, and cents of tariff, price limit and public payer's share.

    Without a contract the limit is the row's own and the share is None; so it is where the tariff
    is unknown, which counts as no share.
    """
    share = None
    if contract is not None and row.is_share_known:
        share = row.public_share_cents(contract.public_payer_rate_percent)
    limit = row.price_limit_cents if contract is None else price_limit_cents(row, contract)
    return {
        "code": row.code,
        "cell": row.cell,
        "tariff_cents": row.base_tariff_cents,
        "limit_cents": limit,
        "share_cents": share,
    }


def code_line(facts: dict[str, Any]) -> str:
    """`code_facts` under `CODE_HEADING`."""
    amounts = (facts[name] for name in ("tariff_cents", "limit_cents", "share_cents"))
    tariff, limit, share = ("-" if cents is None else euros(cents) for cents in amounts)
    return f"{facts['code']}  {tariff:>10}  {limit:>10}  {share:>8}  {facts['cell'] or '-'}"


CODE_HEADING = "code         tariff       limit     share  cell"


def contract_facts(contract: Contract) -> dict[str, Any]:
    """A contract, defaults written out, and its digest."""
    digest = {"digest": encode_base64url(contract_digest(contract))}
    return contract.model_dump(mode="json") | digest


# -- text -------------------------------------------------------------------------------------


def text_of(facts: dict[str, Any]) -> list[str]:
    """One line a fact; ``…_cents`` in euros, without the ending."""
    return [
        f"{name.removesuffix('_cents')}: {_text(value, name.endswith('_cents'))}"
        for name, value in facts.items()
    ]


def _text(value: Any, is_money: bool) -> str:
    if isinstance(value, dict):
        entries = (f"{name} {_text(part, is_money)}" for name, part in value.items())
        return ", ".join(entries) or "none"
    if isinstance(value, list):
        return ", ".join(_text(part, is_money) for part in value) or "none"
    if value is None:
        return "none"
    return euros(value) if is_money else str(value)


def _dashed(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: "-" if value is None else value for name, value in facts.items()}
