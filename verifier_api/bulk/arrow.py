"""pyarrow, which is installed with the extra ``bulk`` only.

Its memory comes from the system's allocator, so that it goes back to the system, and limits of the
system hold for it. Read and written by one thread: the cores are for the proofs.
"""

from __future__ import annotations

from types import ModuleType

from console.running import CommandError

INSTALL = "install requirements/bulk.txt, the extra bulk (docs/operations.md says how)"


def load_arrow() -> tuple[ModuleType, ModuleType]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises `CommandError` ("missing") if they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CommandError("missing", f"bulk verification needs pyarrow: {INSTALL}") from None
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    return pyarrow, pyarrow.parquet
