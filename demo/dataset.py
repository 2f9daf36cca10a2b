"""A data set to look at: an insurer's records of two months, made by the real service.

Every claim is proved by its optician and judged by the service, whose clock goes from day to day up
to now. Opticians, contracts, sales and people are made up; the codes are the real table's, with
their period left open. One optician is a shop of this program: his claims stand in his vault too,
and reach the insurer over HTTP.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from structlog.testing import capture_logs

from circuits.attestation import Attestation, attestation_duties
from circuits.audit import AuditAnswer, AuditCase, AuditOutcome, AuditReply, encode_reply
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, claim_digest, decode_claim, encode_claim, encode_instant
from circuits.contract import AttestationRule, Contract, load_sample
from circuits.notices import encode_cancellation, encode_invoice
from circuits.sealing import RecipientKey
from circuits.signed import encode_signed, make_signed, signed_digest
from demo.refusals import CHANGED, sent_twice, spoilt
from demo.sales import encoded, fresh_reference, open_table, random_order
from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.claiming import make_claim
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from optician.order import parse_order, to_sale
from optician.vault import Passphrase, ScryptCost, Vault
from verifier_api.auditor.vault import Vault as CaseVault
from verifier_api.keys import KeyEntry
from verifier_api.parties import Party
from verifier_api.service.access import Principal
from verifier_api.service.administration import (
    COMMAND,
    Right,
    TokenRequest,
    add_contract,
    add_nomenclature,
    add_rights,
    create_token,
    register_keys,
)
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import Decision
from verifier_api.service.service import ServiceOptions, VerifierService
from verifier_api.settings import Settings
from verifier_api.store import claims as claims_store
from verifier_api.store.database import Database, sqlite_url
from verifier_api.web.app import make_app
from verifier_api.web.metrics import Metrics
from zk.backends import load_group
from zk.generators import generators_of

CLAIMS, DAYS, SHARE = 300, 60, 20
"""Claims, days, and how many of the claims are the vault's own."""

INSURER_ID = "ocam-exemple"
SHOP = "optique-du-pont"
OTHER_SHOPS = (
    *("optique-des-halles", "lunetterie-centrale", "vision-du-marche"),
    *("optique-saint-jean", "atelier-des-lunettes"),
)
ATTESTER, AUDITOR = "verrier-exemple", "auditeur-exemple"
GROUND, EARLY_GROUND = "delivered_not_as_invoiced", "change_of_vision"
PASSPHRASE = "demonstration only"
ATTEST_DAYS = 20
FAR_OFF = date(2099, 12, 31)
_START = timedelta(days=400)
"""So long before the first claim everybody was registered."""

_REFUSALS = (
    *("renewal_too_early",) * 9,
    *("rights_unknown",) * 6,
    *("expired", "date_in_future", "optician_unknown", "commitment_reused"),
    *CHANGED,
)


_FATES_OF_OURS = {6: "renewal_too_early", 12: "early"}
"""By their place among the vault's own; the others are in order."""


@dataclass(frozen=True)
class DataSet:
    """What was made: folders and secrets of a demonstration, worth nothing elsewhere."""

    data_dir: Path
    """Of `verifier serve`: the database."""
    trust: Path
    """The insurer's trust list."""
    auditor_folder: Path
    """Key and vault of the auditor."""
    vault: Path
    """The shop's, under `PASSPHRASE`."""
    tokens: dict[str, str] = field(repr=False)
    """By scope: "reader", "auditor", "admin"."""
    beneficiaries: tuple[str, ...]
    """People who are covered and have had nothing: for sales of one's own."""
    claims: int
    case_id: str
    """The audit that is open."""


def contracts() -> tuple[Contract, ...]:
    """The three contracts: plain, with attestations after the grant, with price caps."""
    plain = load_sample("responsable")
    caps = load_sample("reseau")
    note = f"For the demonstration only, valid as long as one likes. {plain.note}"
    common = {"valid_to": FAR_OFF, "note": note}
    rule = AttestationRule(
        classes=("VM1", "VM2", "VM3", "VM4", "VM5", "VM6"),
        attesters=(ATTESTER,),
        slots=("code",),
        within_days=ATTEST_DAYS,
    )
    attested = {"contract_id": "attestation-demo", "attestations": (rule,)}
    network = {
        "contract_id": "reseau-demo",
        "insurer_id": INSURER_ID,
        "audits": plain.audits,
        "grant_days": 30,
        "note": f"For the demonstration only, valid as long as one likes. {caps.note}",
    }
    return (
        plain.model_copy(update=common | {"contract_id": "responsable-demo"}),
        plain.model_copy(update=common | attested),
        caps.model_copy(update=common | network),
    )


def build(
    folder: Path,
    *,
    claims: int = CLAIMS,
    days: int = DAYS,
    share: int = SHARE,
    now: datetime | None = None,
    seed: int = 1,
    scrypt: ScryptCost | None = None,
) -> DataSet:
    """Make the data set in ``folder`` (empty, or not there): ``claims`` over ``days`` up to
    ``now``, of which ``share`` are the vault's. ``seed`` decides what is sold when; keys, numbers
    of people and proofs are fresh every time. Must not run within an event loop."""
    end = (now or datetime.now(UTC)).replace(microsecond=0)
    builder = _Builder(folder, claims, days, share, end, random.Random(seed), scrypt)
    with capture_logs():  # nobody asked for them
        return asyncio.run(builder.build())


class _Server(uvicorn.Server):
    """Leaves signals to whoever builds."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _serving(service: VerifierService, data_dir: Path) -> AsyncIterator[str]:
    """The running service over HTTP, on a free port of this machine and in this event loop."""
    settings = Settings(data_dir=data_dir, rate_per_second=100_000, rate_burst=100_000, pages=False)
    app = make_app(service, settings, Metrics())
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        serving = asyncio.create_task(server.serve(sockets=[opened]))
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


class _Builder:
    """The world while it is made. ``now`` is everybody's clock."""

    def __init__(
        self,
        folder: Path,
        claims: int,
        days: int,
        share: int,
        end: datetime,
        chance: random.Random,
        scrypt: ScryptCost | None,
    ) -> None:
        self.folder, self.claims, self.days, self.share = folder, claims, days, share
        self.end, self.chance, self.scrypt = end, chance, scrypt
        self.now = end - timedelta(days=days) - _START
        self.contracts = contracts()
        self.group = generators_of(load_group())
        self.shops = {name: Identity.generate(name) for name in (SHOP, *OTHER_SHOPS)}
        self.attester = Party.generate("attester", ATTESTER)
        self.auditor = Party.generate("auditor", AUDITOR)
        self.principals: dict[str, Principal] = {}
        self.tokens: dict[str, str] = {}
        self.case_id = ""
        self._order = count()
        self._agenda: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._customers: list[tuple[str, str]] = []  # who has had an equipment, by which contract

    # -- the whole ------------------------------------------------------------------------------

    async def build(self) -> DataSet:
        data_dir = self.folder / "insurer"
        data_dir.mkdir(parents=True, mode=0o700)
        trust = self.folder / "trust.json"
        keys = [party.public_entry() for party in (self.attester, self.auditor)]
        trust.write_bytes(canonical_bytes({"format_version": 1, "keys": keys}))
        database = Database(sqlite_url(data_dir / "verifier.db"))
        database.upgrade()
        with database.write() as connection:
            people = self._fill(connection)
        options = ServiceOptions(linger_ms=1.0)
        self.service = VerifierService(database, options, lambda: self.now, trust=trust)
        await self.service.start()
        try:
            async with _serving(self.service, data_dir) as url:
                await self._open_shop(url, trust)
                self._plan()
                await self._live()
                await self._look_at_news()
        finally:
            self.vault.close()
            await self.service.stop()
        return DataSet(
            data_dir,
            trust,
            self.folder / "auditor",
            self.vault_file,
            {scope: self.tokens[scope] for scope in ("reader", "auditor", "admin")},
            tuple(people),
            self.claims,
            self.case_id,
        )

    def _fill(self, connection: Any) -> list[str]:
        """Reference data, keys, tokens, and people who are covered."""
        start = self.now
        table = open_table()
        add_nomenclature(connection, table, table.to_bytes(), None, COMMAND, start)
        for contract in self.contracts:
            document = canonical_bytes(contract.model_dump(mode="json"))
            add_contract(connection, document, None, COMMAND, start)
        entries = [KeyEntry.model_validate(each.public_entry()) for each in self.shops.values()]
        register_keys(connection, entries, COMMAND, start)
        for name in self.shops:
            request = TokenRequest(scope="optician", optician_id=name, label="demo")
            made = create_token(connection, request, COMMAND, start)
            self.tokens[name] = made.token
            self.principals[name] = Principal(made.token_id, "optician", name)
        for scope in ("reader", "auditor", "admin"):
            request = TokenRequest.model_validate({"scope": scope, "label": "demo"})
            made = create_token(connection, request, COMMAND, start)
            self.tokens[scope] = made.token
            self.principals[scope] = Principal(made.token_id, request.scope)
        people = [fresh_reference() for _ in range(self.claims + 40)]
        rights = [
            Right(
                beneficiary=person,
                contract_id=contract.contract_id,
                age_group="adult",
                valid_from=date(2020, 7, 1),
            )
            for person in people
            for contract in self.contracts
        ]
        add_rights(connection, rights, COMMAND, start)
        self._people = iter(people)
        return people[self.claims :]

    async def _open_shop(self, url: str, trust: Path) -> None:
        """The vault with its key and the insurer's documents."""
        self.vault_file = self.folder / "shop" / "shop.vault"
        self.vault_file.parent.mkdir(mode=0o700)

        def act() -> None:
            self.vault = Vault.create(self.vault_file, Passphrase(PASSPHRASE), scrypt=self.scrypt)
            self.shop = Shop(self.vault, clock=lambda: self.now)
            self.sender = Sender(self.shop)
            self.shop.import_identity(self.shops[SHOP].encode())
            self.shop.put_insurer(
                INSURER_ID,
                name="OCAM Exemple (démonstration)",
                url=url,
                token=self.tokens[SHOP],
                trust=trust.read_bytes(),
            )
            self.shop.fetch_insurer(INSURER_ID)

        await asyncio.to_thread(act)

    # -- what happens when ----------------------------------------------------------------------

    def _plan(self) -> None:
        """Every sale with its time and its fate; what follows from it is added as it comes."""
        chance = self.chance
        refusals = chance.sample(_REFUSALS * (1 + self.claims // 100), k=self.claims // 9)
        sales = self.claims - refusals.count("commitment_reused")  # sent twice
        midnight = datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC)
        start = midnight - timedelta(days=self.days - 1)
        times = sorted(self._time_of_sale(start) for _ in range(sales))
        ours = _spread(range(sales), self.share)
        others = [number for number in range(sales) if number not in ours]
        refused = _spread(others, len(refusals))
        early = _spread([number for number in others if number not in refused], sales // 30)
        shops = chance.choices(OTHER_SHOPS, (10, 7, 5, 3, 2), k=sales)
        fates = dict(zip(refused, refusals, strict=True)) | dict.fromkeys(early, "early")
        last = times[0]
        for number, moment in enumerate(times):
            if number in ours:
                self._at(moment, self._sale_of_ours, _FATES_OF_OURS.get(ours.index(number), ""))
                continue
            fate = fates.get(number, "")
            if chance.random() < 0.4:
                moment = last  # together: one batch
            last = moment
            self._at(moment, self._sale, shops[number], fate)
        if self.days >= 45:
            self._at(self.end - timedelta(days=40), self._audit, OTHER_SHOPS[0], "lapsed")
            self._at(self.end - timedelta(days=25), self._audit, OTHER_SHOPS[1], "refused")
        self._at(self.end - timedelta(days=min(3, self.days / 4)), self._audit, SHOP, "open")

    def _time_of_sale(self, start: datetime) -> datetime:
        while True:
            moment = start + timedelta(days=self.chance.random() * self.days)
            is_open = (1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.05)[moment.weekday()]
            if self.chance.random() < is_open:
                break
        opens = moment.replace(hour=8, minute=0, second=0)
        moment = opens + timedelta(seconds=self.chance.randrange(10 * 3600))
        return min(moment, self.end - timedelta(seconds=self.chance.randrange(60, 3600)))

    def _at(self, moment: datetime, act: Callable[..., Awaitable[None]], *given: Any) -> None:
        """Do it then, unless that is still to come."""
        moment = moment.replace(microsecond=0)
        if moment <= self.end:
            heapq.heappush(self._agenda, (moment, next(self._order), lambda: act(*given)))

    async def _live(self) -> None:
        day = self.now.date()
        while self._agenda:
            moment = self._agenda[0][0]
            while day < moment.date():
                day = max(day + timedelta(days=1), self._agenda[0][0].date())
                self.now = datetime(day.year, day.month, day.day, tzinfo=UTC)
                await self._sweep()
            self.now = moment
            together = []
            while self._agenda and self._agenda[0][0] == moment:
                together.append(heapq.heappop(self._agenda)[2]())
            await asyncio.gather(*together)
        self.now = self.end
        await self._sweep()

    async def _sweep(self) -> None:
        instant = encode_instant(self.now)

        def act(connection: Any) -> None:
            claims_store.expire_overdue(connection, instant)
            claims_store.mark_attestations_overdue(connection, instant)

        await self.service.change(act)
        await self.service.audits.sweep()

    # -- sales of the others --------------------------------------------------------------------

    def _contract(self) -> Contract:
        return self.chance.choices(self.contracts, (5, 3, 2))[0]

    def _order_for(self, fate: str) -> tuple[dict[str, Any], Contract]:
        """A sale that suits its fate: to somebody new, to somebody again, to a stranger."""
        contract, day = self._contract(), self.now.date()
        changes: dict[str, Any] = {}
        if fate in ("renewal_too_early", "early") and self._customers:
            person, contract_id = self.chance.choice(self._customers)
            (contract,) = [one for one in self.contracts if one.contract_id == contract_id]
            changes["statement"] = "least"
            if fate == "early":
                changes["early_renewal_ground"] = EARLY_GROUND
        elif fate in ("rights_unknown", "renewal_too_early"):
            person = fresh_reference()
        else:
            person = next(self._people)
        if fate in ("ceiling_exceeded", "ground_not_allowed"):
            changes["statement"] = "equipment"
        if fate == "date_in_future":
            day += timedelta(days=9)
        return random_order(self.chance, contract, day, person, **changes), contract

    async def _sale(self, name: str, fate: str) -> None:
        shop = self.shops[name]
        order, contract = self._order_for(fate)
        signer = Identity.generate(name) if fate == "optician_unknown" else shop
        sale = to_sale(parse_order(encoded(order)), open_table(), contract)
        made_at = self.now - timedelta(days=31 if fate == "expired" else 0)
        claim, _ = await asyncio.to_thread(
            make_claim, sale, contract, open_table(), signer, self.group, made_at
        )
        if fate in CHANGED:
            claim = spoilt(claim, signer, fate)
        verdict = await self._submit(claim, name)
        if fate == "commitment_reused":
            await self._submit(sent_twice(claim, signer), name)
        self._follow(claim, name, verdict)

    async def _submit(self, claim: Claim, name: str) -> str:
        answer = await self.service.submit(claim, encode_claim(claim), self.principals[name])
        return str(json.loads(answer)["verdict"])

    def _follow(self, claim: Claim, name: str, verdict: str) -> None:
        """What becomes of a claim with that verdict."""
        chance = self.chance
        if verdict == "pending" and chance.random() < 0.7:
            after = timedelta(hours=chance.randrange(20, 70))
            self._at(
                self.now + after,
                self._decision,
                claim,
                "grant" if chance.random() < 0.6 else "refuse",
            )
        if verdict != "granted":
            return
        after = timedelta(days=chance.randrange(1, 11), hours=chance.randrange(3))
        place = chance.random()
        if place < 0.78:
            self._at(self.now + after, self._invoice, claim, name)
        elif place < 0.85:
            self._at(self.now + after, self._cancellation, claim, name)
        if chance.random() < 0.7:
            after = timedelta(days=chance.randrange(2, 15), hours=chance.randrange(5))
            self._at(self.now + after, self._attestations, claim, name)

    async def _invoice(self, claim: Claim, name: str) -> None:
        day = max(claim.date_of_service, self.now.date())
        invoice = encode_invoice(make_invoice(claim, self.shops[name], day))
        with suppress(ServiceError):  # it lacks an attestation meanwhile
            await self.service.invoice(claim.claim_id, invoice, self.principals[name])
            self._remember(claim)

    def _remember(self, claim: Claim) -> None:
        """Somebody who has had an equipment that stands."""
        if claim.statement != "line":
            self._customers.append((claim.beneficiary, claim.contract_id))

    async def _cancellation(self, claim: Claim, name: str) -> None:
        notice = encode_cancellation(make_cancellation(claim, self.shops[name]))
        with suppress(ServiceError):
            await self.service.cancel(claim.claim_id, notice, self.principals[name])

    async def _decision(self, claim: Claim, word: str) -> None:
        data = json.dumps({"decision": word, "note": "demonstration"}).encode()
        decision = Decision.model_validate_json(data)
        await self.service.decide(claim.claim_id, decision, data, self.principals["admin"])

    async def _attestations(self, claim: Claim, name: str) -> None:
        """What the contract asks for of every line, if it asks for anything."""
        (contract,) = [one for one in self.contracts if one.contract_id == claim.contract_id]
        for duty in attestation_duties(claim, contract, open_table()):
            attestation = make_signed(
                Attestation,
                self.attester.signing_key,
                attester_id=ATTESTER,
                claim_id=claim.claim_id,
                claim_digest=encode_base64url(claim_digest(claim)),
                line=duty.line,
                commitment=claim.lines[duty.line - 1].commitment,
                attested=duty.slots,
                record=encode_base64url(secrets.token_bytes(16)),
                attested_at=self.now,
                expires_at=self.now + timedelta(days=30),
            )
            with suppress(ServiceError):  # it was cancelled
                data = encode_signed(attestation)
                await self.service.attest(claim.claim_id, data, self.principals[name])

    # -- sales of the vault's shop --------------------------------------------------------------

    async def _sale_of_ours(self, fate: str) -> None:
        order, _ = self._order_for(fate)

        def act() -> str:
            record = self.shop.make(parse_order(encoded(order)))
            self.sender.send_due()
            return record.claim_id

        claim_id = await asyncio.to_thread(act)
        state = (await asyncio.to_thread(self.shop.claim, claim_id)).state
        if state != "granted":
            return
        after = timedelta(days=self.chance.randrange(1, 8))
        place = self.chance.random()
        if place < 0.75:
            self._at(self.now + after, self._notice_of_ours, claim_id, "invoice")
        elif place < 0.85:
            self._at(self.now + after, self._notice_of_ours, claim_id, "cancel")

    async def _notice_of_ours(self, claim_id: str, kind: str) -> None:
        def act() -> None:
            if kind == "invoice":
                self.shop.invoice(claim_id, self.now.date())
            else:
                self.shop.cancel(claim_id)
            self.sender.send_due()

        await asyncio.to_thread(act)
        if kind == "invoice":
            self._remember(await self._recorded(claim_id))

    async def _recorded(self, claim_id: str) -> Claim:
        def act(connection: Any) -> Claim:
            row = claims_store.find_claim(connection, claim_id)
            if row is None:
                raise RuntimeError("the shop's claim did not reach the insurer")
            return decode_claim(row.envelope)

        return await self.service.look(act)

    async def _look_at_news(self) -> None:
        """The shop hears of its audit; then the line is down, and a last claim waits."""
        url = self.shop.insurer(INSURER_ID).url
        self.now = self.end - timedelta(hours=4)
        order = random_order(
            self.chance,
            self.contracts[0],
            self.now.date(),
            next(self._people),
            statement="least",
        )

        def act() -> None:
            self.now = self.end
            self.sender.poll(self.now)
            self.now = self.end - timedelta(hours=4)
            self.shop.put_insurer(INSURER_ID, url=_dead_address())
            record = self.shop.make(parse_order(encoded(order)))
            while self.now <= self.end:
                self.sender.send_due()
                (waiting,) = self.shop.claim(record.claim_id).waiting
                if waiting.due_at is None:
                    raise RuntimeError("the claim does not wait for the line")
                self.now = waiting.due_at + timedelta(seconds=1)
            self.now = self.end
            self.shop.put_insurer(INSURER_ID, url=url)

        await asyncio.to_thread(act)

    # -- audits ---------------------------------------------------------------------------------

    async def _audit(self, name: str, fate: str) -> None:
        claim = await self._auditable(name)
        rules = self.contracts[0].audits
        assert rules is not None  # so the sample contract has it
        key = RecipientKey.generate()
        answer_by = self.now + timedelta(days=rules.answer_days)
        case = make_signed(
            AuditCase,
            self.auditor.signing_key,
            case_id=f"case-{secrets.token_hex(4)}",
            insurer_id=INSURER_ID,
            claim_id=claim.claim_id,
            claim_digest=encode_base64url(claim_digest(claim)),
            line=1,
            commitment=claim.lines[0].commitment,
            slots=("code", "price"),
            ground=GROUND,
            auditor_id=AUDITOR,
            recipient=key.public,
            opened_at=self.now,
            answer_by=answer_by,
            erase_at=answer_by + timedelta(days=rules.keep_days),
        )
        await self.service.audits.open(encode_signed(case), self.principals["auditor"])
        if fate == "open":
            self.case_id = case.case_id
            folder = self.folder / "auditor"
            CaseVault(folder / "vault").add(case, claim, key).mark_sent(self.now)
            (folder / "auditor.key").write_bytes(self.auditor.encode())
        if fate == "refused":
            self._at(self.now + timedelta(days=2), self._refusal, case, name)

    async def _auditable(self, name: str) -> Claim:
        """A claim of that optician for an equipment that stands, the latest."""
        instant = encode_instant(self.now)

        def act(connection: Any) -> str:
            chosen = claims_store.ClaimFilter(verdict="granted", optician_id=name)
            rows = claims_store.list_claims(connection, chosen, instant, None, 50)
            standing = [
                row.claim_id
                for row in rows
                if row.state in ("granted", "payable") and row.statement != "line"
            ]
            if not standing:
                raise RuntimeError("no claim that could be audited: ask for more claims")
            return str(standing[0])

        return await self._recorded(await self.service.look(act))

    async def _refusal(self, case: AuditCase, name: str) -> None:
        answer = make_signed(
            AuditAnswer,
            self.shops[name].signing_key,
            case_id=case.case_id,
            case_digest=signed_digest(case),
            optician_id=name,
            answer="refusal",
            sealed_digest=None,
            reason="The file was destroyed by water.",
            answered_at=self.now,
        )
        reply = encode_reply(AuditReply(format_version=1, answer=answer, sealed=None))
        await self.service.audits.answer(case.case_id, reply, self.principals[name])
        self._at(self.now + timedelta(days=1), self._outcome, case, answer)

    async def _outcome(self, case: AuditCase, answer: AuditAnswer) -> None:
        outcome = make_signed(
            AuditOutcome,
            self.auditor.signing_key,
            case_id=case.case_id,
            case_digest=signed_digest(case),
            answer_digest=signed_digest(answer),
            auditor_id=AUDITOR,
            outcome="unanswered",
            cause="refused",
            finding_digest=None,
            concluded_at=self.now,
        )
        data = encode_signed(outcome)
        await self.service.audits.conclude(case.case_id, data, self.principals["auditor"])


def _spread(numbers: Sequence[int], chosen: int) -> list[int]:
    """So many of the numbers, evenly spread."""
    step = len(numbers) / max(1, chosen)
    return [numbers[int((place + 0.5) * step)] for place in range(chosen)]


def _dead_address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return f"http://127.0.0.1:{opened.getsockname()[1]}"
