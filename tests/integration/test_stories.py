"""Whole stories over HTTP: insurer, attester, optician and auditor as processes of their own.

Each story is about claims of its own; the clock goes on from story to story, and never back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from circuits.attestation import (
    REFERENCE_BYTES,
    Attestation,
    AttestationRequest,
    Submission,
    attestation_purpose,
    encode_submission,
)
from circuits.audit import (
    AuditAnswer,
    AuditReply,
    audit_purpose,
    encode_reply,
    seal_opening,
    sealed_digest,
)
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import claim_digest, encode_instant
from circuits.opening import LineOpening
from circuits.sealing import RecipientKey
from circuits.signed import decode_signed, encode_signed, make_signed, signed_digest
from optician.claiming import Openings
from optician.identity import Identity
from optician.opening_file import open_line
from tests.support import claims as samples
from tests.support.office import Office
from tests.support.server import fresh_store
from tests.support.world import (
    ANSWER_DAYS,
    ATTEST_DAYS,
    ATTESTER,
    AUDITOR,
    BOTH,
    IN_FORCE_FROM,
    LENS,
    PUBLISHER,
    SHOP,
    VALID_DAYS,
    Sold,
    World,
)
from verifier_api.parties import Party

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    made = World(folder, fresh_store("sqlite", folder / "insurer", None))
    try:
        yield made
        made.server.stop()
        assert made.store.check()["problems"] == []
    finally:
        made.close()


def attestation_file(sold: Sold, line: int = 1) -> str:
    return f"{sold.name}.{line}.attestation.json"


def read_attestation(sold: Sold, line: int = 1) -> Attestation:
    return decode_signed(Attestation, sold.shop.read(attestation_file(sold, line)))


def refusal(told: dict[str, Any]) -> tuple[str, str | None]:
    """Code and reason of a problem that a command tells."""
    assert told["error"] in ("problem", "attester_problem"), told
    return told["code"], told["reason"]


def wait_until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """The service reads its trust list once a second, and sweeps now and then."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.05)


def identity_of(shop: Office) -> Identity:
    return Identity.parse(shop.read("shop.key"))


def party_of(world: World, role: str, name: str = "") -> Party:
    folder = world.auditor.folder if role == "auditor" else world.path(role)
    return Party.parse((folder / f"{name or role}.key").read_bytes())


# -- attestations -------------------------------------------------------------------------------


def test_a_claim_comes_with_what_its_contract_wants_attested(world: World) -> None:
    sold = world.sell("at once", statement="equipment", lenses=(LENS, LENS))
    for line in (1, 2):
        told = world.attest(sold, world.record_of(sold, line), "--trust", "trust.json", line=line)
        assert (told["attested"], told["warnings"]) == (list(BOTH), [])
    first, second = (attestation_file(sold, line) for line in (1, 2))
    refused = world.submit(sold, first, code=2)
    assert refusal(refused) == ("attestation_refused", "attestation_missing")
    assert refused["places"] == ["lines.1"]
    verdict = world.submit(sold, first, second)
    assert (verdict["verdict"], verdict["attest_by"]) == ("granted", None)
    detail = world.detail(sold.claim_id)
    assert [(due["line"], due["due_at"]) for due in detail["attestations"]["due"]] == [
        (1, None),
        (2, None),
    ]
    given = {entry["digest"] for entry in detail["attestations"]["given"]}
    assert {due["met_by"] for due in detail["attestations"]["due"]} == given
    assert given == {signed_digest(read_attestation(sold, line)) for line in (1, 2)}
    # Whatever comes with it, the claim has had its verdict.
    again = world.submit(sold)
    assert {**again, "warnings": []} == {**verdict, "warnings": []}


def test_a_line_is_attested_after_the_grant(world: World) -> None:
    sold = world.sell("afterwards")
    verdict = world.submit(sold)
    due = verdict["attest_by"]
    assert verdict["verdict"] == "granted"
    assert due is not None
    summary = world.detail(sold.claim_id)
    assert (summary["state"], summary["attest_by"]) == ("granted", due)
    told = world.attest(sold, world.record_of(sold), *world.to_insurer())
    answer = told["answer"]
    assert (answer["state"], answer["attest_by"], answer["missing"]) == ("granted", None, [])
    again = world.attest(sold, world.record_of(sold), *world.to_insurer(), "--force")
    assert again["answer"] == answer
    detail = world.detail(sold.claim_id)
    assert detail["attest_by"] is None
    assert len(detail["attestations"]["given"]) == 1
    assert [entry["kind"] for entry in detail["history"]].count("attested") == 1


def test_an_attester_catches_a_wrong_code(world: World) -> None:
    sold = world.sell("at once", index=3)
    rows = samples.nomenclature().class_rows(LENS, samples.DAY)
    delivered = rows[4].code
    assert sold.item()["code"] != delivered
    record = world.record_of(sold, code=delivered)
    told = world.attest(sold, record, code=2)
    assert refusal(told) == ("attestation_refused", "code_differs")
    wrong_price = world.sell("at once")
    record = world.record_of(wrong_price, price_cents=wrong_price.item()["price_cents"] - 1)
    assert refusal(world.attest(wrong_price, record, code=2))[1] == "price_differs"
    # Both codes are of the class, so the claim would be proved; the contract asks for more.
    assert refusal(world.submit(sold, code=2))[1] == "attestation_missing"
    assert world.server.ask(
        "GET", f"/v1/claims/{sold.claim_id}", world.server.admin_token
    ).status == 404  # fmt: skip


def test_an_attestation_expires_and_another_is_given_for_the_same_record(world: World) -> None:
    sold = world.sell("afterwards")
    assert world.submit(sold)["verdict"] == "granted"
    record = world.record_of(sold)
    world.attest(sold, record)
    old = read_attestation(sold)
    world.restart(days=VALID_DAYS + 1)
    body = encode_signed(old)
    path = f"/v1/claims/{sold.claim_id}/attestations"
    assert reason_of(world, path, body) == "attestation_expired"
    told = world.attest(sold, record, "--force", *world.to_insurer())
    assert told["answer"]["attest_by"] is None
    assert read_attestation(sold).record == old.record


def test_a_late_attestation_leaves_the_claim_overdue_until_the_insurer_decides(
    world: World,
) -> None:
    sold = world.sell("afterwards")
    in_time = world.sell("afterwards")
    for one in (sold, in_time):
        assert world.submit(one)["verdict"] == "granted"
    world.attest(in_time, world.record_of(in_time), *world.to_insurer())
    world.restart(days=ATTEST_DAYS, seconds=61)
    world.attest(sold, world.record_of(sold))  # the attester knows no deadline
    body = sold.shop.read(attestation_file(sold))
    path = f"/v1/claims/{sold.claim_id}/attestations"
    assert reason_of(world, path, body) == "attestation_late"
    listed = world.ask("GET", "/v1/claims?state=attestation_overdue")["claims"]
    assert [entry["claim_id"] for entry in listed] == [sold.claim_id]
    wait_until(lambda: "attestation_overdue" in kinds_of(world, sold))
    assert world.detail(in_time.claim_id)["state"] == "granted"
    for command in ("invoice", "cancel"):
        more = ("--date-of-delivery", "2020-11-28") if command == "invoice" else ()
        told = sold.shop.done(
            *(command, sold.claim_file, "--key", "shop.key", *more, *world.to_insurer()), code=2
        )
        assert refusal(told)[0] == "state_conflict"
    decided = world.admin.decide(sold.claim_id, "grant", "seen the order")
    assert decided.state == "granted"
    assert world.detail(sold.claim_id)["attest_by"] is None


def kinds_of(world: World, sold: Sold) -> list[str]:
    return [entry["kind"] for entry in world.detail(sold.claim_id)["history"]]


def reason_of(world: World, path: str, body: bytes, token: str | None = None) -> str:
    """The reason for which the insurer's service refuses what the shop sends."""
    token = token or world.shop.read("shop.token").decode()
    reply = world.server.ask("POST", path, token, body)
    assert reply.status in (404, 409, 422), reply.content
    problem = reply.json()
    return str(problem.get("reason") or problem["code"])


# -- attestations of something else ---------------------------------------------------------------


def forged(world: World, like: Attestation, role: str = "attester", **changes: Any) -> bytes:
    """What an attester could sign instead, or somebody else."""
    fields = {
        name: getattr(like, name)
        for name in Attestation.model_fields
        if name not in ("format_version", "key_id", "signature")
    }
    key = party_of(world, role).signing_key
    return encode_signed(make_signed(Attestation, key, **(fields | changes)))


def test_an_attestation_of_anything_else_is_refused_for_what_it_is(world: World) -> None:
    one, other = world.sell("afterwards"), world.sell("afterwards")
    for sold in (one, other):
        assert world.submit(sold)["verdict"] == "granted"
    world.attest(one, world.record_of(one), *world.to_insurer())
    of_one = read_attestation(one)
    path = f"/v1/claims/{other.claim_id}/attestations"
    commitment = other.claim.lines[0].commitment
    digest = encode_base64url(claim_digest(other.claim))
    of_other = {"claim_id": other.claim_id, "claim_digest": digest}
    moved = of_other | {"commitment": commitment}
    expected = {
        "attestation_other_claim": encode_signed(of_one),
        "attestation_other_line": forged(world, of_one, **of_other),
        "attestation_replayed": forged(world, of_one, **moved),
        "attester_unknown": forged(world, of_one, **moved, attester_id="somebody-else"),
        "attestation_incomplete": forged(world, of_one, **moved, attested=("code",)),
        "attestation_expired": forged(
            world, of_one, **moved, attested_at=world.clock.now().replace(year=2025, microsecond=0),
            expires_at=world.clock.now().replace(year=2025, microsecond=0),
        ),
        "attestation_in_future": forged(
            world, of_one, **moved, attested_at=of_one.expires_at
        ),
        "signature_invalid": forged(world, of_one, **moved).replace(
            b'"attested":["code","price"]', b'"attested":["price"]'
        ),
    }  # fmt: skip
    assert {reason: reason_of(world, path, body) for reason, body in expected.items()} == {
        reason: reason for reason in expected
    }
    # Another key than the attester's, and the right one in another role.
    for role in ("publisher", "auditor"):
        assert reason_of(world, path, forged(world, of_one, role, **moved)) == "key_unknown"
    # Each of them is one change away from one that is taken.
    fresh = encode_base64url(b"\1" * REFERENCE_BYTES)
    token = world.shop.read("shop.token").decode()
    good = forged(world, of_one, **moved, record=fresh)
    assert world.server.ask("POST", path, token, good).status == 200


def test_attestations_that_come_with_a_claim_are_refused_for_what_they_are(world: World) -> None:
    one, other = world.sell("at once"), world.sell("at once")
    for sold in (one, other):
        world.attest(sold, world.record_of(sold))
    of_one, of_other = read_attestation(one), read_attestation(other)

    def submission(attestation: Attestation) -> bytes:
        return encode_submission(
            Submission(format_version=1, claim=one.claim, attestations=(attestation,))
        )

    assert reason_of(world, "/v1/claims", submission(of_other)) == "attestation_other_claim"
    expired = forged(world, of_one, expires_at=of_one.attested_at)
    world.restart(seconds=61)
    assert (
        reason_of(world, "/v1/claims", submission(decode_signed(Attestation, expired)))
        == "attestation_expired"
    )
    token = world.shop.read("shop.token").decode()
    good = world.server.ask("POST", "/v1/claims", token, submission(of_one))
    assert good.json()["verdict"] == "granted"
    replayed = forged(world, of_other, record=of_one.record)
    body = encode_submission(
        Submission(
            format_version=1,
            claim=other.claim,
            attestations=(decode_signed(Attestation, replayed),),
        )
    )
    assert reason_of(world, "/v1/claims", body) == "attestation_replayed"


# -- what the attester refuses --------------------------------------------------------------------


def request_of(
    world: World, sold: Sold, record: str, *, shop: Office | None = None, line: int = 1,
    purpose: str = "", reveal: tuple[str, ...] = BOTH, **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a request for an attestation, unsigned."""
    generators = samples.generators()
    openings = Openings.parse(sold.shop.read(sold.openings_file), generators)
    opening = open_line(
        openings, line, list(reveal), purpose or attestation_purpose(ATTESTER, record), generators
    )
    return {
        "attester_id": ATTESTER,
        "optician_id": identity_of(shop or sold.shop).optician_id,
        "record_id": record,
        "claim_digest": encode_base64url(claim_digest(sold.claim)),
        "opening": opening.model_dump(mode="json"),
        "requested_at": world.clock.now().replace(microsecond=0),
        **changes,
    }


def attester_says(world: World, shop: Office, fields: dict[str, Any]) -> str | None:
    """The attester's reason for refusing, None if it attests."""
    key = identity_of(shop).signing_key
    body = encode_signed(make_signed(AttestationRequest, key, **fields))
    reply = world.attester.ask(body)
    if reply.status == 200:
        return None
    assert reply.status == 422, reply.content
    assert reply.json()["code"] == "attestation_refused"
    return str(reply.json()["reason"])


def test_an_attester_refuses_an_opening_of_anything_else(world: World) -> None:
    other = world.other_shop()
    sold = world.sell("never", statement="equipment", lenses=(LENS, LENS))
    record = world.record_of(sold)
    good = request_of(world, sold, record)
    wrong = {**good["opening"], "revealed": {**good["opening"]["revealed"]}}
    wrong["revealed"]["code"] = sold.item(2)["code"]
    elsewhere = {**good["opening"], "commitment": sold.claim.lines[1].commitment}
    expected: dict[str, tuple[Office, dict[str, Any]]] = {
        "opening_invalid": (world.shop, {**good, "opening": wrong}),
        "code_differs": (world.shop, request_of(world, sold, record, line=2)),
        "opening_other_purpose": (
            world.shop, request_of(world, sold, record, purpose="audit 1"),
        ),
        "price_missing": (world.shop, request_of(world, sold, record, reveal=("code",))),
        "code_missing": (world.shop, request_of(world, sold, record, reveal=("price",))),
        "record_unknown": (other, request_of(world, sold, record, shop=other)),
        "request_stale": (
            world.shop,
            {**good, "requested_at": good["requested_at"].replace(year=2025)},
        ),
        "attester_differs": (world.shop, {**good, "attester_id": "another-attester"}),
        "signature_invalid": (world.shop, {**good}),
        "optician_unknown": (other, {**good}),
    }  # fmt: skip
    for reason, (shop, fields) in expected.items():
        if reason == "signature_invalid":
            key = identity_of(shop).signing_key
            body = encode_signed(make_signed(AttestationRequest, key, **fields))
            body = body.replace(record.encode(), record[::-1].encode())
            reply = world.attester.ask(body)
            assert reply.json()["reason"] in ("signature_invalid",), reply.content
            continue
        assert attester_says(world, shop, fields) == reason, reason
    invalid = {**good, "opening": elsewhere}
    assert attester_says(world, world.shop, invalid) == "opening_invalid"
    assert attester_says(world, world.shop, good) is None
    # One article was ordered: it stands behind that line now, and behind no other.
    again = world.sell("never", index=0, price_cents=sold.item()["price_cents"])
    code = again.item()["code"]
    used = world.add_record("order-used-once", code, again.item()["price_cents"])
    assert attester_says(world, world.shop, request_of(world, again, used)) is None
    twice = world.sell("never", index=0, price_cents=sold.item()["price_cents"])
    assert attester_says(world, world.shop, request_of(world, twice, used)) == "record_used_up"
    world.command("attester", "attester", "release", used, again.claim_id, "1",
                  "--ledger", "ledger.db")  # fmt: skip
    assert attester_says(world, world.shop, request_of(world, twice, used)) is None


# -- publications ---------------------------------------------------------------------------------


def own_verdict(world: World, sold: Sold) -> str | None:
    """The reason for which the service would refuse the claim by itself; nothing is recorded."""
    reply = world.server.ask(
        "POST", "/v1/proofs/verify", world.server.admin_token, sold.shop.read(sold.claim_file)
    )
    assert reply.status == 200, reply.content
    reason: str | None = reply.json()["reason"]
    return reason


def sign_publication(world: World, name: str, key: str, out: str) -> bytes:
    """A contract signed by the publisher; the file is in the shop too."""
    file = f"{world.contracts[name].contract_id}.json"
    world.command(
        *("publisher", "publish", "contract", file, "--key", key),
        *("--in-force-from", IN_FORCE_FROM.isoformat(), "--out", out),
    )
    data = (world.path("publisher") / out).read_bytes()
    world.shop.folder.joinpath(out).write_bytes(data)
    return data


def publish_reason(world: World, data: bytes) -> str | None:
    """The reason for which the insurer refuses a publication, None if it does not."""
    reply = world.server.ask("POST", "/v1/publications", world.server.admin_token, data)
    if reply.status == 200:
        return None
    assert reply.json()["code"] == "publication_refused", reply.content
    return str(reply.json()["reason"])


def proves(world: World, sold: Sold, contract: str, *publications: str) -> dict[str, Any]:
    """What `optician prove --trust` tells of a sale, with these publications."""
    given = [word for name in publications for word in ("--publications", name)]
    end = world.shop.run(
        *("prove", f"{sold.name}.json", "--key", "shop.key", "--json", "--force"),
        *("--contract", f"{world.contracts[contract].contract_id}.json"),
        *("--out", "again.claim.json", "--openings", "again.openings.json"),
        *("--trust", "trust.json", *given),
    )
    told: dict[str, Any] = json.loads(end.out or end.err)
    return told


def test_a_revoked_publisher_publishes_nothing_more_and_what_was_recorded_stands(
    world: World,
) -> None:
    contract = world.contracts["never"]
    old = world.sell("never")
    table, of_contract = "table.publication.json", f"{contract.contract_id}.publication.json"
    assert proves(world, old, "never", table, of_contract)["claim_id"]
    assert proves(world, old, "never", table)["error"] == "unpublished"
    world.restart(minutes=5)
    revoked = {"revoked_at": encode_instant(world.clock.now())}
    world.trust(publisher=revoked)
    fresh = contract.model_copy(update={"contract_id": "published-late-2020"})
    world.add_contract("late", fresh, is_published=False)
    fresh_sale = world.sell("late")
    signed = sign_publication(world, "late", "publisher.key", "late.publication.json")
    wait_until(lambda: publish_reason(world, signed) == "key_revoked")
    # What comes now counts no more; what was recorded before does, for this claim and the next.
    assert own_verdict(world, fresh_sale) == "contract_unpublished"
    assert world.submit(old)["verdict"] == "granted"
    # An optician has no such record: he takes nothing that the key signed.
    told = proves(world, old, "never", table, of_contract)
    assert (told["error"], "revoked" in told["detail"]) == ("unpublished", True)

    # The next key of the same publisher: both are listed, and the documents are signed anew.
    key = world.make_key("publisher", PUBLISHER, "publisher-2")
    world.trust(publisher=revoked)
    signed = sign_publication(world, "late", key, "late-2.publication.json")
    assert publish_reason(world, signed) in ("key_unknown", None)
    wait_until(lambda: publish_reason(world, signed) is None)
    world.publish("nomenclature", "table.json", "table-2.publication.json", key)
    world.publish("contract", f"{contract.contract_id}.json", "never-2.publication.json", key)
    assert world.submit(fresh_sale)["verdict"] == "granted"
    told = proves(world, old, "never", "table-2.publication.json", "never-2.publication.json")
    assert told["claim_id"]

    # The key was stolen long before that was noticed: what it published falls.
    by_old_key = world.sell("afterwards")
    assert own_verdict(world, by_old_key) is None
    world.trust(publisher={"revoked_at": "2026-01-01T00:00:00Z"})
    wait_until(lambda: own_verdict(world, by_old_key) == "contract_unpublished")
    assert own_verdict(world, world.sell("never")) is None
    refused = world.submit(by_old_key, code=1)
    assert (refused["verdict"], refused["reason"]) == ("refused", "contract_unpublished")
    world.trust()
    wait_until(lambda: own_verdict(world, by_old_key) is None)
    # A verdict is for ever.
    assert world.submit(by_old_key, code=1)["reason"] == "contract_unpublished"


def test_an_attester_changes_its_key(world: World) -> None:
    sold = [world.sell("afterwards") for _ in range(4)]
    for one in sold:
        assert world.submit(one)["verdict"] == "granted"
    records = [world.record_of(one) for one in sold]
    world.attest(sold[0], records[0], *world.to_insurer())
    world.attest(sold[1], records[1])
    world.attest(sold[2], records[2])
    key = world.make_key("attester", ATTESTER, "attester-2")
    world.attester.start_with(key)
    # Nobody relies on it yet.
    told = world.attest(sold[3], records[3], "--trust", "trust.json", code=2, out="refused.json")
    assert told["error"] == "attestation"
    ends = world.clock.now() + timedelta(minutes=10)
    world.trust(attester={"valid_to": encode_instant(ends)})
    told = world.attest(sold[3], records[3], "--trust", "trust.json", "--force",
                        out="taken.json")  # fmt: skip
    assert told["warnings"] == []

    def send(one: Sold, file: str) -> str | None:
        path = f"/v1/claims/{one.claim_id}/attestations"
        body = one.shop.read(file)
        token = one.shop.read("shop.token").decode()
        reply = world.server.ask("POST", path, token, body)
        return None if reply.status == 200 else str(reply.json()["reason"])

    # Both keys count for a while; then only the new one does, and what was recorded stands.
    wait_until(lambda: send(sold[3], "taken.json") is None)
    assert send(sold[1], attestation_file(sold[1])) is None
    world.restart(minutes=11)
    assert send(sold[2], attestation_file(sold[2])) == "key_not_valid"
    for one in sold[:2]:
        assert world.detail(one.claim_id)["attest_by"] is None
        assert send(one, attestation_file(one)) is None
    # The attester signs the same article anew, by the same reference.
    before = read_attestation(sold[2])
    world.attest(sold[2], records[2], "--force", *world.to_insurer())
    assert read_attestation(sold[2]).record == before.record
    world.trust()


# -- audits --------------------------------------------------------------------------------------


def papers_of(sold: Sold, line: int = 1, **changes: Any) -> dict[str, Any]:
    """What the auditor's papers have, if they agree with what was sold but for ``changes``."""
    item = sold.item(line)
    return {"code": item["code"], "price_cents": item["price_cents"], **changes}


def steps_of(world: World, case_id: str) -> list[str]:
    return [entry["kind"] for entry in world.case(case_id)["history"]]


def test_an_honest_sale_stands_an_audit(world: World) -> None:
    sold = world.sell("at once", statement="equipment", lenses=(LENS, LENS))
    for line in (1, 2):
        world.attest(sold, world.record_of(sold, line), line=line)
    world.submit(sold, *(attestation_file(sold, line) for line in (1, 2)))
    case_id = world.open_case(sold, line=2)
    listed = world.shop.done("audits", "list", *world.to_insurer())["audits"]
    assert case_id in [entry["case_id"] for entry in listed]
    shown = world.shop.done("audits", "show", case_id, *world.to_insurer())
    assert (shown["line"], shown["slots"], shown["state"]) == (2, ["code", "price"], "open")
    assert world.answer(sold, case_id)["state"] == "answered"
    revealed = world.show(case_id)["revealed"]
    assert revealed == papers_of(sold, 2)
    told = world.conclude(case_id, papers_of(sold, 2))
    assert (told["outcome"], told["cause"]) == ("consistent", "as_recorded")
    steps = [kind for kind in steps_of(world, case_id) if kind != "evidence_read"]
    assert steps == [
        "audit_opened",
        "audit_seen",
        "audit_answered",
        "audit_sealed_read",
        "audit_concluded",
    ]
    world.evidence(case_id)
    judged = world.judge()
    assert (judged["shows"], judged["insurer"], judged["failed"]) == ("consistent", "agrees", None)
    assert all(point["ok"] for point in judged["points"])
    # The optician sees how it ended, and the other line stayed closed.
    assert world.shop.done("audits", "show", case_id, *world.to_insurer())["outcome"] == (
        "consistent"
    )


def test_an_audit_shows_a_wrong_code_to_everybody(world: World) -> None:
    sold = world.sell("never", index=3)
    world.submit(sold)
    delivered = samples.nomenclature().class_rows(LENS, samples.DAY)[4].code
    case_id = world.open_case(sold)
    world.answer(sold, case_id)
    told = world.conclude(case_id, papers_of(sold, code=delivered))
    assert (told["outcome"], told["cause"]) == ("inconsistent", "differs_from_record")
    data = world.evidence(case_id)
    judged = world.judge()
    assert (judged["shows"], judged["cause"]) == ("inconsistent", "differs_from_record")
    # Nothing of it can be changed, nor can somebody rely on nobody.
    other = data.replace(str(delivered).encode(), str(sold.item()["code"]).encode())
    assert other != data
    assert world.judge(other, code=1)["reason"] == "signature_invalid"
    world.path("judge").joinpath("trust.json").write_text('{"format_version":1,"keys":[]}')
    assert world.judge(data, code=1)["reason"] == "key_unknown"
    world.trust("judge")


def test_a_refused_and_an_ignored_audit_stay_unanswered(world: World) -> None:
    refusing, ignoring = world.sell("never"), world.sell("never")
    for sold in (refusing, ignoring):
        world.submit(sold)
    cases = [world.open_case(sold) for sold in (refusing, ignoring)]
    told = world.shop.done(
        *("audits", "refuse", cases[0], "--reason", "the customer objects", "--key", "shop.key"),
        *world.to_insurer(),
    )
    assert told["state"] == "refused"
    assert world.show(cases[0])["refusal"] == "the customer objects"
    assert world.conclude(cases[0])["outcome"] == "unanswered"
    world.evidence(cases[0])
    judged = world.judge()
    assert (judged["shows"], judged["cause"]) == ("unanswered", "refused")

    early = world.audit("conclude", *world.conclusion_words(cases[1], None), code=2)
    assert "still has time" in early["detail"]
    reply = sealed_reply(world, ignoring, cases[1])
    world.restart(days=ANSWER_DAYS, seconds=61)
    path = f"/v1/audits/{cases[1]}/answer"
    assert reason_of(world, path, encode_reply(reply)) == "audit_late"
    told = world.answer(ignoring, cases[1], code=2)
    wait_until(lambda: "audit_lapsed" in steps_of(world, cases[1]))
    assert world.case(cases[1])["state"] == "lapsed"
    assert world.conclude(cases[1])["cause"] == "lapsed"
    world.evidence(cases[1])
    judged = world.judge()
    assert (judged["shows"], judged["cause"]) == ("unanswered", "lapsed")


# -- answers that are none ----------------------------------------------------------------------


def opening_for(
    world: World, sold: Sold, case_id: str, line: int = 1, purpose: str = ""
) -> LineOpening:
    """The opening of a line of a sale, for a case."""
    generators = samples.generators()
    openings = Openings.parse(sold.shop.read(sold.openings_file), generators)
    wanted = purpose or audit_purpose(world.case_document(case_id))
    return open_line(openings, line, list(BOTH), wanted, generators)


def sealed_reply(
    world: World, sold: Sold, case_id: str, *, line: int = 1, sealed: str | None = None,
    purpose: str = "", by: Office | None = None, **changes: Any,
) -> AuditReply:  # fmt: skip
    """What an optician could send for a case, whatever his command would do: the opening of any
    line, or ``sealed``."""
    case = world.case_document(case_id)
    if sealed is None:
        sealed = seal_opening(opening_for(world, sold, case_id, line, purpose), case)
    identity = identity_of(by or sold.shop)
    answer = make_signed(
        AuditAnswer,
        identity.signing_key,
        **{
            "case_id": case_id,
            "case_digest": signed_digest(case),
            "optician_id": identity.optician_id,
            "answer": "opening",
            "sealed_digest": sealed_digest(sealed),
            "reason": None,
            "answered_at": world.clock.now().replace(microsecond=0),
            **changes,
        },
    )
    return AuditReply(format_version=1, answer=answer, sealed=sealed)


def test_an_answer_with_no_valid_opening_is_the_optician_s_own_lie(world: World) -> None:
    """What the service cannot see, the auditor does, and he can show it to others."""
    other_shop = world.other_shop()
    sold = world.sell("never", statement="equipment", lenses=(LENS, LENS))
    another = world.sell("never")
    others = world.sell("never", shop=other_shop)
    for one in (sold, another, others):
        world.submit(one)
    token = world.shop.read("shop.token").decode()
    lies: dict[str, Callable[[str], AuditReply]] = {
        "opening_other_line": lambda case: sealed_reply(world, sold, case, line=2),
        "opening_other_claim": lambda case: sealed_reply(world, another, case),
        "opening_other_purpose": lambda case: sealed_reply(world, sold, case, purpose="audit 1"),
        "seal_invalid": lambda case: sealed_reply(
            world, sold, case, sealed=encode_base64url(bytes(3000))
        ),
    }  # fmt: skip
    code = sold.item()["code"]

    def with_another_code(case: str) -> AuditReply:
        opening = opening_for(world, sold, case)
        changed = opening.model_copy(update={"revealed": opening.revealed | {"code": code + 1}})
        return sealed_reply(
            world, sold, case, sealed=seal_opening(changed, world.case_document(case))
        )

    lies["opening_invalid"] = with_another_code
    lies["of another optician"] = lambda case: sealed_reply(world, others, case, by=world.shop)
    for reason, lie in lies.items():
        case_id = world.open_case(sold)
        body = encode_reply(lie(case_id))
        reply = world.server.ask("POST", f"/v1/audits/{case_id}/answer", token, body)
        assert reply.status == 200, reply.content
        shown = world.show(case_id)
        expected = "opening_other_claim" if reason == "of another optician" else reason
        assert (shown["is_valid"], shown["reason"]) == (False, expected)
        told = world.conclude(case_id)
        assert (told["outcome"], told["cause"]) == ("inconsistent", "opening_invalid")
        if reason in ("opening_other_line", "seal_invalid"):
            world.evidence(case_id)
            judged = world.judge()
            assert (judged["shows"], judged["cause"]) == ("inconsistent", "opening_invalid")


def test_what_answers_no_case_is_refused_for_what_it_is(world: World) -> None:
    other_shop = world.other_shop()
    sold, another = world.sell("never"), world.sell("never")
    for one in (sold, another):
        world.submit(one)
    case_id, other_case = world.open_case(sold), world.open_case(another)
    path = f"/v1/audits/{case_id}/answer"
    good = sealed_reply(world, sold, case_id)
    unsealed = good.model_copy(update={"sealed": sealed_reply(world, sold, case_id).sealed})
    expected = {
        "audit_other_case": encode_reply(sealed_reply(world, another, other_case)),
        "answer_other": encode_reply(unsealed),
        "signature_invalid": encode_reply(good).replace(b'"answered_at":"20', b'"answered_at":"21'),
        "optician_unknown": encode_reply(
            sealed_reply(world, sold, case_id, by=other_shop, optician_id=SHOP)
        ),
    }
    assert {reason: reason_of(world, path, body) for reason, body in expected.items()} == {
        reason: reason for reason in expected
    }
    body = encode_reply(sealed_reply(world, sold, case_id, by=other_shop))
    assert reason_of(world, path, body) == "audit_other_case"
    theirs = other_shop.read("shop.token").decode()
    assert reason_of(world, path, body, theirs) == "not_found"
    token = world.shop.read("shop.token").decode()
    assert world.server.ask("POST", path, token, encode_reply(good)).status == 200
    again = sealed_reply(world, sold, case_id)
    assert reason_of(world, path, encode_reply(again)) == "state_conflict"


def test_an_optician_answers_no_case_that_his_auditor_did_not_sign(world: World) -> None:
    """The insurer could put a case of its own into its answers: the command does not believe it."""
    sold = world.sell("never")
    world.submit(sold)
    case_id = world.open_case(sold)
    world.shop.folder.joinpath("nobody.json").write_text('{"format_version":1,"keys":[]}')
    words = world.answer_words(sold, case_id)
    words[words.index("trust.json")] = "nobody.json"
    refused = world.shop.done(*words, code=2)
    assert (refused["error"], "key_unknown" in refused["detail"]) == ("audit", True)
    document = bytes(
        world.store.sql("SELECT case_document FROM audits WHERE case_id = :case", case=case_id)[0][
            0
        ]
    )
    other = json.loads(document) | {"recipient": RecipientKey.generate().public}
    for changed in (other, json.loads(document) | {"slots": ["code", "price", "correction"]}):
        world.store.sql(
            "UPDATE audits SET case_document = :document WHERE case_id = :case",
            document=canonical_bytes(changed),
            case=case_id,
        )
        refused = world.answer(sold, case_id, code=2)
        assert (refused["error"], "signature_invalid" in refused["detail"]) == ("audit", True)
        assert world.case(case_id)["state"] == "open"
    world.store.sql(
        "UPDATE audits SET case_document = :document WHERE case_id = :case",
        document=document,
        case=case_id,
    )
    assert world.answer(sold, case_id)["state"] == "answered"


def test_an_auditor_changes_its_key_between_question_and_end(world: World) -> None:
    sold = world.sell("never")
    world.submit(sold)
    case_id, other_case = world.open_case(sold), world.open_case(sold)
    world.answer(sold, case_id)
    key = world.make_key("auditor", AUDITOR, "auditor-2")
    ends = world.clock.now() + timedelta(minutes=10)
    world.trust(auditor={"valid_to": encode_instant(ends)})
    world.restart(minutes=11)
    # The old key asks nothing any more, and its questions are not answered any more.
    refused = world.audit("open", *world.opening_words(sold), code=2)
    assert "auditor_unknown" in refused["detail"]
    late = world.answer(sold, other_case, code=2)
    assert (late["error"], "key_not_valid" in late["detail"]) == ("audit", True)
    # What it asked before stands: the new key ends the case, and signs the evidence.
    words = world.conclusion_words(case_id, papers_of(sold))
    refused = world.audit("conclude", *words, code=2)
    assert "auditor_unknown" in refused["detail"]
    words[words.index("auditor.key")] = key
    assert world.audit("conclude", *words)["outcome"] == "consistent"
    world.evidence(case_id, key)
    judged = world.judge()
    assert (judged["shows"], judged["insurer"]) == ("consistent", "agrees")
    world.trust()
