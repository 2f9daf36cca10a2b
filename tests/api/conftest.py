"""The application in this process, real down to SQLite file and worker process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import Caller, Insurer, serving


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory) -> Insurer:
    """One for a file of tests."""
    return Insurer(tmp_path_factory.mktemp("insurer"), has_workers=True)


@pytest.fixture(scope="module")
def caller(insurer: Insurer) -> Iterator[Caller]:
    """A client of it."""
    with serving(insurer) as started:
        yield started
