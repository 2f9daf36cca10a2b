"""Several server processes on one database, restarts, upgrades, copies, and workers that die."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy

from circuits.claim import Claim, encode_claim
from optician.client import ServiceClient, ServiceProblem, ServiceUnreachable
from optician.notices import make_invoice
from tests.integration.conftest import MakeStore, StartServer
from tests.integration.test_service import DELIVERY
from tests.support.insurer import Insurer, Optician
from tests.support.postgres import Cluster, postgres_cluster
from tests.support.remade import reproved, resigned
from tests.support.server import Server, Store, is_running, start_server
from verifier_api.store.database import Database
from verifier_api.store.schema import metadata

pytestmark = pytest.mark.integration

ABOUT_A_SECOND = 2.5
"""A process asks once a second what has changed; the rest is for a machine that is busy."""


@pytest.fixture(scope="module")
def second(insurer: Insurer) -> Iterator[Server]:
    """Another process on the database of the first."""
    server = start_server(insurer.server.store, insurer.server.admin_token)
    try:
        yield server
    finally:
        server.kill()


def is_let_in(server: Server, token: str) -> bool:
    answer = server.ask("GET", "/v1/claims?limit=1", token)
    assert answer.status in (200, 401)
    return answer.status == 200


def seconds_until(is_so: Callable[[], bool], limit: float = 10.0) -> float:
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() - start < limit
        time.sleep(0.02)
    return time.monotonic() - start


def in_threads(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What ``act(number)`` returns, all at once."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


# -- tokens -------------------------------------------------------------------------------------


def test_a_revoked_token_opens_nothing_anywhere_within_about_a_second(
    insurer: Insurer, second: Server
) -> None:
    for here, there in ((insurer.server, second), (second, insurer.server)):
        made = here.client().create_token("reader")
        assert is_let_in(there, made.token)  # at once: what is not known is looked up
        here.client().revoke_token(made.token_id)
        assert not is_let_in(here, made.token)
        assert seconds_until(lambda: not is_let_in(there, made.token)) < ABOUT_A_SECOND  # noqa: B023


def test_a_rotated_token_is_replaced_everywhere_within_about_a_second(
    insurer: Insurer, second: Server
) -> None:
    here, there = insurer.server, second
    shop = insurer.new_optician()
    assert is_let_in(there, shop.token)
    fresh = here.client().rotate_token(shop.token_id)
    assert (fresh.scope, fresh.optician_id) == ("optician", shop.name)
    assert not is_let_in(here, shop.token)
    assert is_let_in(here, fresh.token)
    assert is_let_in(there, fresh.token)
    assert seconds_until(lambda: not is_let_in(there, shop.token)) < ABOUT_A_SECOND
    claim = insurer.claim("line", by=shop)
    assert there.client(fresh.token).submit_claim(claim).verdict == "granted"


def test_a_token_expires_everywhere_by_itself(insurer: Insurer, second: Server) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    made = insurer.admin.create_token("reader", expires_at=end)
    for server in (insurer.server, second):
        assert is_let_in(server, made.token)
    for server in (insurer.server, second):
        seconds_until(lambda: not is_let_in(server, made.token))  # noqa: B023
        late = (datetime.now(UTC) - end).total_seconds()
        assert 1.0 <= late < 1.0 + ABOUT_A_SECOND  # the last second is still the token's
        assert not is_let_in(server, made.token)


def test_a_revoked_key_signs_nothing_anywhere_within_about_a_second(
    insurer: Insurer, second: Server
) -> None:
    shop, person = insurer.new_optician(), insurer.new_beneficiary()
    claims = iter(insurer.lines(500, by=shop, beneficiary=person))
    client = second.client(shop.token)
    assert client.submit_claim(next(claims)).verdict == "granted"
    insurer.admin.revoke_key(shop.identity.key_id)
    answer = insurer.client(shop).submit_claim(next(claims))
    assert answer.reason == "optician_unknown"

    def is_refused() -> bool:
        return client.submit_claim(next(claims)).reason == "optician_unknown"

    assert seconds_until(is_refused) < ABOUT_A_SECOND


# -- the same claims at once --------------------------------------------------------------------


def test_the_same_claims_at_two_processes_at_once_are_recorded_once(
    insurer: Insurer, second: Server
) -> None:
    shop, person = insurer.new_optician(), insurer.new_beneficiary()
    claims = insurer.lines(40, by=shop, beneficiary=person)
    servers = (insurer.server, second)
    data = [encode_claim(claim) for claim in claims]

    def submit_all(number: int) -> dict[int, bytes]:
        order = list(range(len(data)))
        random.Random(number).shuffle(order)
        answers = {}
        for place in order:
            answer = servers[number % 2].ask("POST", "/v1/claims", shop.token, data[place])
            assert answer.status == 200
            answers[place] = answer.content
        return answers

    first, *others = in_threads(4, submit_all)
    for other in others:
        assert other == first
    listed = [entry.claim_id for entry in insurer.client(shop).claims()]
    assert sorted(listed) == sorted(claim.claim_id for claim in claims)
    for claim in claims:
        assert len(insurer.client(shop).claim(claim.claim_id).history) == 1
    assert insurer.server.store.check()["problems"] == []


def rivals(insurer: Insurer, shop: Optician, count: int) -> dict[str, list[list[Claim]]]:
    """Groups of claims of which one can be granted: the reason of the others, and the groups."""
    identity = shop.identity
    people = insurer.new_beneficiaries(count)
    same_person = [
        [insurer.claim(by=shop, beneficiary=person) for _ in range(4)] for person in people
    ]
    same_sale = []
    for person in people:
        sale, claim, openings = insurer.sale_and_claim("line", by=shop, beneficiary=person)
        names = [f"{claim.claim_id}-{number}" for number in range(3)]
        again = [reproved(sale, claim, openings, identity, claim_id=name) for name in names]
        same_sale.append([claim, *again])
    return {"renewal_too_early": same_person, "commitment_reused": same_sale}


def test_of_claims_that_exclude_each_other_one_is_granted(insurer: Insurer, second: Server) -> None:
    """Sent to two processes at once: for one beneficiary, and on one commitment."""
    shop = insurer.new_optician()
    servers = (insurer.server, second)
    for reason, groups in rivals(insurer, shop, 8).items():

        def submit(number: int) -> list[str | None]:
            client = servers[number % 2].client(shop.token)
            return [client.submit_claim(group[number]).reason for group in groups]  # noqa: B023

        told = in_threads(4, submit)
        for place in range(len(groups)):
            reasons = [answers[place] for answers in told]
            assert sorted(reasons, key=str) == [None, reason, reason, reason]


def test_one_claim_in_many_versions_at_once_is_recorded_once(
    insurer: Insurer, second: Server
) -> None:
    """The same identifier for eight claims: one is judged, the others are told so."""
    shop, person = insurer.new_optician(), insurer.new_beneficiary()
    servers = (insurer.server, second)
    for _ in range(5):
        first = insurer.claim("line", by=shop, beneficiary=person)
        claims = [
            insurer.claim("line", by=shop, beneficiary=person, claim_id=first.claim_id)
            for _ in range(8)
        ]

        def submit(number: int) -> str:
            client = servers[number % 2].client(shop.token)
            try:
                return client.submit_claim(claims[number]).verdict  # noqa: B023
            except ServiceProblem as problem:
                return problem.code

        assert sorted(in_threads(8, submit)) == ["claim_conflict"] * 7 + ["granted"]


# -- restarts -----------------------------------------------------------------------------------


def told_by(server: Server, shop: Optician, claims: Sequence[Claim]) -> list[bytes]:
    """The answers to the same bytes, as they are."""
    answers = [
        server.ask("POST", "/v1/claims", shop.token, encode_claim(claim)) for claim in claims
    ]
    assert {answer.status for answer in answers} == {200}
    return [answer.content for answer in answers]


def some_of_each(insurer: Insurer, shop: Optician) -> list[Claim]:
    """Claims that are granted, refused and pending."""
    person, other = insurer.new_beneficiaries(2)
    ground = "change_of_vision"
    first = insurer.claim(by=shop, beneficiary=person)
    return [
        first,
        insurer.claim(by=shop, beneficiary=person),
        insurer.claim("pair", by=shop, beneficiary=person, early_renewal_ground=ground),
        *insurer.lines(3, by=shop, beneficiary=person),
        resigned(
            insurer.claim("line", by=shop, beneficiary=other),
            shop.identity,
            beneficiary=person,
        ),
        insurer.claim("pair", by=shop, beneficiary=other, contract="network"),
    ]


def test_a_server_that_starts_again_says_the_same(
    make_store: MakeStore, start: StartServer
) -> None:
    store = make_store()
    server = start(store)
    insurer = Insurer(server)
    claims = some_of_each(insurer, insurer.shop)
    before = told_by(server, insurer.shop, claims)
    verdicts = {answer.split(b'"verdict": "')[1].split(b'"')[0] for answer in before}
    assert verdicts == {b"granted", b"refused", b"pending"}
    listed = list(insurer.client().claims())
    token, family = server.admin_token, server.family()
    server.stop()
    seconds_until(lambda: not any(map(is_running, family)))
    server = start(store, token)
    assert '"admin_token": null' in server.stdout.read_text()  # there is one already
    insurer.server = server
    assert told_by(server, insurer.shop, claims) == before
    assert list(insurer.client().claims()) == listed
    assert store.check() == {"claims": len(claims), "problems": []}


def test_a_stop_lets_what_is_in_work_end(make_store: MakeStore, start: StartServer) -> None:
    """Every request is either answered, and then recorded, or was never taken."""
    store = make_store()
    server = start(store)
    insurer = Insurer(server)
    claims = insurer.lines(400)
    answered: list[str] = []

    def submit(number: int) -> None:
        client = insurer.client(retries=0)
        for claim in claims[number::4]:
            try:
                client.submit_claim(claim)
            except (ServiceProblem, ServiceUnreachable):
                return
            answered.append(claim.claim_id)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    seconds_until(lambda: len(answered) > 20)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    server.stop()
    assert 20 < len(answered) < len(claims)
    recorded = {row[0] for row in store.sql("SELECT claim_id FROM claims")}
    assert set(answered) <= recorded
    assert store.check()["problems"] == []


# -- upgrades and copies ------------------------------------------------------------------------


def copy_at_first_revision(old: Store, new: Store) -> None:
    """Everything but what later revisions brought, into tables of revision 0001."""
    source, target = Database(old.url), Database(new.url)
    target.upgrade("0001")
    with source.read() as reading, target.write() as writing:
        there = sqlalchemy.inspect(writing)
        tables = [table for table in metadata.sorted_tables if there.has_table(table.name)]
        later = {table.name for table in metadata.sorted_tables} - {one.name for one in tables}
        assert {"circuits", "attestations"} <= later
        for table in tables:
            known = {column["name"] for column in there.get_columns(table.name)}
            columns = [column for column in table.c if column.name in known]
            if table.name == "changes":
                writing.execute(sqlalchemy.delete(table))
            rows = [dict(row._mapping) for row in reading.execute(sqlalchemy.select(*columns))]
            if rows:
                writing.execute(sqlalchemy.insert(table), rows)
            if "sequence" in table.c and new.kind == "postgresql":
                writing.execute(
                    sqlalchemy.text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'sequence'), "
                        f"(SELECT max(sequence) FROM {table.name}))"
                    )
                )
    source.dispose()
    target.dispose()


MEASURED = ("judging", "latency_us", "batch_size")


def rows_of(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    """Everything that is recorded, by table, but for what was measured."""
    database = store.database()
    with database.read() as connection:
        found = {
            table.name: {
                tuple(row)
                for row in connection.execute(
                    sqlalchemy.select(*(one for one in table.c if one.name not in MEASURED))
                )
            }
            for table in metadata.sorted_tables
        }
    database.dispose()
    return found


def test_a_database_of_the_first_revision_is_brought_forward(
    make_store: MakeStore, start: StartServer
) -> None:
    old, new = make_store(), make_store()
    server = start(old)
    insurer = Insurer(server)
    claims = some_of_each(insurer, insurer.shop)
    before = told_by(server, insurer.shop, claims)
    invoice = make_invoice(claims[0], insurer.shop.identity, DELIVERY)
    answer = insurer.client().invoice(claims[0].claim_id, invoice)
    token = server.admin_token
    server.stop()
    copy_at_first_revision(old, new)
    revision = new.sql("SELECT version_num FROM alembic_version")[0][0]
    assert revision == "0001"

    server = start(new, token)
    assert new.sql("SELECT version_num FROM alembic_version")[0][0] != "0001"
    # The circuits and the declared classes that were added among them.
    assert rows_of(new) == rows_of(old)
    assert new.sql("SELECT DISTINCT judging, latency_us, batch_size FROM claims") == [
        (None, None, None)
    ]
    insurer.server = server
    assert told_by(server, insurer.shop, claims) == before
    assert insurer.client().invoice(claims[0].claim_id, invoice) == answer
    digests = {claim.circuit_digest for claim in map(insurer.client().submit_claim, claims)}
    for digest in digests - {None}:
        assert digest is not None
        assert insurer.client().circuit(digest).wires > 0
    assert insurer.client().submit_claim(insurer.claim("line")).verdict == "granted"
    assert new.check() == {"claims": len(claims) + 1, "problems": []}


def back_up_and_restore(store: Store, new: Store) -> None:
    """By the database's own means, while the server runs."""
    if store.kind == "sqlite":
        with (
            closing(sqlite3.connect(store.file)) as source,
            closing(sqlite3.connect(new.file)) as target,
        ):
            source.backup(target)
        return
    assert store.cluster is not None
    dump = str(new.folder / "dump")
    store.cluster.run("pg_dump", "--format=custom", f"--file={dump}", store.name)
    store.cluster.run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={new.name}", dump)


def test_a_restored_back_up_works(make_store: MakeStore, start: StartServer) -> None:
    store, new = make_store(), make_store()
    server = start(store)
    insurer = Insurer(server)
    claims = some_of_each(insurer, insurer.shop)
    before = told_by(server, insurer.shop, claims)
    person = insurer.new_beneficiary()
    back_up_and_restore(store, new)
    recorded = rows_of(new)
    assert recorded == rows_of(store)
    late = insurer.claim(beneficiary=person)
    assert insurer.client().submit_claim(late).verdict == "granted"
    server.kill()

    server = start(new, server.admin_token)
    insurer.server = server
    assert told_by(server, insurer.shop, claims) == before
    assert rows_of(new) == recorded
    # What came after the back-up is unknown, and is judged when it is sent again.
    assert late.claim_id not in {entry.claim_id for entry in insurer.client().claims()}
    assert insurer.client().submit_claim(late).verdict == "granted"
    assert new.check() == {"claims": len(claims) + 1, "problems": []}


def test_without_its_database_a_server_says_so_and_works_again_with_it(
    start: StartServer, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster
) -> None:
    """A PostgreSQL of its own, which is stopped as if it had crashed."""
    with postgres_cluster() as own:
        name = own.fresh_database()
        folder = tmp_path_factory.mktemp("outage")
        server = start(Store("postgresql", folder, own.url(name), name, own))
        insurer = Insurer(server)
        claims = insurer.lines(3)
        client = insurer.client(retries=0)
        first = client.submit_claim(claims[0])
        own.stop()
        with pytest.raises(ServiceProblem) as caught:
            client.submit_claim(claims[1])
        problem = caught.value
        assert (problem.status, problem.code) == (503, "storage_unavailable")
        assert problem.retry_after is not None
        assert client.readiness().checks["database"] is False
        assert client.health().status == "ok"
        own.start()
        patient = insurer.client(retries=6)
        assert patient.submit_claim(claims[1]).verdict == "granted"
        assert patient.submit_claim(claims[0]) == first
        assert patient.readiness().status == "ready"
        assert server.store.check() == {"claims": 2, "problems": []}
        server.stop()


# -- batches and workers ------------------------------------------------------------------------


def metric(client: ServiceClient, name: str) -> float:
    lines = [line for line in client.metrics().splitlines() if line.startswith(f"{name} ")]
    assert len(lines) == 1, name
    return float(lines[0].split()[1])


def submit_in_threads(
    insurer: Insurer, claims: Sequence[Claim], threads: int, **choices: Any
) -> list[str | None]:
    """The reasons, in the order of the claims."""

    def submit(number: int) -> list[tuple[int, str | None]]:
        client = insurer.client(**choices)
        return [
            (place, client.submit_claim(claims[place]).reason)
            for place in range(number, len(claims), threads)
        ]

    told = dict(pair for part in in_threads(threads, submit) for pair in part)
    return [told[place] for place in range(len(claims))]


def test_a_bad_proof_among_good_ones_is_found_and_harms_no_other(
    make_store: MakeStore, start: StartServer
) -> None:
    server = start(make_store(), linger_ms=20)
    insurer = Insurer(server)
    claims = insurer.lines(160)
    bad = {7, 8, 31, 100, 159}
    for place in bad:
        claim = claims[place]
        later = claim.expires_at + timedelta(seconds=1)
        claims[place] = resigned(claim, insurer.shop.identity, expires_at=later)
    reasons = submit_in_threads(insurer, claims, 16)
    assert {place for place, reason in enumerate(reasons) if reason == "proof_invalid"} == bad
    assert {reason for place, reason in enumerate(reasons) if place not in bad} == {None}
    batches = metric(insurer.admin, "clairobscur_batch_size_count")
    together = metric(insurer.admin, "clairobscur_batch_size_sum")
    assert together == len(claims)
    assert batches < len(claims) / 2  # they were verified together


def test_a_killed_worker_is_replaced_and_its_claims_are_answered(
    make_store: MakeStore, start: StartServer
) -> None:
    server = start(make_store(), workers=2)
    insurer = Insurer(server)
    claims = insurer.lines(300)
    before = server.worker_ids()
    assert len(before) == 2
    done = threading.Event()

    def kill_one() -> None:
        time.sleep(0.1)
        os.kill(before[0], signal.SIGKILL)
        done.set()

    killer = threading.Thread(target=kill_one)
    killer.start()
    reasons = submit_in_threads(insurer, claims, 8, retries=0)  # nobody has to ask twice
    killer.join()
    assert done.is_set()
    assert set(reasons) == {None}
    assert insurer.client().submit_claim(insurer.claim("line")).verdict == "granted"
    seconds_until(lambda: len(set(server.worker_ids()) - {before[0]}) == 2, 30)
    assert before[1] in server.worker_ids()  # the other one was left alone
    assert metric(insurer.admin, "clairobscur_worker_restarts") == 1


def test_workers_that_are_killed_again_and_again(make_store: MakeStore, start: StartServer) -> None:
    """All of them, while they start as well: claims wait for the next ones."""
    server = start(make_store(), workers=2)
    insurer = Insurer(server)
    claims = insurer.lines(60)
    is_over = threading.Event()
    killed: set[int] = set()

    def kill_all() -> None:
        chance = random.Random(5)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for pid in server.worker_ids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed.add(pid)
            time.sleep(chance.uniform(0.0, 0.5))
        is_over.set()

    killer = threading.Thread(target=kill_all)
    killer.start()
    reasons = submit_in_threads(insurer, claims, 6, retries=10)
    killer.join()
    assert is_over.is_set()
    assert set(reasons) == {None}
    assert len(killed) > 3
    # All is as it was: two workers, nothing recorded twice.
    assert set(submit_in_threads(insurer, insurer.lines(20), 4)) == {None}
    seconds_until(lambda: len(server.worker_ids()) == 2, 30)
    assert insurer.admin.readiness().status == "ready"
    assert server.store.check() == {"claims": 80, "problems": []}
    server.stop()
    seconds_until(lambda: not any(map(is_running, killed)))
