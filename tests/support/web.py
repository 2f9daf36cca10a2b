"""The insurer's application in this process, over a fresh SQLite file, with one token a scope.

The clock stands at `tests.support.claims.NOW`, so that sample claims are granted. Reference data is
written before the application starts.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog
from fastapi import FastAPI
from starlette.testclient import TestClient

from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_claim
from circuits.contract import Contract
from tests.support import claims as samples
from verifier_api.keys import parse_key_entries
from verifier_api.service.access import Scope
from verifier_api.service.administration import (
    COMMAND,
    Right,
    TokenRequest,
    add_contract,
    add_nomenclature,
    add_rights,
    create_token,
    register_keys,
)
from verifier_api.service.pool import ProofPool
from verifier_api.service.proofs import ProofTask, ProofVerdict
from verifier_api.service.service import VerifierService
from verifier_api.settings import Settings, load_settings
from verifier_api.store.database import Database, sqlite_url
from verifier_api.web.app import make_app, make_service
from verifier_api.web.logs import configure_logs
from verifier_api.web.metrics import Metrics

OPTICIAN = "optician-1"
OTHER_OPTICIAN = "optician-2"
TOKENS: dict[str, tuple[Scope, str | None]] = {
    "optician": ("optician", OPTICIAN),
    "other optician": ("optician", OTHER_OPTICIAN),
    "reader": ("reader", None),
    "auditor": ("auditor", None),
    "admin": ("admin", None),
}
"""Names of tokens, with what they stand for."""

UNLIMITED = {"rate_per_second": 100_000.0, "rate_burst": 100_000, "concurrency_per_token": 1000}
RIGHTS_FROM = date(2020, 1, 1)


class NoProofs:
    """Stands where the workers are in tests that verify no proof, and so need no processes."""

    depth = 0
    restarts = 0

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to end."""

    def is_alive(self) -> bool:
        """It is."""
        return True

    async def judge(self, task: ProofTask) -> ProofVerdict:
        """Not to be asked."""
        raise AssertionError("a proof would have been verified")


class Insurer:
    """The application's parts; `serving` starts them."""

    def __init__(
        self,
        folder: Path,
        *,
        has_workers: bool = False,
        of_contract: Contract | None = None,
        **settings: Any,
    ) -> None:
        """A database in ``folder`` with a contract, by default the sample one, a table, two keys,
        rights and `TOKENS`."""
        chosen: dict[str, Any] = {"workers": 1, **UNLIMITED, **settings}
        self.settings: Settings = load_settings(
            database=sqlite_url(folder / "verifier.db"), **chosen
        )
        self.file = folder / "verifier.db"
        self.now = samples.NOW
        self.contract = of_contract or samples.contract()
        self.tokens: dict[str, str] = {}
        self.token_ids: dict[str, str] = {}
        database = Database(self.settings.database_url())
        database.upgrade()
        self._prepare(database)
        database.dispose()
        self.metrics = Metrics()
        self.service: VerifierService = make_service(self.settings, self.metrics)
        self.service.clock = lambda: self.now
        if not has_workers:
            self.service.pool = cast(ProofPool, NoProofs())
        self.app: FastAPI = make_app(self.service, self.settings, self.metrics)

    def _prepare(self, database: Database) -> None:
        table = samples.nomenclature()
        contract = self.contract
        document = canonical_bytes(contract.model_dump(mode="json"))
        identities = [samples.identity(), samples.identity(OTHER_OPTICIAN)]
        keys = parse_key_entries(samples.keys_document(*identities))
        right = Right(
            beneficiary=samples.BENEFICIARY,
            contract_id=contract.contract_id,
            age_group="adult",
            valid_from=RIGHTS_FROM,
        )
        with database.write() as connection:
            self.table_digest = add_nomenclature(
                connection, table, table.to_bytes(), None, COMMAND, self.now
            )
            self.contract_digest = add_contract(connection, document, None, COMMAND, self.now)
            self.key_ids = register_keys(connection, keys, COMMAND, self.now)
            add_rights(connection, [right], COMMAND, self.now)
            for name, (scope, optician_id) in TOKENS.items():
                request = TokenRequest(scope=scope, optician_id=optician_id, label=name)
                fresh = create_token(connection, request, COMMAND, self.now)
                self.tokens[name], self.token_ids[name] = fresh.token, fresh.token_id
            expired = TokenRequest(scope="admin", expires_at=self.now - timedelta(seconds=1))
            self.tokens["expired"] = create_token(connection, expired, COMMAND, self.now).token

    def headers(self, name: str | None, **more: str) -> dict[str, str]:
        """With the token of that name, if any."""
        given = {} if name is None else {"Authorization": f"Bearer {self.tokens[name]}"}
        return given | {key.replace("_", "-"): value for key, value in more.items()}


class Caller(TestClient):
    """A client that says which token it uses; problems are checked for what all of them share."""

    def __init__(self, insurer: Insurer) -> None:
        super().__init__(insurer.app, raise_server_exceptions=False)
        self.insurer = insurer

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = "admin",
        *,
        document: Any = None,
        body: bytes | None = None,
        media_type: str = "application/json",
        **headers: str,
    ) -> Any:
        """The answer; ``document`` is sent as canonical JSON, ``body`` as it is."""
        data = body if document is None else canonical_bytes(document)
        sent = self.insurer.headers(token, **headers)
        if data is not None:
            sent = {"Content-Type": media_type} | sent
        answer = self.request(method, path, content=data, headers=sent)
        if answer.status_code >= 400 and method != "HEAD" and path != "/readyz":
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["type"] == f"urn:clairobscur:problem:{problem['code']}"
            assert problem["instance"].endswith(answer.headers["x-request-id"])
        return answer

    def submit(self, claim: Claim | bytes, token: str | None = "optician") -> Any:
        """A claim, as JSON or as the bytes that are sent."""
        body = claim if isinstance(claim, bytes) else encode_claim(claim)
        return self.ask("POST", "/v1/claims", token, body=body)


@contextmanager
def serving(insurer: Insurer) -> Iterator[Caller]:
    """The application, started; it is stopped in the end."""
    with Caller(insurer) as caller:
        yield caller


def refresh(caller: Caller) -> None:
    """Let the service look at its directory now, and not within a second."""
    assert caller.portal is not None
    caller.portal.call(caller.insurer.service.refresh)


def code_of(answer: Any) -> str:
    """The code of a problem."""
    return str(answer.json()["code"])


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as the server process logs it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def log_lines(text: str) -> list[dict[str, Any]]:
    """What was logged, a JSON object a line."""
    return [json.loads(line) for line in text.splitlines()]


def later(**duration: float) -> datetime:
    """So long after the clock's time."""
    return (samples.NOW + timedelta(**duration)).astimezone(UTC)


def document_of_service() -> dict[str, Any]:
    """The OpenAPI document, which needs no database."""
    nothing = cast(VerifierService, None)
    return make_app(nothing, load_settings(), Metrics()).openapi()
