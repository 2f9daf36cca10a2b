"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import shutil


def ending_with_us(signal_name: str) -> list[str]:
    """What to put before a command: the kernel sends it that signal ("QUIT", "KILL") when its
    starter dies, which may be killed before it can tidy up. Nothing where there is no setpriv
    (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", signal_name, "--"]
