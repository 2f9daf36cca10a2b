"""The mutants: every place that cosmic-ray can change, and a sample of them that stays the same.

cosmic-ray replaces one operator by each of the others, so a sum alone makes eleven mutants. Drawn
are *places* (a position and a kind of change), and one mutant for each. Places are ranked by a hash
of the module, the text of the line and the change, so a sample changes only where the code does.
"""

from __future__ import annotations

import ast
import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.commands.init import init
from cosmic_ray.work_db import WorkDB, use_db


@dataclass(frozen=True)
class Mutant:
    """One change: ``operator`` is cosmic-ray's name, ``occurrence`` counts its places in the
    module. ``line`` is the number, from 1, and ``text`` the line as it was, without its margins."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int
    text: str
    specification: Any

    @property
    def place(self) -> tuple[str, int, int, str]:
        """Module, position and kind of change."""
        return self.module, self.line, self.column, kind_of(self.operator)


def kind_of(operator: str) -> str:
    """``core/ReplaceBinaryOperator_Add_Sub`` → ``ReplaceBinaryOperator``."""
    return operator.split("/")[-1].split("_")[0]


def all_mutants(root: Path, modules: Iterable[str]) -> list[Mutant]:
    """Every mutant of the modules, but for those in annotations; the working folder is ``root``."""
    found = []
    texts = {name: (root / name).read_text("utf-8") for name in modules}
    skipped = {name: annotation_spans(text) for name, text in texts.items()}
    lines = {name: text.splitlines() for name, text in texts.items()}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        session = str(Path(folder) / "session.sqlite")
        with use_db(session, WorkDB.Mode.create) as database:
            init([Path(name) for name in texts], database, {})
            items = list(database.work_items)
    for item in items:
        (change,) = item.mutations
        name, (line, column) = Path(change.module_path).as_posix(), change.start_pos
        if any(start <= (line, column) < end for start, end in skipped[name]):
            continue
        text = lines[name][line - 1].strip()
        found.append(
            Mutant(name, change.operator_name, change.occurrence, line, column, text, change)
        )
    return found


def annotation_spans(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where the annotations stand that nothing evaluates: of functions, and ``|`` of any.

    Those of a class's fields may be read by pydantic; mutating a ``|`` there makes no sense, and
    their numbers stand within calls, which are left to be mutated.
    """
    spans = []
    for node in ast.walk(ast.parse(source)):
        annotations: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            annotations.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign) and not _has_call(node.annotation):
            annotations.append(node.annotation)
        for found in annotations:
            if found is not None and found.end_lineno is not None:
                end = (found.end_lineno, found.end_col_offset or 0)
                spans.append(((found.lineno, found.col_offset), end))
    return spans


def _has_call(node: ast.AST | None) -> bool:
    return node is not None and any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """``count`` places at most, one mutant each, in the order of the modules."""

    def rank(mutant: Mutant, *more: object) -> bytes:
        words = (seed, mutant.module, mutant.text, mutant.column, *more)
        return hashlib.sha256(repr(words).encode()).digest()

    chosen: dict[tuple[str, int, int, str], Mutant] = {}
    for mutant in mutants:
        other = chosen.get(mutant.place)
        if other is None or _variant(rank, mutant) < _variant(rank, other):
            chosen[mutant.place] = mutant
    ranked = sorted(chosen.values(), key=lambda m: (rank(m, kind_of(m.operator)), m.place))
    return sorted(ranked[:count], key=lambda m: m.place)


def _variant(rank: Any, mutant: Mutant) -> tuple[bytes, int]:
    return rank(mutant, mutant.operator), mutant.occurrence


def places(mutants: Iterable[Mutant]) -> int:
    """How many different places they change."""
    return len({mutant.place for mutant in mutants})
