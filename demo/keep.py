"""`make demo KEEP=1`: both pages, over a made-up data set, until somebody stops them.

Two processes, as an insurer and an optician run them: `verifier serve`, `optician agent`. All that
is needed to log in is printed; it opens nothing but this data, which is erased at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rich.text import Text

from demo.commands import PACKAGES, ROOT
from demo.dataset import CLAIMS, DAYS, INSURER_ID, PASSPHRASE, SHARE, SHOP, DataSet, build
from demo.stage import Stage
from optician.agent.shop import Shop
from optician.vault import Passphrase, Vault

STOP_SECONDS = 30
LOOK_SECONDS = 0.5
PAGES = "/pages/"
SHOWN_PEOPLE = 3


def keep(stage: Stage, folder: Path, *, claims: int = CLAIMS, seconds: float | None = None) -> bool:
    """Make the data set in ``folder`` (empty), serve both pages, say how to log in, and stay for
    ``seconds``, by default until Ctrl-C. Whether both served all the time."""
    stage.chapter("keep")
    stage.tell("keep.making", claims=claims, days=DAYS)
    made = build(folder / "data", claims=claims, share=min(SHARE, max(4, claims // 10)))
    passphrase = folder / "passphrase"
    passphrase.write_text(PASSPHRASE)
    passphrase.chmod(0o600)
    with ExitStack() as closing:
        settings = {
            "CLAIROBSCUR_DATA_DIR": str(made.data_dir),
            "CLAIROBSCUR_TRUST": str(made.trust),
        }
        serve = ("serve", "--port", "0")
        insurer = closing.enter_context(_serving(folder, "verifier", serve, settings))
        _tell_address(made, insurer.url)
        words = ["agent", "--port", "0", "--vault", str(made.vault)]
        words += ["--passphrase-file", str(passphrase)]
        agent = closing.enter_context(_serving(folder, "optician", words, {}))
        stage.gap()
        _tell_how(stage, made, insurer.url, agent.url)
        return _stay((insurer, agent), seconds)


class Serving:
    """A process that serves, and where."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self.process.poll() is None


@contextmanager
def _serving(
    folder: Path, name: str, words: Sequence[str], settings: Mapping[str, str]
) -> Iterator[Serving]:
    """A command that serves until the block ends; it has said where."""
    log = folder / f"{name}.log"
    outside = {
        key: value for key, value in os.environ.items() if not key.startswith("CLAIROBSCUR_")
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", PACKAGES[name], *words, "--json"],
            cwd=folder,
            env=outside | {"PYTHONPATH": str(ROOT), **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(log.read_text()[-2000:])
        yield Serving(process, str(json.loads(line)["url"]).rstrip("/"))
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _tell_address(made: DataSet, url: str) -> None:
    """The shop is told where its insurer is now."""
    with Vault.open(made.vault, Passphrase(PASSPHRASE)) as vault:
        Shop(vault).put_insurer(INSURER_ID, url=url)


def _tell_how(stage: Stage, made: DataSet, insurer: str, agent: str) -> None:
    say = stage.say
    people = " ".join(made.beneficiaries[:SHOWN_PEOPLE])
    rows = [
        (f"[insurer]{say('keep.insurer')}[/]", f"{insurer}{PAGES}"),
        (say("keep.reader"), made.tokens["reader"]),
        (say("keep.admin"), made.tokens["admin"]),
        ("", ""),
        (f"[shop]{say('keep.shop', shop=SHOP)}[/]", f"{agent}/"),
        (say("keep.passphrase"), PASSPHRASE),
        (say("keep.people"), people),
    ]
    room = max(Text.from_markup(label).cell_len for label, _ in rows)
    for label, value in rows:
        gap = " " * (room - Text.from_markup(label).cell_len)
        # Not broken into lines: they are there to be copied.
        stage.console.print(f"    {label}{gap}  {value}".rstrip(), soft_wrap=True)
    stage.gap()
    stage.tell("keep.only", case=made.case_id)
    stage.tell("keep.stop")


def _stay(served: Sequence[Serving], seconds: float | None) -> bool:
    """Until the time is over, Ctrl-C, SIGTERM, or one of them ends by itself, which is false."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the two do not outlive us
    end = None if seconds is None else time.monotonic() + seconds
    with suppress(KeyboardInterrupt):
        while end is None or time.monotonic() < end:
            if not all(each.is_alive() for each in served):
                return False
            time.sleep(LOOK_SECONDS)
    return True
