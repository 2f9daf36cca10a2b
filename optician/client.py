"""The insurer's service, typed: what an optician, a reader, an auditor or an administrator asks.

What comes back is checked against what was asked, where that can be done: a verdict must name the
very claim that was sent, a contract or table must have the digest that was asked for. Nothing here
decides whether a verdict is just; the service is the insurer's.

Every call but two may be made twice with the effect of one, since the service answers the same
bytes the same way: a claim, an attestation, an invoice, a cancellation, a decision, a key, a right,
a contract. So calls are repeated when the connection breaks. Making a token and rotating one are
the exceptions: each makes a new secret every time, so they are repeated only where the service
cannot have done anything yet.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from types import TracebackType
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import quote

import httpx2
from pydantic import JsonValue

from circuits.attestation import Attestation
from circuits.audit import AuditReply, encode_reply
from circuits.canonical import canonical_bytes, encode_base64url, tagged_digest
from circuits.claim import CLAIM_TAG, Claim, encode_claim, encode_instant
from circuits.contract import contract_digest, parse_contract
from circuits.nomenclature import MAX_NOMENCLATURE_BYTES, Nomenclature
from circuits.notices import (
    INVOICE_TAG,
    Cancellation,
    Invoice,
    encode_cancellation,
    encode_invoice,
)
from circuits.publication import Publication
from circuits.signed import decode_signed, encode_signed
from console.calls import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    Call,
    Caller,
    ServiceAnswerInvalid,
    ServiceArgumentInvalid,
    ServiceFault,
    ServiceProblem,
    ServiceUnreachable,
    parse_answer,
)
from optician.answers import (
    AttestationAnswer,
    AuditDetail,
    AuditPage,
    AuditSummary,
    BatchLine,
    CancellationAnswer,
    CircuitAnswer,
    ClaimAnswer,
    ClaimPage,
    ClaimSummary,
    ContractAnswer,
    ContractEntry,
    ContractList,
    DecisionAnswer,
    HealthAnswer,
    InvoiceAnswer,
    KeyAnswer,
    KeyList,
    NewTokenAnswer,
    NomenclatureAnswer,
    NomenclatureClassAnswer,
    NomenclatureEntry,
    NomenclatureList,
    ProofAnswer,
    PublicationEntry,
    PublicationList,
    RightAnswer,
    RightEnded,
    RightPage,
    RightsAdded,
    TokenAnswer,
    TokenList,
    VerdictAnswer,
)
from zk.errors import ZkError

__all__ = [
    "ClaimFilters",
    "ServiceAnswerInvalid",
    "ServiceArgumentInvalid",
    "ServiceClient",
    "ServiceFault",
    "ServiceProblem",
    "ServiceUnreachable",
]

BATCH_LINES = 128
"""So many claims of a batch go into one request. The service takes in as many before it has to be
read from: a client that sends first and reads then is never waited for."""

PAGE_SIZE = 200
NDJSON = "application/x-ndjson"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)


class ClaimFilters(TypedDict, total=False):
    """What a listing of claims is narrowed to: days of service and instants of receipt, both ends
    included; a class that a line declares; any part of the id."""

    state: str
    verdict: str
    reason: str
    optician_id: str
    contract_id: str
    statement: str
    date_from: date
    date_to: date
    received_from: datetime
    received_to: datetime
    regroupement: str
    claim_id: str


class ServiceClient:
    """The service at ``base_url``, for whoever ``token`` stands for.

    Every method raises a `ServiceFault`: `ServiceProblem` where the service says no,
    `ServiceUnreachable` where it does not answer, `ServiceAnswerInvalid` where what it says is no
    answer to the question, `ServiceArgumentInvalid` where there is nothing to ask. A context
    manager; not for several threads at once.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        allow_http: bool = False,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """As `Caller`: ``timeout`` in seconds limits every silence of the service, ``retries`` how
        often a call is made again. ``transport``, ``sleep``, ``jitter`` and ``clock`` are for
        tests. Raises `ServiceArgumentInvalid`."""
        self._caller = Caller(
            base_url,
            token,
            timeout=timeout,
            retries=retries,
            allow_http=allow_http,
            transport=transport,
            sleep=sleep,
            jitter=jitter,
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"ServiceClient({self._caller.base_url!r})"

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    # -- claims -------------------------------------------------------------------------------

    def submit_claim(
        self, claim: bytes | Claim, attestations: Iterable[bytes | Attestation] = ()
    ) -> VerdictAnswer:
        """The verdict on a claim, given as it is or in its bytes, which are sent as they are; and
        so the attestations that go with it."""
        data = claim if isinstance(claim, bytes) else encode_claim(claim)
        body = _submission(data, [*attestations])
        answer = self._caller.json(VerdictAnswer, Call("POST", "/v1/claims", body=body))
        digest = encode_base64url(tagged_digest(CLAIM_TAG, data))
        _require(answer.claim_digest == digest, "the verdict is on another claim")
        return answer

    def claim(self, claim_id: str) -> ClaimAnswer:
        """A recorded claim with its verdict, its history and what it says."""
        answer = self._caller.json(ClaimAnswer, Call("GET", _path("/v1/claims", claim_id)))
        _require(answer.claim_id == claim_id, "the answer is about another claim")
        return answer

    def claims(
        self, *, page_size: int = PAGE_SIZE, **filters: Unpack[ClaimFilters]
    ) -> Iterator[ClaimSummary]:
        """Every recorded claim that the token may see and the filters let through, newest first;
        asked for page by page."""
        seen: set[str] = set()
        cursor = None
        while True:
            page = self.claims_page(cursor, page_size=page_size, **filters)
            yield from page.claims
            cursor = page.next
            if cursor is None:
                return
            _require_new(cursor, seen)

    def claims_page(
        self,
        cursor: str | None = None,
        *,
        page_size: int = PAGE_SIZE,
        **filters: Unpack[ClaimFilters],
    ) -> ClaimPage:
        """One page: the first, or the one that ``cursor``, the `next` of another, stands for."""
        query = _page_query(cursor, page_size)
        query |= {name: _query_text(value) for name, value in filters.items()}
        return self._caller.json(ClaimPage, Call("GET", "/v1/claims", query))

    def invoice(self, claim_id: str, invoice: bytes | Invoice) -> InvoiceAnswer:
        """Send the invoice of a granted claim."""
        data = invoice if isinstance(invoice, bytes) else encode_invoice(invoice)
        call = Call("POST", _path("/v1/claims", claim_id, "invoice"), body=data)
        answer = self._caller.json(InvoiceAnswer, call)
        digest = encode_base64url(tagged_digest(INVOICE_TAG, data))
        _require(
            (answer.claim_id, answer.invoice_digest) == (claim_id, digest),
            "the answer is about another invoice",
        )
        return answer

    def attest(self, attestation: bytes | Attestation) -> AttestationAnswer:
        """Send an attestation of a line of a claim that the insurer has recorded."""
        data = attestation if isinstance(attestation, bytes) else encode_signed(attestation)
        try:
            claim_id = decode_signed(Attestation, data).claim_id
        except ZkError:
            raise ServiceArgumentInvalid("an attestation expected") from None
        call = Call("POST", _path("/v1/claims", claim_id, "attestations"), body=data)
        answer = self._caller.json(AttestationAnswer, call)
        digest = encode_base64url(tagged_digest(Attestation.TAG, data))
        _require(
            (answer.claim_id, answer.attestation_digest) == (claim_id, digest),
            "the answer is about another attestation",
        )
        return answer

    def cancel(self, claim_id: str, cancellation: bytes | Cancellation) -> CancellationAnswer:
        """Take a claim back that is granted or pending."""
        data = (
            cancellation if isinstance(cancellation, bytes) else encode_cancellation(cancellation)
        )
        call = Call("POST", _path("/v1/claims", claim_id, "cancellation"), body=data)
        answer = self._caller.json(CancellationAnswer, call)
        _require(answer.claim_id == claim_id, "the answer is about another claim")
        return answer

    def decide(
        self, claim_id: str, decision: Literal["grant", "refuse"], note: str = ""
    ) -> DecisionAnswer:
        """The insurer's decision on a claim that is pending or lacks an attestation; the note is
        for the record."""
        body = _json({"decision": decision, "note": note})
        call = Call("POST", _path("/v1/claims", claim_id, "decision"), body=body)
        answer = self._caller.json(DecisionAnswer, call)
        _require(answer.claim_id == claim_id, "the answer is about another claim")
        return answer

    # -- audits -------------------------------------------------------------------------------

    def audits(self, *, page_size: int = PAGE_SIZE) -> Iterator[AuditSummary]:
        """Every audit case that the token may see, newest first; asked for page by page."""
        seen: set[str] = set()
        cursor = None
        while True:
            query = _page_query(cursor, page_size)
            page = self._caller.json(AuditPage, Call("GET", "/v1/audits", query))
            yield from page.audits
            cursor = page.next
            if cursor is None:
                return
            _require_new(cursor, seen)

    def audit(self, case_id: str) -> AuditDetail:
        """One case. That its optician has seen it is recorded."""
        answer = self._caller.json(AuditDetail, Call("GET", _path("/v1/audits", case_id)))
        _require(answer.case_id == case_id, "the answer is about another case")
        return answer

    def answer_audit(self, case_id: str, reply: bytes | AuditReply) -> AuditSummary:
        """Answer a case: a sealed opening, or a refusal."""
        data = reply if isinstance(reply, bytes) else encode_reply(reply)
        call = Call("POST", _path("/v1/audits", case_id, "answer"), body=data)
        answer = self._caller.json(AuditSummary, call)
        _require(answer.case_id == case_id, "the answer is about another case")
        return answer

    # -- proofs -------------------------------------------------------------------------------

    def verify(self, claim: bytes | Claim) -> ProofAnswer:
        """The verdict on a claim by itself: nothing is recorded."""
        data = claim if isinstance(claim, bytes) else encode_claim(claim)
        answer = self._caller.json(ProofAnswer, Call("POST", "/v1/proofs/verify", body=data))
        if isinstance(claim, Claim):
            _require(answer.claim_id == claim.claim_id, "the answer is about another claim")
        return answer

    def verify_batch(self, claims: Iterable[bytes | Claim]) -> Iterator[BatchLine]:
        """The verdicts on many claims, in their order; ``line`` counts all of them from 1.

        Sent `BATCH_LINES` at a time, and no further than the verdicts are asked for.
        """
        first = 0
        for lines in _pieces(claims):
            body = b"".join(line + b"\n" for line in lines)
            call = Call("POST", "/v1/proofs/verify-batch", body=body, media_type=NDJSON)
            answers = [
                parse_answer(BatchLine, line) for line in self._caller.content(call).splitlines()
            ]
            numbers = [answer.line for answer in answers]
            _require(
                numbers == list(range(1, len(lines) + 1)),
                "not one verdict for each claim, in their order",
            )
            for answer in answers:
                yield answer.model_copy(update={"line": first + answer.line})
            first += len(lines)

    # -- reference data -----------------------------------------------------------------------

    def contracts(self) -> tuple[ContractEntry, ...]:
        """Every version of every contract."""
        return self._caller.json(ContractList, Call("GET", "/v1/contracts")).contracts

    def contract(self, digest: str) -> ContractAnswer:
        """One version with its document, whose digest is checked."""
        answer = self._caller.json(ContractAnswer, Call("GET", _path("/v1/contracts", digest)))
        try:
            contract = parse_contract(canonical_bytes(answer.document))
        except ZkError:
            raise ServiceAnswerInvalid("the document is no contract of a known form") from None
        _require(
            answer.digest == digest == encode_base64url(contract_digest(contract)),
            "the contract has another digest than the one asked for",
        )
        return answer

    def add_contract(
        self, document: bytes | Mapping[str, Any], *, in_force_from: date | None = None
    ) -> ContractEntry:
        """Add a version; the same one again changes nothing."""
        body = document if isinstance(document, bytes) else _json(document)
        call = Call("POST", "/v1/contracts", _from_query(in_force_from), body)
        return self._caller.json(ContractEntry, call)

    def nomenclatures(self) -> tuple[NomenclatureEntry, ...]:
        """Every version of the table."""
        return self._caller.json(NomenclatureList, Call("GET", "/v1/nomenclatures")).nomenclatures

    def nomenclature(self, digest: str, *, day: date | None = None) -> NomenclatureAnswer:
        """One version with its classes on a day."""
        call = Call("GET", _path("/v1/nomenclatures", digest), _day_query(day))
        answer = self._caller.json(NomenclatureAnswer, call)
        _require(answer.digest == digest, "the answer is about another nomenclature")
        return answer

    def nomenclature_class(
        self, digest: str, regroupement: str, *, day: date | None = None
    ) -> NomenclatureClassAnswer:
        """One class with its codes on a day."""
        path = _path("/v1/nomenclatures", digest, "classes", regroupement)
        answer = self._caller.json(NomenclatureClassAnswer, Call("GET", path, _day_query(day)))
        _require(answer.digest == digest, "the answer is about another nomenclature")
        return answer

    def nomenclature_file(self, digest: str) -> bytes:
        """The file of one version, whose digest is checked."""
        path = _path("/v1/nomenclatures", digest, "file")
        data = self._caller.content(Call("GET", path, max_bytes=MAX_NOMENCLATURE_BYTES))
        try:
            table = Nomenclature.parse(data)
        except ZkError:
            raise ServiceAnswerInvalid("the file is no nomenclature of a known form") from None
        _require(
            encode_base64url(table.digest) == digest,
            "the nomenclature has another digest than the one asked for",
        )
        return data

    def add_nomenclature(
        self, document: bytes, *, in_force_from: date | None = None
    ) -> NomenclatureEntry:
        """Add a version; the same one again changes nothing."""
        call = Call("POST", "/v1/nomenclatures", _from_query(in_force_from), document)
        return self._caller.json(NomenclatureEntry, call)

    def publications(self, digest: str) -> tuple[Publication, ...]:
        """What publishers signed of the contract or nomenclature with that digest. Who they are,
        and whether they signed, is not looked at."""
        call = Call("GET", "/v1/publications", {"digest": digest})
        found = []
        for entry in self._caller.json(PublicationList, call).publications:
            try:
                publication = decode_signed(Publication, canonical_bytes(entry.publication))
            except ZkError:
                raise ServiceAnswerInvalid("a publication of no known form") from None
            _require(publication.digest == digest, "a publication of another document")
            found.append(publication)
        return tuple(found)

    def add_publication(self, publication: Publication) -> PublicationEntry:
        """Record one; the same one again changes nothing."""
        call = Call("POST", "/v1/publications", body=encode_signed(publication))
        return self._caller.json(PublicationEntry, call)

    def circuit(self, digest: str) -> CircuitAnswer:
        """What a circuit that some claim was judged by consists of."""
        answer = self._caller.json(CircuitAnswer, Call("GET", _path("/v1/circuits", digest)))
        _require(answer.digest == digest, "the answer is about another circuit")
        return answer

    # -- administration -----------------------------------------------------------------------

    def tokens(self) -> tuple[TokenAnswer, ...]:
        """Every token, without its secret."""
        return self._caller.json(TokenList, Call("GET", "/v1/tokens")).tokens

    def create_token(
        self,
        scope: str,
        *,
        optician_id: str | None = None,
        label: str = "",
        expires_at: datetime | None = None,
    ) -> NewTokenAnswer:
        """A fresh token. Not repeated once the service may have made it: after
        `ServiceUnreachable`, look for it among `tokens` and revoke it."""
        request = {
            "scope": scope,
            "optician_id": optician_id,
            "label": label,
            "expires_at": None if expires_at is None else encode_instant(expires_at),
        }
        call = Call("POST", "/v1/tokens", body=_json(request), is_repeatable=False)
        return self._caller.json(NewTokenAnswer, call)

    def rotate_token(self, token_id: str) -> NewTokenAnswer:
        """A fresh token in place of another, which is revoked. Not repeated, as `create_token`."""
        call = Call("POST", _path("/v1/tokens", token_id, "rotation"), is_repeatable=False)
        return self._caller.json(NewTokenAnswer, call)

    def revoke_token(self, token_id: str) -> TokenAnswer:
        """From now on it opens nothing."""
        return self._caller.json(TokenAnswer, Call("DELETE", _path("/v1/tokens", token_id)))

    def keys(self) -> tuple[KeyAnswer, ...]:
        """Every public key that is registered."""
        return self._caller.json(KeyList, Call("GET", "/v1/keys")).keys

    def register_keys(self, keys: bytes | Iterable[Mapping[str, Any]]) -> tuple[KeyAnswer, ...]:
        """Register the keys in a file of public keys, or in its entries; all or none."""
        body = keys if isinstance(keys, bytes) else _json({"format_version": 1, "keys": [*keys]})
        return self._caller.json(KeyList, Call("POST", "/v1/keys", body=body)).keys

    def revoke_key(self, key_id: str) -> KeyAnswer:
        """From now on no claim that it signed is granted."""
        return self._caller.json(KeyAnswer, Call("DELETE", _path("/v1/keys", key_id)))

    def rights(self, *, page_size: int = PAGE_SIZE) -> Iterator[RightAnswer]:
        """Every beneficiary's right, asked for page by page."""
        seen: set[str] = set()
        cursor = None
        while True:
            query = _page_query(cursor, page_size)
            page = self._caller.json(RightPage, Call("GET", "/v1/rights", query))
            yield from page.rights
            cursor = page.next
            if cursor is None:
                return
            _require_new(cursor, seen)

    def add_rights(self, rights: Iterable[Mapping[str, Any]]) -> int:
        """Record rights, each given as JSON data, all or none; how many were new."""
        body = _json({"rights": [*rights]})
        return self._caller.json(RightsAdded, Call("POST", "/v1/rights", body=body)).added

    def end_right(self, beneficiary: str, contract_id: str, valid_to: date) -> None:
        """Make ``valid_to`` the last day of the right that holds on that day."""
        request = {
            "beneficiary": beneficiary,
            "contract_id": contract_id,
            "valid_to": valid_to.isoformat(),
        }
        call = Call("POST", "/v1/rights/end", body=_json(request))
        answer = self._caller.json(RightEnded, call)
        _require(answer.valid_to == valid_to, "the right ends on another day")

    # -- the service itself -------------------------------------------------------------------

    def health(self) -> HealthAnswer:
        """Whether the service is alive."""
        return self._caller.json(HealthAnswer, Call("GET", "/healthz"))

    def readiness(self) -> HealthAnswer:
        """Whether it can work, with every check; asked once, since "no" is an answer."""
        return self._caller.json(HealthAnswer, Call("GET", "/readyz", answers=(200, 503)))

    def metrics(self) -> str:
        """Prometheus text."""
        return self._caller.content(Call("GET", "/metrics")).decode(errors="replace")


# -- asking -----------------------------------------------------------------------------------


def _path(*parts: str) -> str:
    """``/v1/claims``, then a name or a digest, then more. Raises `ServiceArgumentInvalid`."""
    root, *names = parts
    for name in names:
        if not _NAME.fullmatch(name):
            raise ServiceArgumentInvalid("an identifier or a digest expected")
    return "/".join([root, *(quote(name, safe="") for name in names)])


def _page_query(cursor: str | None, page_size: int) -> dict[str, str]:
    query = {"limit": str(page_size)}
    return query if cursor is None else query | {"cursor": cursor}


def _query_text(value: object) -> str:
    if isinstance(value, datetime):  # which is a date too
        return encode_instant(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _day_query(day: date | None) -> dict[str, str]:
    return {} if day is None else {"date": day.isoformat()}


def _from_query(in_force_from: date | None) -> dict[str, str]:
    return {} if in_force_from is None else {"in_force_from": in_force_from.isoformat()}


def _json(document: Mapping[str, JsonValue | Any]) -> bytes:
    """The same bytes for the same document: the service knows a repeated request by them."""
    try:
        return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        problem = "not a document that JSON can hold"
    raise ServiceArgumentInvalid(problem)  # out here, without the cause: it may quote the text


def _submission(claim: bytes, attestations: list[bytes | Attestation]) -> bytes:
    """The claim by itself, or what holds it and its attestations: canonical if they are."""
    if not attestations:
        return claim
    listed = [entry if isinstance(entry, bytes) else encode_signed(entry) for entry in attestations]
    head = b'{"attestations":[' + b",".join(listed)
    return head + b'],"claim":' + claim + b',"format_version":1}'


def _pieces(claims: Iterable[bytes | Claim]) -> Iterator[list[bytes]]:
    """`BATCH_LINES` claims at a time."""
    lines: list[bytes] = []
    for number, claim in enumerate(claims, start=1):
        data = claim if isinstance(claim, bytes) else encode_claim(claim)
        if not data.strip() or len(data.splitlines()) != 1 or data.endswith((b"\n", b"\r")):
            raise ServiceArgumentInvalid(f"claim {number} of the batch is not one line")
        lines.append(data)
        if len(lines) == BATCH_LINES:
            yield lines
            lines = []
    if lines:
        yield lines


# -- believing --------------------------------------------------------------------------------


def _require(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ServiceAnswerInvalid(problem)


def _require_new(cursor: str, seen: set[str]) -> None:
    _require(cursor not in seen, "the pages of the listing go round in a circle")
    seen.add(cursor)
