"""The service as one object: every question that the web layer may ask it, without HTTP.

One service with one worker for all tests; each has a beneficiary of its own. The clock is set.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, encode_claim, encode_instant
from circuits.contract import contract_digest
from circuits.notices import encode_cancellation, encode_invoice
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from tests.support import claims as samples
from tests.support import records
from tests.support.claims import DAY, NOW
from tests.support.remade import resigned
from tests.support.tables import limits_table
from verifier_api.judge import REASONS
from verifier_api.keys import KeyEntry
from verifier_api.service import service as service_module
from verifier_api.service.access import Principal
from verifier_api.service.administration import (
    Right,
    TokenRequest,
    add_contract,
    add_nomenclature,
    add_rights,
    create_token,
    register_keys,
    revoke_key,
    revoke_token,
)
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import Decision
from verifier_api.service.recording import record_claims
from verifier_api.service.service import ServiceOptions, VerifierService
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database, StorageError
from zk.errors import EncodingError, StatementError

CONTRACT, TABLE, SECOND = samples.contract(), samples.nomenclature(), limits_table()
CONTRACT_DIGEST = encode_base64url(contract_digest(CONTRACT))
TABLE_DIGEST = encode_base64url(TABLE.digest)
SECOND_DIGEST = encode_base64url(SECOND.digest)
SECOND_FROM = date(2021, 5, 1)

SHOP = samples.identity()
OTHER_SHOP = Identity.generate("optician-2")
AT_SHOP = Principal("token-shop", "optician", SHOP.optician_id)
AT_OTHER = Principal("token-other", "optician", OTHER_SHOP.optician_id)
READER = Principal("token-reader", "reader")
ADMIN = Principal("token-admin", "admin")

SECONDS = 60


class Bench:
    """The service in its own event loop. ``now`` is what its clock tells."""

    def __init__(self, database: Database) -> None:
        self.now = NOW
        self.database = database
        self.runner = asyncio.Runner()
        self.batches: list[int] = []

        async def make() -> VerifierService:
            options = ServiceOptions(linger_ms=1.0)
            return VerifierService(
                database, options, lambda: self.now, lambda size, _: self.batches.append(size)
            )

        self.service = self.runner.run(make())

    def run(self, asked: Awaitable[Any]) -> Any:
        async def tell() -> Any:
            return await asyncio.wait_for(asked, SECONDS)

        return self.runner.run(tell())

    def refusal(self, asked: Awaitable[Any]) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            self.run(asked)
        return caught.value

    def submit(self, claim: Claim, principal: Principal = AT_SHOP) -> dict[str, Any]:
        answer = self.run(self.service.submit(claim, encode_claim(claim), principal))
        return dict(json.loads(answer))

    def list(self, principal: Principal = READER, limit: int = 50, **chosen: Any) -> list[str]:
        asked = self.service.list_claims(ClaimFilter(**chosen), principal, None, limit)
        return [entry["claim_id"] for entry in self.run(asked)["claims"]]

    def close(self) -> None:
        self.run(self.service.stop())
        self.runner.close()


def key_entry(shop: Identity) -> KeyEntry:
    public_key = shop.public_entry()["public_key"]
    return KeyEntry(optician_id=shop.optician_id, public_key=public_key)


def fill(database: Database) -> None:
    """The insurer's contract, two versions of the table, and both opticians' keys."""
    with database.write() as connection:
        add_nomenclature(connection, TABLE, TABLE.to_bytes(), None, "test", NOW)
        add_nomenclature(connection, SECOND, SECOND.to_bytes(), SECOND_FROM, "test", NOW)
        document = CONTRACT.model_dump_json().encode()
        add_contract(connection, document, None, "test", NOW)
        register_keys(connection, [key_entry(SHOP), key_entry(OTHER_SHOP)], "test", NOW)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    database = records.empty_database(tmp_path_factory.mktemp("service"))
    fill(database)
    bench = Bench(database)
    bench.run(bench.service.start())
    yield bench
    bench.close()


@pytest.fixture
def bench(running: Bench) -> Bench:
    running.now = NOW
    return running


@pytest.fixture
def beneficiary(bench: Bench) -> str:
    """Somebody new, with a right."""
    name = f"beneficiary-{secrets.token_hex(8)}"
    entry = Right(
        beneficiary=name,
        contract_id=CONTRACT.contract_id,
        age_group="adult",
        valid_from=date(2020, 1, 1),
    )
    with bench.database.write() as connection:
        add_rights(connection, [entry], "test", NOW)
    return name


def claim_for(beneficiary: str, statement: Any = "equipment", **changes: Any) -> Claim:
    by = changes.pop("by", SHOP)
    sale = samples.sample_sale(statement, beneficiary=beneficiary, **changes)
    return samples.claim_of(sale, by=by)[0]


# -- life ---------------------------------------------------------------------------------------


def test_it_is_ready_when_it_has_started(bench: Bench) -> None:
    checks = bench.run(bench.service.readiness())
    assert checks == dict.fromkeys(("database", "writer", "workers", "trust", "clock"), True)


def test_before_the_start_and_after_the_stop_it_is_not(tmp_path: Path) -> None:
    bench = Bench(records.empty_database(tmp_path))
    assert bench.run(bench.service.readiness()) == {
        "database": True,
        "writer": False,
        "workers": False,
        "trust": True,
        "clock": True,
    }
    assert bench.refusal(bench.service.change(lambda connection: None)).code == "overloaded"
    bench.run(bench.service.start())
    bench.run(bench.service.stop())
    checks = bench.run(bench.service.readiness())
    assert (checks["writer"], checks["workers"]) == (False, False)
    assert bench.refusal(bench.service.change(lambda connection: None)).code == "overloaded"
    bench.database.dispose()
    bench.runner.close()


def test_a_service_needs_a_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/bare.db")
    with pytest.raises(StorageError):
        VerifierService(database, ServiceOptions())
    database.dispose()


def test_without_storage_it_is_not_ready_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Any:
        raise StorageError("database: OperationalError")

    monkeypatch.setattr(bench.database, "read", gone)
    monkeypatch.setattr(bench.database, "write", gone)
    assert bench.run(bench.service.readiness())["database"] is False
    for asked in (
        bench.service.look(lambda connection: None),
        bench.service.change(lambda connection: None),
        bench.service.administer(lambda connection: None),
    ):
        error = bench.refusal(asked)
        assert (error.code, error.retry_after) == ("storage_unavailable", 2)


def test_a_database_that_does_not_answer_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def never() -> Any:
        gate.wait(SECONDS)
        raise StorageError("database: OperationalError")

    monkeypatch.setattr(service_module, "READY_SECONDS", 0.05)
    monkeypatch.setattr(bench.database, "read", never)
    try:
        assert bench.run(bench.service.readiness())["database"] is False
        assert not gate.is_set()
    finally:
        gate.set()


def test_the_doors_to_the_database(bench: Bench) -> None:
    def counter(connection: Any) -> int:
        return int(connection.exec_driver_sql("SELECT counter FROM changes").scalar_one())

    before = bench.run(bench.service.look(counter))
    assert bench.run(bench.service.change(counter)) == before

    def refuse(connection: Any) -> None:
        raise ServiceError("state_conflict")

    assert bench.refusal(bench.service.change(refuse)).code == "state_conflict"
    with pytest.raises(RuntimeError):
        bench.run(bench.service.look(lambda connection: _raise(RuntimeError())))


def _raise(error: Exception) -> None:
    raise error


# -- who asks -----------------------------------------------------------------------------------


def test_who_a_token_stands_for_is_known_at_once_also_if_another_process_made_it(
    bench: Bench,
) -> None:
    request = TokenRequest(scope="reader")
    with bench.database.write() as connection:
        made = create_token(connection, request, "test", NOW)
    assert bench.run(bench.service.principal(made.token)) == Principal(made.token_id, "reader")
    with bench.database.write() as connection:
        revoke_token(connection, made.token_id, "test", NOW)
    bench.run(bench.service.refresh())
    error = bench.refusal(bench.service.principal(made.token))
    assert error.code == "token_invalid"
    assert made.token not in str(error)


def test_what_is_administered_is_known_at_once(bench: Bench) -> None:
    request = TokenRequest(scope="admin")
    made = bench.run(
        bench.service.administer(lambda connection: create_token(connection, request, "me", NOW))
    )
    assert made.token_id in bench.service.directory.snapshot.tokens


def test_a_token_ends_by_the_services_clock(bench: Bench) -> None:
    request = TokenRequest(scope="reader", expires_at=NOW + timedelta(days=1))
    with bench.database.write() as connection:
        made = create_token(connection, request, "test", NOW)
    bench.run(bench.service.principal(made.token))
    bench.now = NOW + timedelta(days=1, seconds=1)
    assert bench.refusal(bench.service.principal(made.token)).code == "token_invalid"


# -- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_a_claim_in_order_is_granted(bench: Bench, beneficiary: str, statement: Any) -> None:
    claim = claim_for(beneficiary, statement)
    answer = bench.submit(claim)
    assert (answer["claim_id"], answer["verdict"]) == (claim.claim_id, "granted")
    assert answer["judged_at"] == encode_instant(NOW)
    assert answer["granted_until"] == encode_instant(NOW + timedelta(days=90))
    assert bench.submit(claim) == answer
    bench.now = NOW + timedelta(days=400)
    assert bench.submit(claim) == answer


def test_a_claim_whose_envelope_is_wrong_asks_no_worker(bench: Bench, beneficiary: str) -> None:
    batches = len(bench.batches)
    claim = claim_for(beneficiary)
    forged = claim.model_copy(update={"claim_id": "another"})
    answer = bench.submit(forged)
    assert (answer["verdict"], answer["reason"]) == ("refused", "signature_invalid")
    assert answer["circuit_digest"] is None
    assert len(bench.batches) == batches


def test_the_statement_and_the_proof_are_judged_by_a_worker(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    answer = bench.submit(resigned(claim, SHOP, claim_id=f"{claim.claim_id[:20]}-2"))
    assert (answer["reason"], answer["detail"]) == ("proof_invalid", REASONS["proof_invalid"])
    assert answer["circuit_digest"] is not None


def test_every_judgement_is_measured(bench: Bench, beneficiary: str) -> None:
    good = claim_for(beneficiary)
    bad = resigned(claim_for(beneficiary, "line"), SHOP, claim_id=f"bad-{secrets.token_hex(4)}")
    late = resigned(good, SHOP, expires_at=NOW - timedelta(days=1), claim_id="late-one")
    for claim in (good, bad, late):
        bench.submit(claim)
    page = {
        claim.claim_id: bench.run(bench.service.overview.claim_page(claim.claim_id))
        for claim in (good, bad, late)
    }
    told = {
        name: {entry["step"]: entry for entry in facts["judging"]["steps"]}
        for name, facts in page.items()
    }
    passed = told[good.claim_id]
    assert {entry["outcome"] for entry in passed.values()} == {"passed"}
    judging = page[good.claim_id]["judging"]
    spent = sum(entry["us"] for entry in passed.values())
    assert 0 < spent <= judging["latency_us"]
    assert judging["waited_us"] + judging["recording_us"] <= judging["latency_us"]
    assert judging["batch_size"] >= 1
    assert told[bad.claim_id]["proof"]["outcome"] == "failed"
    assert told["late-one"]["expiry"]["outcome"] == "failed"
    assert told["late-one"]["proof"] == passed["proof"] | {"outcome": "not_reached", "us": None}
    assert page["late-one"]["judging"]["batch_size"] is None


def test_the_same_id_with_other_bytes(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary, claim_id=f"id-{secrets.token_hex(8)}")
    bench.submit(claim)
    other = claim_for(beneficiary, claim_id=claim.claim_id)
    error = bench.refusal(bench.service.submit(other, encode_claim(other), AT_SHOP))
    assert (error.code, error.places) == ("claim_conflict", ("claim_id",))


def test_a_key_that_another_process_has_just_registered_is_known(
    bench: Bench, beneficiary: str
) -> None:
    shop = Identity.generate("optician-new")
    bench.run(bench.service.refresh())
    with bench.database.write() as connection:
        register_keys(connection, [key_entry(shop)], "test", NOW)
    claim = claim_for(beneficiary, by=shop)
    assert bench.submit(claim, Principal("t", "optician", "optician-new"))["verdict"] == "granted"
    bench.run(
        bench.service.administer(
            lambda connection: revoke_key(connection, shop.key_id, "test", NOW)
        )
    )
    other = claim_for(beneficiary, "line", by=shop)
    answer = bench.submit(other, Principal("t", "optician", "optician-new"))
    assert answer["reason"] == "optician_unknown"


def test_many_at_once_get_each_its_own_answer(bench: Bench, beneficiary: str) -> None:
    claims = [claim_for(beneficiary, "line") for _ in range(6)]

    async def story() -> list[str]:
        asked = (bench.service.submit(one, encode_claim(one), AT_SHOP) for one in claims)
        return await asyncio.gather(*asked)

    answers = [json.loads(answer) for answer in bench.run(story())]
    assert [answer["claim_id"] for answer in answers] == [claim.claim_id for claim in claims]
    assert {answer["verdict"] for answer in answers} == {"granted"}


def test_too_many_at_once_are_told_to_come_again(
    bench: Bench, beneficiary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.service, "_queue_limit", 2)
    claims = [claim_for(beneficiary, "line") for _ in range(3)]

    async def story() -> list[Any]:
        asked = (bench.service.submit(one, encode_claim(one), AT_SHOP) for one in claims)
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = bench.run(story())
    assert [type(outcome) for outcome in outcomes] == [str, str, ServiceError]
    assert (outcomes[2].code, outcomes[2].retry_after) == ("overloaded", 1)
    assert bench.submit(claims[2])["verdict"] == "granted"


# -- by itself ----------------------------------------------------------------------------------


def test_a_claim_by_itself_is_judged_and_not_recorded(bench: Bench) -> None:
    claim = claim_for(records.STRANGER)  # without a right
    told = bench.run(bench.service.verify(claim))
    digest = told.pop("circuit_digest")
    assert told == {
        "claim_id": claim.claim_id,
        "verdict": "accepted",
        "reason": None,
        "detail": "",
    }
    assert bench.refusal(bench.service.claim(claim.claim_id, ADMIN)).code == "not_found"
    assert digest is not None
    forged = claim.model_copy(update={"claim_id": "another"})
    assert bench.run(bench.service.verify(forged)) == {
        "claim_id": "another",
        "verdict": "refused",
        "reason": "signature_invalid",
        "detail": "the signature is not this key's",
        "circuit_digest": None,
    }


# -- what follows -------------------------------------------------------------------------------


def invoice_of(claim: Claim, day: date = DAY) -> bytes:
    return encode_invoice(make_invoice(claim, SHOP, day))


def test_an_invoice_makes_a_claim_payable(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    bench.submit(claim)
    data = invoice_of(claim)
    asked = bench.service.invoice(claim.claim_id, data, AT_SHOP)
    answer = json.loads(bench.run(asked))
    assert answer["state"] == "payable"
    found = bench.run(bench.service.claim(claim.claim_id, AT_SHOP))
    assert (found["state"], found["granted_until"]) == ("payable", None)
    assert found["invoiced_amounts"] == found["amounts"] == answer["amounts"]
    again = bench.service.cancel(claim.claim_id, cancellation_of(claim), AT_SHOP)
    assert bench.refusal(again).code == "state_conflict"


def cancellation_of(claim: Claim) -> bytes:
    return encode_cancellation(make_cancellation(claim, SHOP))


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_notice_that_waited_is_judged_by_the_time_at_which_it_is_written(
    bench: Bench, beneficiary: str, seconds: int
) -> None:
    claim = claim_for(beneficiary)
    deadline = datetime.fromisoformat(bench.submit(claim)["granted_until"])
    gate = threading.Event()

    async def story() -> Any:
        busy = asyncio.create_task(bench.service.change(lambda _: gate.wait(SECONDS)))
        asked = bench.service.invoice(claim.claim_id, invoice_of(claim, DAY), AT_SHOP)
        waiting = asyncio.create_task(asked)
        await asyncio.sleep(0.05)
        bench.now = deadline + timedelta(seconds=seconds)
        gate.set()
        await busy
        return (await asyncio.gather(waiting, return_exceptions=True))[0]

    outcome = bench.run(story())
    if seconds:
        assert (outcome.code, outcome.detail) == ("state_conflict", "the claim is expired")
    else:
        assert json.loads(outcome)["state"] == "payable"


def test_a_cancellation_makes_room_for_another_claim(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    bench.submit(claim)
    too_early = claim_for(beneficiary)
    assert bench.submit(too_early)["reason"] == "renewal_too_early"
    asked = bench.service.cancel(claim.claim_id, cancellation_of(claim), AT_SHOP)
    assert json.loads(bench.run(asked))["state"] == "cancelled"
    assert bench.submit(claim_for(beneficiary))["verdict"] == "granted"


def test_what_is_no_notice_is_not_taken(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    bench.submit(claim)
    with pytest.raises((EncodingError, StatementError)):
        bench.run(bench.service.invoice(claim.claim_id, b"{}", AT_SHOP))
    with pytest.raises((EncodingError, StatementError)):
        bench.run(bench.service.cancel(claim.claim_id, invoice_of(claim), AT_SHOP))


@pytest.mark.parametrize(("decision", "state"), [("grant", "granted"), ("refuse", "refused")])
def test_the_insurer_decides_what_is_pending(
    bench: Bench, beneficiary: str, decision: Any, state: str
) -> None:
    bench.submit(claim_for(beneficiary))
    claim = claim_for(beneficiary, early_renewal_ground="change_of_vision")
    assert bench.submit(claim)["verdict"] == "pending"
    data = canonical_bytes({"decision": decision, "note": ""})
    wanted = Decision(decision=decision)
    asked = bench.service.decide(claim.claim_id, wanted, data, ADMIN)
    assert json.loads(bench.run(asked))["state"] == state
    found = bench.run(bench.service.claim(claim.claim_id, READER))
    assert (found["verdict"], found["state"]) == ("pending", state)
    assert [event["kind"] for event in found["history"]] == ["judged", "decided"]
    nobody = bench.service.decide("nobody", wanted, data, ADMIN)
    assert bench.refusal(nobody).code == "not_found"


def test_what_is_overdue_is_swept(
    bench: Bench, beneficiary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claim_for(beneficiary)
    bench.submit(claim)
    bench.now = NOW + timedelta(days=90, seconds=1)
    assert bench.run(bench.service.claim(claim.claim_id, READER))["state"] == "expired"
    bench.run(bench.service._sweep())
    found = bench.run(bench.service.claim(claim.claim_id, READER))
    assert found["state"] == "expired"
    assert found["state_since"] == encode_instant(NOW + timedelta(days=90))
    assert [event["kind"] for event in found["history"]] == ["judged", "expired"]


# -- reading ------------------------------------------------------------------------------------


def test_one_claim_is_shown_whole_to_whom_it_concerns(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    answer = bench.submit(claim)
    for principal in (AT_SHOP, READER, ADMIN):
        found = bench.run(bench.service.claim(claim.claim_id, principal))
        assert found["verdict_answer"] == answer
        assert found["amounts"] == answer["amounts"]
        said = claim.model_dump(mode="json", exclude={"proof", "signature"})
        assert found["claim"] == said
        assert found["history"] == [
            {
                "at": encode_instant(NOW),
                "kind": "judged",
                "actor": "token-shop",
                "facts": {"verdict": "granted", "reason": None},
            }
        ]
    theirs = bench.refusal(bench.service.claim(claim.claim_id, AT_OTHER))
    missing = bench.refusal(bench.service.claim("nobody", AT_OTHER))
    assert (theirs.code, theirs.detail) == (missing.code, missing.detail)
    assert theirs.code == "not_found"


def test_an_optician_lists_his_own_claims(bench: Bench, beneficiary: str) -> None:
    mine = claim_for(beneficiary, "line")
    theirs = claim_for(beneficiary, "line", by=OTHER_SHOP)
    bench.submit(mine)
    bench.submit(theirs, AT_OTHER)
    both = [theirs.claim_id, mine.claim_id]
    assert bench.list(READER, limit=2) == both
    assert bench.list(AT_OTHER, limit=1) == [theirs.claim_id]
    assert theirs.claim_id not in bench.list(AT_SHOP)
    assert bench.list(AT_SHOP, optician_id=OTHER_SHOP.optician_id) == []
    assert bench.list(AT_SHOP, limit=1, optician_id=SHOP.optician_id) == [mine.claim_id]
    assert bench.list(READER, limit=1, optician_id=OTHER_SHOP.optician_id) == [theirs.claim_id]


def test_pages_follow_each_other_by_their_cursors(bench: Bench, beneficiary: str) -> None:
    made = [claim_for(beneficiary, "line") for _ in range(3)]
    for claim in made:
        bench.submit(claim)
    found: list[str] = []
    cursor = None
    pages = 0
    while True:
        asked = bench.service.list_claims(ClaimFilter(), READER, cursor, 2)
        page = bench.run(asked)
        pages += 1
        assert len(page["claims"]) <= 2
        found += [entry["claim_id"] for entry in page["claims"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found[:3] == [claim.claim_id for claim in reversed(made)]
    assert found == bench.list(READER, limit=500)
    assert pages == (len(found) + 1) // 2


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "AAAA",
        "YmVmb3JlOg",
        "YmVmb3JlOi01",
        "YmVmb3JlOjEuNQ",
        "YWZ0ZXI6NQ",
        "=" * 8,
        "YmVmb3JlOjk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ",
        "YmVmb3JlOsKy",
    ],
)
def test_a_cursor_that_nobody_gave_out(bench: Bench, cursor: str) -> None:
    good = bench.service.list_claims(ClaimFilter(), READER, "YmVmb3JlOjU", 1)  # before:5
    bench.run(good)
    asked = bench.service.list_claims(ClaimFilter(), READER, cursor, 1)
    error = bench.refusal(asked)
    assert (error.code, error.places) == ("parameter_invalid", ("cursor",))


# -- reference data -----------------------------------------------------------------------------


def test_contracts(bench: Bench) -> None:
    (entry,) = bench.run(bench.service.contracts())
    assert entry["digest"] == CONTRACT_DIGEST
    found = bench.run(bench.service.contract(CONTRACT_DIGEST))
    assert found == entry | {"document": CONTRACT.model_dump(mode="json")}
    assert bench.refusal(bench.service.contract(TABLE_DIGEST)).code == "not_found"


def test_nomenclatures(bench: Bench) -> None:
    entries = bench.run(bench.service.nomenclatures())
    assert {entry["digest"] for entry in entries} == {TABLE_DIGEST, SECOND_DIGEST}
    assert bench.run(bench.service.nomenclature_file(SECOND_DIGEST)) == SECOND.to_bytes()
    assert bench.refusal(bench.service.nomenclature_file("x")).code == "not_found"


def test_a_nomenclature_on_a_day(bench: Bench) -> None:
    found = bench.run(bench.service.nomenclature(TABLE_DIGEST, DAY))
    assert found["date"] == DAY.isoformat()
    codes = {entry["class"]: entry["codes"] for entry in found["classes"]}
    assert codes["VM4"] == len(TABLE.class_rows("VM4", DAY))
    assert len(codes) == len(list(TABLE.classes()))
    default = bench.run(bench.service.nomenclature(TABLE_DIGEST, None))
    assert date.fromisoformat(default["date"]) <= date.today()
    assert bench.refusal(bench.service.nomenclature("x", DAY)).code == "not_found"
    error = bench.refusal(bench.service.nomenclature(TABLE_DIGEST, date(1990, 1, 1)))
    assert (error.code, error.places) == ("parameter_invalid", ("date",))


def test_a_class_on_a_day(bench: Bench) -> None:
    found = bench.run(bench.service.nomenclature_class(TABLE_DIGEST, "VM4", DAY))
    assert (found["digest"], found["date"]) == (TABLE_DIGEST, DAY.isoformat())
    assert found["class"]["class"] == "VM4"
    rows = TABLE.class_rows("VM4", DAY)
    assert [entry["code"] for entry in found["codes"]] == [row.code for row in rows]
    for digest, name in ((TABLE_DIGEST, "VX9"), ("x", "VM4")):
        asked = bench.service.nomenclature_class(digest, name, DAY)
        assert bench.refusal(asked).code == "not_found"
    asked = bench.service.nomenclature_class(TABLE_DIGEST, "VM4", date(1990, 1, 1))
    assert bench.refusal(asked).code == "parameter_invalid"


def test_a_circuit_that_was_judged(bench: Bench, beneficiary: str) -> None:
    claim = claim_for(beneficiary)
    digest = bench.submit(claim)["circuit_digest"]
    found = bench.run(bench.service.circuit(digest))
    assert (found["digest"], found["statement"]) == (digest, "equipment")
    assert found["contract_digest"] == CONTRACT_DIGEST
    assert found["nomenclature_digest"] == TABLE_DIGEST
    assert found["lines"] == len(claim.lines)
    assert found["proof_bytes"] == len(claim.proof_bytes())
    assert [line["role"] for line in found["declaration"]["lines"]] == [
        line.role for line in claim.lines
    ]
    assert found["description"]
    assert bench.refusal(bench.service.circuit(records.TABLE)).code == "not_found"


# -- unasked ------------------------------------------------------------------------------------


def test_it_reads_the_directory_and_sweeps_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "DIRECTORY_SECONDS", 0.02)
    monkeypatch.setattr(service_module, "SWEEP_SECONDS", 0.02)
    database = records.database_with_rights(tmp_path)
    with database.write() as connection:
        record_claims(connection, [records.examined(records.claim("old"))], records.NOW)
    bench = Bench(database)
    bench.now = datetime(2030, 1, 1, tzinfo=NOW.tzinfo)
    bench.run(bench.service.start())
    with database.write() as connection:
        made = create_token(connection, TokenRequest(scope="reader"), "test", NOW)

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)

    snapshot = bench.service.directory
    bench.run(until(lambda: made.token_id in snapshot.snapshot.tokens))
    bench.run(until(lambda: records.rows(database, "claims")[0]["state"] == "expired"))
    bench.close()
