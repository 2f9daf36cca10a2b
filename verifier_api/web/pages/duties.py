"""What others still owe: attestations, and answers to audits."""

from __future__ import annotations

from starlette.responses import Response

from verifier_api.service.audits import CASE_STATES
from verifier_api.web.pages.queries import PER_PAGE, cursor_of
from verifier_api.web.pages.visit import Visit, parameter_invalid


async def show_attestations(visit: Visit) -> Response:
    """Claims that lack an attestation, then those that wait for one."""
    cursor = cursor_of(visit.request)
    found = await visit.overview.attestations(cursor, PER_PAGE)
    return visit.render("attestations.html", found=found, has_cursor=cursor is not None)


async def show_audits(visit: Visit) -> Response:
    """Audit cases, newest first, all or those of one state."""
    cursor = cursor_of(visit.request)
    state = visit.request.query_params.get("state") or None
    if state is not None and state not in CASE_STATES:
        raise parameter_invalid("state")
    found = await visit.overview.audits(state, cursor, PER_PAGE)
    return visit.render(
        "audits.html",
        found=found,
        state=state,
        states=CASE_STATES,
        has_cursor=cursor is not None,
        now=visit.service.clock(),
    )
