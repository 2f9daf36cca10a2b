"""Bearer tokens: their form, their secret, and how long they open anything."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from circuits.canonical import decode_base64url
from verifier_api.service.access import (
    SCOPES,
    Principal,
    TokenEntry,
    is_secret_of,
    new_token,
    split_token,
)

NOW = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)


def entry_of(secret_sha256: str, **changes: Any) -> TokenEntry:
    values: dict[str, Any] = {
        "token_id": "0123456789abcdef",
        "scope": "optician",
        "optician_id": "shop-1",
        "label": "till",
        "secret_sha256": secret_sha256,
        "created_at": "2020-10-01T00:00:00Z",
        "expires_at": None,
        "revoked_at": None,
    }
    return TokenEntry(**values | changes)


def test_a_fresh_token_splits_into_its_id_and_its_secret() -> None:
    token_id, token, secret_sha256 = new_token()
    parts = split_token(token)
    assert parts is not None
    assert parts[0] == token_id
    assert len(decode_base64url(parts[1])) == 32
    assert decode_base64url(secret_sha256) == hashlib.sha256(parts[1].encode()).digest()
    assert parts[1] not in secret_sha256


def test_no_two_tokens_are_alike() -> None:
    made = [new_token() for _ in range(50)]
    for place in range(3):
        assert len({token[place] for token in made}) == 50


ID, SECRET = "0123456789abcdef", "A" * 43


@pytest.mark.parametrize(
    "text",
    [
        "",
        "co_",
        f"{ID}_{SECRET}",
        f"co_{ID}_",
        f"co_{ID}_{SECRET[1:]}",
        f"co_{ID}_{SECRET}A",
        f"co_{ID[1:]}_{SECRET}",
        f"co_{ID}0_{SECRET}",
        f"co_{ID.upper()}_{SECRET}",
        f"CO_{ID}_{SECRET}",
        f"co-{ID}-{SECRET}",
        f"co_{ID}_{SECRET[1:]}=",
        f"co_{ID}_{SECRET[1:]}+",
        f"co_{ID}_{SECRET[1:]}é",
        f"co_{ID[1:]}٣_{SECRET}",
        f" co_{ID}_{SECRET}",
        f"co_{ID}_{SECRET}\n",
        f"Bearer co_{ID}_{SECRET}",
    ],
)
def test_what_is_no_token(text: str) -> None:
    assert split_token(f"co_{ID}_{SECRET}") == (ID, SECRET)
    assert split_token(text) is None


def test_the_secret_opens_its_own_entry_alone() -> None:
    (_, first, first_hash), (_, second, second_hash) = new_token(), new_token()
    first_parts, second_parts = split_token(first), split_token(second)
    assert first_parts is not None
    assert second_parts is not None
    assert is_secret_of(entry_of(first_hash), first_parts[1])
    assert not is_secret_of(entry_of(first_hash), second_parts[1])
    assert not is_secret_of(entry_of(second_hash), first_parts[1])


def test_no_entry_has_no_secret_not_even_the_empty_one() -> None:
    assert not is_secret_of(None, "")
    assert not is_secret_of(None, SECRET)


def test_a_secret_is_compared_in_constant_time_also_where_there_is_no_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[object, object]] = []
    genuine: Callable[[Any, Any], bool] = hmac.compare_digest

    def noticed(given: Any, expected: Any) -> bool:
        compared.append((given, expected))
        return genuine(given, expected)

    monkeypatch.setattr(hmac, "compare_digest", noticed)
    _, token, secret_sha256 = new_token()
    parts = split_token(token)
    assert parts is not None
    is_secret_of(entry_of(secret_sha256), parts[1])
    is_secret_of(None, parts[1])
    assert len(compared) == 2
    # Hashes are compared, of one length whatever was sent.
    assert {len(str(text)) for pair in compared for text in pair} == {43}


@pytest.mark.parametrize(
    ("changes", "is_valid"),
    [
        ({}, True),
        ({"expires_at": "2020-10-06T09:30:00Z"}, True),  # the last instant
        ({"expires_at": "2020-10-06T09:29:59Z"}, False),
        ({"expires_at": "2030-01-01T00:00:00Z"}, True),
        ({"revoked_at": "2020-10-06T09:30:00Z"}, False),
        ({"revoked_at": "2030-01-01T00:00:00Z"}, False),
        ({"expires_at": "2030-01-01T00:00:00Z", "revoked_at": "2020-10-02T00:00:00Z"}, False),
    ],
)
def test_how_long_a_token_is_valid(changes: dict[str, Any], is_valid: bool) -> None:
    assert entry_of("x" * 43, **changes).is_valid_at(NOW) is is_valid


def test_a_token_ends_within_the_second_after_its_last_instant() -> None:
    entry = entry_of("x" * 43, expires_at="2020-10-06T09:30:00Z")
    assert entry.is_valid_at(NOW + timedelta(milliseconds=999))
    assert not entry.is_valid_at(NOW + timedelta(seconds=1))


def test_what_is_told_of_a_token_is_all_but_its_hash() -> None:
    _, _, secret_sha256 = new_token()
    facts = entry_of(secret_sha256).facts()
    assert facts.keys() == set(TokenEntry.__dataclass_fields__) - {"secret_sha256"}
    assert facts["label"] == "till"
    assert secret_sha256 not in str(facts)


def test_scopes_and_who_has_them() -> None:
    assert SCOPES == ("optician", "reader", "auditor", "admin")
    assert Principal("t", "reader").optician_id is None
    assert Principal("t", "optician", "shop-1").optician_id == "shop-1"
