"""The chapter of the service: a real server process, real HTTP, a claim's whole life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from circuits.claim import encode_claim
from demo.cases import World
from demo.claim_chapters import Files
from demo.commands import ROOT, Finished, run_command
from demo.stage import Stage

DATA = "data"
STOP_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A running service, and the administrator's token that it printed."""

    url: str
    admin_token: str = field(repr=False)


@contextmanager
def serving(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`verifier serve` in a process of its own, on a free port of this machine."""
    environment = {"CLAIROBSCUR_DATA_DIR": DATA, **(settings or {})}
    with _process(folder, ("serve", "--port", "0"), environment) as told:
        yield Server(str(told["url"]), str(told["admin_token"] or ""))


@contextmanager
def serving_attester(folder: Path) -> Iterator[str]:
    """`verifier attester serve` likewise, over the files of the story; its URL."""
    files = ("--key", "secret.key", "--opticians", "keys.json", "--records", "csv:orders.csv")
    with _process(folder, ("attester", "serve", "--port", "0", *files), {}) as told:
        yield str(told["url"])


@contextmanager
def _process(
    folder: Path, words: Sequence[str], environment: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """A command that serves until the block ends, and what it said when it was ready."""
    with (folder / "service.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "verifier_api", *words, "--json"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError((folder / "service.log").read_text()[-2000:])
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def tell_service(stage: Stage, world: World, files: Files) -> None:
    """Set up, submit, repeat, ask twice, invoice; and what the insurer has recorded."""
    say = stage.say
    stage.chapter("service")
    stage.tell("service.intro")
    stage.gap()
    beneficiary = world.example("equipment").beneficiary
    with serving(files.insurer) as server:
        stage.show("[head]$ verifier serve[/]")
        stage.tell("service.serving", indent=4, url=server.url)
        _set_up(stage, files, beneficiary)
        first = _send(stage, files, server, "submit", "claim.json", show=True)
        stage.check(first.exit_code == 0, f"submit: {first.error or first.facts}")
        until = str(first.facts.get("granted_until"))[:10]
        stage.show(f"[good]✓ {say('service.granted', until=until)}[/]", indent=4)
        stage.gap()
        table = Table.grid(padding=(0, 2))
        table.add_column(style="soft", no_wrap=True)
        table.add_column()
        again = _send(stage, files, server, "submit", "claim.json")
        is_same = again.facts.get("judged_at") == first.facts.get("judged_at")
        stage.check(is_same and again.exit_code == 0, "the same claim got another answer")
        table.add_row(say("service.again"), f"[good]✓ {say('service.same')}[/]")
        # A second equipment for the same person: other seals, so another claim.
        second = world.case(world.example("equipment"))
        (files.shop / "second.json").write_bytes(encode_claim(second.claim))
        early = _send(stage, files, server, "submit", "second.json")
        reason = early.facts.get("reason")
        stage.check(reason == "renewal_too_early", f"second equipment: {early.facts}")
        titles = early.facts.get("reason_titles") or {}
        title = titles.get(say.language, "")
        table.add_row(say("service.second"), f"[bad]✗ {reason}[/], {title}")
        invoice = _send(
            stage,
            files,
            server,
            "invoice",
            "claim.json",
            *("--key", "secret.key", "--date-of-delivery", world.day.isoformat()),
        )
        answer = invoice.facts.get("answer") or {}
        stage.check(answer.get("state") == "payable", f"invoice: {invoice.error or answer}")
        table.add_row(say("service.invoice"), f"[good]✓ {say('service.payable')}[/]")
        stage.show(table, indent=4)
    stage.gap()
    checked = run_command(files.insurer, "verifier", "database", "check", "--data-dir", DATA)
    stage.command(checked)
    found = checked.facts
    is_sound = checked.exit_code == 0 and found.get("claims") == 2
    stage.check(is_sound, f"database check: {checked.error or found}")
    stage.tell("service.recorded", claims=found.get("claims"))
    _check_secrets(stage, files)


def _set_up(stage: Stage, files: Files, beneficiary: str) -> None:
    """What the insurer loads once, by command, while the service runs."""
    commands = (
        ("nomenclature", "add"),
        ("contracts", "add", "contract.json"),
        ("keys", "add", "keys.json"),
        ("rights", "add", beneficiary, "--contract", "responsable-2020", "--from", "2020-01-01"),
        ("tokens", "create", "optician", "--optician", "optician-1"),
    )
    for words in commands:
        done = run_command(files.insurer, "verifier", *words, "--data-dir", DATA)
        stage.check(done.exit_code == 0, f"{' '.join(words[:2])}: {done.error}")
    token = files.shop / "token"
    token.write_text(str(done.facts.get("token", "")), encoding="ascii")
    token.chmod(0o600)
    stage.tell("service.set_up", indent=4)
    stage.gap()


def _send(stage: Stage, files: Files, server: Server, *words: str, show: bool = False) -> Finished:
    done = run_command(files.shop, "optician", *words, "--to", server.url, "--token-file", "token")
    if show:
        stage.command(done)
    return done


def _check_secrets(stage: Stage, files: Files) -> None:
    """Neither a token nor what opens a seal stands in anything that the insurer keeps or logs."""
    kept = (files.insurer / "service.log").read_bytes() + b"".join(
        path.read_bytes() for path in sorted((files.insurer / DATA).iterdir()) if path.is_file()
    )
    openings = json.loads((files.shop / "openings.json").read_bytes())
    secrets = [line["blinding"].encode() for line in openings["lines"]]
    secrets.append((files.shop / "token").read_bytes())
    stage.check(not any(secret in kept for secret in secrets), "the insurer keeps a secret")
