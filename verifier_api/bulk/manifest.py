"""What a run is bound to: ``manifest.json`` in its folder.

A verdict depends on contract, keys, table and moment; which file it is in, on the size of chunks. A
run that is resumed with anything else would be two runs in one folder, so it is refused. The input
is bound by its content: every part has the digest of its entries, and these are read and digested
anew when a run is resumed. Dates of files say less: a copy changes them, and they can be set back.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field

from circuits.document import StrictDocument, parse_document
from console.running import CommandError, version_text
from verifier_api.bulk.parts import UNFINISHED, write_whole

NAME = "manifest.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 2**14

_Text = Annotated[str, Field(max_length=200)]


class Manifest(StrictDocument):
    """Everything that the verdicts of a run depend on, but for the input's content."""

    format_version: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    program: _Text
    input_kind: _Text
    chunk: Annotated[int, Field(ge=1)]
    contract_digest: _Text
    keys_digest: _Text
    nomenclature_digest: _Text
    now: _Text

    def to_bytes(self) -> bytes:
        """The file; always the same of the same run."""
        return (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode()

    @property
    def digest(self) -> str:
        """What the parts name the run by."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


OPTIONS = {
    "program": "the version of this program",
    "input_kind": "the kind of the input",
    "chunk": "--chunk",
    "contract_digest": "--contract",
    "keys_digest": "--optician-keys",
    "nomenclature_digest": "--nomenclature",
    "now": "--now",
}
"""What a difference is called."""


def new_manifest(input_kind: str, chunk: int, facts: dict[str, str]) -> Manifest:
    """Of a run that begins; ``facts`` are those of `Documents.facts`."""
    return Manifest(
        format_version=FORMAT, program=version_text(), input_kind=input_kind, chunk=chunk, **facts
    )


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a folder, None if the folder is empty or not there.

    Raises `CommandError` ("other_run") for a folder that holds something else, `EncodingError` for
    a manifest that is malformed or of another version.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        if folder.is_dir() and any(not name.endswith(UNFINISHED) for name in os.listdir(folder)):
            raise CommandError(
                "other_run", f"the folder for the verdicts is not empty and has no {NAME}"
            ) from None
        return None
    return parse_document(Manifest, data, max_bytes=MAX_MANIFEST_BYTES, what=NAME)


def require_same_run(begun: Manifest, wanted: Manifest) -> None:
    """Raise `CommandError` ("other_run") naming everything that differs."""
    before, after = begun.model_dump(), wanted.model_dump()
    differing = [called for name, called in OPTIONS.items() if before[name] != after[name]]
    if differing:
        raise CommandError(
            "other_run",
            f"the run in that folder was begun with another value of {', '.join(differing)}: "
            "resume it with the same, or name another folder",
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Begin a run."""
    write_whole(folder / NAME, manifest.to_bytes())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from the folder's run; the lock ends with the process.

    Raises `CommandError` ("other_run") if one is at work. Windows has no such lock.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError("other_run", "another process works on that folder") from None
        yield
    finally:
        os.close(handle)
