"""Four parties, each with a folder and processes of its own, and the network between them.

The insurer runs `verifier serve`, the attester `verifier attester serve`; optician and auditor have
offices in which their commands run. A publisher and a third party run commands only. All live by
one clock that the test moves. Opticians and auditor reach the insurer through a relay that keeps
what passes; the address stays when the service is started again.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from circuits.audit import AuditCase
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, decode_claim
from circuits.contract import (
    AttestationRule,
    AttestedSlot,
    AuditRules,
    Contract,
    RenewalMonths,
    StatementName,
)
from circuits.signed import decode_signed
from optician.client import ServiceClient
from tests.support import claims as samples
from tests.support.commands import ROOT, Done
from tests.support.ending import ending_with_us
from tests.support.insurer import contract_bytes
from tests.support.moved_clock import WallClock
from tests.support.office import Forked, Office, told
from tests.support.relay import Relay
from tests.support.server import (
    START_SECONDS,
    STOP_SECONDS,
    Reply,
    Store,
    settings_for,
    start_server,
    streams_in,
    when_ready,
)
from tests.support.traps import Trap

INSURER, ATTESTER, AUDITOR, PUBLISHER = "ocam-exemple", "maker-pool", "auditor-1", "publisher-1"
SHOP, OTHER_SHOP = "shop-1", "shop-2"
GROUND = "delivered_not_as_invoiced"
IN_FORCE_FROM = date(2020, 7, 1)

ATTEST_DAYS, ANSWER_DAYS, KEEP_DAYS = 20, 7, 10
VALID_DAYS = 10
"""Of an attestation."""

SWEEP_SECONDS = 0.3
"""Between two sweeps of the service, which else are half a minute apart."""

LENS = "VM4"
"""The class that both sample contracts ask an attestation for."""

BOTH: tuple[AttestedSlot, ...] = ("code", "price")


def contracts() -> dict[str, Contract]:
    """By names: what has to be attested with the claim, after the grant, not at all."""
    first = samples.contract()
    audits = AuditRules(
        grounds=(GROUND, "fictitious_equipment"), answer_days=ANSWER_DAYS, keep_days=KEEP_DAYS
    )

    def like(name: str, rules: Sequence[AttestationRule]) -> Contract:
        changes = {
            "contract_id": name,
            "renewal_months": RenewalMonths(adult=0, under_16=0),
            "attestations": tuple(rules),
            "audits": audits,
        }
        return first.model_copy(update=changes)

    def rule(within_days: int | None) -> AttestationRule:
        return AttestationRule(
            classes=(LENS,), attesters=(ATTESTER,), slots=BOTH, within_days=within_days
        )

    return {
        "at once": like("attested-at-once-2020", [rule(None)]),
        "afterwards": like("attested-afterwards-2020", [rule(ATTEST_DAYS)]),
        "never": like("attested-never-2020", []),
    }


@dataclass(frozen=True)
class Sold:
    """A sale that was proved: the claim's files in the shop's folder, and its secrets."""

    name: str
    shop: Office = field(repr=False)
    claim: Claim
    sale: dict[str, Any] = field(repr=False)

    @property
    def claim_file(self) -> str:
        """Name of the claim's file."""
        return f"{self.name}.claim.json"

    @property
    def openings_file(self) -> str:
        """Name of the file with its openings."""
        return f"{self.name}.openings.json"

    @property
    def claim_id(self) -> str:
        """The claim's id."""
        return self.claim.claim_id

    def item(self, line: int = 1) -> dict[str, Any]:
        """The article of a line: ``code``, ``price_cents``."""
        if "item" in self.sale:
            return dict(self.sale["item"])
        roles = ("right_lens", "left_lens", "frame")
        return dict(self.sale[roles[line - 1]])


class World:
    """See module docstring. To be closed."""

    def __init__(self, folder: Path, store: Store, *, is_quick: bool = False) -> None:
        """Make everybody's keys, tell everybody whom to trust, and start all processes.

        Services are started as everybody starts them, if not ``is_quick``; later, after they were
        killed, as forks of a process that has loaded them.
        """
        self.is_quick = is_quick
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store
        self._closing = ExitStack()
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        folder = self.folder
        self.clock = WallClock(folder / "clock")
        self.traps = {name: Trap(folder / f"trap-{name}") for name in (
            "insurer", "attester", "shop", "auditor", "desk")}  # fmt: skip
        self.desk = self._office("desk", "verifier_api")
        self.shop = self._office("shop", "optician")
        self.auditor = self._office("auditor", "verifier_api")
        self._names = 0
        self.shops = {SHOP: self.shop}
        self._make_keys()
        self.attester = AttesterProcess(self)
        self._closing.callback(self.attester.kill)
        self._start_insurer(None)
        self.relay = Relay(self.server.url)
        self._closing.callback(self.relay.close)
        self._tell_insurer()

    def _office(self, name: str, module: str) -> Office:
        office = Office(self.folder / name, module, self.clock, self.traps[name])
        self._closing.callback(office.close)
        return office

    def close(self) -> None:
        """End all processes."""
        self._closing.close()

    def path(self, party: str) -> Path:
        """A party's folder."""
        found = self.folder / party
        found.mkdir(exist_ok=True)
        return found

    def command(self, party: str, *arguments: str | Path, code: int = 0) -> Any:
        """One of `verifier`'s commands in the folder of a party that has no office; what it
        tells."""
        return self.desk.done(*arguments, code=code, folder=self.path(party))

    # -- who is who -----------------------------------------------------------------------------

    def _make_keys(self) -> None:
        self.trusted: dict[str, list[dict[str, Any]]] = {}
        for role, party_id in (
            ("publisher", PUBLISHER),
            ("attester", ATTESTER),
            ("auditor", AUDITOR),
            ("insurer", INSURER),
        ):
            self.make_key(role, party_id)
        self.trust()
        for office, name in ((self.shop, SHOP),):
            office.done("keygen", name, "--out", "shop.key", "--public", "keys.json")
        self.path("attester").joinpath("keys.json").write_bytes(self.shop.read("keys.json"))
        self.records: dict[str, dict[str, Any]] = {}
        self.write_records()

    def make_key(self, role: str, party_id: str, name: str = "") -> str:
        """A fresh key file of a party, in its folder, and its entry for trust lists; the name of
        the file."""
        party = {"auditor": "auditor"}.get(role, role)
        key, entry = f"{name or role}.key", f"{name or role}.entry.json"
        where = self.auditor.folder if role == "auditor" else self.path(party)
        self.desk.done("keygen", role, party_id, "--out", key, "--public", entry, folder=where)
        self.trusted[name or role] = json.loads((where / entry).read_bytes())["keys"]
        return key

    def trust(self, *parties: str, **changes: dict[str, Any]) -> None:
        """Write the trust lists of ``parties`` (all by default) with the keys that there are;
        ``changes`` to entries by the names of the keys. The insurer's service reads it again."""
        keys = [
            entry | changes.get(name, {})
            for name, entries in self.trusted.items()
            for entry in entries
        ]
        data = json.dumps({"format_version": 1, "keys": keys}).encode()
        for party in parties or ("insurer", "shop", "auditor", "judge"):
            fresh = self.path(party) / "trust.fresh.json"
            fresh.write_bytes(data)
            os.replace(fresh, self.path(party) / "trust.json")

    def other_shop(self) -> Office:
        """Another optician, with a key and a token of his own."""
        if OTHER_SHOP not in self.shops:
            self.traps["other"] = Trap(self.folder / "trap-other")
            office = self._office("other", "optician")
            office.done("keygen", OTHER_SHOP, "--out", "shop.key", "--public", "keys.json")
            self.shops[OTHER_SHOP] = office
            self.register(office, OTHER_SHOP)
            both = [office.json("keys.json") for office in self.shops.values()]
            keys = {"format_version": 1, "keys": [key for file in both for key in file["keys"]]}
            self.path("attester").joinpath("keys.json").write_text(json.dumps(keys))
        return self.shops[OTHER_SHOP]

    # -- the attester ---------------------------------------------------------------------------

    def write_records(self) -> None:
        """The attester's file of records as ``records`` has them."""
        lines = ["record_id,optician_id,code,price_cents,quantity"]
        for number, record in self.records.items():
            lines.append(",".join(str(value) for value in (number, *record.values())))
        fresh = self.path("attester") / "fresh.csv"
        fresh.write_text("\n".join(lines) + "\n")
        os.replace(fresh, self.path("attester") / "records.csv")

    def add_record(
        self, number: str, code: int, price_cents: int, *, optician: str = SHOP, quantity: int = 1
    ) -> str:
        """An order that the attester knows; its number."""
        self.records[number] = {
            "optician_id": optician,
            "code": code,
            "price_cents": price_cents,
            "quantity": quantity,
        }
        self.write_records()
        return number

    def record_of(self, sold: Sold, line: int = 1, **changes: Any) -> str:
        """The order of what was sold; its number."""
        item = sold.item(line) | changes
        number = f"order-{sold.name}-{line}"
        quantity = item.get("quantity", 1)
        return self.add_record(number, item["code"], item["price_cents"], quantity=quantity)

    # -- the insurer ----------------------------------------------------------------------------

    def _start_insurer(self, token: str | None) -> None:
        """Without a token of an administrator for the first time, when it gets one."""
        where = self.path("insurer")
        settings = {
            "trust": str(where / "trust.json"),
            "signing_key": str(where / "insurer.key"),
        }
        trap = self.traps["insurer"]
        if token is None and not self.is_quick:
            launcher = ("tests.support.launcher", str(self.clock.file), str(trap.file))
            self.server = start_server(
                self.store, token, (*launcher, str(SWEEP_SECONDS)), **settings
            )
        else:
            began, streams = time.monotonic(), streams_in(self.store)
            process = self.desk.start(
                *("serve", "--json", "--port", "0"),
                folder=self.store.folder,
                streams=streams,
                environment=settings_for(self.store, **settings),
                trap=trap,
                sweep=str(SWEEP_SECONDS),
            )
            self.server = when_ready(self.store, process, token, streams, began)
        self._closing.callback(self.server.kill)

    def restart(self, *, is_killed: bool = False, **time_passes: float) -> None:
        """Stop the insurer's service, in order unless it is (to be) killed, let time pass, and
        start it again on the same data."""
        token = self.server.admin_token
        if is_killed:
            self.server.kill()
        else:
            self.server.stop()
        self.clock.move(**time_passes)
        self._start_insurer(token)
        self.relay.target = self.server.url

    @property
    def admin(self) -> ServiceClient:
        """The insurer's own client."""
        return self.server.client()

    def _tell_insurer(self) -> None:
        admin = self.admin
        table = samples.nomenclature()
        admin.add_nomenclature(table.to_bytes(), in_force_from=IN_FORCE_FROM)
        (self.path("publisher") / "table.json").write_bytes(table.to_bytes())
        self.contracts: dict[str, Contract] = {}
        self.beneficiary = secrets.token_urlsafe(16)
        self.publish("nomenclature", "table.json", "table.publication.json")
        for name, contract in contracts().items():
            self.add_contract(name, contract)
        self.register(self.shop, SHOP)
        for scope in ("auditor", "reader"):
            token = admin.create_token(scope).token
            self._give_token(self.auditor, token, f"{scope}.token")

    def add_contract(self, name: str, contract: Contract, *, is_published: bool = True) -> None:
        """A contract for the insurer and the shop, published, and somebody with rights under
        it."""
        self.contracts[name] = contract
        data = contract_bytes(contract)
        self.admin.add_contract(data, in_force_from=IN_FORCE_FROM)
        right = {
            "beneficiary": self.beneficiary,
            "contract_id": contract.contract_id,
            "age_group": "adult",
            "valid_from": "2020-01-01",
            "valid_to": None,
        }
        self.admin.add_rights([right])
        file = f"{contract.contract_id}.json"
        for party in ("publisher", "shop"):
            (self.path(party) / file).write_bytes(data)
        if is_published:
            self.publish("contract", file, f"{contract.contract_id}.publication.json")

    def publish(self, kind: str, file: str, out: str, key: str = "publisher.key") -> None:
        """Sign a contract or the table as the publisher, and record that at the insurer's."""
        self.command(
            "publisher",
            *("publish", kind, file, "--key", key),
            *("--in-force-from", IN_FORCE_FROM.isoformat(), "--out", out),
        )
        data = (self.path("publisher") / out).read_bytes()
        self.shop.folder.joinpath(out).write_bytes(data)
        reply = self.server.ask("POST", "/v1/publications", self.server.admin_token, data)
        assert reply.status == 200, reply.content

    def register(self, office: Office, name: str) -> None:
        """An optician's key, and a token for him."""
        self.admin.register_keys(office.read("keys.json"))
        made = self.admin.create_token("optician", optician_id=name)
        self._give_token(office, made.token, "shop.token")

    def _give_token(self, office: Office, token: str, file: str) -> None:
        path = office.folder / file
        path.touch(mode=0o600)
        path.write_text(token)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """What the service answers the administrator, past the relay."""
        reply = self.server.ask(method, path, self.server.admin_token, body)
        assert reply.status == 200, reply.content
        return reply.json()

    def detail(self, claim_id: str) -> Any:
        """A claim as the insurer sees it."""
        return self.ask("GET", f"/v1/claims/{claim_id}")

    def case(self, case_id: str) -> Any:
        """A case as the insurer sees it."""
        return self.ask("GET", f"/v1/audits/{case_id}")

    # -- the optician ---------------------------------------------------------------------------

    def sell(
        self,
        contract: str = "never",
        *,
        shop: Office | None = None,
        statement: StatementName = "line",
        index: int | None = None,
        price_cents: int | None = None,
        prices: dict[str, int] | None = None,
        **choices: Any,
    ) -> Sold:
        """Prove a sale in the shop, of which nothing has left it yet: a line of class `LENS` at row
        ``index`` for ``price_cents``, unless told otherwise; then with ``prices`` by role."""
        office = shop or self.shop
        self._names += 1
        name = f"sale-{self._names}"
        if statement != "line":
            choices["price_cents"] = prices
        sale = samples.sale_document(statement, item=LENS, beneficiary=self.beneficiary, **choices)
        if statement == "line":
            rows = samples.nomenclature().class_rows(LENS, samples.DAY)
            sale["item"]["code"] = rows[
                self._names * 7 % len(rows) if index is None else index
            ].code
            price = 70_000 + 37 * self._names if price_cents is None else price_cents
            sale["item"]["price_cents"] = price
        (office.folder / f"{name}.json").write_text(json.dumps(sale))
        used = self.contracts[contract]
        file = f"{used.contract_id}.json"
        if office is not self.shop:
            office.folder.joinpath(file).write_bytes(contract_bytes(used))
        office.done(
            *("prove", f"{name}.json", "--contract", file, "--key", "shop.key"),
            *("--out", f"{name}.claim.json", "--openings", f"{name}.openings.json"),
        )
        return Sold(name, office, decode_claim(office.read(f"{name}.claim.json")), sale)

    def to_insurer(self, token: str = "shop.token") -> tuple[str, ...]:
        """The options that send something to the insurer."""
        return ("--to", self.relay.url, "--token-file", token)

    def attest(
        self, sold: Sold, record: str, *more: str, line: int = 1, out: str = "", code: int = 0
    ) -> Any:
        """Ask the attester about a line; what the command tells. The attestation's file is ``out``,
        by default named after sale and line."""
        return told(self.run_attest(sold, record, *more, line=line, out=out), code)

    def run_attest(self, sold: Sold, record: str, *more: str, line: int = 1, out: str = "") -> Done:
        """`attest` however it ends."""
        return sold.shop.run(
            *("attest", sold.claim_file, "--openings", sold.openings_file, "--line", str(line)),
            *("--record", record, "--attester", ATTESTER, "--attester-url", self.attester.url),
            *("--key", "shop.key", "--out", out or f"{sold.name}.{line}.attestation.json"),
            *("--reveal", "code,price", "--json", *more),
        )

    def submit(self, sold: Sold, *attestations: str, code: int = 0) -> Any:
        """Send a claim, with attestations; what the command tells."""
        return told(self.run_submit(sold, *attestations), code)

    def run_submit(self, sold: Sold, *words: str) -> Done:
        """`submit` however it ends; ``words`` are files of attestations, then options."""
        files = [word for word in words if word.endswith(".json")]
        given = [word for name in files for word in ("--attestation", name)]
        options = [word for word in words if word not in files]
        return sold.shop.run(
            *("submit", sold.claim_file, *given, *self.to_insurer(), "--json", *options)
        )

    # -- audits -----------------------------------------------------------------------------------

    def run_audit(self, command: str, *words: str) -> Done:
        """One of the auditor's commands, on his vault, however it ends."""
        return self.auditor.run("auditor", command, *words, "--vault", "vault", "--json")

    def audit(self, command: str, *words: str, code: int = 0) -> Any:
        """The same; what it tells."""
        return told(self.run_audit(command, *words), code)

    def to_service(self) -> tuple[str, ...]:
        """The options with which the auditor asks the insurer, and believes him."""
        return (*self.to_insurer("auditor.token"), "--trust", "trust.json")

    def opening_words(self, sold: Sold, line: int = 1, slots: str = "code,price") -> list[str]:
        """What `auditor open` is told."""
        return [
            *(sold.claim_id, "--line", str(line), "--slots", slots, "--ground", GROUND),
            *("--answer-days", str(ANSWER_DAYS), "--keep-days", str(KEEP_DAYS)),
            *("--key", "auditor.key", *self.to_service()),
        ]

    def open_case(self, sold: Sold, line: int = 1, slots: str = "code,price") -> str:
        """Open a case about a line; its id."""
        return str(self.audit("open", *self.opening_words(sold, line, slots))["case_id"])

    def answer_words(self, sold: Sold, case_id: str) -> list[str]:
        """What the optician's command is told."""
        return [
            *("audits", "answer", case_id, "--openings", sold.openings_file, "--key", "shop.key"),
            *("--trust", "trust.json", *self.to_insurer()),
        ]

    def answer(self, sold: Sold, case_id: str, code: int = 0) -> Any:
        """The optician answers a case about a sale; what his command tells."""
        return sold.shop.done(*self.answer_words(sold, case_id), code=code)

    def show(self, case_id: str) -> Any:
        """What the auditor's tool shows of an answer."""
        return self.audit("show", case_id, *self.to_service())

    def conclusion_words(self, case_id: str, papers: dict[str, Any] | None) -> list[str]:
        """What `auditor conclude` is told, with what the auditor's papers have."""
        words = [case_id, "--key", "auditor.key", *self.to_service()]
        if papers is None:
            return words
        file = f"{case_id}.papers.json"
        (self.auditor.folder / file).write_text(json.dumps(papers))
        return [*words, "--papers", file, "--source", "order of the supplier"]

    def conclude(self, case_id: str, papers: dict[str, Any] | None = None) -> Any:
        """End a case; what the command tells."""
        return self.audit("conclude", *self.conclusion_words(case_id, papers))

    def evidence(self, case_id: str, key: str = "auditor.key") -> bytes:
        """The auditor's evidence, also given to the third party."""
        file = f"{case_id}.evidence.json"
        words = ("--key", key, "--out", file, *self.to_service())
        self.audit("evidence", case_id, *words)
        data = self.auditor.read(file)
        (self.path("judge") / "evidence.json").write_bytes(data)
        return data

    def judge(self, data: bytes | None = None, *, code: int = 0) -> Any:
        """What a third party finds, who has the evidence, a trust list of his own, the public
        table, and nothing else."""
        where = self.path("judge")
        if data is not None:
            (where / "evidence.json").write_bytes(data)
        (where / "table.json").write_bytes(samples.nomenclature().to_bytes())
        words = ("evidence.json", "--trust", "trust.json", "--nomenclature", "table.json")
        return self.command("judge", "check-evidence", *words, code=code)

    def case_document(self, case_id: str) -> AuditCase:
        """A case as the auditor signed it."""
        return decode_signed(AuditCase, canonical_bytes(self.case(case_id)["case"]))


class AttesterProcess:
    """The attester's service."""

    process: subprocess.Popen[bytes] | Forked

    def __init__(self, world: World) -> None:
        self._world = world
        self.folder = world.path("attester")
        self._starts = 0
        self._key = "attester.key"
        self.start()

    def start_with(self, key: str) -> None:
        """Start it again, with another of its keys."""
        self.kill()
        self._key = key
        self.start()

    def start(self) -> None:
        """Start it, ready when this returns."""
        world = self._world
        self._starts += 1
        out_file = self.folder / f"stdout-{self._starts}"
        self.log = self.folder / f"stderr-{self._starts}"
        trap = world.traps["attester"]
        words = (
            *("attester", "serve", "--key", self._key, "--opticians", "keys.json"),
            *("--records", "csv:records.csv", "--ledger", "ledger.db"),
            *("--valid-days", str(VALID_DAYS), "--port", "0", "--json"),
        )
        if self._starts > 1 or world.is_quick:
            self.process = world.desk.start(
                *words, folder=self.folder, streams=(out_file, self.log), environment={}, trap=trap
            )
        else:
            outside = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith("CLAIROBSCUR_")
            }
            launcher = ("tests.support.launcher", world.clock.file, trap.file, "-")
            with out_file.open("wb") as out, self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    [
                        *ending_with_us("KILL"),
                        *(sys.executable, "-m", *map(str, launcher), "verifier_api", *words),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=log,
                    cwd=self.folder,
                    env={**outside, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
                )
        end = time.monotonic() + START_SECONDS
        while b"\n" not in (line := out_file.read_bytes()):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"the attester did not start: {self.log.read_text()}")
            time.sleep(0.01)
        self.url = json.loads(line)["url"]

    def ask(self, body: bytes) -> Reply:
        """A request for an attestation as it is; the answer as it is."""
        address = urlsplit(self.url)
        assert address.hostname is not None
        with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/attestations", body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())

    def kill(self) -> None:
        """At once (SIGKILL)."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
