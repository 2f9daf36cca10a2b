"""Audits: who asks, about what, until when, and what an answer would reveal."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from starlette.responses import Response

from circuits.slots import Correction
from optician.agent.errors import ShopError
from optician.agent.records import AuditRecord, AuditView
from optician.lenses import correction_text
from optician.web.following import sale_name, slot_text
from optician.web.selling import WAIT_SECONDS, decimal_text
from optician.web.visit import Visit, sentence
from pages.figures import euros
from pages.forms import FormError

MAX_REASON: Final = 200

_KINDS: Final = {
    "open": "warning",
    "answered": "good",
    "refused": "off",
    "lapsed": "bad",
    "concluded": "off",
}


def audits(visit: Visit) -> Response:
    """Every audit of the shop's claims, those to answer first."""
    return visit.show("audits.html", rows=[_row(visit, record) for record in visit.shop.audits()])


def _row(visit: Visit, record: AuditRecord) -> dict[str, Any]:
    return {
        "href": f"/audits/{record.case_id}",
        "case_id": record.case_id,
        "claim": _sale_of(visit, record),
        "auditor": record.auditor_id,
        "ground": ground_text(visit, record.ground),
        "slots": ", ".join(slot_text(visit, slot) for slot in record.slots),
        "until": record.answer_by,
        "state": _state(visit, record),
    }


def _sale_of(visit: Visit, record: AuditRecord) -> str:
    try:
        return sale_name(visit.shop.claim(record.claim_id))
    except ShopError:  # a claim of another vault of the same shop
        return record.claim_id


def _state(visit: Visit, record: AuditRecord) -> tuple[str, str]:
    if record.waiting is not None:
        return "waiting", visit.say(f"audit.waiting_{record.waiting}")
    key = f"audit.state_{record.state}"
    known = key in visit.site.renderer.catalogue
    return _KINDS.get(record.state, "info"), visit.say(key) if known else record.state


def ground_text(visit: Visit, ground: str) -> str:
    """The ground of an audit in words; contracts may have others."""
    key = f"ground.{ground}"
    return visit.say(key) if key in visit.site.renderer.catalogue else ground


def audit(visit: Visit) -> Response:
    """One audit, with the values that an answer would reveal."""
    return _audit_page(visit)


def _audit_page(
    visit: Visit,
    errors: dict[str, str] | None = None,
    refusal: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    case_id = visit.name("case_id")
    try:
        view = visit.shop.audit(case_id)
    except ShopError as error:
        if error.code == "audit_unknown":
            raise
        return visit.show("refused.html", 502, refusal=visit.refusal(error), back_href="/audits")
    record = view.record
    is_open = record.state == "open" and record.waiting is None
    return visit.show(
        "audit.html",
        status,
        record=record,
        claim=_sale_of(visit, record),
        line=visit.say(f"place.{view.role}") if view.role else str(record.line),
        ground=ground_text(visit, record.ground),
        state=_state(visit, record),
        reveals=_reveals(visit, view),
        hidden=[slot_text(visit, slot) for slot in view.hidden],
        obstacle=""
        if view.obstacle is None
        else sentence(visit.typeset(view.obstacle[visit.language])),
        obstacle_detail=view.obstacle_detail,
        is_trusted=view.is_auditor_trusted,
        can_answer=is_open and view.obstacle is None and view.revealed is not None,
        can_refuse=is_open,
        outcome=_word(visit, record.outcome),
        problem=""
        if record.problem is None
        else sentence(visit.typeset(record.problem.titles[visit.language])),
        reason=visit.form.exact("reason", 1000),
        max_reason=MAX_REASON,
        errors=errors or {},
        refusal=refusal,
    )


def _word(visit: Visit, outcome: str | None) -> str:
    return "" if outcome is None else slot_text(visit, outcome)


def _reveals(visit: Visit, view: AuditView) -> list[dict[str, str]]:
    """What the auditor would read; the values are there as long as the openings are."""
    shown = []
    for slot in view.record.slots:
        value = "" if view.revealed is None else _value(visit, slot, view.revealed.get(slot))
        label = slot_text(visit, slot)
        shown.append({"label": label[:1].upper() + label[1:], "value": value})
    return shown


def _value(visit: Visit, slot: str, value: Any) -> str:
    if value is None:
        return visit.say("audit.nothing")
    if slot == "price" and isinstance(value, int):
        return euros(value, visit.language)
    if slot == "code" and isinstance(value, int):
        return f"{value:07d}"
    if isinstance(value, date):
        return visit.day(value)
    if isinstance(value, Correction):
        return decimal_text(visit, correction_text(value))
    return str(value)


def answer(visit: Visit) -> Response:
    """Seal what is asked for to the auditor."""
    if not visit.form.is_on("sure"):
        return _audit_page(visit, {"sure": visit.say("audit.sure_needed")}, status=422)
    return _act(visit, lambda case_id: visit.shop.answer_audit(case_id), "audit.answered")


def refuse(visit: Visit) -> Response:
    """Refuse over the shop's signature."""
    try:
        reason = visit.form.text("reason", MAX_REASON)
    except FormError as error:
        return _audit_page(visit, {"reason": error.words(visit.language)}, status=422)
    return _act(visit, lambda case_id: visit.shop.refuse_audit(case_id, reason), "audit.refused")


def _act(visit: Visit, do: Any, notice: str) -> Response:
    case_id = visit.name("case_id")
    try:
        do(case_id)
    except ShopError as error:
        if error.code == "audit_unknown":
            raise
        return _audit_page(visit, refusal=visit.refusal(error), status=409)
    visit.keeper.wake()
    visit.keeper.wait_round(WAIT_SECONDS)
    return visit.go(f"/audits/{case_id}", notice, "info")
