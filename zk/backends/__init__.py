"""The backends of the group, and the one setting that chooses among them.

The environment variable ``CLAIROBSCUR_GROUP`` names the default: ``libsecp256k1`` (fast) or
``py_ecc`` (pure Python, the independent reference).
"""

from __future__ import annotations

import os
import sys
from functools import cache

from zk.errors import StatementError
from zk.group import Group

SETTING = "CLAIROBSCUR_GROUP"
BACKENDS = ("libsecp256k1", "py_ecc")


@cache
def _load(name: str) -> Group:
    # Imported on demand: py_ecc alone takes a second, and the other may lack a wheel somewhere.
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


def load_group(name: str | None = None) -> Group:
    """The backend called ``name``, or the one the setting names; the same object at every call.

    Raises `StatementError` for an unknown name.
    """
    return _load(name or os.environ.get(SETTING) or BACKENDS[0])
