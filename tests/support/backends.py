"""Which backends of the group there are here, and whether one may be missing."""

from __future__ import annotations

import os

from zk.backends import BACKENDS, load_group
from zk.errors import StatementError
from zk.group import Group

REQUIRED = "CLAIROBSCUR_REQUIRE_NATIVE"
"""Set to anything but nothing: compiled code that was not built fails the tests."""


def backends() -> list[Group]:
    """All that can be loaded: the native one first, where it was built, then the others."""
    found = []
    for name in BACKENDS:
        try:
            found.append(load_group(name))
        except StatementError:
            if name != "native" or os.environ.get(REQUIRED):
                raise
    return found


def variants() -> list[Group]:
    """`backends`, and the native one as it is on processors that do not compute in lanes."""
    found = backends()
    if found[0].name == "native":
        from zk.backends.native import Native

        class WithoutLanes(Native):
            name = "native without lanes"

        found.insert(1, WithoutLanes(lanes=False))
    return found
