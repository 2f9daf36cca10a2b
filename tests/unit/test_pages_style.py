"""The one stylesheet and the one script: contrast (WCAG 2.2, AA), nothing from another host."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

TEXT_RATIO = 4.5
"""For text of any size (WCAG 2.2, 1.4.3)."""
SHAPE_RATIO = 3.0
"""For borders of fields, signs, focus and parts of drawings (1.4.11)."""

_VARIABLE = re.compile(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6});")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COLOUR = re.compile(r"(?<![-\w])(color|background|fill|stroke):\s*var\(--([a-z0-9-]+)\)")

# Text that stands on a ground which another rule gives it.
TEXT_ON = {
    "ink": ("paper", "ground", "accent-pale", "good-pale", "bad-pale", "warning-pale",
            "waiting-pale", "off-pale"),
    "soft": ("paper", "ground", "accent-pale", "good-pale", "bad-pale", "warning-pale",
             "waiting-pale", "off-pale"),
    "accent": ("paper", "ground", "accent-pale", "good-pale", "bad-pale", "warning-pale",
               "waiting-pale", "off-pale"),
    "accent-deep": ("paper", "ground", "accent-pale"),
    "bad": ("paper", "ground", "bad-pale"),
    "paper": ("accent", "accent-deep"),
    "veil-ink": ("veil", "veil-line"),
    "veil-soft": ("veil",),
}  # fmt: skip
SHAPES_ON = {
    "edge": ("paper", "ground"),
    "accent": ("paper", "ground"),
    "bad": ("paper", "ground"),
    "veil-ink": ("veil",),
    **{kind: ("paper", f"{kind}-pale") for kind in ("good", "bad", "warning", "waiting", "off")},
}


@pytest.fixture(scope="module")
def style(repository: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", (repository / "pages/static/style.css").read_text(), flags=re.S)


@pytest.fixture(scope="module")
def colours(style: str) -> dict[str, str]:
    return dict(_VARIABLE.findall(style))


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of two colours, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_as_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


def test_every_colour_has_a_name_and_is_used(style: str, colours: dict[str, str]) -> None:
    root, _, rules = style.partition("}")
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", root)) == set(colours.values())
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", rules) == []
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", rules)) == set(
        re.findall(r"--([a-z0-9-]+):", root)
    )


def test_text_can_be_read_wherever_it_stands(colours: dict[str, str]) -> None:
    low = {
        (text, ground): round(contrast(colours[text], colours[ground]), 2)
        for text, grounds in TEXT_ON.items()
        for ground in grounds
        if contrast(colours[text], colours[ground]) < TEXT_RATIO
    }
    assert low == {}


def test_text_can_be_read_in_every_rule_that_gives_both(
    style: str, colours: dict[str, str]
) -> None:
    seen, low = 0, []
    for selector, body in _RULE.findall(style):
        found = dict(_COLOUR.findall(body))
        if {"color", "background"} <= found.keys():
            seen += 1
            if contrast(colours[found["color"]], colours[found["background"]]) < TEXT_RATIO:
                low.append(selector.strip())
    assert seen > 15
    assert low == []


def test_signs_borders_and_focus_can_be_seen(colours: dict[str, str]) -> None:
    low = {
        (shape, ground): round(contrast(colours[shape], colours[ground]), 2)
        for shape, grounds in SHAPES_ON.items()
        for ground in grounds
        if contrast(colours[shape], colours[ground]) < SHAPE_RATIO
    }
    assert low == {}


def test_parts_of_charts_can_be_seen_and_neighbours_differ(colours: dict[str, str]) -> None:
    charts = {name: value for name, value in colours.items() if name.startswith("chart-")}
    assert len(charts) > 8
    for name, value in charts.items():
        assert contrast(value, colours["paper"]) >= SHAPE_RATIO, name
    numbered = [charts[f"chart-c{number}"] for number in range(1, 9)]
    assert len(set(numbered)) == 8
    for one, other in pairwise(numbered):
        parts = zip(*(bytes.fromhex(colour[1:]) for colour in (one, other)), strict=True)
        assert sum(abs(left - right) for left, right in parts) > 120, (one, other)


def test_every_text_colour_of_the_sheet_is_measured(style: str, colours: dict[str, str]) -> None:
    used = {
        name
        for _, body in _RULE.findall(style)
        for what, name in _COLOUR.findall(body)
        if what == "color"
    }
    on_pale = {"good", "warning", "waiting", "off"}  # in rules that give both
    assert used <= TEXT_ON.keys() | on_pale | {"info"}


@pytest.mark.parametrize("name", ["style.css", "page.js", "favicon.svg"])
def test_nothing_comes_from_another_host(repository: Path, name: str) -> None:
    text = (repository / "pages/static" / name).read_text()
    addresses = set(re.findall(r"(?:https?:)?//[a-z][^\s\"')]*", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text


def test_focus_is_seen_and_motion_can_be_less(style: str) -> None:
    assert ":focus-visible { outline: 3px solid" in style
    assert "prefers-reduced-motion: reduce" in style
    assert "@media print" in style
    removed = [
        selector.strip() for selector, body in _RULE.findall(style) if "outline: none" in body
    ]
    assert removed == ["main:focus"]  # reached by the link past the navigation alone


def test_the_script_runs_no_text_and_asks_nobody(repository: Path) -> None:
    script = (repository / "pages/static/page.js").read_text()
    for word in ("eval", "Function(", "innerHTML", "outerHTML", "document.write", "fetch(",
                 "XMLHttpRequest", "WebSocket", "import(", "localStorage", "sessionStorage",
                 "document.cookie", "insertAdjacentHTML", ".style"):  # fmt: skip
        assert word not in script, word
