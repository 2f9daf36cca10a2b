"""Agents as processes of their own, on a vault that the test made.

    python -m tests.support.agents dying FOLDER URL   killed at every statement that writes, in turn
    python -m tests.support.agents draining VAULT N   makes N sales, sends until nothing is left

What they did is told on standard output, a JSON object a line.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.vault import Passphrase, Vault
from optician.vault import vault as vault_module
from tests.support import claims as samples
from tests.support.shops import PASSPHRASE, Clock, order

WRITES = ("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE", "COMMIT")
PRISTINE = "pristine.vault"
MOST_POINTS = 200


def story(vault: Path, clock: Clock) -> None:
    """A claim from the order to the invoice. Asked again, it goes on where it is."""
    opened = Vault.open(vault, Passphrase(PASSPHRASE))
    shop = Shop(opened, clock)
    sender = Sender(shop)
    record = shop.make(order())
    sender.send_claim(record.claim_id, 0.0)
    if shop.claim(record.claim_id).state == "granted":
        shop.invoice(record.claim_id, samples.DAY)
        sender.send_claim(record.claim_id, 0.0)
    opened.close()


# -- dying ----------------------------------------------------------------------------------------


def dying(folder: Path) -> None:
    """A vault for every point at which the story was killed: ``before-N.vault``. One line for each
    point, and one for the run that came to its end."""
    samples.sample_claim()  # what every child would work out again is there before it is forked
    doors = vars(vault_module)
    real_connect = doors["connect"]
    for point in range(1, MOST_POINTS):
        vault = folder / f"before-{point}.vault"
        shutil.copyfile(folder / PRISTINE, vault)
        child = os.fork()
        if not child:
            count = [0]

            def trace(statement: str, of: list[int] = count, at: int = point) -> None:
                if statement.lstrip().upper().startswith(WRITES):
                    of[0] += 1
                    if of[0] == at:
                        os.kill(os.getpid(), signal.SIGKILL)

            def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
                connection: sqlite3.Connection = real_connect(path, writable=writable)
                connection.set_trace_callback(trace)
                return connection

            doors["connect"] = connect
            code = 1
            try:
                story(vault, Clock())
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        was_killed = os.WIFSIGNALED(status)
        tell(point=point, was_killed=was_killed, code=None if was_killed else status)
        if not was_killed:
            return


# -- draining -------------------------------------------------------------------------------------


def draining(vault: Path, sales: int) -> None:
    """Make the sales that another makes at the same time, then send whatever is there."""
    opened = Vault.open(vault, Passphrase(PASSPHRASE))
    shop = Shop(opened, Clock())
    sender = Sender(shop)
    tell(is_ready=True)
    sys.stdin.readline()
    made = [shop.make(order(f"both-{number}")).claim_id for number in range(sales)]
    done = failed = 0
    while shop.queue():
        sent = sender.send_due()
        done += sent.done
        failed += sent.failed
        time.sleep(0.01)
    tell(made=made, done=done, failed=failed)
    opened.close()


def tell(**facts: Any) -> None:
    """To whoever reads."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


MODES: dict[str, Callable[..., None]] = {
    "dying": lambda folder: dying(Path(folder)),
    "draining": lambda vault, sales: draining(Path(vault), int(sales)),
}

if __name__ == "__main__":
    MODES[sys.argv[1]](*sys.argv[2:])
