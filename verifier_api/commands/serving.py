"""The service itself: serve, settings, database."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.running import CommandError, new_app
from verifier_api.commands.shared import (
    AsJson,
    DatabaseUrl,
    DataDir,
    open_database,
    reporting_to_terminal,
    settings_of,
    tell,
    telling_refusals,
)

if TYPE_CHECKING:
    from verifier_api.settings import Settings

database_app = new_app(about="The service's database.")


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(serve)
    app.command()(settings)
    app.add_typer(database_app, name="database")


def serve(
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0: any free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that verify proofs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the verification service until it is told to stop (SIGTERM, Ctrl-C).

    No set-up is needed: without settings the database is an SQLite file in ./clairobscur-data. The
    schema is brought forward. A database that never had an administrator's token gets one, which is
    printed once. Other settings: `verifier settings`.
    """
    with reporting_to_terminal(as_json):
        from verifier_api.web.app import make_app, make_service, require_files
        from verifier_api.web.logs import configure_logs
        from verifier_api.web.metrics import Metrics
        from verifier_api.web.server import listen
        from verifier_api.web.server import serve as serve_app

        with ExitStack() as closing:
            with telling_refusals():
                chosen = settings_of(database, data_dir, host=host, port=port, workers=workers)
                opened = closing.enter_context(listen(chosen))
                require_files(chosen)
                # Not before there is a port: it makes a token that has to be shown.
                first = _prepare(chosen)
                address = opened.getsockname()
                shown = f"[{address[0]}]" if ":" in address[0] else address[0]
                url = f"http://{shown}:{address[1]}"
                configure_logs()
                metrics = Metrics()
                app = make_app(make_service(chosen, metrics), chosen, metrics)

            def when_ready() -> None:
                if as_json:
                    print(json.dumps({"url": url, "admin_token": first}), flush=True)
                else:
                    if first is not None:
                        print(f"administrator's token, shown this once: {first}")
                    print(f"serving on {url}", flush=True)

            if not serve_app(app, chosen, opened, when_ready):
                raise CommandError("internal", "the service could not start; its log says why")


def _prepare(chosen: Settings) -> str | None:
    """The schema brought forward, and the first administrator's token if there never was one."""
    from datetime import UTC, datetime

    from verifier_api.service.administration import COMMAND, TokenRequest, create_token
    from verifier_api.store.database import Database
    from verifier_api.store.reference import token_rows

    opened = Database(chosen.database_url())
    try:
        opened.upgrade()
        with opened.write() as connection:
            if any(row.scope == "admin" for row in token_rows(connection)):
                return None
            request = TokenRequest(scope="admin", label="first")
            return create_token(connection, request, COMMAND, datetime.now(UTC)).token
    finally:
        opened.dispose()


def settings(
    database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every setting and its value, secrets masked.

    A setting NAME is taken from the command line, else from the environment variable
    CLAIROBSCUR_NAME, else from the TOML file that CLAIROBSCUR_SETTINGS names (default:
    clairobscur.toml, if it is there).
    """
    with reporting_to_terminal(as_json), telling_refusals():
        chosen = settings_of(database, data_dir)
        shown = chosen.shown()
        lines = [
            f"{name:22} {value!s:30} {_about(chosen, name)}".rstrip()
            for name, value in shown.items()
        ]
        tell(as_json, shown, lines)


def _about(chosen: Settings, name: str) -> str:
    return type(chosen).model_fields[name].description or ""


# -- database ---------------------------------------------------------------------------------


@database_app.command("upgrade")
def upgrade(
    database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Bring the schema forward to this program's, keeping all data. `serve` does so too."""
    with reporting_to_terminal(as_json), open_database(database, data_dir) as opened:
        revision = opened.revision()
        tell(as_json, {"revision": revision}, [f"schema {revision}"])


@database_app.command("check")
def check(database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check what is recorded: every claim against its envelope, its verdict, its events and its
    notices, every commitment against its claim, every audit case against its documents and events.
    Exit code 1 if anything does not fit."""
    problems: list[dict[str, Any]] = []
    with reporting_to_terminal(as_json):
        from verifier_api.store.checks import check_database

        with open_database(database, data_dir, must_exist=True) as opened:
            report = check_database(opened)
        problems = report["problems"]
        lines = [f"{entry['where']}: {entry['problem']}" for entry in problems]
        lines.append(f"{report['claims']} claims checked, {len(problems)} problems")
        tell(as_json, report, lines)
    if problems:
        sys.stdout.flush()
        raise typer.Exit(1)
