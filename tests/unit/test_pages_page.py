"""docs/pages.md lists every address of both sides' pages, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.routing import Route

from optician.web.app import CLOSED_PAGES, OPEN_PAGES, make_agent
from optician.web.endpoint import endpoint_routes
from optician.web.keeper import Keeper
from verifier_api.web.pages.application import CLOSED, OPEN

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/pages.md"


def listed(title: str) -> list[str]:
    """The addresses in the table of a section."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    return [path for cell in cells for path in re.findall(r"`([^`]*)`", cell)]


def test_the_insurers() -> None:
    paths = listed("The insurer's")
    assert len(paths) == len(set(paths))
    assert set(paths) == {*OPEN, *CLOSED}


def test_the_shops(tmp_path: Path) -> None:
    paths = listed("The shop's")
    assert len(paths) == len(set(paths))
    keeper = Keeper(tmp_path / "vault.db")
    endpoint = {route.path for route in endpoint_routes(keeper)}
    served = {route.path for route in make_agent(keeper, 8767).routes if isinstance(route, Route)}
    assert set(paths) == served - endpoint
    assert {path for _, path, _ in (*OPEN_PAGES, *CLOSED_PAGES)} <= set(paths)
