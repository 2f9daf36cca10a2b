"""Counts by day of what never changes once a claim is recorded: verdict, reason, classes, times.

The first time every claim of the last `TALLY_DAYS` days is read, later those alone that came since;
so a page that counts a hundred thousand claims is as quick as one that counts none.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from verifier_api.store import overview as store

TALLY_DAYS: Final = 366

LATENCY_EDGES_US: Final = (1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 20_000, 50_000, 100_000)
"""Upper ends of the bars, not included; the last bar has no upper end."""

BATCH_EDGES: Final = (2, 3, 5, 9, 17, 33)


@dataclass
class DayTally:
    """What was received on one day (UTC)."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)  # as recorded: one text a claim
    latencies: array[int] = field(default_factory=lambda: array("Q"))  # microseconds
    batches: Counter[int] = field(default_factory=Counter)


class Tally:
    """See module docstring. For one thread at a time."""

    def __init__(self) -> None:
        self._days: dict[str, DayTally] = {}
        self._sequence: int | None = None

    def update(self, connection: Connection, now: datetime) -> None:
        """Count what came since the last time. The one writer gives out numbers in the order in
        which claims become visible, so none is passed over."""
        first = (now.date() - timedelta(days=TALLY_DAYS - 1)).isoformat()
        if self._sequence is None:
            self._take(store.judged_since(connection, first_instant(first)))
            self._sequence = store.last_sequence(connection)
        else:
            self._take(store.judged_after(connection, self._sequence))
        for day in [day for day in self._days if day < first]:
            del self._days[day]

    def _take(self, rows: Iterable[Any]) -> None:
        last = self._sequence or 0
        days = self._days
        for sequence, day, verdict, reason, classes, latency_us, batch_size in rows:
            tally = days.get(day)
            if tally is None:
                tally = days[day] = DayTally()
            tally.verdicts[verdict] += 1
            tally.classes[classes] += 1
            if verdict == "refused":
                tally.reasons[reason] += 1
            if latency_us is not None:
                tally.latencies.append(latency_us)
            if batch_size is not None:
                tally.batches[batch_size] += 1
            if sequence > last:
                last = sequence
        self._sequence = last

    def period(self, days: Sequence[str]) -> list[DayTally]:
        """The tallies of these days, empty ones where nothing came."""
        nothing = DayTally()
        return [self._days.get(day, nothing) for day in days]


def days_until(last: date, days: int) -> list[str]:
    """So many days up to ``last``, oldest first."""
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]


def first_instant(day: str) -> str:
    """The first instant of a day (UTC)."""
    return f"{day}T00:00:00Z"


def line_counts(classes: Counter[str]) -> Counter[str]:
    """Lines by declared class; `verifier_api.store.claims.HIDDEN` counts those that hide it."""
    found: Counter[str] = Counter()
    for text, count in classes.items():
        for name in text.split():
            found[name] += count
    return found


def latency_facts(tallies: Iterable[DayTally]) -> dict[str, Any]:
    """How long judging took: median, 95th percentile and largest (nearest rank), and how often it
    took how long."""
    together = array("Q")
    for tally in tallies:
        together.extend(tally.latencies)
    ordered = sorted(together)
    return {
        "measured": len(ordered),
        "median_us": rank(ordered, 50),
        "p95_us": rank(ordered, 95),
        "largest_us": ordered[-1] if ordered else None,
        "buckets": [
            {"from_us": low, "to_us": high, "count": count}
            for low, high, count in _bars(Counter(ordered), 0, LATENCY_EDGES_US)
        ],
    }


def batch_facts(tallies: Iterable[DayTally]) -> dict[str, Any]:
    """How many claims were verified together: a claim counts with the size of its batch."""
    sizes: Counter[int] = Counter()
    for tally in tallies:
        sizes.update(tally.batches)
    ordered = sorted(sizes.elements())
    return {
        "measured": len(ordered),
        "median": rank(ordered, 50),
        "largest": ordered[-1] if ordered else None,
        "buckets": [
            {"from": low, "to": None if high is None else high - 1, "count": count}
            for low, high, count in _bars(sizes, 1, BATCH_EDGES)
        ],
    }


def rank(ordered: Sequence[int], percent: int) -> int | None:
    """The percentile by nearest rank, None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _bars(
    counted: Counter[int], start: int, edges: Sequence[int]
) -> list[tuple[int, int | None, int]]:
    """(from, to without, count); the last has no end."""
    lows = (start, *edges)
    highs: tuple[int | None, ...] = (*edges, None)
    counts = [0] * len(lows)
    for value, count in counted.items():
        place = sum(value >= edge for edge in edges)
        counts[place] += count
    return list(zip(lows, highs, counts, strict=True))
