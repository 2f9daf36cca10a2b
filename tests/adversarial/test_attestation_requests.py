"""Requests by which an optician, or somebody who poses as one, would be attested what is not so.

Each is the accepted request, changed in one point; what is refused leaves nothing in the ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from circuits.attestation import AttestationRequest, attestation_purpose
from circuits.canonical import decode_base64url, encode_base64url
from circuits.opening import LineOpening, bound_purpose, line_opening
from circuits.signed import make_signed
from circuits.slots import SLOTS
from optician.identity import Identity
from optician.opening_file import open_line
from tests.support import claims as samples
from tests.support.laboratory import (
    ATTESTER,
    OTHER_OPTICIAN,
    RECORD,
    Lab,
    pair_of_claims,
    request_for,
    row,
    secrets_of,
)
from verifier_api.attester.rules import REQUEST_REASONS
from zk.commitment import commit, fresh_opening, open_partially
from zk.errors import ProofRejected

ONE, TWO = pair_of_claims()
CLAIM, OPENINGS = ONE
OTHER_ORDER = "ORDER-18"


def unit_count(lab: Lab) -> int:
    with closing(sqlite3.connect(lab.ledger_file)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM units").fetchone()
    return int(count)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, row(OPENINGS), row(OPENINGS, record_id=OTHER_ORDER))
    yield made
    made.attester.close()


def accepted() -> AttestationRequest:
    return request_for(ONE)


def signed_anew(by: Identity | None = None, **changes: Any) -> AttestationRequest:
    """The accepted request with other fields, signed by whoever sends it."""
    signer = by or samples.identity()
    request = accepted()
    names = AttestationRequest.model_fields.keys() - {"format_version", "key_id", "signature"}
    fields = {name: getattr(request, name) for name in names}
    return make_signed(AttestationRequest, signer.signing_key, **fields | changes)


def opening_for(purpose: str, line: int = 1, made: Any = ONE, reveal: Any = None) -> LineOpening:
    return open_line(made[1], line, reveal or ("code", "price"), purpose, samples.generators())


def changed_opening(**changes: Any) -> LineOpening:
    return accepted().opening.model_copy(update=changes)


def with_revealed(name: str, value: int) -> LineOpening:
    opening = accepted().opening
    return opening.model_copy(update={"revealed": opening.revealed | {name: value}})


def flipped(text: str, place: int) -> str:
    data = bytearray(decode_base64url(text))
    data[place] ^= 1
    return encode_base64url(bytes(data))


NO_POINT = b"\x02" + (5).to_bytes(32, "big")
HERE = attestation_purpose(ATTESTER, RECORD)
CHANGES: dict[str, tuple[Callable[[], AttestationRequest], str]] = {
    "made for another attester": (lambda: signed_anew(attester_id="lab-2"), "attester_differs"),
    "an optician nobody registered": (
        lambda: signed_anew(Identity.generate("optician-1")), "optician_unknown"),
    "another optician's name": (
        lambda: signed_anew(optician_id=OTHER_OPTICIAN), "optician_unknown"),
    "another optician's key": (
        lambda: signed_anew(samples.identity(OTHER_OPTICIAN)), "optician_unknown"),
    "a changed record after signing": (
        lambda: accepted().model_copy(update={"record_id": OTHER_ORDER}), "signature_invalid"),
    "a changed opening after signing": (
        lambda: accepted().model_copy(update={"opening": with_revealed("price", 1)}),
        "signature_invalid"),
    "a changed claim after signing": (
        lambda: accepted().model_copy(
            update={"claim_digest": request_for(TWO).claim_digest}), "signature_invalid"),
    "another signature": (
        lambda: accepted().model_copy(update={"signature": flipped(accepted().signature, 3)}),
        "signature_invalid"),
    "an old request": (
        lambda: request_for(ONE, now=samples.NOW - timedelta(minutes=15, seconds=1)),
        "request_stale"),
    "a request from the future": (
        lambda: request_for(ONE, now=samples.NOW + timedelta(minutes=15, seconds=1)),
        "request_stale"),
    "an opening for an audit": (
        lambda: signed_anew(opening=opening_for("audit 2020-1")), "opening_other_purpose"),
    "an opening for another attester": (
        lambda: signed_anew(opening=opening_for(attestation_purpose("lab-2", RECORD))),
        "opening_other_purpose"),
    "an opening for another record": (
        lambda: signed_anew(opening=opening_for(attestation_purpose(ATTESTER, OTHER_ORDER))),
        "opening_other_purpose"),
    "an opening under another purpose's name": (
        lambda: signed_anew(
            opening=opening_for("audit 2020-1").model_copy(update={"purpose": HERE})),
        "opening_invalid"),
    "the record renamed to another": (
        lambda: signed_anew(record_id=OTHER_ORDER), "opening_other_purpose"),
    "another line's opening under this line": (
        lambda: signed_anew(opening=opening_for(HERE, 3).model_copy(
            update={"line": 1, "commitment": CLAIM.lines[0].commitment})),
        "opening_invalid"),
    "this line's opening under another line": (
        lambda: signed_anew(opening=changed_opening(line=2)), "opening_invalid"),
    "another claim's opening under this claim": (
        lambda: signed_anew(opening=opening_for(HERE, 1, TWO).model_copy(
            update={"claim_id": CLAIM.claim_id})),
        "opening_invalid"),
    "another commitment": (
        lambda: signed_anew(opening=changed_opening(commitment=TWO[0].lines[0].commitment)),
        "opening_invalid"),
    "a commitment that is no point": (
        lambda: signed_anew(opening=changed_opening(commitment=encode_base64url(NO_POINT))),
        "opening_malformed"),
    "another code revealed": (
        lambda: signed_anew(opening=with_revealed("code", secrets_of(OPENINGS, 3)[0])),
        "opening_invalid"),
    "another price revealed": (
        lambda: signed_anew(opening=with_revealed("price", 1)), "opening_invalid"),
    "one more value revealed": (
        lambda: signed_anew(opening=with_revealed("date", 1)), "opening_malformed"),
    "a proof of another length": (
        lambda: signed_anew(opening=changed_opening(proof=accepted().opening.proof[:-4])),
        "opening_malformed"),
    "a proof changed in its end": (
        lambda: signed_anew(opening=changed_opening(proof=flipped(accepted().opening.proof, -1))),
        "opening_invalid"),
    "a record that is not there": (
        lambda: request_for(ONE, record_id="ORDER-99"), "record_unknown"),
    "the price alone": (lambda: request_for(ONE, reveal=["price"]), "code_missing"),
    "the code alone": (lambda: request_for(ONE, reveal=["code"]), "price_missing"),
    "a line with another code": (lambda: request_for(ONE, line=3), "code_differs"),
}  # fmt: skip


def refused(lab: Lab, request: AttestationRequest) -> ProofRejected:
    with pytest.raises(ProofRejected) as refusal:
        lab.ask(request)
    return refusal.value


@pytest.mark.parametrize("name", CHANGES)
def test_the_accepted_request_changed_in_one_point_is_refused(lab: Lab, name: str) -> None:
    make, reason = CHANGES[name]
    error = refused(lab, make())
    assert error.reason == reason
    assert unit_count(lab) == 0
    for line in (1, 3):
        for value in secrets_of(OPENINGS, line):
            assert str(value) not in f"{error} {error!r}"
    lab.ask(accepted())
    assert unit_count(lab) == 1


def test_every_reason_that_needs_no_other_record_is_provoked_here() -> None:
    elsewhere = {"price_differs", "record_used_up", "opening_meaningless"}
    assert {reason for _, reason in CHANGES.values()} == set(REQUEST_REASONS) - elsewhere


def test_another_price_than_the_records_is_refused(tmp_path: Path) -> None:
    _, price = secrets_of(OPENINGS)
    lab = Lab(tmp_path, row(OPENINGS, price_cents=price + 1))
    assert refused(lab, accepted()).reason == "price_differs"
    lab.write(row(OPENINGS))
    lab.ask(accepted())
    lab.attester.close()


def test_another_opticians_record_is_as_unknown_as_none(tmp_path: Path) -> None:
    lab = Lab(tmp_path, row(OPENINGS, optician_id=OTHER_OPTICIAN))
    foreign, nothing = refused(lab, accepted()), refused(lab, request_for(ONE, record_id="O-9"))
    assert (foreign.reason, foreign.detail) == (nothing.reason, nothing.detail)
    assert foreign.reason == "record_unknown"
    lab.attester.close()


def test_an_opening_copied_from_another_opticians_request_is_refused(tmp_path: Path) -> None:
    """Who overhears a request has an opening that is good, but no record of his own for it."""
    lab = Lab(tmp_path, row(OPENINGS), row(OPENINGS, record_id="O-2", optician_id=OTHER_OPTICIAN))
    thief = samples.identity(OTHER_OPTICIAN)
    for record_id, reason in ((RECORD, "record_unknown"), ("O-2", "opening_other_purpose")):
        stolen = signed_anew(thief, optician_id=OTHER_OPTICIAN, record_id=record_id)
        assert refused(lab, stolen).reason == reason
    assert unit_count(lab) == 0
    lab.attester.close()


def test_a_value_that_is_no_code_is_refused_even_if_it_is_committed(lab: Lab) -> None:
    generators = samples.generators()
    opening = fresh_opening(generators, [5, *OPENINGS.openings[0].values[1:]])
    commitment = encode_base64url(generators.group.encode(commit(generators, opening)))
    bound = bound_purpose(CLAIM.claim_id, 1, HERE)
    partial = open_partially(generators, opening, [1, 2], bound)
    assert partial.slots == SLOTS
    document = line_opening(CLAIM.claim_id, 1, commitment, HERE, partial)
    assert refused(lab, signed_anew(opening=document)).reason == "opening_meaningless"


# -- once and not twice -------------------------------------------------------------------------


def test_a_request_sent_again_gets_the_same_and_uses_nothing_up(lab: Lab) -> None:
    request = accepted()
    answers = {lab.ask(request) for _ in range(3)}
    assert len(answers) == 1
    assert unit_count(lab) == 1
    lab.now += timedelta(minutes=15)
    assert {lab.ask(request)} == answers
    lab.now += timedelta(seconds=1)
    assert refused(lab, request).reason == "request_stale"


def test_one_order_does_not_stand_behind_two_claims(lab: Lab) -> None:
    lab.ask(request_for(ONE))
    assert refused(lab, request_for(TWO)).reason == "record_used_up"
    assert unit_count(lab) == 1
    lab.ask(request_for(TWO, record_id=OTHER_ORDER))


def test_nor_behind_the_same_claim_made_anew(lab: Lab) -> None:
    """The same number, but fresh commitments: as good as another claim."""
    lab.ask(request_for(ONE))
    anew = samples.claim_of(samples.sample_sale("equipment", claim_id=CLAIM.claim_id))
    assert refused(lab, request_for(anew)).reason == "record_used_up"


def test_a_quantity_of_two_stands_behind_two_lines(tmp_path: Path) -> None:
    lab = Lab(tmp_path, row(OPENINGS, quantity=2))
    first, second = lab.attestation(request_for(ONE)), lab.attestation(request_for(TWO))
    assert first.record != second.record
    third = samples.claim_of(samples.sample_sale("equipment"))
    assert refused(lab, request_for(third)).reason == "record_used_up"
    lab.attester.close()


def test_a_record_that_shrinks_takes_nothing_back_and_gives_nothing_more(tmp_path: Path) -> None:
    lab = Lab(tmp_path, row(OPENINGS, quantity=2))
    first = lab.ask(request_for(ONE))
    lab.write(row(OPENINGS, quantity=1))
    assert lab.ask(request_for(ONE)) == first
    assert refused(lab, request_for(TWO)).reason == "record_used_up"
    lab.attester.close()


def test_a_record_that_changed_is_not_attested_again(lab: Lab) -> None:
    lab.ask(accepted())
    lab.write(row(OPENINGS, 3))
    assert refused(lab, accepted()).reason == "code_differs"
    lab.write()
    assert refused(lab, accepted()).reason == "record_unknown"


def test_a_key_that_was_taken_off_the_list_asks_no_more(lab: Lab) -> None:
    lab.ask(accepted())
    lab.keys_file.write_bytes(samples.keys_document(samples.identity(OTHER_OPTICIAN)))
    assert refused(lab, accepted()).reason == "optician_unknown"


def test_two_claims_at_once_for_one_article(lab: Lab) -> None:
    """Through two attesters over one ledger, as two processes would be."""
    second = lab.open()
    start = Barrier(2)

    def ask(given: tuple[Any, AttestationRequest]) -> str:
        attester, request = given
        start.wait()
        try:
            attester.attest(request)
        except ProofRejected as error:
            return error.reason
        return "attested"

    with ThreadPoolExecutor(2) as threads:
        outcomes = threads.map(ask, [(lab.attester, request_for(ONE)), (second, request_for(TWO))])
        assert sorted(outcomes) == ["attested", "record_used_up"]
    assert unit_count(lab) == 1
    second.close()


def test_small_order_keys_are_no_opticians(tmp_path: Path) -> None:
    """For whom anybody could sign; the list with one is refused, and the last good one stands."""
    lab = Lab(tmp_path, row(OPENINGS))
    weak = samples.keys_document(samples.identity()).replace(
        samples.identity().public_entry()["public_key"].encode(),
        encode_base64url(b"\x01" + bytes(31)).encode(),
    )
    lab.keys_file.write_bytes(weak)
    lab.ask(accepted())
    assert lab.faults == ["keys: keys.0: a key for which anybody can sign"]
    assert lab.attester.checks()["opticians"] is False
    lab.attester.close()
