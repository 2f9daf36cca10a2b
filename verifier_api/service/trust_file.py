"""The trust list in a file, read again when the file changes."""

from __future__ import annotations

from pathlib import Path

from circuits.trust import MAX_TRUST_BYTES, Trust, parse_trust
from zk.errors import ZkError


class TrustFile:
    """``trust`` is the list as it was last good, empty where no file is named; ``is_good`` says
    whether the file is so now."""

    def __init__(self, path: Path | None) -> None:
        """Read it. Raises `OSError`, `EncodingError` or `StatementError` naming what is wrong."""
        self._path = path
        self._seen: bytes | None = None
        self.trust = Trust()
        self.is_good = True
        if path is not None:
            self._seen = _read(path)
            self.trust = parse_trust(self._seen)

    def look(self) -> None:
        """Read it again. A list that is missing or bad, half written perhaps, changes nothing but
        ``is_good``: whoever was relied upon still is."""
        if self._path is None:
            return
        try:
            # The bytes themselves, not their date: a change within a tick of the clock counts too.
            data = _read(self._path)
        except OSError:
            self._seen = None
            self.is_good = False
            return
        if data == self._seen:
            return
        self._seen = data
        try:
            self.trust = parse_trust(data)
        except ZkError:
            self.is_good = False
        else:
            self.is_good = True


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_TRUST_BYTES + 1)
