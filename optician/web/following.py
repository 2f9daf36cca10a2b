"""What has become of claims: overview, outbox, list, one claim and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from starlette.responses import Response

from circuits.claim import ClaimAmounts
from optician.agent.errors import ShopError
from optician.agent.records import STATES, ClaimRecord, QueueEntry
from optician.agent.store import openings, unpack
from optician.claiming import Openings
from optician.lenses import correction_text
from optician.messages import AUDIT_WORDS, MESSAGES, in_language
from optician.order import SaleOrder
from optician.web.keeper import is_on_its_way
from optician.web.selling import AGAIN_STATES, WAIT_SECONDS, among_text, decimal_text, place_text
from optician.web.visit import STATE_KINDS, Visit, next_text, sentence
from pages.figures import euros
from pages.forms import FormError
from zk.backends import load_group
from zk.generators import generators_of

MOST_TO_DO: Final = 8
"""So many of a kind are told on the overview; the lists have them all."""

RECENT: Final = 8
CODE_SLOT: Final = 0
"""Of the values that a line commits to (`circuits.slots`)."""

CANCELLABLE: Final = ("pending", "sent", "granted", "attestation_overdue")
ATTESTABLE: Final = ("pending", "sent", "granted", "attestation_overdue", "payable")

_SEQUENCE = re.compile(r"[0-9]{1,15}", re.ASCII)


# -- overview and outbox ----------------------------------------------------------------------


def home(visit: Visit) -> Response:
    """Counts, what is to be done, and the latest claims."""
    shop = visit.shop
    if shop.identity() is None:
        return visit.go("/setup")
    counts = shop.counts()
    recent = shop.claims(limit=RECENT)
    return visit.show(
        "home.html",
        tiles=[
            {
                "label": visit.state_text(state),
                "value": str(counts.get(state, 0)),
                "href": f"/claims?state={state}",
                "kind": STATE_KINDS.get(state, "info"),
            }
            for state in STATES
            if counts.get(state, 0) or state in ("pending", "granted", "refused", "payable")
        ],
        todo=_to_do(visit),
        rows=[claim_row(visit, record) for record in recent],
        has_insurer=bool(shop.insurers()),
        fault=visit.keeper.fault,
        damaged=visit.keeper.damaged,
    )


def _to_do(visit: Visit) -> list[dict[str, str]]:
    """The nearest first of each kind; with a link to where it is done."""
    shop = visit.shop
    found: list[dict[str, str]] = []
    for audit in shop.audits():
        if audit.state == "open" and audit.waiting is None:
            found.append(
                {
                    "kind": "warning",
                    "name": visit.say("home.audit"),
                    "text": visit.say("home.audit_by", day=visit.day(audit.answer_by.date())),
                    "href": f"/audits/{audit.case_id}",
                }
            )
    for state, kind, key in (
        ("pending", "warning", "home.problem"),
        ("attestation_overdue", "warning", "home.overdue"),
        ("refused", "bad", "home.refused"),
    ):
        for record in shop.claims(state=state, limit=MOST_TO_DO):
            text = next_text(visit, record)
            if state == "pending" and (record.problem is None or record.problem.is_passing):
                continue
            found.append(_task(visit, record, kind, visit.say(key, next=text)))
    granted = shop.claims(state="granted", limit=MOST_TO_DO)
    for record in sorted(granted, key=lambda record: record.granted_until or record.made_at):
        if record.granted_until is not None:
            text = visit.say("home.granted", day=visit.day(record.granted_until.date()))
            found.append(_task(visit, record, "info", text))
    return found


def _task(visit: Visit, record: ClaimRecord, kind: str, text: str) -> dict[str, str]:
    return {
        "kind": kind,
        "name": sale_name(record),
        "text": text,
        "href": f"/claims/{record.claim_id}",
    }


def queue(visit: Visit) -> Response:
    """What is to be sent, and why it is not sent yet."""
    entries = visit.shop.queue()
    return visit.show(
        "queue.html",
        entries=[_entry(visit, entry) for entry in entries],
        is_moving=any(entry.is_being_sent or entry.due_at is not None for entry in entries),
        fault=visit.keeper.fault,
    )


def _entry(visit: Visit, entry: QueueEntry) -> dict[str, Any]:
    problem = entry.problem
    if entry.is_being_sent:
        state = ("waiting", visit.say("queue.sending"))
    elif entry.due_at is None:
        state = ("bad", visit.say("queue.stopped"))
    elif problem is not None:
        state = ("warning", visit.say("queue.again"))
    else:
        state = ("waiting", visit.say("queue.waiting"))
    record = visit.shop.claim(entry.claim_id)
    return {
        "claim_id": entry.claim_id,
        "name": sale_name(record),
        "what": visit.say(f"queue.kind_{entry.kind}"),
        "state": state,
        "attempts": entry.attempts,
        "due": entry.due_at,
        "problem": ""
        if problem is None
        else sentence(visit.typeset(problem.titles[visit.language])),
        "next": next_text(visit, record),
    }


def send_now(visit: Visit) -> Response:
    """Everything that waits is due now."""
    for claim_id in {entry.claim_id for entry in visit.shop.queue()}:
        visit.shop.retry(claim_id)
    visit.keeper.wake()
    visit.keeper.wait_round(WAIT_SECONDS)
    return visit.go("/queue", "queue.tried", "info")


# -- list -------------------------------------------------------------------------------------


def claims(visit: Visit) -> Response:
    """The claims, newest first, by state or by the shop's number of the sale."""
    shop = visit.shop
    state = visit.query("state") if visit.query("state") in STATES else ""
    wanted = visit.query("sale")[:64].strip()
    before = visit.query("before")
    size = shop.settings().page_size
    if wanted:
        record = shop.claim_of_sale(wanted)
        records = [] if record is None or state not in ("", record.state) else [record]
    else:
        position = int(before) if _SEQUENCE.fullmatch(before) else None
        records = shop.claims(state or None, position, size + 1)
    more = records[size - 1].sequence if len(records) > size else None
    choice = f"state={state}&" if state else ""
    return visit.show(
        "claims.html",
        rows=[claim_row(visit, record) for record in records[:size]],
        states=[("", visit.say("act.all"))] + [(name, visit.state_text(name)) for name in STATES],
        state=state,
        sale=wanted,
        first=f"/claims?{choice}".rstrip("?&") if before else "",
        next="" if more is None else f"/claims?{choice}before={more}",
        is_filtered=bool(state or wanted),
    )


def sale_name(record: ClaimRecord) -> str:
    """What the shop calls a claim: its own number of the sale."""
    return record.sale_id


def claim_row(visit: Visit, record: ClaimRecord) -> dict[str, Any]:
    """A claim in a list."""
    if record.amounts is None:
        amount = ""
    else:
        total = record.amounts.lenses_cents + record.amounts.frame_cents
        amount = euros(total, visit.language)
    return {
        "href": f"/claims/{record.claim_id}",
        "name": sale_name(record),
        "day": record.date_of_service,
        "kind": STATE_KINDS.get(record.state, "info"),
        "state": visit.state_text(record.state),
        "contract": record.contract_id,
        "tells": tells_text(visit, record),
        "amount": amount,
        "next": next_text(visit, record),
    }


def tells_text(visit: Visit, record: ClaimRecord) -> str:
    """What the insurer sees of the articles, in a few words."""
    classes = [line.regroupement for line in record.lines if line.regroupement is not None]
    named = ", ".join(classes)
    if record.statement != "pair" or record.level is None:
        return named
    level = visit.say("claim.level_alone", level=record.level)
    return f"{level}, {named}" if named else level


# -- one claim --------------------------------------------------------------------------------


def claim(visit: Visit) -> Response:
    """Its state, what to do next, what the insurer knows of it and what stays here."""
    return _claim_page(visit)


def _claim_page(
    visit: Visit,
    errors: dict[str, str] | None = None,
    refusal: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    shop = visit.shop
    record = shop.claim(visit.name("claim_id"))
    order = shop.order(record.claim_id)
    given = shop.attestations(record.claim_id)
    today = visit.keeper.clock().date()
    return visit.show(
        "claim.html",
        status,
        record=record,
        name=sale_name(record),
        state=(STATE_KINDS.get(record.state, "info"), visit.state_text(record.state)),
        is_moving=is_on_its_way(record),
        next=""
        if record.next_step is None
        else sentence(visit.typeset(record.next_step[visit.language])),
        reason=reason_text(visit, record),
        problem=""
        if record.problem is None
        else sentence(visit.typeset(record.problem.titles[visit.language])),
        sees=_sees(visit, record),
        keeps=[] if order is None else _keeps(visit, order, _codes(visit, record)),
        hides=[
            (
                place_text(visit, hiding.place)
                + (f" ({hiding.regroupement})" if hiding.regroupement else ""),
                among_text(visit, hiding.cells, hiding.codes),
            )
            for hiding in record.hides_among
        ],
        warnings=[
            visit.say(
                "check.warning",
                place=place_text(visit, warned.place) if warned.place else visit.say("sale.sale"),
                text=visit.typeset(in_language(MESSAGES[warned.warning], visit.language)),
            )
            for warned in record.warnings
        ],
        history=[(event.at, _event_text(visit, event.kind)) for event in record.history],
        duties=[
            {
                "line": duty.line,
                "what": line_text(visit, record, duty.line),
                "attesters": ", ".join(duty.attesters),
                "slots": ", ".join(slot_text(visit, slot) for slot in duty.slots),
                "due": duty.due_at,
                "is_met": duty.is_met,
            }
            for duty in record.duties
        ],
        line_choices=[
            (str(number), line_text(visit, record, number))
            for number in range(1, len(record.lines) + 1)
        ],
        attesters=sorted({name for duty in record.duties for name in duty.attesters}),
        given=given,
        can_invoice=record.state == "granted",
        can_cancel=record.state in CANCELLABLE,
        can_attest=record.state in ATTESTABLE and bool(record.duties) and record.has_openings,
        can_retry=bool(record.waiting),
        can_again=record.state in AGAIN_STATES and order is not None,
        today=visit.day(today),
        typed={name: visit.form.text(name, 512, "") for name in _CLAIM_FIELDS},
        line=visit.form.text("line", 10, _first_due(record)),
        errors=errors or {},
        refusal=refusal,
    )


_CLAIM_FIELDS: Final = (
    *("date_of_delivery", "lenses_amount", "frame_amount"),
    *("attester_id", "attester_url", "record_id"),
)


def _first_due(record: ClaimRecord) -> str:
    """The line that is to be attested next."""
    return next((str(duty.line) for duty in record.duties if not duty.is_met), "1")


def reason_text(visit: Visit, record: ClaimRecord) -> str:
    """Why the insurer did not grant it."""
    if record.reason_titles is not None:
        return sentence(visit.typeset(record.reason_titles[visit.language])).removesuffix(".")
    return record.reason or ""


def line_text(visit: Visit, record: ClaimRecord, number: int) -> str:
    """A line of a claim, from 1, by its article."""
    if not 1 <= number <= len(record.lines):
        return str(number)
    line = record.lines[number - 1]
    if line.role == "supplement":
        before = sum(1 for other in record.lines[:number] if other.role == "supplement")
        return visit.say("sale.supplement", number=before)
    return visit.say(f"place.{line.role}")


def slot_text(visit: Visit, slot: str) -> str:
    """What can be revealed of a line."""
    words = AUDIT_WORDS.get(slot)
    return slot if words is None else in_language(words, visit.language)


def _event_text(visit: Visit, kind: str) -> str:
    key = f"event.{kind}"
    return visit.say(key) if key in visit.site.renderer.catalogue else kind


def _sees(visit: Visit, record: ClaimRecord) -> list[dict[str, str]]:
    facts = [
        ("fact.insurer", record.insurer_id),
        ("fact.contract", record.contract_id),
        ("fact.day", visit.day(record.date_of_service)),
        ("fact.beneficiary", record.beneficiary),
        ("fact.statement", visit.say(f"statement.{record.statement}")),
    ]
    if record.price_class is not None:
        facts.append(("fact.price_class", record.price_class))
    if record.level is not None:
        facts.append(("fact.level", visit.say(f"pair_level.{record.level}")))
    shown = [{"label": visit.say(key), "value": value} for key, value in facts]
    for number, line in enumerate(record.lines, start=1):
        if line.regroupement is not None:
            what = line_text(visit, record, number)
            shown.append({"label": what, "value": line.regroupement})
    for key, amounts in (("fact.amounts", record.amounts), ("fact.invoiced", record.invoiced)):
        if amounts is not None:
            value = visit.say(
                "fact.amounts_of",
                lenses=euros(amounts.lenses_cents, visit.language),
                frame=euros(amounts.frame_cents, visit.language),
            )
            shown.append({"label": visit.say(key), "value": value})
    if record.early_renewal_ground is not None:
        shown.append({"label": visit.say("fact.ground"), "value": record.early_renewal_ground})
    return shown


def _codes(visit: Visit, record: ClaimRecord) -> list[int]:
    """What the lines hide, also where the agent chose it; none once it is erased."""
    with visit.keeper.vault().read() as reading:
        hidden = openings(reading, record.claim_id)
    if hidden is None:
        return []
    text = unpack(hidden)["openings"]
    parsed = Openings.parse(text.encode(), generators_of(load_group()))
    return [opening.values[CODE_SLOT] for opening in parsed.openings]


def _keeps(visit: Visit, order: SaleOrder, codes: list[int]) -> list[dict[str, Any]]:
    kept = []
    for (place, item), code in zip(order.articles(), codes, strict=False):
        facts = [{"label": visit.say("sale.code"), "value": f"{code:07d}"}]
        price = euros(item.price_cents, visit.language)
        facts.append({"label": visit.say("fact.price"), "value": price})
        if item.correction is not None:
            text = correction_text(item.correction.correction())
            value = decimal_text(visit, text)
            facts.append({"label": visit.say("fact.correction"), "value": value})
        kept.append({"title": place_text(visit, place), "facts": facts})
    return kept


# -- what can be done with it -----------------------------------------------------------------


def invoice(visit: Visit) -> Response:
    """The invoice, once the glasses were handed over."""
    form, errors = visit.form, {}
    day: date | None = None
    amounts: ClaimAmounts | None = None
    try:
        day = form.day("date_of_delivery")
        if form.has("lenses_amount") or form.has("frame_amount"):
            amounts = ClaimAmounts(
                lenses_cents=form.cents("lenses_amount"), frame_cents=form.cents("frame_amount")
            )
    except FormError as error:
        errors = {error.field or "": error.words(visit.language)}
    if day is None or errors:
        return _claim_page(visit, errors, status=422)
    return _act(
        visit, lambda claim_id: visit.shop.invoice(claim_id, day, amounts), "claim.invoiced"
    )


def cancel(visit: Visit) -> Response:
    """Take the claim back."""
    if not visit.form.is_on("sure"):
        return _claim_page(visit, {"sure": visit.say("claim.sure_needed")}, status=422)
    return _act(visit, visit.shop.cancel, "claim.cancelled")


def retry(visit: Visit) -> Response:
    """Send now what waits."""
    return _act(visit, visit.shop.retry, "queue.tried")


def attest(visit: Visit) -> Response:
    """Ask an attester, who is shown the code of one line and no claim."""
    form, errors = visit.form, {}
    fields: dict[str, str] = {}
    for name, length in (("attester_id", 64), ("attester_url", 512), ("record_id", 64)):
        try:
            fields[name] = form.text(name, length)
        except FormError as error:
            errors[name] = error.words(visit.language)
    line = 0
    try:
        line = form.integer("line", 1, 100)
    except FormError as error:
        errors["line"] = error.words(visit.language)
    if errors:
        return _claim_page(visit, errors, status=422)
    reveal = ("code", "price") if form.is_on("with_price") else ("code",)
    return _act(
        visit,
        lambda claim_id: visit.shop.attest(
            claim_id,
            line,
            fields["record_id"],
            fields["attester_id"],
            fields["attester_url"],
            reveal,
        ),
        "claim.attested",
    )


def _act(visit: Visit, do: Callable[[str], object], notice: str) -> Response:
    claim_id = visit.name("claim_id")
    try:
        do(claim_id)
    except ShopError as error:
        if error.code == "claim_unknown":
            raise
        return _claim_page(visit, refusal=visit.refusal(error), status=409)
    visit.keeper.wake()
    visit.keeper.wait_round(WAIT_SECONDS)
    return visit.go(f"/claims/{claim_id}", notice, "info")


# -- attestations -----------------------------------------------------------------------------


def attestations(visit: Visit) -> Response:
    """What is still to be attested, and what was."""
    shop = visit.shop
    due = []
    for state in ("attestation_overdue", "granted", "sent", "pending"):
        for record in shop.claims(state=state, limit=100):
            due += [
                {
                    "href": f"/claims/{record.claim_id}#attest",
                    "name": sale_name(record),
                    "what": line_text(visit, record, duty.line),
                    "attesters": ", ".join(duty.attesters),
                    "slots": ", ".join(slot_text(visit, slot) for slot in duty.slots),
                    "due": duty.due_at,
                    "is_overdue": state == "attestation_overdue",
                }
                for duty in record.duties
                if not duty.is_met
            ]
    given = []
    for entry in shop.attestations():
        record = shop.claim(entry.claim_id)
        given.append(
            {
                "href": f"/claims/{entry.claim_id}",
                "name": sale_name(record),
                "what": line_text(visit, record, entry.line),
                "attester": entry.attester_id,
                "slots": ", ".join(slot_text(visit, slot) for slot in entry.attested),
                "got_at": entry.got_at,
                "is_sent": entry.is_sent,
            }
        )
    return visit.show("attestations.html", due=due, given=given)
