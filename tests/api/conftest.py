"""The application in this process, real down to SQLite file and worker process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import claims as samples
from tests.support.web import Caller, Insurer, serving
from verifier_api.parties import Party


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory) -> Insurer:
    """One for a file of tests; its trust list names nobody yet, and it can sign records."""
    folder = tmp_path_factory.mktemp("insurer")
    trust = folder / "trust.json"
    trust.write_bytes(b'{"format_version": 1, "keys": []}')
    key = folder / "insurer.key"
    key.write_bytes(Party.generate("insurer", samples.contract().insurer_id).encode())
    return Insurer(folder, has_workers=True, trust=trust, signing_key=key)


@pytest.fixture(scope="module")
def caller(insurer: Insurer) -> Iterator[Caller]:
    """A client of it."""
    with serving(insurer) as started:
        yield started
