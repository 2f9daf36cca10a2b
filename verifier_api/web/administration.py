"""Routes of the administrator: tokens, opticians' keys, rights."""

from __future__ import annotations

import base64
import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from circuits.document import StrictDocument
from verifier_api.keys import KeyEntry
from verifier_api.service.access import Principal
from verifier_api.service.administration import (
    NewToken,
    RightEnd,
    RightsRequest,
    TokenRequest,
    add_rights,
    create_token,
    end_right,
    register_keys,
    revoke_key,
    revoke_token,
    right_facts,
    rotate_token,
)
from verifier_api.service.errors import ServiceError
from verifier_api.store import reference
from verifier_api.web import examples, schemas
from verifier_api.web.bodies import decode_body, read_body
from verifier_api.web.routing import (
    INSURER,
    PartsHere,
    allow,
    answers,
    body_of,
    json_response,
)

MAX_REQUEST_BYTES = 256 * 2**10
MAX_KEYS = 1000
MAX_PAGE = 500

router = APIRouter(prefix="/v1")

TokenId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", examples=[examples.TOKEN_ID])]
KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$", examples=[examples.KEY_ID])]
Admin = Annotated[Principal, allow("admin")]

_CURSOR = re.compile(r"[\w-]{16,64}/[\w.-]{1,64}/\d{4}-\d{2}-\d{2}", re.ASCII)


# -- tokens -------------------------------------------------------------------------------------


@router.get(
    "/tokens",
    tags=["administration"],
    summary="Every token, without its secret",
    responses=answers(schemas.TokenList),
)
async def list_tokens(parts: PartsHere, _principal: Admin) -> Response:
    """Revoked and expired ones too."""
    tokens = parts.service.directory.snapshot.tokens.values()
    return json_response({"tokens": [entry.facts() for entry in tokens]})


@router.post(
    "/tokens",
    tags=["administration"],
    summary="Make a token",
    responses=answers(schemas.TokenCreated, has_body=True, description="Told this once."),
    openapi_extra=body_of(TokenRequest, example=examples.TOKEN),
)
async def post_token(request: Request, parts: PartsHere, principal: Admin) -> Response:
    """Only its hash is kept."""
    data = await read_body(request, MAX_REQUEST_BYTES, parts.settings.body_seconds)
    wanted = decode_body(TokenRequest, data, MAX_REQUEST_BYTES, "token")
    service = parts.service
    fresh = await service.administer(
        lambda connection: create_token(connection, wanted, principal.token_id, service.clock())
    )
    return json_response(_created(parts, fresh))


@router.post(
    "/tokens/{token_id}/rotation",
    tags=["administration"],
    summary="Make a token in place of another, which is revoked",
    responses=answers(
        schemas.TokenCreated,
        *("not_found", "state_conflict", "parameter_invalid"),
        description="Told this once.",
    ),
)
async def rotate(token_id: TokenId, parts: PartsHere, principal: Admin) -> Response:
    """Same scope, optician, label and end."""
    service = parts.service
    fresh = await service.administer(
        lambda connection: rotate_token(connection, token_id, principal.token_id, service.clock())
    )
    return json_response(_created(parts, fresh))


@router.delete(
    "/tokens/{token_id}",
    tags=["administration"],
    summary="Revoke a token",
    responses=answers(schemas.TokenFacts, "not_found", "parameter_invalid"),
)
async def delete_token(token_id: TokenId, parts: PartsHere, principal: Admin) -> Response:
    """Every process refuses it within about a second."""
    service = parts.service
    await service.administer(
        lambda connection: revoke_token(connection, token_id, principal.token_id, service.clock())
    )
    return json_response(service.directory.snapshot.tokens[token_id].facts())


def _created(parts: PartsHere, fresh: NewToken) -> dict[str, Any]:
    facts = parts.service.directory.snapshot.tokens[fresh.token_id].facts()
    return facts | {"token": fresh.token}


# -- keys ---------------------------------------------------------------------------------------


class KeysRequest(StrictDocument):
    """Opticians' public keys, in the form of the keys file."""

    format_version: Annotated[int, Field(ge=1, le=1)] = 1
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1, max_length=MAX_KEYS)]


@router.get(
    "/keys",
    tags=["administration"],
    summary="Opticians' registered keys",
    responses=answers(schemas.KeyList),
)
async def list_keys(
    parts: PartsHere, _principal: Annotated[Principal, allow(*INSURER)]
) -> Response:
    """Revoked ones too."""
    keys = parts.service.directory.snapshot.keys.values()
    return json_response({"keys": [entry.facts() for entry in keys]})


@router.post(
    "/keys",
    tags=["administration"],
    summary="Register opticians' keys",
    responses=answers(
        schemas.KeyList,
        *("version_unsupported", "reference_invalid", "already_exists"),
        has_body=True,
    ),
    openapi_extra=body_of(KeysRequest, example=examples.KEYS),
)
async def post_keys(request: Request, parts: PartsHere, principal: Admin) -> Response:
    """All or none, in the form of the file that `optician keygen` writes."""
    data = await read_body(request, MAX_REQUEST_BYTES, parts.settings.body_seconds)
    wanted = decode_body(KeysRequest, data, MAX_REQUEST_BYTES, "keys")
    service = parts.service
    ids = await service.administer(
        lambda connection: register_keys(
            connection, wanted.keys, principal.token_id, service.clock()
        )
    )
    keys = service.directory.snapshot.keys
    return json_response({"keys": [keys[key_id].facts() for key_id in ids]})


@router.delete(
    "/keys/{key_id}",
    tags=["administration"],
    summary="Revoke an optician's key",
    responses=answers(schemas.KeyFacts, "not_found", "parameter_invalid"),
)
async def delete_key(key_id: KeyId, parts: PartsHere, principal: Admin) -> Response:
    """No claim signed with it is accepted any more; what was judged stays judged."""
    service = parts.service
    await service.administer(
        lambda connection: revoke_key(connection, key_id, principal.token_id, service.clock())
    )
    return json_response(service.directory.snapshot.keys[key_id].facts())


# -- rights -------------------------------------------------------------------------------------


@router.get(
    "/rights",
    tags=["administration"],
    summary="Rights, page by page",
    responses=answers(schemas.RightsPage, "parameter_invalid"),
)
async def list_rights(
    parts: PartsHere,
    _principal: Admin,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """By beneficiary, contract and first day. References stand in the answer, not in the URL."""
    after = None if cursor is None else _decode_cursor(cursor)
    rows = await parts.service.look(
        lambda connection: reference.right_rows(connection, after, limit + 1)
    )
    following = _encode_cursor(rows[limit - 1]) if len(rows) > limit else None
    return json_response({"rights": [right_facts(row) for row in rows[:limit]], "next": following})


@router.post(
    "/rights",
    tags=["administration"],
    summary="Record rights of beneficiaries",
    responses=answers(schemas.RightsAdded, "already_exists", has_body=True),
    openapi_extra=body_of(RightsRequest, example=examples.RIGHTS),
)
async def post_rights(request: Request, parts: PartsHere, principal: Admin) -> Response:
    """All or none; the same right again changes nothing."""
    data = await read_body(request, MAX_REQUEST_BYTES, parts.settings.body_seconds)
    wanted = decode_body(RightsRequest, data, MAX_REQUEST_BYTES, "rights")
    service = parts.service
    added = await service.change(
        lambda connection: add_rights(
            connection, wanted.rights, principal.token_id, service.clock()
        )
    )
    return json_response({"added": added})


@router.post(
    "/rights/end",
    tags=["administration"],
    summary="End a right",
    responses=answers(schemas.RightEnded, "not_found", has_body=True),
    openapi_extra=body_of(RightEnd, example=examples.RIGHT_END),
)
async def post_right_end(request: Request, parts: PartsHere, principal: Admin) -> Response:
    """The period that holds on that day ends with it."""
    data = await read_body(request, MAX_REQUEST_BYTES, parts.settings.body_seconds)
    end = decode_body(RightEnd, data, MAX_REQUEST_BYTES, "right")
    service = parts.service
    await service.change(
        lambda connection: end_right(connection, end, principal.token_id, service.clock())
    )
    return json_response({"valid_to": end.valid_to.isoformat()})


def _encode_cursor(row: Any) -> str:
    text = f"{row.beneficiary}/{row.contract_id}/{row.valid_from.isoformat()}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode_cursor(cursor: str) -> tuple[str, str, date]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if not _CURSOR.fullmatch(text):
            raise ValueError
        beneficiary, contract_id, day = text.split("/")
        return beneficiary, contract_id, date.fromisoformat(day)
    except ValueError:
        raise ServiceError(
            "parameter_invalid", "cursor: not one that this service gave out", places=("cursor",)
        ) from None
