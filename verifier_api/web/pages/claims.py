"""The list of claims, one claim in full, the export, and an administrator's decision."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from circuits.canonical import canonical_bytes
from pages.answers import PAGE_HEADERS, see_other
from pages.forms import Form, FormError
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import REASON_TITLES, STATES
from verifier_api.service.notices import MAX_NOTE, Decision
from verifier_api.service.overview import VERDICTS
from verifier_api.store.claims import find_claim
from verifier_api.web.pages.queries import FILTERS, PER_PAGE, STATEMENTS, chosen_of, cursor_of
from verifier_api.web.pages.visit import BASE, Visit
from verifier_api.web.routing import about

_CLAIM_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DECISIONS: Final = ("grant", "refuse")


async def show_list(visit: Visit) -> Response:
    """Claims, newest first; filters that mean nothing are told, and nothing is listed."""
    chosen, cursor = chosen_of(visit.request), cursor_of(visit.request)
    found: dict[str, Any] = {"claims": [], "next": None, "total": 0}
    if not chosen.wrong:
        found = await visit.overview.claims(chosen.filter(), cursor, PER_PAGE)
    snapshot = visit.service.directory.snapshot
    contracts = {version.contract.contract_id for version in snapshot.contracts.values()}
    classes = {
        entry.code
        for version in snapshot.nomenclatures.values()
        for entry in version.table.classes()
    }
    return visit.render(
        "claims.html",
        422 if chosen.wrong else 200,
        found=found,
        asked=dict.fromkeys(FILTERS, "") | dict(chosen.values),
        errors={
            name: visit.say("claims.filter_invalid", filter=visit.say(f"filter.{name}"))
            for name in chosen.wrong
        },
        query=urlencode(chosen.values),
        has_cursor=cursor is not None,
        states=STATES,
        verdicts=VERDICTS,
        statements=STATEMENTS,
        reasons={
            reason: french if visit.language == "fr" else english
            for reason, (english, french) in REASON_TITLES.items()
        },
        contracts=sorted(contracts),
        classes=sorted(classes),
    )


async def export(visit: Visit) -> Response:
    """The claims of a list as CSV. Raises `ServiceError` "parameter_invalid"."""
    chosen = chosen_of(visit.request)
    if chosen.wrong:
        raise ServiceError("parameter_invalid", "", places=chosen.wrong)
    day = visit.service.clock().date().isoformat()
    headers = {
        **PAGE_HEADERS,
        "Content-Disposition": f'attachment; filename="claims-{day}.csv"',
    }
    media_type = "text/csv; charset=utf-8"
    if visit.request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    lines = visit.overview.export(chosen.filter())
    first = await anext(lines)  # what fails here is told as a page

    async def all_lines() -> Any:
        yield first
        async for part in lines:
            yield part

    return StreamingResponse(all_lines(), headers=headers, media_type=media_type)


async def show(visit: Visit) -> Response:
    """One claim: every step of its judgement, what is known, what nobody can know."""
    return await _page(visit, _claim_id(visit))


async def decide(visit: Visit) -> Response:
    """An administrator grants or refuses a claim that waits for that. Raises `ServiceError`:
    "forbidden", and as the service's decision."""
    claim_id = _claim_id(visit)
    form = await visit.form_of_session("decision", "note")
    assert visit.principal is not None
    if visit.principal.scope != "admin":
        raise ServiceError("forbidden", "this needs a token of scope admin")
    try:
        decision = _decision_of(form)
    except FormError as error:
        errors = {error.field or "": error.words(visit.language)}
        return await _page(visit, claim_id, error.status, errors)
    data = canonical_bytes(decision.model_dump(mode="json"))
    try:
        with about(visit.request, claim_id=claim_id):
            await visit.service.decide(claim_id, decision, data, visit.principal)
    except ServiceError as error:
        if error.code != "state_conflict":
            raise
        visit.context.facts["problem"] = error.code
        return await _page(visit, claim_id, 409, {"": visit.say("decision.too_late")})
    return see_other(f"{BASE}claims/{claim_id}")


def _decision_of(form: Form) -> Decision:
    word = form.choice("decision", _DECISIONS)
    note = form.text("note", MAX_NOTE, "")
    return Decision(decision="grant" if word == "grant" else "refuse", note=note)


def _claim_id(visit: Visit) -> str:
    claim_id: str = visit.request.path_params["claim_id"]
    if not _CLAIM_ID.fullmatch(claim_id):
        raise ServiceError("not_found", "")
    return claim_id


async def _page(
    visit: Visit, claim_id: str, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    with about(visit.request, claim_id=claim_id):
        found = await visit.overview.claim_page(claim_id)
    row = await visit.service.look(lambda connection: find_claim(connection, claim_id))
    assert row is not None  # a claim that was recorded stays
    envelope = bytes(row.envelope)
    return visit.render(
        "claim.html",
        status,
        found=found,
        claim=found["claim"],
        errors=errors or {},
        envelope_bytes=len(envelope),
        document=json.dumps(json.loads(envelope), indent=2, ensure_ascii=False),
    )
