"""The arrows between the packages hold, and the linter that says so is able to say no."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("zk", "circuits", "console", "pages", "optician", "verifier_api")

ARROWS = "Arrows point down; optician and verifier_api never meet"
NO_INPUT_OUTPUT = "zk and circuits know no web framework, database, event loop or socket"
NO_TERMINAL = "zk and circuits print nothing: no command line, no log"
NO_TEST_CODE = "What ships never imports measurements, demonstrations or tests"
ROOMS = "Inside verifier_api: commands and web above service above store"
NO_HTTP = "The service, its database and the judge know no HTTP"
ONLY_WEB = "Only the rooms of pages and routes import the web framework and its server"
CONTRACTS = (ARROWS, NO_INPUT_OUTPUT, NO_TERMINAL, NO_TEST_CODE, ROOMS, NO_HTTP, ONLY_WEB)


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages under ``root`` with the ``pyproject.toml`` found there."""
    program = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def plant(root: Path, repository: Path, module: str = "", source: str = "") -> None:
    """Write a tree of six lawful packages under our own contracts, then one module into it, or
    more lines at the end of one that is there."""
    (root / "pyproject.toml").write_bytes((repository / "pyproject.toml").read_bytes())
    for package in PACKAGES:
        (root / package).mkdir()
        (root / package / "__init__.py").write_text("")
    (root / "circuits" / "lawful.py").write_text("import zk\n")
    (root / "console" / "lawful.py").write_text("import circuits.lawful\n")
    (root / "pages" / "lawful.py").write_text("import console.lawful\nimport starlette\n")
    (root / "console" / "terminal.py").write_text("import typer\n")
    for package in ("optician", "verifier_api"):
        source_of_lawful = "import circuits.lawful\nimport console.lawful\nimport zk\n"
        (root / package / "lawful.py").write_text(source_of_lawful)
    for module_below, above in (
        ("store", "import sqlalchemy"),
        ("service", "import asyncio\nimport verifier_api.store"),
        ("attester", "import sqlalchemy\nimport verifier_api.store"),
        ("web", "import asyncio\nimport verifier_api.service"),
        ("commands", "import typer\nimport verifier_api.web"),
    ):
        (root / "verifier_api" / module_below).mkdir()
        (root / "verifier_api" / module_below / "__init__.py").write_text(above + "\n")
    framework = "import fastapi\nimport starlette\nimport uvicorn\n"
    (root / "verifier_api" / "web" / "app.py").write_text(framework)
    for name in ("bulk", "evidence", "judge", "settings"):
        (root / "verifier_api" / f"{name}.py").write_text("import circuits\n")
    (root / "verifier_api" / "lpp.py").write_text("import circuits\n")
    if module:
        with (root / module).open("a") as file:
            file.write(source)


def test_our_own_packages_keep_every_contract(repository: Path) -> None:
    result = lint_imports(repository)
    assert result.returncode == 0, result.stdout + result.stderr
    for contract in CONTRACTS:
        assert f"{contract} KEPT" in result.stdout


def test_a_lawful_tree_passes(tmp_path: Path, repository: Path) -> None:
    plant(tmp_path, repository)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in result.stdout


@pytest.mark.parametrize(
    ("module", "source", "contract"),
    [
        ("zk/bad.py", "import circuits", ARROWS),
        ("zk/bad.py", "from optician import lawful", ARROWS),
        ("zk/bad.py", "import verifier_api", ARROWS),
        ("circuits/bad.py", "import optician", ARROWS),
        ("circuits/bad.py", "def late():\n    import verifier_api.lawful", ARROWS),
        ("zk/bad.py", "import console", ARROWS),
        ("circuits/bad.py", "import console", ARROWS),
        ("console/bad.py", "import optician", ARROWS),
        ("console/bad.py", "import verifier_api", ARROWS),
        ("optician/bad.py", "import verifier_api", ARROWS),
        ("verifier_api/bad.py", "from optician.lawful import circuits", ARROWS),
        ("zk/bad.py", "import asyncio", NO_INPUT_OUTPUT),
        ("zk/bad.py", "import fastapi", NO_INPUT_OUTPUT),
        ("circuits/bad.py", "from http.client import HTTPConnection", NO_INPUT_OUTPUT),
        ("circuits/bad.py", "import socket", NO_INPUT_OUTPUT),
        ("circuits/bad.py", "import sqlite3", NO_INPUT_OUTPUT),
        ("circuits/bad.py", "import logging", NO_TERMINAL),
        ("zk/bad.py", "import typer", NO_TERMINAL),
        ("zk/bad.py", "import bench", NO_TEST_CODE),
        ("circuits/bad.py", "import bench.micro", NO_TEST_CODE),
        ("optician/bad.py", "import tests.conftest", NO_TEST_CODE),
        ("verifier_api/bad.py", "import bench", NO_TEST_CODE),
        ("console/bad.py", "import demo", NO_TEST_CODE),
        ("verifier_api/store/bad.py", "import verifier_api.service", ROOMS),
        ("verifier_api/web/bad.py", "from verifier_api import commands", ROOMS),
        ("verifier_api/attester/bad.py", "import verifier_api.service", ROOMS),
        ("verifier_api/service/bad.py", "import verifier_api.attester", ROOMS),
        ("verifier_api/attester/bad.py", "import httpx2", NO_HTTP),
        ("verifier_api/service/bad.py", "import prometheus_client", NO_HTTP),
        ("verifier_api/store/bad.py", "import structlog", NO_HTTP),
        ("verifier_api/judge.py", "import http", NO_HTTP),
        ("verifier_api/settings.py", "import verifier_api.web", NO_HTTP),
        ("verifier_api/lpp.py", "import httpx2", NO_HTTP),
        ("verifier_api/commands/bad.py", "from fastapi import FastAPI", ONLY_WEB),
        ("verifier_api/bad.py", "import starlette.responses", ONLY_WEB),
        ("optician/bad.py", "import uvicorn", ONLY_WEB),
    ],
)
def test_each_forbidden_import_is_caught(
    tmp_path: Path, repository: Path, module: str, source: str, contract: str
) -> None:
    plant(tmp_path, repository, module, source + "\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout
    assert f"Contracts: {len(CONTRACTS) - 1} kept, 1 broken." in result.stdout
    assert module.removesuffix(".py").replace("/", ".") in result.stdout


def test_a_forbidden_import_is_caught_through_a_module_between(
    tmp_path: Path, repository: Path
) -> None:
    plant(tmp_path, repository, "circuits/bad.py", "import circuits.between\n")
    (tmp_path / "circuits" / "between.py").write_text("import verifier_api.web\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{ARROWS} BROKEN" in result.stdout
    assert f"{NO_INPUT_OUTPUT} BROKEN" in result.stdout
    assert "circuits is not allowed to import asyncio" in result.stdout


def test_a_service_that_knows_the_framework_breaks_both_of_its_contracts(
    tmp_path: Path, repository: Path
) -> None:
    plant(tmp_path, repository, "verifier_api/service/bad.py", "import starlette\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{NO_HTTP} BROKEN" in result.stdout
    assert f"{ONLY_WEB} BROKEN" in result.stdout
    assert "verifier_api.service is not allowed to import starlette" in result.stdout
