"""Chapters five to eight: audit, level only, a batch, the times."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from gmpy2 import mpz
from rich import box
from rich.table import Table

from circuits.claim import Claim, encode_claim
from circuits.contract import LEVEL_WEIGHT, weight_of
from circuits.items import level_weight
from circuits.nomenclature import size_of
from circuits.opening import decode_line_opening, encode_line_opening
from demo.cases import Case, World, shown_backends
from demo.claim_chapters import Files, mark_of, show_command
from demo.commands import Finished, run_command
from demo.lies import Liars, spoil
from demo.stage import Stage
from verifier_api.judge import Verdict

LINE = 1
RUNS = 9


# -- 5 ---------------------------------------------------------------------------------------------


def tell_audit(stage: Stage, files: Files, claim: Claim) -> None:
    """A line opened in part; then three ways to abuse that."""
    say, purpose = stage.say, stage.say("audit.purpose")
    stage.chapter("audit")
    stage.tell("audit.intro", purpose=purpose)
    stage.gap()
    done = run_command(
        files.shop,
        "optician",
        *("open", "openings.json", "--line", str(LINE), "--reveal", "code,price"),
        *("--purpose", purpose, "--out", "opening.json"),
    )
    show_command(stage, done)
    stage.check(done.exit_code == 0, f"open: {done.error}")
    files.send("opening.json")

    def judge(asked: str) -> Finished:
        return run_command(
            files.insurer,
            "verifier",
            *("check-opening", "opening.json", "--claim", "claim.json", "--purpose", asked),
        )

    opened = judge(purpose)
    revealed = opened.facts.get("revealed", {})
    stage.command(opened)
    sale = json.loads((files.shop / "sale.json").read_bytes())
    sold = sale["right_lens"]
    stage.check(
        revealed == {"code": sold["code"], "price_cents": sold["price_cents"]},
        f"check-opening: {opened.error or opened.facts}",
    )
    opening = decode_line_opening((files.shop / "opening.json").read_bytes())
    altered = opening.model_copy(
        update={"revealed": opening.revealed | {"price": opening.revealed["price"] - 1}}
    )
    moved = opening.model_copy(update={"line": 2})
    other = say("audit.other_purpose")
    rows: list[tuple[str, str | None, Finished]] = [
        (say("audit.true"), None, opened),
        (say("audit.wrong_purpose", purpose=other), "opening_other_purpose", judge(other)),
    ]
    for key, expected, changed in (
        ("audit.altered", "opening_invalid", altered),
        ("audit.moved", "opening_other_line", moved),
    ):
        (files.insurer / "opening.json").write_bytes(encode_line_opening(changed))
        rows.append((say(key), expected, judge(purpose)))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="soft")
    grid.add_column()
    for label, wanted, done in rows:
        found = done.facts.get("reason", done.error)
        grid.add_row(label, mark_of(stage, found))
        stage.check(found == wanted, f"{label}: {found}, not {wanted}")
    stage.show(grid, indent=4)
    stage.gap()
    price = say.euros(int(str(revealed.get("price_cents", 0))))
    stage.tell("audit.learns", code=revealed.get("code"), price=price)


# -- 6 ---------------------------------------------------------------------------------------------


def tell_pair(stage: Stage, world: World, case: Case) -> Case:
    """The same sale by level: what the insurer no longer learns."""
    say = stage.say
    stage.chapter("pair")
    stage.tell("pair.intro")
    pair = world.case(world.example("pair"))
    verdict = world.judge(pair.claim)
    stage.check(verdict.is_accepted, f"pair: {verdict.reason}")
    level = pair.claim.level or ""
    possible = [
        row
        for row in world.table.lens_union(pair.claim.price_class or "B", world.day)
        if weight_of(level) - level_weight(row, world.table) in LEVEL_WEIGHT.values()
    ]
    hidden = size_of(possible)
    table = Table(box=box.SIMPLE_HEAD, header_style="soft", pad_edge=False)
    table.add_column(say("pair.learns"))
    table.add_column(say("pair.with_classes"))
    table.add_column(say("pair.level_only"), style="insurer")
    for role, line in zip(("right_lens", "left_lens"), case.claim.lines, strict=False):
        name = line.regroupement or ""
        size = world.table.class_size(name, world.day)
        table.add_row(
            say(role),
            say("pair.lens", name=name, codes=size.codes, cells=size.cells),
            say("pair.union", codes=say.number(hidden.codes), cells=hidden.cells),
        )
        shown = next(entry for entry in pair.claim.lines if entry.role == role)
        stage.check(shown.regroupement is None, f"pair: {role} names a class")
    table.add_row(say("pair.level"), case.level, level)
    table.add_row(say("pair.which"), say("yes"), f"[good]{say('no')}[/]")
    sizes = (len(claim.proof_bytes()) for claim in (case.claim, pair.claim))
    table.add_row(say("pair.size"), *(say("bytes", count=say.number(size)) for size in sizes))
    stage.show(table)
    same = pair.claim.amounts == case.claim.amounts
    stage.check(same, "pair: other amounts")
    stage.show(mark_of(stage, verdict.reason))
    return pair


# -- 7 ---------------------------------------------------------------------------------------------


def tell_batch(stage: Stage, world: World, liars: Liars, files: Files, count: int) -> None:
    """``count`` claims, two of them bad, at random places."""
    say, dice = stage.say, random.SystemRandom()
    stage.chapter("batch")
    stage.tell("batch.intro", count=count)
    stage.gap()
    classes = [row.regroupement for row in world.rows]
    good: list[Claim] = []
    with stage.progress() as track:
        for _ in track(range(count)):
            chosen = [dice.choice(world.table.class_rows(name, world.day)) for name in classes]
            prices = [price - dice.randrange(price // 4) for price in world.prices_cents]
            sale = world.sale(tuple(prices), rows=tuple(chosen))
            good.append(world.case(sale).claim)
    flipped, greedy = dice.sample(range(count), 2)
    claims = list(good)
    claims[flipped] = spoil(world, good[flipped])
    claims[greedy] = liars.greedy_claim()
    name = "claims.ndjson"
    (files.insurer / name).write_bytes(b"".join(encode_claim(c) + b"\n" for c in claims))
    done = run_command(
        files.insurer,
        "verifier",
        *("check-batch", name, "--contract", "contract.json", "--optician-keys", "keys.json"),
    )
    show_command(stage, done)
    stage.check(len(done.output) == count, f"check-batch: {done.error}")
    bad = {number: entry for number, entry in enumerate(done.output) if entry["reason"]}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="head")
    grid.add_column(no_wrap=True)
    grid.add_column()
    for number, entry in bad.items():
        kind = "batch.flipped" if number == flipped else "batch.cent"
        label = say("batch.number", number=number + 1)
        grid.add_row(label, say(kind), mark_of(stage, entry["reason"]))
    stage.show(grid, indent=4)
    stage.check(set(bad) == {flipped, greedy}, f"batch: {sorted(bad)} named")
    seconds = json.loads(done.error.splitlines()[-1])["seconds"]
    stage.tell(
        "batch.good",
        indent=4,
        count=count - len(bad),
        ms=say.milliseconds(seconds * 1000),
        each=say.milliseconds(seconds * 1000 / count),
    )
    judge = world.judge_of()
    whole = _timed(
        lambda: stage.check(_all_accepted(judge.judge_batch(good)), "batch of good ones")
    )
    single = _timed(lambda: stage.check(_all_accepted(map(judge.judge, good)), "one by one"))
    stage.tell(
        "batch.clean",
        indent=4,
        ms=say.milliseconds(whole),
        each=say.milliseconds(whole / count),
        factor=say.decimal(single / whole),
    )


def _all_accepted(verdicts: Iterable[Verdict]) -> bool:
    return all(verdict.is_accepted for verdict in verdicts)


def _timed(action: Callable[[], object]) -> float:
    """How long ``action`` takes, in milliseconds."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


# -- 8 ---------------------------------------------------------------------------------------------


def tell_times(stage: Stage, world: World, cases: Sequence[Case]) -> None:
    """Proving and judging, measured now, with the sizes they have."""
    say = stage.say
    stage.chapter("times")
    stage.tell("times.intro", runs=RUNS)
    table = Table(box=box.SIMPLE_HEAD, header_style="soft", pad_edge=False)
    table.add_column(say("statement"))
    for key in ("wires", "times.proof", "times.prove"):
        table.add_column(say(key), justify="right")
    for backend in shown_backends():
        table.add_column(f"{say('times.verify')}\n{backend}", justify="right")
    for case in cases:
        judges = [world.judge_of(case.contract, backend) for backend in shown_backends()]
        made = _median(partial(world.case, case.sale, case.contract))
        judged = [_median(partial(judge.judge, case.claim)) for judge in judges]
        table.add_row(
            case.claim.statement,
            say.number(case.statement.circuit.wires),
            say("bytes", count=say.number(len(case.claim.proof_bytes()))),
            say.milliseconds(made),
            *map(say.milliseconds, judged),
        )
    stage.show(table)
    group, scalar = world.generators.group, mpz(random.SystemRandom().getrandbits(255))
    unit = _median(lambda: group.mul(scalar, world.generators.G), runs=100 * RUNS)
    stage.tell("times.unit", unit=say.milliseconds(unit))


def _median(action: Callable[[], object], runs: int = RUNS) -> float:
    return statistics.median(_timed(action) for _ in range(runs))
