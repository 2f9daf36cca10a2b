"""What an optician relies on: his trust list, and what its publishers signed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.publication import MAX_PUBLICATIONS_BYTES, parse_publications
from circuits.signed import encode_signed
from circuits.trust import TRUST_REASONS
from console.running import CommandError, UsageError
from optician.published import (
    LATER,
    NONE_OF_IT,
    Reliance,
    encode_publications,
    read_reliance,
)
from tests.support import claims as samples
from tests.support.publishing import first_day, party, publication, trust, write_trust
from zk.errors import EncodingError, StatementError

CONTRACT, TABLE = samples.contract(), samples.nomenclature()
DAY, NOW = samples.DAY, samples.NOW


def refusal(
    held: Reliance, document: Contract | Nomenclature = CONTRACT, day: date = DAY
) -> str | None:
    try:
        held.require(document, day, NOW)
    except CommandError as error:
        return str(error) if error.kind == "unpublished" else f"{error.kind}: {error}"
    return None


# -- judging ------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [CONTRACT, TABLE], ids=["contract", "nomenclature"])
def test_what_is_published_is_proved_by(document: Contract | Nomenclature) -> None:
    both = [publication(CONTRACT), publication(TABLE)]
    assert refusal(Reliance(trust(), both), document) is None


def test_what_is_not_is_named() -> None:
    held = Reliance(trust(), [publication(CONTRACT)])
    assert refusal(held, TABLE) == f"nomenclature: {NONE_OF_IT}"
    assert refusal(Reliance(trust(), []), CONTRACT) == f"contract: {NONE_OF_IT}"
    other = samples.contract("reseau")
    assert refusal(held, other) == f"contract: {NONE_OF_IT}"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"revoked_at": NOW}, "key_revoked"),
        ({"revoked_at": NOW + timedelta(seconds=1)}, None),
        ({"valid_to": NOW}, None),
        ({"valid_to": NOW - timedelta(seconds=1)}, "key_not_valid"),
        ({"valid_from": NOW + timedelta(seconds=1)}, "key_not_valid"),
    ],
)
def test_the_key_must_count_now(entry: dict[str, Any], reason: str | None) -> None:
    held = Reliance(trust(party().public_entry(**entry)), [publication(CONTRACT)])
    assert refusal(held) == (None if reason is None else f"contract: {TRUST_REASONS[reason]}")


def test_it_must_be_published_for_the_date_of_service() -> None:
    held = Reliance(trust(), [publication(CONTRACT)])
    start = first_day(CONTRACT)
    assert refusal(held, day=start) is None
    assert refusal(held, day=start - timedelta(days=1)) == f"contract: {LATER}"


def test_one_that_counts_is_enough_wherever_it_stands() -> None:
    bad = [
        publication(CONTRACT, party("publisher-2")),
        publication(CONTRACT, in_force_from=(DAY + timedelta(days=1)).isoformat()),
        publication(CONTRACT, name="another"),
    ]
    assert refusal(Reliance(trust(), bad)) is not None
    for place in range(len(bad) + 1):
        held = [*bad[:place], publication(CONTRACT), *bad[place:]]
        assert refusal(Reliance(trust(), held)) is None


# -- files --------------------------------------------------------------------------------------


def test_a_file_holds_one_or_a_list() -> None:
    both = (publication(CONTRACT), publication(TABLE))
    assert parse_publications(encode_publications(both)) == both
    assert parse_publications(encode_publications([])) == ()
    assert parse_publications(encode_signed(both[0])) == both[:1]
    assert parse_publications(b" [\n" + encode_signed(both[1]) + b" ]") == both[1:]


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        (b"", EncodingError, "publications: "),
        (b"[1]", EncodingError, "publications: 0: publication: not a JSON object"),
        (b"[{}]", StatementError, "publications: 0: publication: .*digest"),
        (b'{"name":"n"}', StatementError, "publications: 0: publication: .*digest"),
        (b" " * (MAX_PUBLICATIONS_BYTES + 1), EncodingError, "publications: .*bytes"),
    ],
)
def test_a_file_that_is_none(data: bytes, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        parse_publications(data)


def test_the_place_of_the_fault_in_a_list_is_told() -> None:
    good = encode_signed(publication(CONTRACT))
    with pytest.raises(StatementError, match=r"^publications: 1: publication: kind: "):
        parse_publications(b"[%s,%s]" % (good, good.replace(b'"contract"', b'"contrat"')))


def test_options_make_a_reliance(tmp_path: Path) -> None:
    assert read_reliance(None, None) is None
    assert read_reliance(None, []) is None
    list_file = write_trust(tmp_path / "trust.json")
    files = []
    for name, document in (("one", CONTRACT), ("other", TABLE)):
        path = tmp_path / name
        path.write_bytes(encode_publications([publication(document)]))
        files.append(str(path))
    held = read_reliance(str(list_file), files)
    assert held is not None
    assert set(held.trust.keys) == {party().key_id}
    assert list(held.publications) == [publication(CONTRACT), publication(TABLE)]
    empty = read_reliance(str(list_file), None)
    assert empty is not None
    assert refusal(empty) == f"contract: {NONE_OF_IT}"


def test_publications_without_a_trust_list_would_say_nothing() -> None:
    with pytest.raises(UsageError, match="--publications: needs --trust"):
        read_reliance(None, ["publications.json"])
