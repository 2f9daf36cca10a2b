"""What all tests share: hypothesis profiles and the place of the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import zk.program
from tests.support.backends import REQUIRED

# Proving takes milliseconds and differs between machines: a deadline per example would only flake.
_SLOW_EXAMPLES = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "default", deadline=None, max_examples=50, suppress_health_check=_SLOW_EXAMPLES
)
# The same examples each time, so that a red run is the submission's doing.
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None)
settings.register_profile("long", settings.get_profile("default"), max_examples=2_000)

settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout, for tests that look at its files."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", params=["native", "python"])
def either_evaluator(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test of the module twice: with the compiled evaluator, and with the one in Python."""
    if request.param == "native" and zk.program.native is None:
        assert not os.environ.get(REQUIRED), "zk._evaluate is not built"
        pytest.skip("zk._evaluate is not built, or switched off")
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "python":
            patched.setattr(zk.program, "native", None)
        yield request.param
