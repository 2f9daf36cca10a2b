"""Attestations in server processes, on each kind of database: races, restarts, time that passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import Attestation
from circuits.claim import Claim, encode_instant
from optician.claiming import make_claim
from optician.client import ServiceProblem
from optician.notices import make_cancellation, make_invoice
from tests.integration.conftest import MakeStore, StartServer
from tests.support import attesting
from tests.support import claims as samples
from tests.support.attesting import LAB, attestation, rule, trusted_key
from tests.support.insurer import Insurer, contract_bytes
from tests.support.publishing import write_trust
from tests.support.server import Server, Store, start_server

pytestmark = pytest.mark.integration

CONTRACT = samples.contract().model_copy(
    update={
        "contract_id": "attested-2020",
        "attestations": (
            rule("VM4"),
            rule("VM4", within_days=10, slots=("code", "price")),
        ),
    }
)
BOTH = ("code", "price")
PASSED = timedelta(days=11)


class Office:
    """Two processes of an insurer whose contract wants lenses attested, and an optician."""

    def __init__(self, store: Store, start: StartServer, folder: Path) -> None:
        self.trust = write_trust(folder / "trust.json", self.attester())
        self.start = start
        first = start(store, trust=self.trust)
        self.insurer = Insurer(first)
        self.servers = [first, start(store, first.admin_token, trust=self.trust)]
        self.insurer.admin.add_contract(contract_bytes(CONTRACT))

    @staticmethod
    def attester(revoked_at: datetime | None = None) -> dict[str, object]:
        """His entry of the trust list."""
        return trusted_key(LAB, revoked_at=revoked_at)[1].model_dump(mode="json")

    def claim(self) -> Claim:
        """Of one lens, for somebody who has a right under the contract."""
        person = self.insurer.new_beneficiary()
        right = {"beneficiary": person, "contract_id": CONTRACT.contract_id}
        more = {"age_group": "adult", "valid_from": "2020-01-01", "valid_to": None}
        self.insurer.admin.add_rights([right | more])
        sale = samples.sample_sale("line", beneficiary=person)
        claim, _ = make_claim(
            sale,
            CONTRACT,
            samples.nomenclature(),
            self.insurer.shop.identity,
            samples.generators(),
            datetime.now(UTC),
        )
        return claim

    def restart(self) -> None:
        """One process after all have ended."""
        for server in self.servers:
            server.stop()
        store, token = self.servers[0].store, self.servers[0].admin_token
        self.insurer.server = self.start(store, token, trust=self.trust)
        self.servers = [self.insurer.server]

    def let_pass(self, claim: Claim) -> None:
        """As if the claim had come so many days earlier."""
        store = self.servers[0].store
        for table, column in (
            *(("claims", name) for name in ("received_at", "state_since", "attest_by")),
            ("attestation_duties", "due_at"),
        ):
            rows = store.sql(
                f"SELECT DISTINCT {column} FROM {table} "
                f"WHERE claim_id = :id AND {column} IS NOT NULL",
                id=claim.claim_id,
            )
            for (instant,) in rows:
                moved = encode_instant(datetime.fromisoformat(instant) - PASSED)
                store.sql(
                    f"UPDATE {table} SET {column} = :moved "
                    f"WHERE claim_id = :id AND {column} = :instant",
                    id=claim.claim_id,
                    moved=moved,
                    instant=instant,
                )


@pytest.fixture(scope="module")
def office(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all: the first two tests need both processes, the last one revokes its attester."""
    with ExitStack() as stack:

        def start(store: Store, admin_token: str | None = None, **settings: Any) -> Server:
            server = start_server(store, admin_token, **settings)
            stack.callback(server.kill)
            return server

        yield Office(make_store(), start, tmp_path_factory.mktemp("office"))


def made(claim: Claim, **choices: object) -> Attestation:
    """Signed this second."""
    now = datetime.now(UTC).replace(microsecond=0)
    return attestation(claim, at=now, **choices)  # type: ignore[arg-type]


def outcome(act: Callable[[], object]) -> str | None:
    """The reason of a refusal, or the problem where it has none."""
    try:
        act()
    except ServiceProblem as problem:
        return problem.reason or problem.code
    return None


def all_at_once(acts: list[Callable[[], object]]) -> list[str | None]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(outcome, acts))


def test_of_claims_that_stand_on_one_record_one_is_granted(office: Office) -> None:
    reference = attesting.reference()
    claims = [office.claim() for _ in range(8)]

    def submit(server: Server, claim: Claim) -> Callable[[], object]:
        given = made(claim, record=reference)
        token = office.insurer.shop.token
        return lambda: server.client(token).submit_claim(claim, [given])

    acts = [submit(office.servers[number % 2], claim) for number, claim in enumerate(claims)]
    reasons = all_at_once(acts)
    assert sorted(reasons, key=str) == [None] + ["attestation_replayed"] * 7
    taken = claims[reasons.index(None)]
    client = office.insurer.client()
    assert [entry.claim_id for entry in client.claims()] == [taken.claim_id]
    # The others have used up nothing.
    other = next(claim for claim in claims if claim is not taken)
    assert client.submit_claim(other, [made(other)]).verdict == "granted"
    assert office.servers[0].store.check()["problems"] == []


def test_one_attestation_comes_to_all_processes_at_once(office: Office) -> None:
    claim = office.claim()
    client = office.insurer.client()
    client.submit_claim(claim, [made(claim)])
    given = made(claim, attested=BOTH)
    token = office.insurer.shop.token
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: office.servers[number % 2].client(token).attest(given), range(8)
            )
        )
    assert answers == [answers[0]] * 8
    assert (answers[0].attest_by, answers[0].missing) == (None, ())
    told = client.claim(claim.claim_id)
    assert len(told.attestations.given) == 2
    assert [event.kind for event in told.history] == ["judged", "attested", "attested"]
    office.restart()
    assert office.insurer.client().attest(given) == answers[0]


def test_a_deadline_passes_and_the_insurer_decides(office: Office) -> None:
    claims = [office.claim() for _ in range(3)]
    client = office.insurer.client()
    for claim in claims:
        verdict = client.submit_claim(claim, [made(claim)])
        assert verdict.attest_by == verdict.judged_at + timedelta(days=10)
    delivered, granted, refused = claims
    shop = office.insurer.shop.identity
    client.invoice(delivered.claim_id, make_invoice(delivered, shop, samples.DAY))
    for claim in claims:
        office.let_pass(claim)
    office.restart()
    client = office.insurer.client()
    overdue = [entry.claim_id for entry in client.claims(state="attestation_overdue")]
    assert sorted(overdue) == sorted(claim.claim_id for claim in claims)
    assert outcome(lambda: client.attest(made(granted, attested=BOTH))) == "attestation_late"
    for act in (
        lambda: client.cancel(granted.claim_id, make_cancellation(granted, shop)),
        lambda: client.invoice(granted.claim_id, make_invoice(granted, shop, samples.DAY)),
    ):
        with pytest.raises(ServiceProblem) as caught:
            act()
        assert caught.value.code == "state_conflict"
        assert caught.value.detail == "the claim is attestation_overdue"
    admin = office.insurer.admin
    for claim, decision, state in (
        (delivered, "grant", "payable"),
        (granted, "grant", "granted"),
        (refused, "refuse", "refused"),
    ):
        answer = admin.decide(claim.claim_id, decision)  # type: ignore[arg-type]
        assert answer.state == state
        assert admin.decide(claim.claim_id, decision) == answer  # type: ignore[arg-type]
        told = client.claim(claim.claim_id)
        assert (told.state, told.attest_by) == (state, None)
        assert [event.kind for event in told.history][-2:] == [
            "attestation_overdue",
            "attestation_decided",
        ]
    assert list(client.claims(state="attestation_overdue")) == []
    assert office.servers[0].store.check()["problems"] == []


def test_a_revocation_reaches_every_process(office: Office) -> None:
    first, second = office.claim(), office.claim()
    client = office.insurer.client()
    for claim in (first, second):
        client.submit_claim(claim, [made(claim)])
    given = made(first, attested=BOTH)
    answer = client.attest(given)
    late = made(second, attested=BOTH)
    revoked = datetime.now(UTC) - timedelta(seconds=1)
    write_trust(office.trust, office.attester(revoked))
    office.restart()
    client = office.insurer.client()
    assert outcome(lambda: client.attest(late)) == "key_revoked"
    assert client.attest(given) == answer
