"""Everything that the local page, the loopback endpoint and the commands do; none of it knows HTTP
frameworks or terminals.

Each change is one write of the vault: it is there whole or not at all, whenever the process ends.
What is slow, proving and asking services, happens outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from circuits.audit import AuditCase, AuditReply, encode_reply
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, ClaimAmounts, decode_claim, encode_instant
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.notices import encode_cancellation, encode_invoice
from circuits.opening import decode_revealed
from circuits.signed import encode_signed, signed_digest
from console.calls import (
    ServiceAnswerInvalid,
    ServiceArgumentInvalid,
    ServiceFault,
    ServiceProblem,
    ServiceUnreachable,
    check_address,
)
from optician.agent import insurers, store
from optician.agent.contents import (
    attestation_record,
    audit_record,
    claim_record,
    insurer_of,
    new_content,
    queue_entry,
    with_event,
)
from optician.agent.errors import ShopError
from optician.agent.orders import encode_order
from optician.agent.records import (
    AttestationRecord,
    AuditRecord,
    AuditView,
    ClaimRecord,
    InsurerProfile,
    Preview,
    QueueEntry,
    ShopSettings,
)
from optician.agent.settings import changed, read_settings, write_settings
from optician.agent.store import StoredAttestation, StoredAudit, StoredClaim, StoredEntry
from optician.answers import AuditDetail
from optician.attestations import ask_attester, make_request, require_asked_for
from optician.auditing import make_refusal, make_reply, read_case, require_answerable
from optician.claiming import Openings, make_claim
from optician.client import ServiceClient
from optician.disclosure import disclose
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from optician.opening_file import OpeningsError, open_line
from optician.order import OrderError, SaleOrder, order_warnings, parse_order, to_sale
from zk.backends import load_group
from zk.errors import EncodingError, ProofRejected, StatementError, WitnessError, ZkError
from zk.generators import Generators, generators_of

if TYPE_CHECKING:
    from optician.vault import Reading, Vault, Writing

CALL_SECONDS: Final = 20.0
"""So long a service may be silent: well within the time for which a sender has an entry."""

SLOTS: Final = ("code", "price", "date", "correction")

AskAttester = Callable[..., Any]


def _now() -> datetime:
    return datetime.now(UTC)


def make_client(profile: InsurerProfile, seconds: float = CALL_SECONDS) -> ServiceClient:
    """A client of an insurer's service that asks once. Raises `console.calls.ServiceFault`."""
    return ServiceClient(profile.url, profile.token, retries=0, timeout=seconds)


class Shop:
    """The shop on an open vault. Safe for several threads and processes: the vault is what they
    share. Every method raises `optician.vault.VaultError`, and `ShopError` where it says no."""

    def __init__(
        self,
        vault: Vault,
        clock: Callable[[], datetime] = _now,
        make_client: Callable[[InsurerProfile], ServiceClient] = make_client,
        ask_attester: AskAttester = ask_attester,
    ) -> None:
        """``clock`` tells the instant (UTC); ``make_client`` and ``ask_attester`` how to reach an
        insurer and an attester."""
        self.vault = vault
        self.clock = clock
        self.make_client = make_client
        self._ask_attester = ask_attester
        self._tables: dict[str, Nomenclature] = {}

    def __repr__(self) -> str:
        return "Shop()"

    # -- key and settings ---------------------------------------------------------------------

    def identity(self) -> Identity | None:
        """Who signs; None before there is a key."""
        with self.vault.read() as reading:
            content = store.entry(reading, "identity", "key")
        return None if content is None else Identity.parse(content)

    def make_identity(self, optician_id: str) -> Identity:
        """A fresh signing key. "key_exists", "argument_invalid"."""
        insurers.require_identifier(optician_id, "optician_id")
        return self._keep_identity(Identity.generate(optician_id))

    def import_identity(self, data: bytes) -> Identity:
        """Take over the key file of `optician keygen`. "key_exists", "key_invalid"."""
        try:
            identity = Identity.parse(data)
        except ZkError as error:
            raise ShopError("key_invalid", str(error)) from None
        return self._keep_identity(identity)

    def _keep_identity(self, identity: Identity) -> Identity:
        with self.vault.write() as writing:
            if store.entry(writing, "identity", "key") is not None:
                raise ShopError("key_exists")
            store.put_entry(writing, "identity", "key", identity.encode())
        return identity

    def public_keys(self) -> bytes:
        """KEYS.json for the insurer. "key_missing"."""
        keys = {"format_version": 1, "keys": [self._identity().public_entry()]}
        return json.dumps(keys, indent=2).encode() + b"\n"

    def _identity(self) -> Identity:
        identity = self.identity()
        if identity is None:
            raise ShopError("key_missing")
        return identity

    def settings(self) -> ShopSettings:
        """What the shop has chosen."""
        with self.vault.read() as reading:
            return read_settings(reading)

    def change_settings(self, **changes: Any) -> ShopSettings:
        """Change some; another number of days to keep openings holds for those that are kept too.
        "argument_invalid" with the places."""
        with self.vault.write() as writing:
            before = read_settings(writing)
            after = changed(before, changes)
            write_settings(writing, after)
            if after.keep_days != before.keep_days:
                for stored in list(store.claims_with_openings(writing)):
                    day = store.parse_day(stored.day)
                    store.put_claim(writing, replace(stored, erase_at=_erase_at(day, after)))
        return after

    # -- insurers -----------------------------------------------------------------------------

    def insurers(self) -> tuple[InsurerProfile, ...]:
        """By insurer_id."""
        with self.vault.read() as reading:
            return insurers.profiles(reading)

    def insurer(self, insurer_id: str) -> InsurerProfile:
        """One. "insurer_unknown"."""
        with self.vault.read() as reading:
            return insurers.profile(reading, insurer_id)

    def put_insurer(
        self,
        insurer_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        token: str | None = None,
        trust: bytes | None = None,
    ) -> InsurerProfile:
        """Add an insurer (then url and token are needed) or change what is given of one.
        "argument_invalid", "document_invalid"."""
        insurers.require_identifier(insurer_id, "insurer_id")
        if trust is not None:
            insurers.read_trust(trust)
        with self.vault.write() as writing:
            try:
                before = insurers.profile(writing, insurer_id)
            except ShopError:
                if url is None or token is None:
                    place = "url" if url is None else "token"
                    raise ShopError("argument_invalid", "it is needed", (place,)) from None
                before = InsurerProfile(insurer_id, insurer_id, url, token)
            after = replace(
                before,
                name=before.name if name is None else _printable(name, "name"),
                url=before.url if url is None else url,
                token=before.token if token is None else token,
                trust=before.trust if trust is None else trust,
            )
            self._require_callable(after)
            insurers.put_profile(writing, after)
        return after

    def _require_callable(self, profile: InsurerProfile) -> None:
        try:
            check_address(profile.url)
        except ServiceArgumentInvalid as error:
            raise ShopError("argument_invalid", str(error), ("url",)) from None
        try:
            ServiceClient(profile.url, profile.token).close()
        except ServiceArgumentInvalid as error:
            raise ShopError("argument_invalid", str(error), ("token",)) from None

    def remove_insurer(self, insurer_id: str) -> None:
        """Forget an insurer, its token and documents. "insurer_needed" while claims of it are
        pending, sent, granted or late."""
        with self.vault.write() as writing:
            insurers.profile(writing, insurer_id)
            open_states = ("pending", "sent", "granted", "attestation_overdue")
            for stored in store.claims_in(writing, open_states):
                if insurer_of(stored) == insurer_id:
                    raise ShopError("insurer_needed")
            insurers.drop_profile(writing, insurer_id)

    def fetch_insurer(self, insurer_id: str) -> InsurerProfile:
        """Get contracts, tables and publications from the insurer's service, and keep them.
        "unreachable", "answer_invalid", "service_refused"."""
        with self.vault.read() as reading:
            profile = insurers.profile(reading, insurer_id)
            held = insurers.held_documents(reading)
        fetched = insurers.Fetched(profile, held)
        with _telling_faults(), self.make_client(profile) as client:
            fetched.fetch(client, self.clock())
        with self.vault.write() as writing:
            fetched.keep(writing)
        return fetched.profile

    # -- making claims ------------------------------------------------------------------------

    def preview(self, order: SaleOrder) -> Preview:
        """What would be sent and what would stay; writes nothing. Raises `ShopError` and
        `optician.order.OrderError`."""
        day = order.date_of_service
        with self.vault.read() as reading:
            profile = insurers.choose_insurer(
                insurers.profiles(reading), order.insurer_id, order.contract_id
            )
            version = insurers.choose_contract(profile, order.contract_id, day)
            table = insurers.choose_nomenclature(profile, day)
            contract = insurers.read_contract(reading, version.digest)
            nomenclature = self._nomenclature(reading, table.digest)
            documents: list[tuple[Contract | Nomenclature, Any]] = [
                (contract, insurers.read_publications(reading, version.digest)),
                (nomenclature, insurers.read_publications(reading, table.digest)),
            ]
        insurers.require_fit(contract, nomenclature)
        insurers.require_relied_on(profile, documents, day, self.clock())
        with _refusing_sales():
            sale = to_sale(order, nomenclature, contract)
            disclosure = disclose(sale, contract, nomenclature)
            warnings = order_warnings(order, nomenclature)
        return Preview(sale, disclosure, warnings, profile, contract, nomenclature)

    def _nomenclature(self, reading: Reading, digest: str) -> Nomenclature:
        if digest not in self._tables:
            self._tables[digest] = insurers.read_nomenclature(reading, digest)
        return self._tables[digest]

    def make(self, order: SaleOrder, *, again: bool = False) -> ClaimRecord:
        """Prove at once; sale, openings, claim and what is to be sent in one write.

        The same sale_id with the same content gives the record that is there; with other content
        "sale_conflict". With ``again`` a sale whose claim was refused, cancelled or has expired is
        proved anew.
        """
        kept = encode_order(order)
        with self.vault.read() as reading:
            sale_key = reading.index(f"sale {order.sale_id}")
            order_index = encode_base64url(reading.index(f"order {kept.decode()}"))
            before = self._before(reading, sale_key, order_index, again)
            if before is not None:
                return self._record(reading, before)
        identity = self._identity()
        preview = self.preview(order)
        now = self.clock()
        with _refusing_sales():
            claim, openings = make_claim(
                preview.sale,
                preview.contract,
                preview.nomenclature,
                identity,
                _generators(),
                now,
            )
        content = new_content(claim, order.sale_id, order_index, preview, now)
        with self.vault.write() as writing:
            before = self._before(writing, sale_key, order_index, again)
            if before is not None:  # another was faster
                return self._record(writing, before)
            self._release(writing, sale_key)
            stored = StoredClaim(
                claim_id=claim.claim_id,
                sale_key=sale_key,
                state="pending",
                made_at=encode_instant(now),
                day=order.date_of_service.isoformat(),
                erase_at=_erase_at(order.date_of_service, read_settings(writing)),
                content=content,
            )
            hidden = {"order": kept.decode(), "openings": openings.encode().decode()}
            store.add_claim(writing, stored, store.pack(hidden))
            store.add_to_outbox(writing, claim.claim_id, "claim", store.seconds(now), {})
            return self.claim_in(writing, claim.claim_id)

    def _before(
        self, reading: Reading, sale_key: bytes, order_index: str, again: bool
    ) -> StoredClaim | None:
        """The claim of that sale if it stands. Raises `ShopError` ("sale_conflict")."""
        found = store.claim_of_sale(reading, sale_key)
        if found is None or (again and found.is_settled):
            return None
        if found.content["order_index"] not in (order_index, None):  # None: the sale is erased
            raise ShopError("sale_conflict", places=("sale_id",))
        return found

    def _release(self, writing: Writing, sale_key: bytes) -> None:
        """The number of a sale is its newest claim's."""
        found = store.claim_of_sale(writing, sale_key)
        if found is not None:
            store.put_claim(writing, replace(found, sale_key=None))

    # -- claims -------------------------------------------------------------------------------

    def claims(
        self, state: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[ClaimRecord]:
        """Newest first; ``before`` is the `sequence` of the last one of the page before."""
        with self.vault.read() as reading:
            waiting = _by_claim(store.outbox(reading))
            return [
                claim_record(stored, waiting.get(stored.claim_id, ()))
                for stored in store.claims(reading, state, before, limit)
            ]

    def claim(self, claim_id: str) -> ClaimRecord:
        """One. "claim_unknown"."""
        with self.vault.read() as reading:
            return self.claim_in(reading, claim_id)

    def claim_in(self, reading: Reading, claim_id: str) -> ClaimRecord:
        """The same inside a transaction."""
        return self._record(reading, _stored(reading, claim_id))

    def _record(self, reading: Reading, stored: StoredClaim) -> ClaimRecord:
        return claim_record(stored, store.outbox(reading, stored.claim_id))

    def claim_of_sale(self, sale_id: str) -> ClaimRecord | None:
        """The claim of a sale number."""
        with self.vault.read() as reading:
            stored = store.claim_of_sale(reading, reading.index(f"sale {sale_id}"))
            return None if stored is None else self._record(reading, stored)

    def order(self, claim_id: str) -> SaleOrder | None:
        """The sale itself, secret: codes, prices, corrections. None once it is erased."""
        with self.vault.read() as reading:
            _stored(reading, claim_id)
            hidden = store.openings(reading, claim_id)
        return None if hidden is None else parse_order(store.unpack(hidden)["order"].encode())

    def counts(self) -> Mapping[str, int]:
        """How many claims there are in each state."""
        with self.vault.read() as reading:
            return store.counts(reading)

    def queue(self) -> list[QueueEntry]:
        """What is to be sent, in the order in which it came."""
        with self.vault.read() as reading:
            return [queue_entry(stored) for stored in store.outbox(reading)]

    def retry(self, claim_id: str) -> ClaimRecord:
        """Whatever of the claim is to be sent is due now."""
        with self.vault.write() as writing:
            _stored(writing, claim_id)
            store.make_due(writing, claim_id, store.seconds(self.clock()))
            return self.claim_in(writing, claim_id)

    # -- invoice and cancellation -------------------------------------------------------------

    def invoice(
        self, claim_id: str, date_of_delivery: date, amounts: ClaimAmounts | None = None
    ) -> ClaimRecord:
        """Sign the invoice of a granted claim, to be sent; the same again changes nothing, another
        takes the place of one that the insurer did not take. "claim_state", "notice_refused"."""
        identity = self._identity()
        with self.vault.write() as writing:
            stored = _stored(writing, claim_id)
            kinds = {entry.kind for entry in store.outbox(writing, claim_id)}
            if stored.state != "granted" or "cancellation" in kinds:
                raise ShopError("claim_state")
            with _refusing_notices():
                notice = make_invoice(_claim(stored), identity, date_of_delivery, amounts)
            data = encode_invoice(notice).decode()
            facts = {"date_of_delivery": date_of_delivery.isoformat()}
            self._enqueue_notice(writing, stored, "invoice", data, facts)
            return self.claim_in(writing, claim_id)

    def cancel(self, claim_id: str) -> ClaimRecord:
        """Sign that a claim is taken back, to be sent; a claim that has never been sent is
        cancelled here and now. "claim_state"."""
        identity = self._identity()
        with self.vault.write() as writing:
            stored = _stored(writing, claim_id)
            if stored.state not in ("pending", "sent", "granted", "attestation_overdue"):
                raise ShopError("claim_state")
            first = next((e for e in store.outbox(writing, claim_id) if e.kind == "claim"), None)
            if first is not None and first.attempts == 0:
                store.remove(writing, first)
                content = with_event(stored.content, "cancelled_unsent", self.clock())
                store.put_claim(writing, replace(stored, state="cancelled", content=content))
                return self.claim_in(writing, claim_id)
            with _refusing_notices():
                notice = make_cancellation(_claim(stored), identity)
            data = encode_cancellation(notice).decode()
            for entry in store.outbox(writing, claim_id):
                if entry.kind == "invoice" and _has_not_arrived(entry):
                    store.remove(writing, entry)
            self._enqueue_notice(writing, stored, "cancellation", data, {})
            return self.claim_in(writing, claim_id)

    def _enqueue_notice(
        self, writing: Writing, stored: StoredClaim, kind: str, data: str, facts: dict[str, Any]
    ) -> None:
        """A notice into the outbox, in place of one of its kind that the insurer did not take."""
        for entry in store.outbox(writing, stored.claim_id):
            if entry.kind != kind:
                continue
            if entry.content["data"] == data:
                return
            if entry.holder is not None:  # it may be arriving just now
                raise ShopError("claim_state")
            store.remove(writing, entry)
        now = self.clock()
        content = {"data": data}
        store.add_to_outbox(writing, stored.claim_id, kind, store.seconds(now), content)
        content = with_event(stored.content, f"{kind}_signed", now, **facts)
        store.put_claim(writing, replace(stored, content=content))

    # -- attestations -------------------------------------------------------------------------

    def attest(
        self,
        claim_id: str,
        line: int,
        record_id: str,
        attester_id: str,
        attester_url: str,
        reveal: Sequence[str] = ("code",),
    ) -> AttestationRecord:
        """Ask an attester now, keep what it gives, to be sent. "attester_refused",
        "attester_unreachable", "attestation_refused", "openings_erased", "argument_invalid"."""
        identity = self._identity()
        if tuple(reveal) not in (("code",), ("code", "price")):
            raise ShopError("argument_invalid", "code, or code and price expected", ("reveal",))
        with self.vault.read() as reading:
            stored = _stored(reading, claim_id)
            openings = _openings(reading, claim_id)
            claim = _claim(stored)
            trust = self._trust(reading, claim.insurer_id)
        if stored.is_settled:
            raise ShopError("claim_state")
        now = self.clock()
        try:
            request = make_request(
                claim, openings, identity, line, reveal, attester_id, record_id, now, _generators()
            )
        except OpeningsError as error:
            raise ShopError("document_invalid", str(error)) from None
        except StatementError as error:
            raise ShopError("argument_invalid", str(error)) from None
        with _telling_attesters_faults():
            attestation = self._ask_attester(request, attester_url, retries=1, timeout=CALL_SECONDS)
        has_attesters = trust is not None and trust.has_role("attester")
        try:
            require_asked_for(attestation, request, now, trust if has_attesters else None)
        except ProofRejected as error:
            raise ShopError("attestation_refused", error.detail) from None
        warnings = [] if has_attesters else ["attester_unchecked"]
        if len(attestation.attested) < len(request.opening.revealed):
            warnings.append("price_not_attested")
        kept = StoredAttestation(
            digest=signed_digest(attestation),
            claim_id=claim_id,
            line=line,
            content={
                "data": encode_signed(attestation).decode(),
                "attester_id": attestation.attester_id,
                "attested": list(attestation.attested),
                "expires_at": encode_instant(attestation.expires_at),
                "got_at": encode_instant(now),
                "is_sent": False,
                "warnings": warnings,
            },
        )
        with self.vault.write() as writing:
            self._keep_attestation(writing, kept, now)
        return attestation_record(kept)

    def _keep_attestation(self, writing: Writing, kept: StoredAttestation, now: datetime) -> None:
        """Keep it; it goes with the claim if that is still to be sent, else by itself."""
        known = {each.digest for each in store.attestations(writing, kept.claim_id)}
        if kept.digest in known:
            return
        store.put_attestation(writing, kept)
        stored = _stored(writing, kept.claim_id)
        facts = {"line": kept.line, "attester_id": kept.content["attester_id"]}
        content = with_event(stored.content, "attested", now, **facts)
        store.put_claim(writing, replace(stored, content=content))
        waiting = store.outbox(writing, kept.claim_id)
        if any(entry.kind == "claim" for entry in waiting):
            store.make_due(writing, kept.claim_id, store.seconds(now))
        else:
            store.add_to_outbox(
                writing,
                kept.claim_id,
                "attestation",
                store.seconds(now),
                {"data": kept.content["data"], "digest": kept.digest},
            )

    def attestations(self, claim_id: str | None = None) -> list[AttestationRecord]:
        """Those of a claim, or all, newest first."""
        with self.vault.read() as reading:
            found = [attestation_record(each) for each in store.attestations(reading, claim_id)]
        return sorted(found, key=lambda record: record.got_at, reverse=True)

    # -- erasing ------------------------------------------------------------------------------

    def erase_due(self, now: datetime | None = None) -> list[str]:
        """Erase the openings and sales whose time is over, unless an audit of the claim is open;
        their claim ids."""
        moment = now or self.clock()
        today = moment.astimezone(UTC).date().isoformat()
        with self.vault.read() as reading:
            if not store.claims_to_erase(reading, today):
                return []
        with self.vault.write() as writing:
            erased = store.claims_to_erase(writing, today)
            for stored in erased:
                store.erase_openings(writing, stored.claim_id)
                # With the vault's key, a sale could be guessed until its index is met.
                content = with_event(stored.content | {"order_index": None}, "erased", moment)
                store.put_claim(writing, replace(stored, content=content))
        return [stored.claim_id for stored in erased]

    # -- audits -------------------------------------------------------------------------------

    def audits(self) -> list[AuditRecord]:
        """As far as the sender has heard of them, those to answer first."""
        with self.vault.read() as reading:
            replies = _replies(store.outbox(reading))
            return [
                audit_record(stored, replies.get(stored.case_id))
                for stored in store.audits(reading)
            ]

    def audit(self, case_id: str) -> AuditView:
        """Who asks what, and what an answer would reveal. Asks the insurer's service for the signed
        case if it is not here, which records that the optician has seen it; without the line, what
        is here is shown."""
        stored = self._audit(case_id)
        if "detail" not in stored.content:
            try:
                stored = self._fetch_case(stored)
            except ShopError as error:
                if error.code == "audit_refused":
                    return self._view(stored, error)
        return self._view(stored, None)

    def _audit(self, case_id: str) -> StoredAudit:
        with self.vault.read() as reading:
            stored = store.audit(reading, case_id)
        if stored is None:
            raise ShopError("audit_unknown")
        return stored

    def _fetch_case(self, stored: StoredAudit) -> StoredAudit:
        """The audit with the auditor's signed case, as the service shows it."""
        with self.vault.read() as reading:
            claim = _claim(_stored(reading, stored.claim_id))
            profile = insurers.profile(reading, claim.insurer_id)
        with _telling_faults(), self.make_client(profile) as client:
            detail = client.audit(stored.case_id)
        with _refusing_audits():
            read_case(detail, stored.case_id)
        kept = {"detail": canonical_bytes(detail.model_dump(mode="json")).decode()}
        with self.vault.write() as writing:
            latest = store.audit(writing, stored.case_id) or stored
            latest = replace(latest, content=latest.content | kept)
            store.put_audit(writing, latest)
        return latest

    def _view(self, stored: StoredAudit, refusal: ShopError | None) -> AuditView:
        with self.vault.read() as reading:
            reply = _replies(store.outbox(reading)).get(stored.case_id)
            claim = store.claim(reading, stored.claim_id)
            hidden = store.openings(reading, stored.claim_id)
            profile = None
            if claim is not None:
                with _ignoring("insurer_unknown"):
                    profile = insurers.profile(reading, insurer_of(claim))
        record = audit_record(stored, reply)
        openings = None if hidden is None else _parse_openings(hidden)
        revealed = None
        role = None
        if openings is not None and record.line <= len(openings.openings):
            role = openings.roles[record.line - 1]
            revealed = _values(openings, record.line, record.slots)
        obstacle, is_trusted = refusal, None
        if "detail" in stored.content and profile is not None:
            try:
                is_trusted = self._is_trusted(stored, profile)
            except ShopError as error:
                obstacle = obstacle or error
        if obstacle is None:
            obstacle = self._obstacle(stored, record, openings, profile, is_trusted)
        return AuditView(
            record=record,
            role=role,
            revealed=revealed,
            hidden=tuple(name for name in SLOTS if name not in record.slots),
            obstacle=None if obstacle is None else obstacle.titles,
            obstacle_detail="" if obstacle is None else obstacle.detail,
            is_auditor_trusted=is_trusted,
        )

    def _obstacle(
        self,
        stored: StoredAudit,
        record: AuditRecord,
        openings: Openings | None,
        profile: InsurerProfile | None,
        is_trusted: bool | None,
    ) -> ShopError | None:
        """Why no answer can be given now."""
        if profile is None:
            return ShopError("insurer_unknown")
        if openings is None:
            return ShopError("openings_erased")
        if profile.trust is None:
            return ShopError("trust_missing")
        if stored.state != "open":
            return ShopError("audit_refused", "the audit is not open any more")
        if self.clock() > record.answer_by:
            return ShopError("audit_refused", "audit case: the time to answer has passed")
        if is_trusted is False:
            return ShopError("audit_refused", "audit case: no auditor on the trust list signed it")
        return None

    def _is_trusted(self, stored: StoredAudit, profile: InsurerProfile) -> bool | None:
        if profile.trust is None:
            return None
        case = _case(stored)
        try:
            trust = insurers.read_trust(profile.trust)
            trust.require_signed(case, "auditor", case.auditor_id, self.clock())
        except ProofRejected:
            return False
        return True

    def answer_audit(self, case_id: str) -> AuditRecord:
        """Seal what is asked for to the auditor, to be sent. "audit_refused", "trust_missing",
        "openings_erased"."""
        identity = self._identity()
        stored = self._with_case(case_id)
        with self.vault.read() as reading:
            claim = _claim(_stored(reading, stored.claim_id))
            openings = _openings(reading, stored.claim_id)
            trust = self._trust(reading, claim.insurer_id)
        if trust is None:
            raise ShopError("trust_missing")
        now = self.clock().replace(microsecond=0)
        with _refusing_audits():
            case = _case(stored)
            require_answerable(case, openings, trust, now)
            reply = make_reply(case, openings, identity, _generators(), now)
        return self._enqueue_reply(stored, reply, "opening", now)

    def refuse_audit(self, case_id: str, reason: str) -> AuditRecord:
        """Refuse over the shop's signature, to be sent. "audit_refused", "argument_invalid"."""
        identity = self._identity()
        stored = self._with_case(case_id)
        now = self.clock().replace(microsecond=0)
        with _refusing_audits():
            case = _case(stored)
        try:
            reply = make_refusal(case, reason, identity, now)
        except StatementError as error:
            raise ShopError("argument_invalid", str(error), ("reason",)) from None
        return self._enqueue_reply(stored, reply, "refusal", now)

    def _with_case(self, case_id: str) -> StoredAudit:
        stored = self._audit(case_id)
        if stored.state != "open":
            raise ShopError("audit_refused", "the audit is not open any more")
        return stored if "detail" in stored.content else self._fetch_case(stored)

    def _enqueue_reply(
        self,
        stored: StoredAudit,
        reply: AuditReply,
        kind: Literal["opening", "refusal"],
        now: datetime,
    ) -> AuditRecord:
        """An answer into the outbox. One that waits already stays as it is: two openings of one
        case would be two answers; a refusal takes the place of one that the insurer did not take.
        """
        content = {
            "data": encode_reply(reply).decode(),
            "case_id": stored.case_id,
            "answer": kind,
        }
        with self.vault.write() as writing:
            before = _replies(store.outbox(writing, stored.claim_id)).get(stored.case_id)
            if before is not None:
                is_waiting = before.due_at is not None
                if before.content["answer"] == kind and is_waiting:
                    return audit_record(stored, before)
                if not _has_not_arrived(before):
                    raise ShopError("audit_refused", "another answer is on its way")
                store.remove(writing, before)
            store.add_to_outbox(
                writing, stored.claim_id, "audit_reply", store.seconds(now), content
            )
            replies = _replies(store.outbox(writing, stored.claim_id))
            return audit_record(stored, replies[stored.case_id])

    # -- inside -------------------------------------------------------------------------------

    def _trust(self, reading: Reading, insurer_id: str) -> Any:
        with _ignoring("insurer_unknown"):
            trust = insurers.profile(reading, insurer_id).trust
            return None if trust is None else insurers.read_trust(trust)
        return None


# -- helpers ----------------------------------------------------------------------------------


def _generators() -> Generators:
    return generators_of(load_group())


def _erase_at(day: date, settings: ShopSettings) -> str:
    """The last day for which openings are kept."""
    return (day + timedelta(days=settings.keep_days)).isoformat()


def _printable(text: str, place: str) -> str:
    if not (0 < len(text) <= 200 and text.isprintable()):
        raise ShopError("argument_invalid", "1 to 200 printable characters expected", (place,))
    return text


def _stored(reading: Reading, claim_id: str) -> StoredClaim:
    stored = store.claim(reading, claim_id)
    if stored is None:
        raise ShopError("claim_unknown")
    return stored


def _claim(stored: StoredClaim) -> Claim:
    return decode_claim(stored.content["claim"].encode())


def _openings(reading: Reading, claim_id: str) -> Openings:
    hidden = store.openings(reading, claim_id)
    if hidden is None:
        raise ShopError("openings_erased")
    return _parse_openings(hidden)


def _parse_openings(hidden: bytes) -> Openings:
    return Openings.parse(store.unpack(hidden)["openings"].encode(), _generators())


def _case(stored: StoredAudit) -> AuditCase:
    detail = AuditDetail.model_validate_json(stored.content["detail"])
    return read_case(detail, stored.case_id)


def _values(openings: Openings, line: int, slots: Sequence[str]) -> dict[str, Any]:
    """What a line has in the slots, in words."""
    opened = open_line(openings, line, slots, "shown to the optician", _generators())
    values = decode_revealed(opened)
    known = {
        "code": values.code,
        "price": values.price_cents,
        "date": values.date_of_service,
        "correction": values.correction,
    }
    return {name: known[name] for name in slots}


def _has_not_arrived(entry: StoredEntry) -> bool:
    """Whether the insurer has not taken it for sure: it was never sent, or refused for good."""
    problem = entry.content.get("problem")
    is_refused = problem is not None and not problem["is_passing"]
    return entry.holder is None and (entry.attempts == 0 or is_refused)


def _by_claim(entries: Iterable[StoredEntry]) -> dict[str, list[StoredEntry]]:
    found: dict[str, list[StoredEntry]] = {}
    for entry in entries:
        found.setdefault(entry.claim_id, []).append(entry)
    return found


def _replies(entries: Iterable[StoredEntry]) -> dict[str, StoredEntry]:
    """What is to be answered to audits, by case."""
    return {entry.content["case_id"]: entry for entry in entries if entry.kind == "audit_reply"}


@contextmanager
def _ignoring(code: str) -> Iterator[None]:
    try:
        yield
    except ShopError as error:
        if error.code != code:
            raise


@contextmanager
def _refusing_sales() -> Iterator[None]:
    """What the contract, the table or the circuit refuses of a sale."""
    try:
        yield
    except OrderError:
        raise
    except (StatementError, WitnessError) as error:
        raise ShopError("sale_refused", str(error)) from None


@contextmanager
def _refusing_notices() -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        raise ShopError("notice_refused", str(error)) from None


@contextmanager
def _refusing_audits() -> Iterator[None]:
    try:
        yield
    except (EncodingError, StatementError) as error:
        raise ShopError("audit_refused", str(error)) from None


@contextmanager
def _telling_faults() -> Iterator[None]:
    """What goes wrong with the insurer's service is a `ShopError`."""
    try:
        yield
    except ServiceProblem as error:
        raise ShopError("service_refused", error.detail or error.title, error.places) from None
    except ServiceUnreachable as error:
        raise ShopError("unreachable", str(error)) from None
    except ServiceFault as error:
        raise ShopError("answer_invalid", str(error)) from None


@contextmanager
def _telling_attesters_faults() -> Iterator[None]:
    try:
        yield
    except ServiceProblem as error:
        raise ShopError("attester_refused", error.detail or error.title, error.places) from None
    except ServiceArgumentInvalid as error:
        raise ShopError("argument_invalid", str(error), ("attester_url",)) from None
    except ServiceUnreachable as error:
        raise ShopError("attester_unreachable", str(error)) from None
    except ServiceAnswerInvalid as error:
        raise ShopError("attestation_refused", str(error)) from None
