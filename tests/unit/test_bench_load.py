"""What the load program computes and tells; the program itself runs in the integration tests."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from pathlib import Path

from bench import load
from bench.load_report import load_block, plot_load, write_load_report
from bench.plots import draw
from bench.report import fill
from bench.results import FOLDER

ROUND = {
    "claims": 512,
    "mean_batch": 16.0,
    "service_cpu_ms": 1.4,
    "verify_batch_cpu_ms": 0.6,
    "bare_cpu_ms": 0.4,
    "ratio": 2.0,
    "claims_a_second": 700.0,
    "bare_a_second": 3000.0,
    "median_ms": 40.0,
    "p95_ms": 60.0,
    "tail": 1.5,
    "errors": {},
}
RESULTS = {
    "rounds": [ROUND, ROUND | {"ratio": 2.2}],
    "ratio": 2.1,
    "tail": 1.5,
    "connections": 32,
    "database": "SQLite",
    "targets": {"ratio": 2.5, "tail": 3.0},
    "machine": {"processor": "P", "cores": 2, "python": "CPython 3.11"},
    "soak": {
        "seconds": 600.0,
        "requests": 24000,
        "errors": {},
        "samples": [{"seconds": 1.0, "memory_mb": 200.0, "handles": 60}] * 3,
        "memory_mb_early": 200.0,
        "memory_mb_late": 201.0,
        "handles_early": 60,
        "handles_late": 60,
    },
}


def test_the_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100)]
    assert load.quantile(values, 0.95) == 95.0
    assert load.quantile([7.0], 0.95) == 7.0


def test_this_process_uses_time_memory_and_handles() -> None:
    before = load.used_by(os.getpid())
    sum(number * number for number in range(2_000_000))
    after = load.used_by(os.getpid())
    assert after.cpu_seconds > before.cpu_seconds
    assert after.memory_bytes > 10_000_000
    assert after.handles >= 3


def test_a_process_that_is_none_uses_nothing() -> None:
    assert load.used_by(2**22 + 1) == load.Used(0.0, 0, 0)


def test_a_missed_target_is_told() -> None:
    assert "met: 2.10, at most 2.5" in load_block(RESULTS)
    missed = copy.deepcopy(RESULTS) | {"ratio": 2.6}
    assert "**missed**: 2.60, at most 2.5" in load_block(missed)
    assert "24,000 requests, 0 errors" in load_block(RESULTS)
    assert "Soak" not in load_block({name: RESULTS[name] for name in RESULTS if name != "soak"})


def test_the_report_fills_its_block_and_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:begin load -->\n<!-- bench:end load -->\n")
    write_load_report(RESULTS, tmp_path, page)
    assert load_block(RESULTS) in page.read_text()
    assert (tmp_path / "load.svg").read_bytes() == draw(RESULTS, plot_load)


def test_answers_that_are_errors_are_counted() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split()[0]))
            status = b"503 No" if body == b"bad" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")

    async def run() -> load.Load:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        done = await load.put_load(url, "/x", [b"good"] * 5 + [b"bad"] * 2, "token", b"{}", 3)
        unexpected = await load.put_load(url, "/x", [b"good"], "token", b"granted", 1)
        assert unexpected.errors == {0: 1}
        server.close()
        return done

    done = asyncio.run(run())
    assert done.errors == {503: 2}
    assert len(done.latencies) == 7


def test_the_soak_is_told_by_its_second_fifth_and_its_last() -> None:
    samples = [
        {"seconds": float(number), "memory_mb": 100.0 + number, "handles": 36 + number % 3}
        for number in range(50)
    ]
    summary = load.soak_summary(samples)
    assert summary["memory_mb_early"] == 115.0
    assert summary["memory_mb_late"] == 144.5
    assert (summary["handles_early"], summary["handles_late"]) == (36, 36)


def test_the_page_tells_what_was_measured(repository: Path) -> None:
    results = json.loads((FOLDER / "load.json").read_text(encoding="utf-8"))
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert fill(page, "load", load_block(results)) == page
