"""Charts as SVG made on the server: no script, no style attribute, the same text each time.

Every chart is one ``<figure>`` with a legend and, folded away, the same figures as a table: what a
picture tells is never told by the picture alone. Problems ("bad") are hatched, and the parts of a
bar are apart, so that colours need not be told from one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias

from markupsafe import Markup

from pages.catalogue import Language, grouped, own_catalogue

Kind: TypeAlias = Literal[
    "good",
    "bad",
    "waiting",
    "warning",
    "off",
    "other",
    "hidden",
    "plain",
    "c1",
    "c2",
    "c3",
    "c4",
    "c5",
    "c6",
    "c7",
    "c8",
]
"""How a series is painted: by what it means, or one of eight colours that mean nothing."""

WIDTH: Final = 640
HEIGHT: Final = 250
LEFT: Final = 52
RIGHT: Final = 8
TOP: Final = 18
BOTTOM: Final = 30
ROW: Final = 46
MAX_LABELS: Final = 12
LETTER: Final = 7.5
"""How wide a sign of a label is, roughly."""
MAX_LABEL_LENGTH: Final = 84
"""Signs of a label beside a bar; the table has all of it."""


@dataclass(frozen=True)
class Series:
    """One series of a chart: a value, not negative, for every label."""

    name: str
    values: Sequence[int]
    kind: Kind = "plain"


def stacked_bars(
    title: str,
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    language: Language,
    heading: str = "",
) -> Markup:
    """Bars side by side, one for every label, each of the series' values on top of one another.

    ``title`` and ``description`` say what is shown and what it tells; ``heading`` is the table's
    word for the labels. Raises `ValueError`: a series that is not as long as the labels, a negative
    value.
    """
    return _frame(
        title, description, labels, series, language, heading, partial(_columns, gap=0.25)
    )


def histogram(
    title: str,
    description: str,
    labels: Sequence[str],
    counts: Sequence[int],
    language: Language,
    heading: str = "",
    name: str = "",
    kind: Kind = "plain",
) -> Markup:
    """How many fall into each of some ranges that follow one another; ``labels`` name the ranges.

    ``name`` is the table's word for the counts. Raises `ValueError` as `stacked_bars`.
    """
    series = (Series(name or _word("value", language), counts, kind),)
    return _frame(
        title, description, labels, series, language, heading, partial(_columns, gap=0.04)
    )


def bars(
    title: str,
    description: str,
    labels: Sequence[str],
    values: Sequence[int],
    language: Language,
    heading: str = "",
    name: str = "",
    kind: Kind = "plain",
) -> Markup:
    """Bars below one another, for labels that are whole sentences. Raises as `stacked_bars`."""
    series = (Series(name or _word("value", language), values, kind),)
    return _frame(title, description, labels, series, language, heading, _rows)


def _check(labels: Sequence[str], series: Sequence[Series]) -> None:
    for one in series:
        if len(one.values) != len(labels):
            raise ValueError("chart: every series has a value for every label")
        if any(value < 0 for value in one.values):
            raise ValueError("chart: no value is negative")


def _word(name: str, language: Language) -> str:
    return own_catalogue().say(f"pages.chart.{name}", language)


_Draw: TypeAlias = Callable[[Sequence[str], Sequence[Series], str, Language], tuple[int, Markup]]
"""Labels, series and the name of the hatching make the height and the inside of a drawing."""


def _frame(
    title: str,
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    language: Language,
    heading: str,
    draw: _Draw,
) -> Markup:
    _check(labels, series)
    name = hashlib.sha256(title.encode()).hexdigest()[:12]
    parts = [
        Markup('<figure class="chart"><figcaption><span class="chart-head">{}</span>').format(title)
    ]
    if description:
        parts.append(Markup('<p class="chart-about">{}</p>').format(description))
    parts.append(Markup("</figcaption>"))
    if not any(any(one.values) for one in series):
        parts.append(Markup('<p class="light">{}</p>').format(_word("nothing", language)))
        parts.append(Markup("</figure>"))
        return Markup("").join(parts)
    if len(series) > 1:
        parts.append(_legend(series, name))
    height, inside = draw(labels, series, f"hatch-{name}", language)
    parts.append(
        Markup(
            '<div class="drawing" role="region" tabindex="0" aria-label="{}">'
            '<svg role="img" viewBox="0 0 {} {}" aria-labelledby="title-{}" '
            'aria-describedby="about-{}"><title id="title-{}">{}</title>'
            '<desc id="about-{}">{}</desc>{}{}</svg></div>'
        ).format(
            title,
            WIDTH,
            height,
            name,
            name,
            name,
            title,
            name,
            description,
            _hatching(f"hatch-{name}"),
            inside,
        )
    )
    parts.append(_table(title, labels, series, language, heading))
    parts.append(Markup("</figure>"))
    return Markup("").join(parts)


def _hatching(name: str) -> Markup:
    return Markup(
        '<defs><pattern id="{}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" class="fill-bad"/>'
        '<line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
    ).format(name)


def _legend(series: Sequence[Series], name: str) -> Markup:
    entry = Markup(
        '<li><svg viewBox="0 0 14 14" aria-hidden="true" focusable="false">'
        '{}<rect width="14" height="14"{}/></svg>{}</li>'
    )
    entries = [
        entry.format(
            _hatching(f"hatch-{name}-legend") if one.kind == "bad" else "",
            _paint(one.kind, f"hatch-{name}-legend"),
            one.name,
        )
        for one in series
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(entries))


def _paint(kind: Kind, hatch: str) -> Markup:
    if kind == "bad":
        return Markup(' class="bar-part" fill="url(#{})"').format(hatch)
    return Markup(' class="bar-part fill-{}"').format(kind)


def _columns(
    labels: Sequence[str], series: Sequence[Series], hatch: str, language: Language, gap: float
) -> tuple[int, Markup]:
    totals = [sum(values) for values in zip(*(one.values for one in series), strict=True)]
    step = _step(max(totals))
    top = -(-max(totals) // step) * step
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    slot = width / len(labels)
    parts = []
    for value in range(0, top + 1, step):
        y = TOP + height - height * value / top
        parts.append(
            Markup(
                '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="end" x="{}" y="{}">{}</text>'
            ).format(
                "rule" if value else "axis",
                LEFT,
                WIDTH - RIGHT,
                _at(y),
                _at(y),
                LEFT - 7,
                _at(y + 4.5),
                grouped(value, language),
            )
        )
    for at, label in enumerate(labels):
        bottom = TOP + float(height)
        for one in series:
            value = one.values[at]
            if not value:
                continue
            tall = height * value / top
            bottom -= tall
            parts.append(
                Markup(
                    '<rect x="{}" y="{}" width="{}" height="{}"{}><title>{}</title></rect>'
                ).format(
                    _at(LEFT + slot * (at + gap / 2)),
                    _at(bottom),
                    _at(slot * (1 - gap)),
                    _at(tall),
                    _paint(one.kind, hatch),
                    f"{label} · {one.name} · {grouped(value, language)}",
                )
            )
    for at in _labelled(labels, slot):
        parts.append(
            Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
                _at(LEFT + slot * (at + 0.5)), HEIGHT - 9, labels[at]
            )
        )
    return HEIGHT, Markup("").join(parts)


def _rows(
    labels: Sequence[str], series: Sequence[Series], hatch: str, language: Language
) -> tuple[int, Markup]:
    (one,) = series
    most = max(one.values)
    parts = []
    for at, (label, value) in enumerate(zip(labels, one.values, strict=True)):
        y = at * ROW
        short = label if len(label) <= MAX_LABEL_LENGTH else label[: MAX_LABEL_LENGTH - 1] + "…"
        long = (WIDTH - 70) * value / most
        parts.append(
            Markup(
                '<text class="strong" x="0" y="{}">{}</text>'
                '<rect x="0" y="{}" width="{}" height="16"{}><title>{}</title></rect>'
                '<text class="strong" x="{}" y="{}">{}</text>'
            ).format(
                y + 15,
                short,
                y + 21,
                _at(max(long, 2.0)),
                _paint(one.kind, hatch),
                label,
                _at(max(long, 2.0) + 8),
                y + 34,
                grouped(value, language),
            )
        )
    return len(labels) * ROW, Markup("").join(parts)


def _table(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    language: Language,
    heading: str,
) -> Markup:
    shown: list[tuple[str, Sequence[int]]] = [(one.name, one.values) for one in series]
    if len(series) > 1:
        totals = [sum(values) for values in zip(*(one.values for one in series), strict=True)]
        shown.append((_word("total", language), totals))
    head = Markup("").join(
        Markup('<th scope="col" class="number">{}</th>').format(name) for name, _ in shown
    )
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label,
            Markup("").join(
                Markup('<td class="number">{}</td>').format(grouped(values[at], language))
                for _, values in shown
            ),
        )
        for at, label in enumerate(labels)
    )
    words = _word("table", language)
    return Markup(
        '<details><summary>{}</summary><div class="scroll" role="region" tabindex="0" '
        'aria-label="{}"><table><caption class="hidden">{}</caption><thead><tr>'
        '<th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(words, f"{title} · {words}", title, heading or _word("label", language), head, rows)


def _step(most: int) -> int:
    """The distance of the rules: 1, 2 or 5 times a power of ten, so that there are at most five."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if most <= 5 * factor * step:
                return factor * step
        step *= 10


def _labelled(labels: Sequence[str], slot: float) -> list[int]:
    """Which labels are written below: every one of few, of many as many as there is room for, at
    one distance; never one that would touch its neighbour. The first is among them."""
    longest = max(map(len, labels))
    room = max(1, int((WIDTH - LEFT) / (LETTER * longest + 14)))
    stride = 1 if len(labels) <= MAX_LABELS else -(-len(labels) // min(room, MAX_LABELS))
    chosen: list[int] = []
    end = float("-inf")
    for at in range(0, len(labels), stride):
        half = LETTER * len(labels[at]) / 2
        if slot * at - half > end:
            chosen.append(at)
            end = slot * at + half + 4
    return chosen


def _at(value: float) -> str:
    """A coordinate with one decimal, written the same way everywhere."""
    return f"{value:.1f}".removesuffix(".0")
