"""Chapters one to three: the sale, what leaves the shop, the insurer's verdict."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from rich import box
from rich.table import Table

from circuits.claim import Claim, decode_claim
from circuits.slots import Correction
from demo.cases import CONTRACTS, Case, World, short_commitment, shown_backends
from demo.commands import Finished, run_command
from demo.stage import Stage
from demo.words import Speaker
from optician.claiming import Openings
from optician.identity import Identity
from optician.sale import Sale

ROLES = "right_lens", "left_lens", "frame"


class Files:
    """The two parties' folders: a file passes from one to the other only by `send`."""

    def __init__(self, root: Path) -> None:
        self.shop, self.insurer = root / "shop", root / "insurer"
        self.shop.mkdir()
        self.insurer.mkdir()

    def send(self, name: str) -> None:
        """From the shop to the insurer."""
        (self.insurer / name).write_bytes((self.shop / name).read_bytes())


def show_command(stage: Stage, done: Finished) -> None:
    """A command as typed, and how long its process lived."""
    stage.command(done)
    stage.tell("process", indent=4, ms=stage.say.milliseconds(done.milliseconds))


def make_keys(stage: Stage, files: Files) -> Identity:
    """The shop's key, made by the real command."""
    done = run_command(
        files.shop,
        "optician",
        "keygen",
        "optician-1",
        "--out",
        "secret.key",
        "--public",
        "key.json",
    )
    stage.check(done.exit_code == 0, f"keygen: {done.error}")
    return Identity.parse((files.shop / "secret.key").read_bytes())


# -- 1 ---------------------------------------------------------------------------------------------


def tell_sale(stage: Stage, world: World, files: Files) -> Sale:
    """The sale, in full view for once; it is written to the shop's folder."""
    say = stage.say
    sale = world.example("equipment")
    (files.shop / "sale.json").write_bytes(world.example_document("equipment"))
    stage.chapter("sale")
    codes = len({row.code for row in world.table.rows})
    stage.tell(
        "sale.intro",
        day=world.day.isoformat(),
        version=world.table.version,
        codes=say.number(codes),
    )
    table = Table(box=box.SIMPLE_HEAD, header_style="soft", pad_edge=False)
    for key, justify in (("article", "left"), ("code", "left"), ("class", "left")):
        table.add_column(say(key), justify=justify)  # type: ignore[arg-type]
    table.add_column(say("correction"))
    table.add_column(say("price"), justify="right")
    for role, item in zip(ROLES, sale.items(), strict=True):
        article = item.article()
        table.add_row(
            say(role),
            f"[secret]{article.code}[/]",
            world.table.row(article.code, world.day).regroupement,
            f"[secret]{describe_correction(say, article.correction)}[/]",
            f"[secret]{say.euros(article.price_cents)}[/]",
        )
    total = sum(item.price_cents for item in sale.items())
    table.add_row("", "", "", f"[soft]{say('total')}[/]", f"[secret]{say.euros(total)}[/]")
    stage.show(table)
    return sale


def describe_correction(say: Speaker, correction: Correction | None) -> str:
    """As opticians write it: −3.75 (−0.75) 95° add 2.00."""
    if correction is None:
        return "—"
    parts = [say.power(correction.sphere)]
    if correction.cylinder:
        parts.append(f"({say.power(correction.cylinder)}) {correction.axis}°")
    if correction.addition:
        parts.append(f"add {say.power(correction.addition).removeprefix('+')}")
    return " ".join(parts)


# -- 2 ---------------------------------------------------------------------------------------------


def tell_claim(stage: Stage, world: World, files: Files, sale: Sale) -> Case:
    """`optician prove`, then secret and public side by side."""
    stage.chapter("leaves")
    contract = (CONTRACTS / "responsable.json").read_bytes()
    (files.shop / "contract.json").write_bytes(contract)
    (files.insurer / "contract.json").write_bytes(contract)
    done = run_command(
        files.shop,
        "optician",
        *("prove", "sale.json", "--contract", "contract.json", "--key", "secret.key"),
        *("--out", "claim.json", "--openings", "openings.json"),
    )
    show_command(stage, done)
    stage.check(done.exit_code == 0, f"prove: {done.error}")
    data = (files.shop / "claim.json").read_bytes()
    claim = decode_claim(data)
    openings = Openings.parse((files.shop / "openings.json").read_bytes(), world.generators)
    case = world.case_of(sale, claim, openings)
    stage.check(not leaked(data, sale), "a code or a price stands in the claim")
    stage.gap()
    stage.show(_side_by_side(stage, world, case, len(data)))
    stage.gap()
    say = stage.say
    levels = (world.table.legal_level(line.regroupement or "") for line in claim.lines[:2])
    stage.tell(
        "sale.contract",
        contract=world.contract.contract_id,
        level=case.level,
        levels=" + ".join(say(f"level.{level}") for level in levels),
        ceiling=say.euros(case.ceiling_cents),
        frame_ceiling=say.euros(world.contract.frame_ceiling_cents),
    )
    stage.gap()
    stage.tell("leaves.says")
    stage.gap()
    _tell_hash(stage, world, sale)
    return case


def leaked(data: bytes, sale: Sale) -> bool:
    """Whether a secret number stands anywhere in the bytes of a claim, as a JSON value would."""
    secrets = {item.code for item in sale.items()} | {item.price_cents for item in sale.items()}

    def numbers(value: object) -> set[int]:
        if isinstance(value, dict):
            return set().union(*map(numbers, value.values()))
        if isinstance(value, list):
            return set().union(*map(numbers, value))
        return {value} if isinstance(value, int) else set()

    return bool(numbers(json.loads(data)) & secrets)


def _side_by_side(stage: Stage, world: World, case: Case, claim_bytes: int) -> Table:
    say, claim = stage.say, case.claim
    assert claim.amounts is not None
    table = Table(box=box.ROUNDED, show_lines=True, expand=True, border_style="soft")
    table.add_column("", style="head", no_wrap=True)
    table.add_column(say("stays.head"), header_style="shop", ratio=4)
    table.add_column(say("leaves.head"), header_style="insurer", ratio=6)
    for role, line, item in zip(ROLES, claim.lines, case.sale.items(), strict=True):
        article = item.article()
        stays = f"[secret]{article.code}   {say.euros(article.price_cents)}[/]"
        if article.correction:
            stays += f"\n[secret]{describe_correction(say, article.correction)}[/]"
        size = world.table.class_size(line.regroupement or "", world.day)
        hides = "leaves.hides.lens" if size.carries_correction else "leaves.hides.frame"
        leaves = (
            f"{say('leaves.class', name=line.regroupement)}\n"
            f"{say(hides, codes=size.codes, cells=size.cells)}\n"
            f"{say('leaves.commitment', commitment=short_commitment(line.commitment))}"
        )
        table.add_row(say(role), f"{stays}\n[soft]{say('stays.blinding')}[/]", leaves)
    total = sum(item.price_cents for item in case.sale.items())
    lenses, frame = claim.amounts.lenses_cents, claim.amounts.frame_cents
    table.add_row(
        say("amounts"),
        f"[secret]{say('total')} {say.euros(total)}[/]",
        say("amounts.leaves", lenses=say.euros(lenses), frame=say.euros(frame)),
    )
    table.add_row(say("envelope"), f"[secret]{say('envelope.stays')}[/]", say("envelope.leaves"))
    table.add_row(
        say("proof"),
        f"[secret]{say('proof.stays', wires=case.statement.circuit.wires)}[/]",
        say(
            "proof.leaves",
            proof=say.number(len(claim.proof_bytes())),
            claim=say.number(claim_bytes),
        ),
    )
    return table


def _tell_hash(stage: Stage, world: World, sale: Sale) -> None:
    """What an unsalted hash would have been worth, tried."""

    def digest(code: int) -> bytes:
        return hashlib.sha256(str(code).encode()).digest()

    wanted = digest(sale.items()[0].code)
    start = time.perf_counter()
    tries = next(
        number for number, row in enumerate(world.table.rows, start=1) if digest(row.code) == wanted
    )
    spent = (time.perf_counter() - start) * 1000
    stage.tell("leaves.hash", tries=stage.say.number(tries), ms=stage.say.milliseconds(spent))


# -- 3 ---------------------------------------------------------------------------------------------


def tell_verdict(stage: Stage, world: World, files: Files) -> Claim:
    """`verifier check`, over both backends."""
    say = stage.say
    stage.chapter("verdict")
    stage.tell("verdict.intro")
    stage.gap()
    files.send("claim.json")
    (files.insurer / "keys.json").write_bytes(world.keys_file())
    for backend in shown_backends():
        done = run_command(
            files.insurer,
            "verifier",
            *("check", "claim.json", "--contract", "contract.json"),
            *("--optician-keys", "keys.json"),
            backend=backend,
        )
        if backend == shown_backends()[0]:
            stage.command(done)
        facts = done.facts
        is_accepted = done.exit_code == 0 and facts.get("verdict") == "accepted"
        stage.check(is_accepted, f"check over {backend}: {done.error or facts.get('reason')}")
        spent = facts.get("milliseconds", {})
        times = {name: say.milliseconds(spent.get(name, 0.0)) for name in ("total", "proof")}
        mark = f"[good]✓ {say('accepted')}[/]" if is_accepted else f"[bad]✗ {done.error}[/]"
        stage.show(f"{mark}  {say('verdict.by', backend=backend, **times)}", indent=4)
        stage.show(f"[soft]{say(f'verdict.note.{backend}')}[/]", indent=16)
    stage.gap()
    stage.tell("verdict.limits")
    return decode_claim((files.insurer / "claim.json").read_bytes())


def mark_of(stage: Stage, reason: str | None) -> str:
    """A verdict in colour: ✓ accepted, or ✗ the reason code and what it means."""
    if reason is None:
        return f"[good]✓ {stage.say('accepted')}[/]"
    return f"[bad]✗ {reason}[/], {stage.say.reason(reason)}"
