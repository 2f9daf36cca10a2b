"""A statement compiled for a contract, a nomenclature, a declaration and a date: circuit and wires.

The circuit follows from those four alone, never from anything else a claim says. Amounts and the
date of service are its public inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from circuits.items import Article, ItemCircuit
from circuits.slots import MAX_DAY, SLOTS
from zk.errors import WitnessError
from zk.relation import Circuit, CircuitBuilder, LinearForm


@dataclass(frozen=True)
class Amounts:
    """What is claimed, in cents: for the lenses with supplements, and for the frame."""

    lenses_cents: int
    frame_cents: int

    @property
    def total_cents(self) -> int:
        """Both together."""
        return self.lenses_cents + self.frame_cents


class CompiledStatement(ABC):
    """Made by a subclass's constructor, which fills ``items`` and calls the builder; then
    immutable."""

    circuit: Circuit
    items: Sequence[ItemCircuit]

    def _start(self) -> tuple[CircuitBuilder, LinearForm]:
        builder = CircuitBuilder(SLOTS)
        return builder, builder.public(MAX_DAY)

    @abstractmethod
    def publics(self, day: date, amounts: Amounts | None) -> tuple[int, ...]:
        """The public inputs; raises `StatementError` if amounts are missing, superfluous or too
        high."""

    @abstractmethod
    def largest_amounts(self, articles: Sequence[Article]) -> Amounts | None:
        """The most that may be claimed for these articles, None where nothing is claimed."""

    def wires(self, articles: Sequence[Article], amounts: Amounts | None) -> list[int]:
        """The wires; raises `WitnessError`, without any value, if the articles do not fit."""
        if len(articles) != len(self.items):
            raise WitnessError(f"{len(self.items)} articles declared, {len(articles)} given")
        values: dict[int, int] = {}
        for item, article in zip(self.items, articles, strict=True):
            values |= item.assignment(article)
        values |= self._amount_wires(articles, amounts)
        return [values[wire] for wire in range(self.circuit.wires)]

    def _amount_wires(self, articles: Sequence[Article], amounts: Amounts | None) -> dict[int, int]:
        """Wires that no single article has."""
        return {}
