"""``python -m bench.agent_child TIMES ARGUMENTS``: one of `optician`'s commands, its doors timed.

Writes to the file TIMES, as JSON, the instants (nanoseconds of the system's steady clock, which all
processes share) at which the vault was opened and a claim was proved, and how long the derivation
of the key and the insurer's answer took. Nothing heavy is loaded that the command would not have
loaded by then.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOMENTS: dict[str, int] = {}


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; when it began and ended is noted."""

    def wrapped(*arguments: Any, **choices: Any) -> Any:
        MOMENTS[f"{name}_begins"] = time.monotonic_ns()
        try:
            return function(*arguments, **choices)
        finally:
            MOMENTS[f"{name}_ends"] = time.monotonic_ns()

    return wrapped


def main() -> None:
    """The command line; ends in `SystemExit` as the command does."""
    times = Path(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    import optician.vault.keys
    import optician.vault.vault
    from optician.vault.keys import Passphrase
    from optician.vault.vault import Vault

    open_vault = Vault.open

    def opened(*arguments: Any, **choices: Any) -> Vault:
        vault = open_vault(*arguments, **choices)
        MOMENTS["opened"] = time.monotonic_ns()
        _watch_the_rest()
        return vault

    Vault.open = opened  # type: ignore[method-assign]
    Passphrase.derive = timed("derive", Passphrase.derive)  # type: ignore[method-assign]
    import optician.cli

    try:
        optician.cli.main()
    finally:
        MOMENTS["ended"] = time.monotonic_ns()
        times.write_text(json.dumps(MOMENTS), encoding="ascii")


def _watch_the_rest() -> None:
    """What the command loads next anyway, now that the vault is open."""
    import optician.agent.shop as shop
    from optician.client import ServiceClient

    vars(shop)["make_claim"] = timed("prove", vars(shop)["make_claim"])
    ServiceClient.submit_claim = timed(  # type: ignore[method-assign]
        "send", ServiceClient.submit_claim
    )


if __name__ == "__main__":
    main()
