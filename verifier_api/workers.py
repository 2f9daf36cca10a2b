"""What every worker process does first, of the service and of bulk verification alike."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, which tells its workers when to stop, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A parent that is killed cannot tell its workers; they would wait for ever."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
