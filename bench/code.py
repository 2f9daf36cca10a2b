"""With the compiled modules, or without: what an installation may have, and what every one has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import zk.program
from zk.backends import load_group
from zk.generators import Generators, generators_of

COMPILED, PLAIN = "compiled", "plain"


def codes() -> tuple[str, ...]:
    """What can be measured here: "compiled" only where it was built and not switched off."""
    is_compiled = load_group().name == "native" and zk.program.native is not None
    return (COMPILED, PLAIN) if is_compiled else (PLAIN,)


@contextmanager
def using(code: str) -> Iterator[Generators]:
    """The generators of that code's backend; meanwhile, circuits are evaluated by that code."""
    if code == COMPILED:
        yield generators_of(load_group("native"))
        return
    with patch.object(zk.program, "native", None):
        yield generators_of(load_group("libsecp256k1"))
