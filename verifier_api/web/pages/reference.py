"""Opticians with their keys, contracts, and the tables of codes: whom and what claims name."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from verifier_api.service.errors import ServiceError
from verifier_api.web.pages.queries import PERIODS, day_of, days_of
from verifier_api.web.pages.visit import Visit

_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_CLASS: Final = re.compile(r"[A-Z][A-Z0-9][0-9]", re.ASCII)
_BAND: Final = re.compile(r"(-?[0-9.]+|-?inf)\.\.(-?[0-9.]+|-?inf)", re.ASCII)


async def show_opticians(visit: Visit) -> Response:
    """Every optician, with what came of his claims, and his keys."""
    days = days_of(visit.request)
    return visit.render(
        "opticians.html",
        opticians=await visit.overview.opticians(days),
        days=days,
        periods=PERIODS,
        now=visit.service.clock().isoformat(),
        today=visit.service.clock().date().isoformat(),
    )


async def show_contracts(visit: Visit) -> Response:
    """Every version of every contract."""
    return visit.render("contracts.html", contracts=await visit.overview.contracts())


async def show_contract(visit: Visit) -> Response:
    """One version: what it pays and asks for, and how well each class hides a code under it."""
    found = await visit.overview.contract_page(_digest(visit))
    return visit.render("contract.html", found=found, document=found["document"])


async def show_tables(visit: Visit) -> Response:
    """Every version of the table of codes."""
    return visit.render("tables.html", tables=await visit.overview.tables())


async def show_table(visit: Visit) -> Response:
    """One version: its classes on a day, with their cells and codes."""
    day = day_of(visit.request)
    found = await visit.overview.table_page(_digest(visit), day)
    return visit.render("table.html", found=found, asked="" if day is None else day.isoformat())


async def show_class(visit: Visit) -> Response:
    """One class on a day: the corrections that hide behind its name, and their codes."""
    day = day_of(visit.request)
    regroupement: str = visit.request.path_params["regroupement"]
    if not _CLASS.fullmatch(regroupement):
        raise ServiceError("not_found", "")
    found = await visit.overview.class_page(_digest(visit), regroupement, day)
    cells = [
        cell_words(visit, entry["cell"]) | {"codes": entry["codes"]}
        for entry in sorted(found["cells"], key=lambda entry: _place(entry["cell"]))
    ]
    return visit.render(
        "class.html",
        found=found,
        entry=found["class"],
        cells=cells,
        asked="" if day is None else day.isoformat(),
    )


def cell_words(visit: Visit, cell: str | None) -> dict[str, str]:
    """The parts of a cell's name (`circuits.nomenclature.encode_cell`) in words: lens type, shape,
    and the bands of sphere, of cylinder and of both together, "" where the name has none."""
    words = dict.fromkeys(("type", "shape", "sphere", "cylinder", "s"), "")
    if cell is None:
        return words
    lens_type, *parts = cell.split("/")
    words["type"] = visit.say(f"lens_type.{lens_type}")
    for part in parts:
        name, equals, band = part.partition("=")
        if equals:
            words[name] = _band_words(visit, band)
        else:
            words["shape"] = visit.say(f"shape.{name}")
    return words


def _place(cell: str | None) -> tuple[str, bool, float, str]:
    """Where a cell stands in a list: by type and shape, minus before plus, weak before strong."""
    head, _, bands = (cell or "").partition("=")
    near = bands.partition("..")[0].partition("/")[0]
    if "/s=" in bands:
        near = bands.partition("/s=")[2].partition("..")[0]
    is_minus = near.startswith("-") or "..-" in bands
    return head.rpartition("/")[0], not is_minus, abs(float(near or 0)), bands


def _band_words(visit: Visit, band: str) -> str:
    def shown(power: str) -> str:
        text = power.replace("-", "\u2212")
        return text.replace(".", ",") if visit.language == "fr" else text

    if match := _BAND.fullmatch(band):
        near, far = match.groups()
        if far.endswith("inf"):
            return visit.say("band.beyond", near=shown(near))
        return visit.say("band.between", near=shown(near), far=shown(far))
    if band.startswith(">"):
        return visit.say("band.beyond", near=shown(band[1:]))
    return visit.say("band.any") if band == "any" else visit.say("band.none")


def _digest(visit: Visit) -> str:
    digest: str = visit.request.path_params["digest"]
    if not _DIGEST.fullmatch(digest):
        raise ServiceError("not_found", "")
    return digest
