"""The auditor's vault: one folder a case, with the secrets that nobody else has.

    case.json        the case, as it is sent            key.json         the key to seal to
    claim.json       the claim that it is about         reply.json       the sealed answer
    sent.json        when the service took the case     conclusion.json  finding and outcome
    concluded.json   when it took the outcome
    erased.json      when the right-hand column was destroyed, and the outcome

A folder appears whole, and so does every file (mode 0600), flushed to the disk before anything is
sent: whenever the program is killed, what was sent is there, and what is there can be sent again as
it was. Nothing is ever replaced; only an outcome that the service refused is taken back.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import Field

from circuits.audit import (
    MAX_FINDING_BYTES,
    MAX_OUTCOME_BYTES,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Finding,
    decode_reply,
    encode_reply,
)
from circuits.canonical import canonical_bytes
from circuits.claim import MAX_CLAIM_BYTES, Claim, Instant, decode_claim, encode_claim
from circuits.document import Identifier, SecretDocument, StrictDocument, parse_document
from circuits.sealing import RecipientKey
from circuits.signed import decode_signed, encode_signed
from console.outputs import write_output
from zk.errors import StatementError, ZkError

CaseStage: TypeAlias = Literal["unsent", "sent", "concluding", "concluded", "erased"]

SECRETS = ("key.json", "reply.json", "conclusion.json")
"""The files of a case that are destroyed when it is erased."""

_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DRAFT = ".draft-"
_DRAFT_SECONDS = 3600.0
_MAX_FILE_BYTES = 128 * 2**10

Document = TypeVar("Document", bound=StrictDocument)


class _KeyFile(SecretDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    case_id: Identifier
    recipient_key: Annotated[str, Field(max_length=200)]


class _Mark(StrictDocument):
    """That the service has taken something."""

    format_version: Annotated[int, Field(ge=1, le=1)]
    at: Instant


class _Erased(StrictDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    at: Instant
    outcome: AuditOutcome | None


class Conclusion(SecretDocument):
    """The end of a case: the outcome to send, and the finding that it names, if any."""

    MAX_BYTES: ClassVar[int] = MAX_FINDING_BYTES + MAX_OUTCOME_BYTES + 1024

    format_version: Annotated[int, Field(ge=1, le=1)]
    finding: Finding | None
    outcome: AuditOutcome


@dataclass(frozen=True)
class StoredCase:
    """One case in the vault."""

    folder: Path
    case: AuditCase

    # -- reading ----------------------------------------------------------------------------

    @property
    def stage(self) -> CaseStage:
        """How far the case has come, as far as the vault knows."""
        if self._has("erased.json"):
            return "erased"
        if self._has("concluded.json"):
            return "concluded"
        if self._has("conclusion.json"):
            return "concluding"
        return "sent" if self._has("sent.json") else "unsent"

    def claim(self) -> Claim:
        """The claim that the case is about."""
        return decode_claim(_read(self.folder / "claim.json", MAX_CLAIM_BYTES))

    def key(self) -> RecipientKey:
        """The key to seal to. Raises `StatementError` once it was erased."""
        file = self._secret(_KeyFile, "key.json")
        key = RecipientKey.decode(file.recipient_key)
        if file.case_id != self.case.case_id or key.public != self.case.recipient:
            raise StatementError("vault: the key is another case's")
        return key

    def reply(self) -> AuditReply | None:
        """The optician's sealed answer, if it was kept."""
        if not self._has("reply.json"):
            return None
        return decode_reply(_read(self.folder / "reply.json", _MAX_FILE_BYTES))

    def conclusion(self) -> Conclusion | None:
        """How the case was concluded, None before that and after erasure."""
        if not self._has("conclusion.json"):
            return None
        return self._secret(Conclusion, "conclusion.json")

    def outcome(self) -> AuditOutcome | None:
        """The outcome, also after erasure."""
        if self._has("erased.json"):
            return self._document(_Erased, "erased.json").outcome
        conclusion = self.conclusion()
        return None if conclusion is None else conclusion.outcome

    # -- writing ----------------------------------------------------------------------------

    def mark_sent(self, at: datetime) -> None:
        """The service has taken the case."""
        self._mark("sent.json", at)

    def mark_concluded(self, at: datetime) -> None:
        """The service has taken the outcome."""
        self._mark("concluded.json", at)

    def keep_reply(self, reply: AuditReply) -> None:
        """Keep the sealed answer: the insurer erases his."""
        if not self._has("reply.json"):
            write_output(str(self.folder / "reply.json"), encode_reply(reply), secret=True)

    def keep_conclusion(self, finding: Finding | None, outcome: AuditOutcome) -> None:
        """Keep the end of the case, before the outcome is sent.

        Raises `FileExistsError` if there is one already.
        """
        conclusion = Conclusion(format_version=1, finding=finding, outcome=outcome)
        data = canonical_bytes(conclusion.model_dump(mode="json"))
        write_output(str(self.folder / "conclusion.json"), data, secret=True)

    def discard_conclusion(self) -> None:
        """Destroy a conclusion whose outcome the service has refused."""
        if not self._has("concluded.json"):
            _destroy(self.folder / "conclusion.json")

    def erase(self, at: datetime) -> bool:
        """Destroy the case's secrets; whether there were any.

        What they were is overwritten before it is removed. A file system that keeps old versions,
        or a back-up, may still have it.
        """
        held = [self.folder / name for name in SECRETS if self._has(name)]
        if not self._has("erased.json"):
            outcome = None
            with suppress(ZkError):  # what is damaged is destroyed all the same
                outcome = self.outcome()
            erased = _Erased(format_version=1, at=at, outcome=outcome)
            data = canonical_bytes(erased.model_dump(mode="json"))
            write_output(str(self.folder / "erased.json"), data, secret=True)
        for path in held:
            _destroy(path)
        # Also what a kill left half written: of other files it may be a second name.
        for name in SECRETS:
            for path in self.folder.glob(f".{name}.*"):
                _destroy(path)
        return bool(held)

    # -- helpers ----------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def _mark(self, name: str, at: datetime) -> None:
        data = canonical_bytes(_Mark(format_version=1, at=at).model_dump(mode="json"))
        with suppress(FileExistsError):
            write_output(str(self.folder / name), data, secret=True)

    def _secret(self, model: type[Document], name: str) -> Document:
        if not self._has(name):
            raise StatementError("vault: the secrets of this case are not there, or were erased")
        return self._document(model, name)

    def _document(self, model: type[Document], name: str) -> Document:
        data = _read(self.folder / name, _MAX_FILE_BYTES)
        return parse_document(model, data, max_bytes=_MAX_FILE_BYTES, what=f"vault: {name}")


class Vault:
    """A folder of cases. It is made when the first case is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Vault({str(self.folder)!r})"

    def add(self, case: AuditCase, claim: Claim, key: RecipientKey) -> StoredCase:
        """Keep a new case whole, or not at all. Raises `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self.folder, prefix=_DRAFT))
        try:
            secret = {
                "format_version": 1,
                "case_id": case.case_id,
                "recipient_key": key.encode(),
            }
            write_output(str(draft / "key.json"), canonical_bytes(secret), secret=True)
            write_output(str(draft / "claim.json"), encode_claim(claim), secret=True)
            write_output(str(draft / "case.json"), encode_signed(case), secret=True)
            folder = self.folder / case.case_id
            if folder.exists():
                raise FileExistsError(f"{folder} exists already")
            os.rename(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _flush(self.folder)
        return StoredCase(folder, case)

    def case(self, case_id: str) -> StoredCase:
        """A case of the vault. Raises `StatementError` if there is none, `EncodingError` too if its
        file is damaged."""
        folder = self.folder / case_id
        if not _CASE_ID.fullmatch(case_id) or not (folder / "case.json").is_file():
            raise StatementError("vault: no case of that id in it")
        case = decode_signed(AuditCase, _read(folder / "case.json", AuditCase.MAX_BYTES))
        if case.case_id != case_id:
            raise StatementError("vault: a folder has another case's name")
        return StoredCase(folder, case)

    def cases(self) -> list[StoredCase]:
        """Every case, in the order in which they were opened. Raises as `case`."""
        if not self.folder.is_dir():
            return []
        names = [path.name for path in self.folder.iterdir() if _CASE_ID.fullmatch(path.name)]
        cases = [self.case(name) for name in names]
        return sorted(cases, key=lambda stored: (stored.case.opened_at, stored.case.case_id))

    def remove_drafts(self) -> None:
        """Destroy what a kill left of cases that were never kept; not what is being written."""
        if not self.folder.is_dir():
            return
        for draft in self.folder.glob(f"{_DRAFT}*"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime < _DRAFT_SECONDS:
                    continue
                for path in draft.iterdir():
                    _destroy(path)
                draft.rmdir()


def _read(path: Path, max_bytes: int) -> bytes:
    """At most one more byte than ``max_bytes``, so that parsers can refuse."""
    with open(path, "rb") as file:
        return file.read(max_bytes + 1)


def _destroy(path: Path) -> None:
    """Overwrite a file, then remove it."""
    with suppress(FileNotFoundError):
        with open(path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        _flush(path.parent)


def _flush(folder: Path) -> None:
    """Make names durable; Windows cannot open a directory."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
