"""The generators that every forger and every verifier here shares."""

from __future__ import annotations

import pytest

from zk.backends import load_group
from zk.generators import Generators, generators_of


@pytest.fixture(scope="session")
def generators() -> Generators:
    """Of the fast backend."""
    return generators_of(load_group("libsecp256k1"))
