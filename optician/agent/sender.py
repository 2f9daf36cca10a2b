"""Sends what is due, hears what has become of claims, and of audits.

An entry of the outbox is taken with a lease, in one write; its bytes are sent outside of any; the
answer is recorded and the entry removed in one more. A sender that dies in between leaves an entry
whose lease ends: the same bytes go again, which the insurer's service answers the same way.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from circuits.claim import encode_instant
from console.answers import facts_of
from console.calls import (
    ServiceAnswerInvalid,
    ServiceArgumentInvalid,
    ServiceFault,
    ServiceProblem,
    ServiceUnreachable,
)
from optician.agent import insurers, store
from optician.agent.contents import (
    insurer_of,
    problem_document,
    with_event,
    with_news,
    with_verdict,
)
from optician.agent.errors import ShopError
from optician.agent.records import InsurerProfile, Problem
from optician.agent.settings import read_settings
from optician.agent.shop import Shop
from optician.agent.store import StoredAudit, StoredClaim, StoredEntry
from optician.agent.words import problem_words, texts

if TYPE_CHECKING:
    from optician.answers import AuditSummary, ClaimAnswer, VerdictAnswer
    from optician.client import ServiceClient
    from optician.vault import Writing

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 1800.0
"""Seconds between attempts: doubled each time, and from the second on shortened at random by half
at most, so that shops do not all come back at once."""

POLL_CLAIMS: Final = 100
"""So many claims at most are asked for at a time."""

PASSING_STATUSES: Final = frozenset((429, 500, 502, 503, 504))
PASSING_CODES: Final = frozenset(("body_timeout",))
PASSING_REASONS: Final = frozenset(("attestation_in_future",))

STATE_OF: Final = {"granted": "granted", "refused": "refused", "pending": "sent"}
"""Of a verdict: the state of the claim here."""

LOOK_AGAIN_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Sent:
    """How many entries the insurers took, and how many they did not."""

    done: int = 0
    failed: int = 0


class Sender:
    """One at a time has an entry, whoever else works on the same vault. For one thread."""

    def __init__(
        self,
        shop: Shop,
        make_client: Callable[[InsurerProfile], ServiceClient] | None = None,
        *,
        jitter: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """``make_client``: how to reach an insurer; default: the shop's. ``jitter``, ``sleep`` and
        ``steady``, seconds that only go forward, are for tests."""
        self._shop = shop
        self._vault = shop.vault
        self._make_client = make_client or shop.make_client
        self._jitter = jitter or random.Random()
        self._sleep = sleep
        self._steady = steady

    def send_due(self, now: datetime | None = None, limit: int = 50) -> Sent:
        """Send what is due, oldest first; then hear the news if they are due (`poll`)."""
        sent = Sent()
        with self._clients() as clients:
            for _ in range(limit):
                moment = now or self._shop.clock()
                entry = self._take(moment, None)
                if entry is None:
                    break
                is_done = self._send(entry, clients, moment)
                sent = Sent(sent.done + is_done, sent.failed + (not is_done))
        self.poll(now)
        return sent

    def send_claim(self, claim_id: str, seconds: float) -> None:
        """Send what of one claim is due, for so long at most, waiting for pauses and for others who
        have it in work."""
        end = self._steady() + seconds
        with self._clients() as clients:
            while True:
                moment = self._shop.clock()
                entry = self._take(moment, claim_id)
                if entry is not None:
                    self._send(entry, clients, moment)
                    continue
                waiting = self._shop.claim(claim_id).waiting
                if all(each.due_at is None for each in waiting):
                    return
                left = end - self._steady()
                pause = LOOK_AGAIN_SECONDS
                if not any(each.is_being_sent for each in waiting):
                    due = min(each.due_at for each in waiting if each.due_at is not None)
                    pause = max(pause, (due - self._shop.clock()).total_seconds())
                if left <= 0 or pause > left:
                    return
                self._sleep(pause)

    # -- one entry ----------------------------------------------------------------------------

    def _take(self, now: datetime, claim_id: str | None) -> StoredEntry | None:
        moment = store.seconds(now)
        with self._vault.read() as reading:  # nobody waits for a write where nothing is due
            if not store.is_any_due(reading, moment, claim_id):
                return None
        with self._vault.write() as writing:
            return store.take(writing, secrets.token_hex(8), moment, claim_id)

    def _send(self, entry: StoredEntry, clients: _Clients, now: datetime) -> bool:
        """Send an entry and record what comes of it; whether the insurer took it."""
        pause: float | None = None
        try:
            with self._vault.read() as reading:
                claim = store.claim(reading, entry.claim_id)
                if claim is None:
                    raise ShopError("claim_unknown")
                included = {
                    kept.digest: kept.content["data"].encode()
                    for kept in store.attestations(reading, entry.claim_id)
                    if not kept.content["is_sent"]
                }
                profile = insurers.profile(reading, insurer_of(claim))
            problem, due_at = clients.down.get(profile.insurer_id, (None, 0))
            if problem is not None and due_at > store.seconds(now):
                self._skip(entry, problem, due_at)  # not one wait for a dead line for each entry
                return False
            client = clients.of(profile)
            record = self._ask(client, entry, claim, included)
        except ShopError as error:
            problem = Problem(error.code, error.titles, is_passing=False)
        except ServiceFault as error:
            problem = problem_of(error)
            pause = getattr(error, "retry_after", None)
            if isinstance(error, ServiceUnreachable):
                clients.down[profile.insurer_id] = (
                    problem,
                    self._put_off(entry, problem, 0.0, now),
                )
                return False
        else:
            with self._vault.write() as writing:
                if store.is_held(writing, entry):
                    record(writing)
                    store.remove(writing, entry)
            return True
        self._put_off(entry, problem, pause, now)
        return False

    def _put_off(
        self, entry: StoredEntry, problem: Problem, pause: float | None, now: datetime
    ) -> int:
        """Note why it did not work; when it is tried again, 0 for not by itself."""
        due_at = 0
        if problem.is_passing:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(entry.attempts - 1, 20))
            wait = max(FIRST_PAUSE, longest * self._jitter.uniform(0.5, 1.0), pause or 0.0)
            due_at = store.seconds(now) + round(min(wait, store.LONGEST_DELAY))
        content = entry.content | {"problem": problem_document(problem, now)}
        with self._vault.write() as writing:
            if store.is_held(writing, entry):
                store.put_off(writing, replace(entry, content=content), due_at or None)
        return due_at

    def _skip(self, entry: StoredEntry, problem: Problem, due_at: int) -> None:
        """Put it off as another of the same insurer was, without an attempt."""
        content = entry.content | {"problem": problem_document(problem, self._shop.clock())}
        untried = replace(entry, content=content, attempts=entry.attempts - 1)
        with self._vault.write() as writing:
            if store.is_held(writing, entry):
                store.put_off(writing, untried, due_at)

    def _ask(
        self,
        client: ServiceClient,
        entry: StoredEntry,
        claim: StoredClaim,
        included: dict[str, bytes],
    ) -> Callable[[Writing], None]:
        """Send the entry; what then is to be written. Raises `console.calls.ServiceFault`."""
        if entry.kind == "claim":
            data = claim.content["claim"].encode()
            verdict = client.submit_claim(data, list(included.values()))
            return lambda writing: self._record_verdict(writing, claim.claim_id, verdict, included)
        data = entry.content["data"].encode()
        if entry.kind == "invoice":
            invoiced = facts_of(client.invoice(entry.claim_id, data))
            return lambda writing: self._record_state(
                writing,
                entry,
                invoiced["state"],
                {"invoiced": invoiced["amounts"]},
                {"date_of_delivery": invoiced["date_of_delivery"]},
            )
        if entry.kind == "cancellation":
            cancelled = client.cancel(entry.claim_id, data)
            return lambda writing: self._record_state(writing, entry, cancelled.state, {}, {})
        if entry.kind == "attestation":
            taken = client.attest(data)
            told = facts_of(taken)
            return lambda writing: self._record_attestation(writing, entry, told)
        summary = client.answer_audit(entry.content["case_id"], data)
        return lambda writing: self._record_audit(writing, summary)

    def _record_verdict(
        self,
        writing: Writing,
        claim_id: str,
        verdict: VerdictAnswer,
        included: dict[str, bytes],
    ) -> None:
        stored = store.claim(writing, claim_id)
        if stored is None:
            return
        state = STATE_OF[verdict.verdict]
        facts = {"verdict": verdict.verdict, "reason": verdict.reason}
        content = with_event(stored.content, "verdict", self._shop.clock(), **facts)
        store.put_claim(
            writing, replace(stored, state=state, content=with_verdict(content, verdict))
        )
        if state == "refused":  # nothing can follow
            for waiting in store.outbox(writing, claim_id):
                if waiting.kind in ("invoice", "cancellation", "attestation"):
                    store.remove(writing, waiting)
        for kept in store.attestations(writing, claim_id):
            if kept.digest in included or state == "refused":
                sent = kept.content | {"is_sent": True}
                store.put_attestation(writing, replace(kept, content=sent))
            elif not kept.content["is_sent"]:  # it came while the claim was on its way
                entry = {"data": kept.content["data"], "digest": kept.digest}
                now = store.seconds(self._shop.clock())
                store.add_to_outbox(writing, claim_id, "attestation", now, entry)

    def _record_state(
        self,
        writing: Writing,
        entry: StoredEntry,
        state: str,
        changes: dict[str, Any],
        facts: dict[str, Any],
    ) -> None:
        stored = store.claim(writing, entry.claim_id)
        if stored is None:
            return
        content = with_event(
            stored.content | changes, f"{entry.kind}_taken", self._shop.clock(), **facts
        )
        store.put_claim(writing, replace(stored, state=state, content=content))

    def _record_attestation(
        self, writing: Writing, entry: StoredEntry, told: dict[str, Any]
    ) -> None:
        digest = entry.content["digest"]
        for kept in store.attestations(writing, entry.claim_id):
            if kept.digest == digest:
                sent = kept.content | {"is_sent": True}
                store.put_attestation(writing, replace(kept, content=sent))
        stored = store.claim(writing, entry.claim_id)
        if stored is None:
            return
        missing = {_named(duty): duty["due_at"] for duty in told["missing"]}
        duties = [
            duty
            | {
                "is_met": _named(duty) not in missing,
                "due_at": missing.get(_named(duty), duty["due_at"]),
            }
            for duty in stored.content["duties"]
        ]
        changes = {"duties": duties, "attest_by": told["attest_by"]}
        self._record_state(writing, entry, told["state"], changes, {"line": told["line"]})

    def _record_audit(self, writing: Writing, summary: AuditSummary) -> None:
        record_audit(writing, summary)

    # -- news ---------------------------------------------------------------------------------

    def poll(self, now: datetime | None = None, *, is_forced: bool = False) -> int:
        """Hear what has become of claims that the insurers decide on, and list the audits, as often
        as the settings say; how many changed."""
        moment = now or self._shop.clock()
        count = 0
        with self._clients() as clients:
            for profile in self._shop.insurers():
                if not self._begin_poll(profile, moment, is_forced):
                    continue
                try:
                    client = clients.of(profile)
                    count += self._hear_audits(client)
                    count += self._hear_claims(client, profile, moment)
                except ServiceFault:
                    continue  # again when the time comes
        return count

    def _begin_poll(self, profile: InsurerProfile, now: datetime, is_forced: bool) -> bool:
        """Whether it is time, and nobody else does it now."""
        with self._vault.read() as reading:
            if not is_forced and not _is_poll_due(reading, profile, now):
                return False
        with self._vault.write() as writing:
            if not is_forced and not _is_poll_due(writing, profile, now):
                return False
            content = store.pack({"at": encode_instant(now)})
            store.put_entry(writing, "polled", profile.insurer_id, content)
        return True

    def _hear_audits(self, client: ServiceClient) -> int:
        listed = list(client.audits())
        count = 0
        with self._vault.read() as reading:
            known = {audit.case_id: audit for audit in store.audits(reading)}
        fresh = [
            summary
            for summary in listed
            if summary.case_id not in known
            or known[summary.case_id].content["summary"] != facts_of(summary)
        ]
        if not fresh:
            return 0
        with self._vault.write() as writing:
            for summary in fresh:
                count += record_audit(writing, summary)
        return count

    def _hear_claims(self, client: ServiceClient, profile: InsurerProfile, now: datetime) -> int:
        with self._vault.read() as reading:
            asked = [
                stored
                for stored in store.claims_in(reading, ("sent", "granted", "attestation_overdue"))
                if insurer_of(stored) == profile.insurer_id and _has_news(stored, now)
            ][:POLL_CLAIMS]
        count = 0
        for stored in asked:
            try:
                answer = client.claim(stored.claim_id)
            except ServiceProblem:
                continue
            count += self._record_news(stored, answer)
        return count

    def _record_news(self, asked: StoredClaim, answer: ClaimAnswer) -> int:
        state = "sent" if answer.state == "pending" else answer.state
        with self._vault.write() as writing:
            stored = store.claim(writing, asked.claim_id)
            if stored is None or stored.content["revision"] != asked.content["revision"]:
                return 0  # something happened meanwhile, and may be newer
            content = with_news(stored.content, answer)
            if (state, content) == (stored.state, stored.content):
                return 0
            if state != stored.state:
                content = with_event(content, "state", self._shop.clock(), state=state)
            store.put_claim(writing, replace(stored, state=state, content=content))
        return 1

    def next_due(self) -> datetime | None:
        """When there is something to do next; None if nothing is known."""
        with self._vault.read() as reading:
            due = store.next_due(reading)
            moments = [] if due is None else [datetime.fromtimestamp(due, UTC)]
            pause = timedelta(minutes=read_settings(reading).poll_minutes)
            for name in store.entry_names(reading, insurers.KIND):
                polled = store.entry(reading, "polled", name)
                if polled is None:
                    moments.append(self._shop.clock())
                else:
                    at = datetime.fromisoformat(store.unpack(polled)["at"])
                    moments.append(at + pause)
        return min(moments, default=None)

    @contextmanager
    def _clients(self) -> Iterator[_Clients]:
        with ExitStack() as closing:
            yield _Clients(self._make_client, closing)


class _Clients:
    """One client for each insurer, closed at the end."""

    def __init__(self, make: Callable[[InsurerProfile], ServiceClient], closing: ExitStack) -> None:
        self._make = make
        self._closing = closing
        self._made: dict[InsurerProfile, ServiceClient] = {}
        self.down: dict[str, tuple[Problem, int]] = {}
        """Insurers that did not answer in this round: why, and when they are asked again."""

    def of(self, profile: InsurerProfile) -> ServiceClient:
        """Raises `console.calls.ServiceArgumentInvalid`."""
        if profile not in self._made:
            self._made[profile] = self._closing.enter_context(self._make(profile))
        return self._made[profile]


def record_audit(writing: Writing, summary: AuditSummary) -> int:
    """An audit as the service lists it; what is known of it besides stays. Whether it is news."""
    told = facts_of(summary)
    known = store.audit(writing, summary.case_id)
    content = {"summary": told} if known is None else known.content | {"summary": told}
    if known is not None and known.content == content:
        return 0
    audit = StoredAudit(
        summary.case_id, summary.claim_id, summary.state, told["answer_by"], content
    )
    store.put_audit(writing, audit)
    if summary.state != "open":
        return 1
    stored = store.claim(writing, summary.claim_id)
    if stored is not None and known is None:
        at = summary.opened_at
        event = with_event(stored.content, "audit_opened", at, case_id=summary.case_id)
        store.put_claim(writing, replace(stored, content=event))
    return 1


def problem_of(fault: ServiceFault) -> Problem:
    """Why sending did not work, in words, and whether it may work later."""
    if isinstance(fault, ServiceProblem):
        words = problem_words(fault.code, fault.reason)
        is_passing = (
            fault.status in PASSING_STATUSES
            or fault.code in PASSING_CODES
            or fault.reason in PASSING_REASONS
        )
        return Problem(
            code=fault.code,
            titles=dict(fault.titles) if words is None else texts(words),
            detail=fault.detail,
            is_passing=is_passing,
            places=tuple(fault.places),
            request_id=fault.request_id,
            reason=fault.reason,
        )
    code, is_passing = "unreachable", True
    if isinstance(fault, ServiceArgumentInvalid):
        code, is_passing = "address_invalid", False
    elif isinstance(fault, ServiceAnswerInvalid):
        code = "answer_invalid"
    elif not isinstance(fault, ServiceUnreachable):
        is_passing = False
    words = problem_words(code)
    return Problem(code, {} if words is None else texts(words), str(fault), is_passing)


def _named(duty: dict[str, Any]) -> tuple[object, ...]:
    """Which rule of the contract asks for it of which line."""
    return duty["line"], tuple(duty["attesters"]), tuple(duty["slots"])


def _is_poll_due(reading: Any, profile: InsurerProfile, now: datetime) -> bool:
    content = store.entry(reading, "polled", profile.insurer_id)
    if content is None:
        return True
    at = datetime.fromisoformat(store.unpack(content)["at"])
    pause = timedelta(minutes=read_settings(reading).poll_minutes)
    return not at <= now < at + pause  # a clock that was set back is no reason to wait


def _has_news(stored: StoredClaim, now: datetime) -> bool:
    """Whether the insurer may have changed the claim by himself."""
    if stored.state != "granted":
        return True
    content = stored.content
    if any(not duty["is_met"] and duty["due_at"] is None for duty in content["duties"]):
        return content["attest_by"] is not None
    ends = [content["granted_until"], content["attest_by"]]
    return any(end is not None and datetime.fromisoformat(end) < now for end in ends)
