"""The backends of the group, and the one setting that chooses among them.

The environment variable ``CLAIROBSCUR_GROUP`` names the default: ``native`` (libsecp256k1, and a
verifier's sums in compiled code that an installation may lack), ``libsecp256k1`` alone, or
``py_ecc`` (pure Python, the independent reference). Without it, the first of these that is there.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from zk.errors import StatementError
from zk.group import Group

SETTING = "CLAIROBSCUR_GROUP"
BACKENDS = ("native", "libsecp256k1", "py_ecc")


@cache
def _load(name: str) -> Group:
    # Imported on demand: py_ecc alone takes a second, and the others may be missing somewhere.
    if name == "native":
        try:
            from zk.backends.native import Native
        except ImportError:
            raise StatementError(
                "the group backend 'native' was not built: installing with a C compiler builds it"
            ) from None
        return Native()
    if name == "libsecp256k1":
        from zk.backends.libsecp256k1 import Libsecp256k1

        return Libsecp256k1()
    if name == "py_ecc":
        limit = sys.getrecursionlimit()
        from zk.backends.py_ecc import PyEcc

        # Importing py_ecc lets the whole process recurse 100,000 deep, for pairings.
        sys.setrecursionlimit(limit)
        return PyEcc()
    raise StatementError(f"unknown group backend {name!r}; choose one of {', '.join(BACKENDS)}")


@cache
def _best() -> str:
    """The first backend that can be loaded."""
    try:
        return _load("native").name
    except StatementError:
        return "libsecp256k1"


def load_group(name: str | None = None) -> Group:
    """The backend called ``name``, or the one the setting names, or the fastest there is; the same
    object at every call.

    Raises `StatementError` for an unknown name, and for ``native`` where it was not built or does
    not fit the machine.
    """
    return _load(name or os.environ.get(SETTING) or _best())
