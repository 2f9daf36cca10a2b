"""What can be measured: the peers of this folder, each described by its ``peer.toml``.

title = "a tool"                  of the peer, for people
needs = ["cargo"]                 programs that must be installed
build = [["cargo", "build"]]      run once in a copy of the folder
pip = ["package==1.0"]            instead: a virtual environment ``.venv`` in the copy
licence = "MIT"; source = "…"     of what is measured
in_project = true                 instead of all that: part of the project, run in the checkout
[[system]]                        one or more; a process each
name, title, kind                 kind: "claim", "range" or "open-ours"
run = ["program", "argument"]     ``{python}`` stands for the Python that measures
sizes = [1024]                    optional: only these N
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import ROOT
from bench.peers.statement import KINDS, OPENING, SIZE_OF_GOALS

FOLDER = ROOT / "bench" / "peers"
FILE = "peer.toml"
OURS = "ours"
"""The peer that is ourselves."""


class PeerError(Exception):
    """A peer cannot be measured; the text says why."""


@dataclass(frozen=True)
class System:
    """One thing measured: ``run`` starts its process. ``sizes`` are the N it is measured at, all
    if None."""

    peer: str
    name: str
    title: str
    kind: str
    run: tuple[str, ...]
    sizes: tuple[int, ...] | None

    def fits(self, kind: str, n: int | None) -> bool:
        """Whether it takes part for statements of ``kind`` over sets of ``n``."""
        return self.kind == kind and (n is None or self.sizes is None or n in self.sizes)


@dataclass(frozen=True)
class Peer:
    """A folder with a program for one or more systems."""

    name: str
    folder: Path
    title: str
    licence: str
    source: str
    needs: tuple[str, ...]
    build: tuple[tuple[str, ...], ...]
    pip: tuple[str, ...]
    in_project: bool
    systems: tuple[System, ...]


def _texts(table: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PeerError(f"{where}: {name} is not a list of texts")
    return tuple(value)


def _text(table: dict[str, Any], name: str, where: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise PeerError(f"{where}: {name} is missing or no text")
    return value


def _known(table: dict[str, Any], names: Sequence[str], where: str) -> None:
    if unknown := sorted(set(table) - set(names)):
        raise PeerError(f"{where}: unknown field {unknown[0]}")


def _system(table: dict[str, Any], peer: str, number: int) -> System:
    where = f"{peer}/{FILE}, system {number}"
    _known(table, ("name", "title", "kind", "run", "sizes"), where)
    kind = _text(table, "kind", where)
    if kind not in KINDS:
        raise PeerError(f"{where}: kind is none of {', '.join(KINDS)}")
    run = _texts(table, "run", where)
    if not run:
        raise PeerError(f"{where}: run is missing")
    # Opening our commitments elsewhere is slow: one size, unless the file says otherwise.
    sizes = table.get("sizes", [SIZE_OF_GOALS] if kind == OPENING else None)
    if sizes is not None and not (
        isinstance(sizes, list) and all(type(size) is int for size in sizes)
    ):
        raise PeerError(f"{where}: sizes is not a list of integers")
    return System(
        peer,
        _text(table, "name", where),
        _text(table, "title", where),
        kind,
        run,
        None if sizes is None else tuple(sizes),
    )


def read_peer(folder: Path) -> Peer:
    """The peer of a folder; raises `PeerError` saying where its file is wrong."""
    where = f"{folder.name}/{FILE}"
    try:
        table = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError:
        raise PeerError(f"{where} cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PeerError(f"{where} is not TOML: {error}") from None
    names = ("title", "needs", "build", "pip", "licence", "source", "in_project", "system")
    _known(table, names, where)
    build = table.get("build", [])
    if not isinstance(build, list):
        raise PeerError(f"{where}: build is not a list of commands")
    systems = table.get("system", [])
    if not isinstance(systems, list) or not systems:
        raise PeerError(f"{where}: no [[system]]")
    return Peer(
        name=folder.name,
        folder=folder,
        title=_text(table, "title", where),
        licence=_text(table, "licence", where),
        source=_text(table, "source", where),
        needs=_texts(table, "needs", where),
        build=tuple(_texts({"build": command}, "build", where) for command in build),
        pip=_texts(table, "pip", where),
        in_project=table.get("in_project") is True,
        systems=tuple(_system(t, folder.name, i) for i, t in enumerate(systems, start=1)),
    )


def read_peers(folder: Path = FOLDER) -> tuple[list[Peer], dict[str, str]]:
    """All peers of ``folder``, ours first; and of those that have a wrong file, why."""
    peers, wrong = [], {}
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            peers.append(read_peer(path.parent))
        except PeerError as error:
            wrong[path.parent.name] = str(error)
    peers.sort(key=lambda peer: (peer.name != OURS, peer.name))
    return peers, wrong
