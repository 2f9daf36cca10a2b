"""The chapter of those who know the real code: an attester, an auditor, evidence for anybody.

Four parties with folders and processes of their own: shop, insurer, a lens maker's attester, and an
auditor. Whose keys count stands in one trust list, which all of them have here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from circuits.canonical import canonical_bytes
from circuits.contract import AttestationRule, Contract
from demo.cases import World, fresh_name
from demo.claim_chapters import Files
from demo.commands import Finished, run_command
from demo.service_chapter import Server, serving, serving_attester
from demo.stage import Stage

CONTRACT = "contract.json"
TRUST = "trust.json"
TABLE = "table.json"
KEY = "secret.key"
LINE = "1"
ATTESTER, AUDITOR, PUBLISHER = "lens-maker", "auditor-1", "union"
PARTIES = {"publisher": PUBLISHER, "attester": ATTESTER, "auditor": AUDITOR}


@dataclass(frozen=True)
class Sold:
    """A sale as it was, as it was claimed, and what the maker's order says."""

    name: str
    order: str
    true_code: int
    claimed_code: int


class Story:
    """The parties' folders and what passes between them."""

    def __init__(self, stage: Stage, world: World, files: Files) -> None:
        self.stage, self.world, self.files = stage, world, files
        self.root = files.shop.parent
        self.insurer = self.root / "insurer-2"
        for name in ("insurer-2", "attester", "auditor", "publisher", "judge"):
            (self.root / name).mkdir()

    def folder(self, name: str) -> Path:
        """The party's folder."""
        return self.root / name

    def run(self, where: str, name: str, *words: str, shown: bool = False) -> Finished:
        """A command in a party's folder."""
        done = run_command(self.folder(where), name, *words)
        if shown:
            self.stage.command(done)
        return done

    def must(self, where: str, name: str, *words: str, shown: bool = False) -> Finished:
        """A command that has to succeed."""
        done = self.run(where, name, *words, shown=shown)
        self.stage.check(done.exit_code == 0, f"{words[0]}: {done.error or done.facts}")
        return done

    # -- before the first claim -----------------------------------------------------------------

    def make_parties(self) -> Contract:
        """Keys, one trust list for all, a contract that wants the right lens confirmed."""
        regroupement = self.world.rows[0].regroupement
        rule = AttestationRule(classes=(regroupement,), attesters=(ATTESTER,), within_days=30)
        changes = {"contract_id": "confirmed-2020", "attestations": (rule,)}
        contract = self.world.contract.model_copy(update=changes)
        entries = []
        for role, party in (*PARTIES.items(), ("insurer", contract.insurer_id)):
            where = "insurer-2" if role == "insurer" else role
            made = ("keygen", role, party, "--out", KEY, "--public", "entry.json")
            self.must(where, "verifier", *made)
            entries += json.loads((self.folder(where) / "entry.json").read_bytes())["keys"]
        trust = json.dumps({"format_version": 1, "keys": entries}).encode()
        for where in ("shop", "insurer-2", "auditor", "judge"):
            (self.folder(where) / TRUST).write_bytes(trust)
        document = canonical_bytes(contract.model_dump(mode="json"))
        for where in ("shop", "insurer-2", "publisher"):
            (self.folder(where) / CONTRACT).write_bytes(document)
        (self.folder("publisher") / TABLE).write_bytes(self.world.table.to_bytes())
        for kind, name, day in (
            ("contract", CONTRACT, contract.valid_from.isoformat()),
            ("nomenclature", TABLE, "2020-01-01"),
        ):
            out = f"{kind}.publication.json"
            signed = ("publish", kind, name, "--key", KEY, "--in-force-from", day, "--out", out)
            self.must("publisher", "verifier", *signed)
            publication = (self.folder("publisher") / out).read_bytes()
            for where in ("shop", "insurer-2"):
                (self.folder(where) / out).write_bytes(publication)
        keys = self.files.shop / "key.json"
        for where in ("insurer-2", "attester"):
            (self.folder(where) / "keys.json").write_bytes(keys.read_bytes())
        return contract

    def set_up(self, contract: Contract, people: Iterable[str]) -> None:
        """What the insurer loads once."""
        published = ("contract.publication.json", "nomenclature.publication.json")
        commands = [
            ("nomenclature", "add"),
            ("contracts", "add", CONTRACT),
            ("publications", "add", *published, "--trust", TRUST),
            ("keys", "add", "keys.json"),
        ]
        commands += [
            ("rights", "add", person, "--contract", contract.contract_id, "--from", "2020-01-01")
            for person in people
        ]
        for words in commands:
            self.must("insurer-2", "verifier", *words, "--data-dir", "data")
        for where, words in (
            ("shop", ("optician", "--optician", "optician-1")),
            ("auditor", ("auditor",)),
        ):
            made = ("tokens", "create", *words, "--data-dir", "data")
            token = self.must("insurer-2", "verifier", *made).facts.get("token", "")
            file = self.folder(where) / "second.token"
            file.write_text(str(token), encoding="ascii")
            file.chmod(0o600)

    def write_orders(self, sales: Iterable[Sold]) -> None:
        """The maker's own record of what he was asked to make."""
        lines = ["record_id,optician_id,code,price_cents,quantity"]
        lines += [f"{sold.order},optician-1,{sold.true_code},,1" for sold in sales]
        (self.folder("attester") / "orders.csv").write_text("\n".join(lines) + "\n")

    # -- claims ---------------------------------------------------------------------------------

    def claim(self, sold: Sold, person: str, server: Server) -> None:
        """Prove and submit; the proof holds whichever code of the class was sealed."""
        document = self.world.sale_document(self.world.prices_cents)
        document |= {"claim_id": fresh_name("claim"), "beneficiary": person}
        document["right_lens"]["code"] = sold.claimed_code
        (self.files.shop / f"{sold.name}-sale.json").write_text(json.dumps(document))
        published = ("contract.publication.json", "nomenclature.publication.json")
        proved = (
            *("prove", f"{sold.name}-sale.json", "--contract", CONTRACT, "--key", KEY),
            *("--out", f"{sold.name}.json", "--openings", f"{sold.name}-openings.json"),
            *("--trust", TRUST, "--publications", published[0], "--publications", published[1]),
        )
        self.must("shop", "optician", *proved)
        sent = self.must("shop", "optician", "submit", f"{sold.name}.json", *to(server))
        self.stage.check(sent.facts.get("verdict") == "granted", f"{sold.name}: {sent.facts}")

    def attest(self, sold: Sold, attester_url: str, server: Server, *, shown: bool) -> Finished:
        """Ask the maker, and send what he signed to the insurer."""
        asked = (
            *("attest", f"{sold.name}.json", "--openings", f"{sold.name}-openings.json"),
            *("--line", LINE, "--record", sold.order, "--attester", ATTESTER),
            *("--attester-url", attester_url, "--key", KEY, "--trust", TRUST),
            *("--out", f"{sold.name}-attestation.json", *to(server)),
        )
        return self.run("shop", "optician", *asked, shown=shown)

    # -- audit ----------------------------------------------------------------------------------

    def audit(self, sold: Sold, server: Server) -> tuple[Finished, Finished]:
        """Ask, answer, compare with the maker's order: what was seen, and what was concluded."""
        claim_id = json.loads((self.files.shop / f"{sold.name}.json").read_bytes())["claim_id"]
        at = ("--vault", "vault", "--trust", TRUST, *to(server))
        asked = (
            *("auditor", "open", claim_id, "--line", LINE, "--slots", "code"),
            *("--ground", "delivered_not_as_invoiced", "--key", KEY, *at),
        )
        case = str(self.must("auditor", "verifier", *asked, shown=True).facts.get("case_id"))
        answered = (
            *("audits", "answer", case, "--openings", f"{sold.name}-openings.json"),
            *("--key", KEY, "--trust", TRUST, *to(server)),
        )
        self.must("shop", "optician", *answered, shown=True)
        seen = self.must("auditor", "verifier", "auditor", "show", case, *at, shown=True)
        papers = self.folder("auditor") / "papers.json"
        papers.write_text(json.dumps({"code": sold.true_code}))
        told = ("--papers", "papers.json", "--source", f"order {sold.order}", "--key", KEY)
        ended = self.must("auditor", "verifier", "auditor", "conclude", case, *told, *at)
        made = ("auditor", "evidence", case, "--key", KEY, "--out", f"{sold.name}.evidence", *at)
        self.must("auditor", "verifier", *made)
        evidence = (self.folder("auditor") / f"{sold.name}.evidence").read_bytes()
        (self.folder("judge") / "evidence.json").write_bytes(evidence)
        return seen, ended

    def is_told(self, code: int) -> bool:
        """Whether the code stands in anything that the insurer records or logs, but for the public
        table, which has every code."""
        kept = [(self.insurer / "service.log").read_bytes()]
        with closing(sqlite3.connect(self.insurer / "data" / "verifier.db")) as database:
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'"):
                if name != "nomenclatures":
                    for row in database.execute(f'SELECT * FROM "{name}"').fetchall():
                        kept += [
                            cell if isinstance(cell, bytes) else str(cell).encode() for cell in row
                        ]
        return str(code).encode() in b" ".join(kept)


def to(server: Server) -> tuple[str, ...]:
    """Options of every command that speaks with the insurer."""
    return "--to", server.url, "--token-file", "second.token"


def tell_trust(stage: Stage, world: World, files: Files) -> None:
    """An honest line is confirmed; a lie that no proof can see is caught twice, and shown."""
    say = stage.say
    stage.chapter("trust")
    stage.tell("trust.intro")
    stage.gap()
    story = Story(stage, world, files)
    row = world.rows[0]
    other = next(
        entry
        for entry in world.table.class_rows(row.regroupement, world.day)
        if entry.code != row.code and entry.cell != row.cell
    )
    honest = Sold("honest", "order-1", row.code, row.code)
    lie = Sold("lie", "order-2", row.code, other.code)
    people = {sold.name: fresh_name("person") for sold in (honest, lie)}
    contract = story.make_parties()
    story.write_orders((honest, lie))
    settings = {"CLAIROBSCUR_TRUST": TRUST, "CLAIROBSCUR_SIGNING_KEY": KEY}
    with ExitStack() as stack:
        server = stack.enter_context(serving(story.insurer, settings))
        attester_url = stack.enter_context(serving_attester(story.folder("attester")))
        story.set_up(contract, people.values())
        stage.tell("trust.set_up", attester=ATTESTER, auditor=AUDITOR)
        stage.gap()
        for sold in (honest, lie):
            story.claim(sold, people[sold.name], server)
        stage.tell("trust.granted", class_name=row.regroupement)
        stage.gap()
        confirmed = story.attest(honest, attester_url, server, shown=True)
        stage.check(confirmed.exit_code == 0, f"attest: {confirmed.error or confirmed.facts}")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="soft", no_wrap=True)
        grid.add_column()
        grid.add_row(say("trust.honest"), f"[good]✓[/] {say('trust.confirmed')}")
        caught = story.attest(lie, attester_url, server, shown=False)
        is_caught = caught.exit_code != 0 and "code_differs" in caught.error
        stage.check(is_caught, f"the maker confirmed a lie: {caught.error or caught.facts}")
        grid.add_row(say("trust.lie"), f"[bad]✗ code_differs[/], {say('trust.refused')}")
        stage.show(grid, indent=4)
        stage.gap()
        seen, ended = story.audit(lie, server)
        is_seen = str(lie.claimed_code) in json.dumps(seen.facts)
        stage.check(is_seen, "the auditor does not see what was sealed")
        stage.check(ended.facts.get("outcome") == "inconsistent", f"conclude: {ended.facts}")
        stage.tell("trust.inconsistent", indent=4, sealed=lie.claimed_code, ordered=lie.true_code)
    stage.gap()
    judged = ("check-evidence", "evidence.json", "--trust", TRUST)
    shown = story.must("judge", "verifier", *judged, shown=True)
    stage.check(shown.facts.get("shows") == "inconsistent", f"evidence: {shown.facts}")
    stage.tell("trust.evidence", indent=4)
    stage.gap()
    hidden = {lie.claimed_code, row.code}
    stage.check(not any(map(story.is_told, hidden)), "the insurer has a code in clear")
    stage.tell("trust.nothing")
