"""`optician agent` as a process of its own: where it listens, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import ROOT, run_process
from tests.support.ending import ending_with_us
from tests.support.shops import PASSPHRASE, make_premises, order_document

pytestmark = pytest.mark.integration


@contextmanager
def agent(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and what it told when it was ready."""
    program = [
        *ending_with_us("KILL"),
        sys.executable,
        "-m",
        "optician",
        "agent",
        "--port",
        "0",
        "--json",
        *options,
    ]
    clean = {name: value for name, value in os.environ.items() if "CLAIROBSCUR_PASS" not in name}
    with subprocess.Popen(
        [*program, "--vault", str(folder / "shop.vault")],
        cwd=ROOT,
        env=clean | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_it_serves_on_loopback_until_it_is_interrupted(tmp_path: Path) -> None:
    make_premises(tmp_path).vault.close()
    secret = tmp_path / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE + "\n")
    options = ("--vault", "shop.vault", "--passphrase-file", "passphrase")
    token = run_process("optician", "agent-token", *options, cwd=tmp_path).out.strip()
    with agent(tmp_path, "--passphrase-file", str(secret)) as (process, told):
        assert told["state"] == "open"
        url = told["url"]
        assert url.startswith("http://127.0.0.1:")
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx2.get(url + "v1/status", headers=headers).json()["status"] == "ready"
        order = order_document("pos-1")
        claimed = httpx2.post(url + "v1/claims?wait=0", headers=headers, json=order)
        assert claimed.json()["state"] == "pending"
        assert httpx2.get(url).headers["location"] == "/lock"
        foreign = httpx2.get(url, headers={"Host": "evil.example"})
        assert foreign.status_code == 421
        port = int(url.rpartition(":")[2].rstrip("/"))
        other = socket.gethostbyname(socket.gethostname())
        if not other.startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((other, port), timeout=5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    for secret_text in (token, PASSPHRASE, str(order["frame"]["code"])):
        assert secret_text not in out + err
    assert "Traceback" not in err


def test_without_a_key_it_starts_locked_and_without_a_vault_with_the_first_steps(
    tmp_path: Path,
) -> None:
    with agent(tmp_path) as (_, told):
        assert told["state"] == "missing"
        assert httpx2.get(told["url"]).headers["location"] == "/setup"
        port = told["url"].rpartition(":")[2].rstrip("/")
        options = ("--port", port, "--vault", "shop.vault", "--json")
        second = run_process("optician", "agent", *options, cwd=tmp_path)
        assert second.code == 2
        assert json.loads(second.err)["detail"].startswith(f"127.0.0.1:{port}")
    make_premises(tmp_path).vault.close()
    with agent(tmp_path) as (_, told):
        assert told["state"] == "locked"
        status = httpx2.get(told["url"] + "v1/status", headers={"Authorization": "Bearer x"})
        assert status.json()["code"] == "vault_locked"
