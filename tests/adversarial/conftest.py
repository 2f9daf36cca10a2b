"""The generators that every forger and every verifier here shares."""

from __future__ import annotations

import pytest

from zk.backends import load_group
from zk.generators import Generators, generators_of


@pytest.fixture(scope="module")
def generators(request: pytest.FixtureRequest) -> Generators:
    """Of the fastest backend; where a module runs with both evaluators, of the backend without
    compiled code beside the evaluator in Python."""
    is_plain = (
        "either_evaluator" in request.fixturenames
        and request.getfixturevalue("either_evaluator") == "python"
    )
    return generators_of(load_group("libsecp256k1" if is_plain else None))
