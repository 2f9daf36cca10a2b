"""What the auditor asks of the insurer's service; nothing that it answers is believed by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from pydantic import Field

from circuits.audit import AuditAnswer, AuditCase, AuditOutcome, AuditReply
from circuits.canonical import canonical_bytes, parse_json_strict
from circuits.claim import Digest, Instant
from circuits.document import Identifier
from circuits.signed import decode_signed, encode_signed, signed_digest
from console.answers import Answer, Code, Text
from console.calls import Call, Caller, ServiceAnswerInvalid, ServiceArgumentInvalid
from verifier_api.evidence.documents import MAX_RECORD_BYTES, Record
from zk.errors import ZkError

MAX_SEALED_ANSWER_BYTES = 2**17
PAGE_SIZE = 200

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class CaseFacts(Answer):
    """A case in a listing. Instants are of record, by the service's clock."""

    case_id: Identifier
    case_digest: Digest
    claim_id: Identifier
    line: int
    ground: Text
    auditor_id: Identifier
    optician_id: Identifier
    state: Code
    opened_at: Instant
    answer_by: Instant
    erase_at: Instant
    answered_at: Instant | None
    answer_digest: Digest | None
    erased_at: Instant | None
    outcome: Code | None
    cause: Code | None
    concluded_at: Instant | None


class CasePage(Answer):
    """A page of a listing; ``next`` asks for the one after, None after the last."""

    audits: tuple[CaseFacts, ...]
    next: str | None = Field(max_length=1024)


class AuditorClient:
    """The service, for an auditor's token; a context manager.

    Every method raises a `console.calls.ServiceFault`.
    """

    def __init__(self, base_url: str, token: str | None, **options: Any) -> None:
        """``options`` as `Caller`. Raises `ServiceArgumentInvalid`."""
        self._caller = Caller(base_url, token, **options)

    def __repr__(self) -> str:
        return f"AuditorClient({self._caller.base_url!r})"

    def __enter__(self) -> AuditorClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._caller.close()

    def record(self, claim_id: str, case_id: str | None = None) -> Record:
        """The insurer's signed record of a claim, and of one case of it."""
        query = {} if case_id is None else {"case_id": case_id}
        call = Call(
            "GET", f"/v1/claims/{_named(claim_id)}/evidence", query, max_bytes=MAX_RECORD_BYTES
        )
        content = self._caller.content(call)
        problem = ""
        try:
            record = decode_signed(Record, content)
        except ZkError as error:
            problem = str(error)
        if problem:  # out here, without the cause
            raise ServiceAnswerInvalid(problem)
        _require(record.claim.claim_id == claim_id, "the record is of another claim")
        found = None if record.audit is None else record.audit.case.case_id
        _require(case_id is None or found == case_id, "the record is of another case")
        return record

    def open(self, case: AuditCase) -> CaseFacts:
        """Open a case; the same one again changes nothing."""
        call = Call("POST", "/v1/audits", body=encode_signed(case))
        return self._of_case(self._caller.json(CaseFacts, call), case)

    def cases(self) -> Iterator[CaseFacts]:
        """Every case that the token may see, asked for page by page."""
        seen: set[str] = set()
        cursor = None
        while True:
            query = {"limit": str(PAGE_SIZE)} | ({} if cursor is None else {"cursor": cursor})
            page = self._caller.json(CasePage, Call("GET", "/v1/audits", query))
            yield from page.audits
            cursor = page.next
            if cursor is None:
                return
            _require(cursor not in seen, "the pages of the listing go round in a circle")
            seen.add(cursor)

    def reply(self, case: AuditCase) -> AuditReply:
        """The optician's answer with its seal."""
        path = f"/v1/audits/{_named(case.case_id)}/sealed"
        content = self._caller.content(Call("GET", path, max_bytes=MAX_SEALED_ANSWER_BYTES))
        problem = ""
        try:
            found = parse_json_strict(content, max_bytes=MAX_SEALED_ANSWER_BYTES, what="answer")
            if not isinstance(found, dict) or not {"case", "answer", "sealed"} <= found.keys():
                problem = "not a case, an answer and a seal"
            else:
                shown = decode_signed(AuditCase, canonical_bytes(found["case"]))
                answer = decode_signed(AuditAnswer, canonical_bytes(found["answer"]))
                document = {
                    "format_version": 1,
                    "answer": answer.model_dump(mode="json"),
                    "sealed": found["sealed"],
                }
                reply = AuditReply.model_validate_json(canonical_bytes(document))
        except (ZkError, ValueError):
            problem = "no sealed answer of a known form"
        if problem:  # out here, without the cause: it may quote the answer
            raise ServiceAnswerInvalid(problem)
        _require(shown == case, "the sealed answer is to another case")
        return reply

    def conclude(self, outcome: AuditOutcome, case: AuditCase) -> CaseFacts:
        """Send the outcome; the same one again changes nothing."""
        path = f"/v1/audits/{_named(case.case_id)}/outcome"
        call = Call("POST", path, body=encode_signed(outcome))
        return self._of_case(self._caller.json(CaseFacts, call), case)

    @staticmethod
    def _of_case(facts: CaseFacts, case: AuditCase) -> CaseFacts:
        named = (facts.case_id, facts.case_digest)
        _require(named == (case.case_id, signed_digest(case)), "the answer is about another case")
        return facts


def _named(name: str) -> str:
    """An identifier, as it stands in a path. Raises `ServiceArgumentInvalid`."""
    if not _NAME.fullmatch(name):
        raise ServiceArgumentInvalid("an identifier expected")
    return name


def _require(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ServiceAnswerInvalid(problem)
