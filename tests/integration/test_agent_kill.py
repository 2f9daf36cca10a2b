"""Agents as processes: killed at each write of a claim, and two of them on one vault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import decode_claim
from optician.agent import store
from optician.claiming import Openings
from tests.support import claims as samples
from tests.support.agents import PRISTINE
from tests.support.ending import ending_with_us
from tests.support.shops import (
    Clock,
    FakeInsurer,
    Premises,
    answering,
    make_premises,
    open_premises,
    order,
)

pytestmark = pytest.mark.integration

CLAIMS = 30
BOTH = 5
SECONDS = 120


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ending_with_us("KILL"), sys.executable, "-m", "tests.support.agents", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.strip()]


def openings_of(premises: Premises, claim_id: str) -> Openings:
    with premises.vault.read() as reading:
        hidden = store.openings(reading, claim_id)
    assert hidden is not None
    return Openings.parse(store.unpack(hidden)["openings"].encode(), samples.generators())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_any_write_a_claim_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    insurer = FakeInsurer()
    with answering(insurer) as url:
        premises = make_premises(tmp_path, insurer, url=url)
        premises.vault.close()
        shutil.copyfile(premises.vault.path, tmp_path / PRISTINE)
        run = subprocess.run(
            [sys.executable, "-m", "tests.support.agents", "dying", str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
    points = told(run.stdout.splitlines())
    assert [point["was_killed"] for point in points] == [True] * (len(points) - 1) + [False]
    assert points[-1]["code"] == 0
    assert len(points) > 15  # making, sending, invoice and sending it: each writes several times
    found: dict[str, int] = {}
    for point in points:
        vault = tmp_path / f"before-{point['point']}.vault"
        premises = open_premises(vault, insurer, Clock())
        assert premises.vault.check() == []
        before = premises.shop.claims()
        found.setdefault(before[0].state if before else "none", 0)
        assert len(before) <= 1
        if before:  # whole: what it hides opens what it commits to
            openings = openings_of(premises, before[0].claim_id)
            with premises.vault.read() as reading:
                stored = store.claim(reading, before[0].claim_id)
            assert stored is not None
            claim = decode_claim(stored.content["claim"].encode())
            assert openings.commitments == tuple(line.commitment for line in claim.lines)
        record = premises.shop.make(order())
        premises.clock.move(seconds=store.LEASE_SECONDS)  # a lease of the dead has ended
        premises.sender.send_due()
        if premises.shop.claim(record.claim_id).state == "granted":
            premises.shop.invoice(record.claim_id, samples.DAY)
            premises.sender.send_due()
        after = premises.shop.claim(record.claim_id)
        assert (after.state, after.waiting) == ("payable", ())
        assert not before or before[0].claim_id == record.claim_id
        found[record.claim_id] = 1
        premises.vault.close()
    assert {"none", "pending", "granted", "payable"} <= set(found)
    # What arrived is just what is kept, and each of it counted once.
    assert set(insurer.arrivals) == {name for name, one in found.items() if one}
    assert set(insurer.arrivals.values()) == {1}


def test_two_agents_on_one_vault_send_each_claim_once(tmp_path: Path) -> None:
    insurer = FakeInsurer()
    with answering(insurer) as url:
        premises = make_premises(tmp_path, insurer, url=url)
        for number in range(CLAIMS):
            premises.shop.make(order(f"sale-{number}", statement="line"))
        premises.vault.close()
        agents = [start("draining", str(premises.vault.path), str(BOTH)) for _ in range(2)]
        try:
            for agent in agents:
                assert agent.stdout is not None
                assert told([agent.stdout.readline()]) == [{"is_ready": True}]
            for agent in agents:
                assert agent.stdin is not None
                agent.stdin.write("\n")
                agent.stdin.flush()
            outputs = [told(agent.communicate(timeout=SECONDS)[0].splitlines()) for agent in agents]
        finally:
            for agent in agents:
                agent.kill()
                agent.wait()
        assert [agent.returncode for agent in agents] == [0, 0]
    (first,), (second,) = outputs
    assert first["made"] == second["made"]  # the same sale has one claim
    assert first["done"] + second["done"] == CLAIMS + BOTH
    assert first["failed"] + second["failed"] == 0
    assert len(insurer.arrivals) == CLAIMS + BOTH
    assert set(insurer.arrivals.values()) == {1}
    posted = [path for method, path, _ in insurer.requests if method == "POST"]
    assert posted == ["/v1/claims"] * (CLAIMS + BOTH)  # nothing went twice, harmless or not
    premises = open_premises(premises.vault.path, insurer, Clock())
    assert premises.shop.counts() == {"granted": CLAIMS + BOTH}
    assert premises.vault.check() == []
    premises.vault.close()
