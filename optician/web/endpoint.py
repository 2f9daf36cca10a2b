"""The endpoint for point-of-sale software: the same JSON as `optician claim`, on 127.0.0.1.

POST /v1/claims        a sale; the answer says what became of it
GET  /v1/claims/{id}   a claim as it stands
GET  /v1/status        whether the agent can work, and how much waits

The token is the software's alone, and no page of a browser comes near it: whatever names an
origin is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from circuits.canonical import is_field_name
from optician.agent.answers import claim_answer
from optician.agent.errors import ShopError
from optician.messages import ORDER_PROBLEMS
from optician.order import MAX_ORDER_BYTES, OrderError, parse_order
from optician.vault import VaultError
from optician.web.keeper import Keeper, place_of, tell_on_terminal
from optician.web.problems import EndpointProblem, problem_response
from optician.web.tokens import is_endpoint_token
from pages.language import language_of
from zk.errors import EncodingError, StatementError, WitnessError

PREFIX: Final = "/v1/"
JSON: Final = "application/json"
DEFAULT_WAIT_SECONDS: Final = 10
MOST_WAIT_SECONDS: Final = 60

_VAULT_CODES: Final = {"vault_locked": "vault_locked", "vault_busy": "vault_busy"}
_SHOP_CODES: Final = {
    "sale_conflict": "sale_conflict",
    "key_missing": "not_set_up",
    "claim_unknown": "not_found",
}

Handler = Callable[[Keeper, Request], Awaitable[Response]]


def endpoint_routes(keeper: Keeper) -> list[Route]:
    """The endpoint's routes."""
    return [
        Route(f"{PREFIX}claims", _guarded(keeper, _post_claim), methods=["POST"]),
        Route(f"{PREFIX}claims/{{claim_id}}", _guarded(keeper, _get_claim), methods=["GET"]),
        Route(f"{PREFIX}status", _guarded(keeper, _get_status), methods=["GET"]),
    ]


def _guarded(keeper: Keeper, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind origin, token and problems."""

    async def answer(request: Request) -> Response:
        try:
            refuse_browsers(request)
            await run_in_threadpool(_require_token, keeper, request)
            return await handler(keeper, request)
        except ClientDisconnect:
            raise
        except Exception as error:
            return problem_response(problem_of(error), language_of(request))

    return answer


def refuse_browsers(request: Request) -> None:
    """Raise `EndpointProblem` for a request that a page of a browser makes."""
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        raise EndpointProblem("origin_refused")


def _require_token(keeper: Keeper, request: Request) -> None:
    given = request.headers.getlist("authorization")
    if not given:
        raise EndpointProblem("token_missing")
    scheme, _, token = given[0].partition(" ")
    is_formed = len(given) == 1 and scheme.lower() == "bearer"
    if not is_formed or not is_endpoint_token(keeper.vault(), token.strip()):
        raise EndpointProblem("token_invalid")


# -- handlers ---------------------------------------------------------------------------------


async def _post_claim(keeper: Keeper, request: Request) -> Response:
    seconds = _wait_of(request)
    body = await _read_json(request)
    answer = await run_in_threadpool(_claim, keeper, body, seconds)
    return JSONResponse(answer)


def _claim(keeper: Keeper, body: bytes, seconds: int) -> dict[str, Any]:
    order = parse_order(body)
    keeper.use()
    record = keeper.shop().make(order)
    if seconds:
        record = keeper.wait_for(record.claim_id, seconds)
    else:
        keeper.wake()
    return _answer(record)


async def _get_claim(keeper: Keeper, request: Request) -> Response:
    claim_id = request.path_params["claim_id"]
    record = await run_in_threadpool(lambda: keeper.shop().claim(claim_id))
    return JSONResponse(_answer(record))


async def _get_status(keeper: Keeper, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_status, keeper))


def _status(keeper: Keeper) -> dict[str, Any]:
    shop = keeper.shop()
    return {
        "status": "ready" if shop.identity() and shop.insurers() else "not_set_up",
        "states": dict(shop.counts()),
        "waiting": len(shop.queue()),
    }


def _answer(record: Any) -> dict[str, Any]:
    return claim_answer(record).model_dump(mode="json")


# -- reading ----------------------------------------------------------------------------------


def _wait_of(request: Request) -> int:
    text = request.query_params.get("wait", str(DEFAULT_WAIT_SECONDS))
    unknown = [name for name in request.query_params if name != "wait"]
    if unknown or not text.isascii() or not text.isdigit() or len(text) > 2:
        raise EndpointProblem("parameter_invalid", "wait: seconds from 0 to 60", ("wait",))
    if int(text) > MOST_WAIT_SECONDS:
        raise EndpointProblem("parameter_invalid", "wait: seconds from 0 to 60", ("wait",))
    return int(text)


async def _read_json(request: Request) -> bytes:
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if given.strip().lower() != JSON or charset not in ("", "charset=utf-8"):
        raise EndpointProblem("media_type_unsupported")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise EndpointProblem("content_encoding_unsupported")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_ORDER_BYTES:
            raise EndpointProblem("body_too_large", f"at most {MAX_ORDER_BYTES} bytes")
    return bytes(body)


# -- problems ---------------------------------------------------------------------------------


def problem_of(error: Exception) -> EndpointProblem:
    """What a fault is called; what is no fault of the sender's is told by its place alone."""
    if isinstance(error, EndpointProblem):
        return error
    if isinstance(error, VaultError):
        return EndpointProblem(_VAULT_CODES.get(error.code, "vault_damaged"))
    if isinstance(error, ShopError):
        titles = error.titles["en"], error.titles["fr"]
        code = _SHOP_CODES.get(error.code)
        if code is not None:
            return EndpointProblem(code, error.detail, error.places)
        return EndpointProblem("sale_refused", error.detail, error.places, titles)
    if isinstance(error, OrderError):
        return EndpointProblem(
            "sale_refused", error.code, (error.place,), ORDER_PROBLEMS[error.code]
        )
    if isinstance(error, EncodingError):
        return EndpointProblem("malformed", str(error))
    if isinstance(error, WitnessError):
        return EndpointProblem("sale_refused", str(error))
    if isinstance(error, StatementError):
        return EndpointProblem("fields_invalid", str(error), _places(str(error)))
    tell_on_terminal(place_of(error))
    return EndpointProblem("internal")


def _places(message: str) -> list[str]:
    """The fields that a refusal of `circuits.document` names."""
    _, _, problems = message.partition(": ")
    places = [problem.partition(": ")[0] for problem in problems.split("; ")]
    return [place for place in places if all(map(is_field_name, place.split(".")))]
