"""A batch is one request of its token, and leaves room in the queue for everybody's claims."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

from circuits.claim import encode_claim
from tests.support.insurer import Insurer
from tests.support.server import Server, fresh_store, start_server

pytestmark = pytest.mark.integration

LINES = 1200
QUEUE = 8


def test_batches_do_not_keep_others_claims_out(tmp_path: Path) -> None:
    server = start_server(fresh_store("sqlite", tmp_path, None), queue_limit=QUEUE)
    try:
        insurer = Insurer(server)
        other = insurer.new_optician()
        line = encode_claim(insurer.claim("line", by=other)) + b"\n"
        claims = insurer.lines(4)
        answers: list[bytes] = []

        def batch() -> None:
            path, media_type = "/v1/proofs/verify-batch", "application/x-ndjson"
            reply = server.ask("POST", path, other.token, line * LINES, media_type)
            answers.extend(reply.content.splitlines())

        batches = [threading.Thread(target=batch) for _ in range(2)]
        for thread in batches:
            thread.start()
        while _depth(server) == 0:
            time.sleep(0.01)
        client = insurer.client(retries=0)  # an overloaded service would be told of
        verdicts = [client.submit_claim(claim).verdict for claim in claims]
        were_working = [thread.is_alive() for thread in batches]
        for thread in batches:
            thread.join()
        assert verdicts == ["granted"] * len(claims)
        assert were_working == [True, True]
        assert len(answers) == 2 * LINES
        assert all(b'"accepted"' in answer for answer in answers)
    finally:
        server.kill()


def _depth(server: Server) -> float:
    """Claims that wait or are being verified."""
    told = server.ask("GET", "/metrics", server.admin_token).content.decode()
    return float(re.findall(r"^clairobscur_queue_depth (\S+)$", told, re.MULTILINE)[0])
