"""Charts: a picture, the same figures as a table, nothing that the policy of pages forbids."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, get_args

import pytest

from pages.charts import MAX_LABEL_LENGTH, Kind, Series, bars, histogram, stacked_bars
from tests.support.markup import Element, Markup, read_markup

LABELS = ("Monday", "Tuesday", "Wednesday")
SERIES = (Series("granted", [3, 0, 1200], "good"), Series("refused", [1, 0, 4], "bad"))


def stacked(language: Any = "en", **changes: Any) -> str:
    given = {"title": "Claims", "description": "By day.", "labels": LABELS, "series": SERIES,
             "heading": "day"} | changes  # fmt: skip
    return str(stacked_bars(language=language, **given))


def rects(page: Markup) -> list[Element]:
    """The parts of bars."""
    return [one for one in page.named("rect") if "figure" in one.within
            and "legend" not in one.within and "ul" not in one.within
            and "pattern" not in one.within]  # fmt: skip


def rows(page: Markup) -> list[list[str]]:
    """The texts of the table's cells."""
    found: list[list[str]] = []
    for element in page.elements:
        if element.name == "tr":
            found.append([])
        elif element.name in ("th", "td"):
            found[-1].append(element.text)
    return found


def heights(page: Markup) -> list[float]:
    return [float(one.attributes["height"]) for one in rects(page)]


@pytest.mark.parametrize("text", [
    stacked(), str(histogram("Time", "", ["a", "b"], [1, 2], "en")),
    str(bars("Reasons", "Most first.", ["a", "b"], [2, 1], "en")),
])  # fmt: skip
def test_a_chart_is_one_figure_that_the_policy_allows(text: str) -> None:
    page = read_markup(text)
    assert page.check() == []
    assert [one.name for one in page.elements if not one.within] == ["figure"]
    assert page.elements[0].name == "figure"


def test_the_picture_has_a_name_and_a_description() -> None:
    page = read_markup(stacked())
    (picture,) = page.of("role", "img")
    (title,) = page.of("id", picture.attributes["aria-labelledby"])
    (about,) = page.of("id", picture.attributes["aria-describedby"])
    assert (title.name, title.text, about.name, about.text) == (
        "title",
        "Claims",
        "desc",
        "By day.",
    )


def test_two_charts_of_one_page_share_no_identifier() -> None:
    assert read_markup(stacked() + stacked(title="Others")).check() == []


def test_the_table_has_every_figure_and_the_totals() -> None:
    assert rows(read_markup(stacked())) == [
        ["day", "granted", "refused", "Total"],
        ["Monday", "3", "1", "4"],
        ["Tuesday", "0", "0", "0"],
        ["Wednesday", "1,200", "4", "1,204"],
    ]
    french = rows(read_markup(stacked("fr", heading="")))
    assert french[0][0] == "Libellé"
    assert french[3][1] == "1\u202f200"


def test_one_series_needs_no_total_and_no_legend() -> None:
    page = read_markup(str(histogram("Time", "", ["a", "b"], [1, 2], "fr", "ms", "demandes")))
    assert rows(page) == [["ms", "demandes"], ["a", "1"], ["b", "2"]]
    assert page.named("ul") == []
    assert len(read_markup(stacked()).named("li")) == 2


def test_bars_are_as_high_as_their_values() -> None:
    page = read_markup(stacked(series=[Series("a", [1, 2, 4]), Series("b", [0, 1, 0], "c2")]))
    one, two, above, four = heights(page)
    assert two == pytest.approx(2 * one, abs=0.2)
    assert four == pytest.approx(4 * one, abs=0.2)
    assert above == pytest.approx(one, abs=0.1)
    lower, upper = (float(rects(page)[at].attributes["y"]) for at in (1, 2))
    assert upper + above == pytest.approx(lower, abs=0.2)


def test_rows_are_as_long_as_their_values() -> None:
    page = read_markup(str(bars("R", "", ["a", "b", "c"], [10, 5, 0], "en")))
    ten, five, none = (float(one.attributes["width"]) for one in rects(page))
    assert ten == pytest.approx(2 * five, abs=0.2)
    assert none == 2


def test_every_part_tells_its_figure() -> None:
    told = [one.text for one in read_markup(stacked()).named("title")]
    assert told == [
        *("Claims", "Monday · granted · 3", "Monday · refused · 1"),
        *("Wednesday · granted · 1,200", "Wednesday · refused · 4"),
    ]


@pytest.mark.parametrize(("most", "shown"), [
    (1, ["0", "1"]), (4, ["0", "1", "2", "3", "4"]), (7, ["0", "2", "4", "6", "8"]),
    (24, ["0", "5", "10", "15", "20", "25"]), (100, ["0", "20", "40", "60", "80", "100"]),
    (123456, ["0", "50,000", "100,000", "150,000"]),
])  # fmt: skip
def test_rules_stand_at_round_numbers(most: int, shown: list[str]) -> None:
    page = read_markup(stacked(series=[Series("a", [most, 0, 0])]))
    assert [one.text for one in page.named("text") if one.attributes["class"] == "end"] == shown


@pytest.mark.parametrize(("count", "length"), [(3, 5), (60, 10), (366, 10), (20, 40), (1, 200)])
def test_labels_below_have_room(count: int, length: int) -> None:
    labels = [f"{number:0{length}d}" for number in range(count)]
    page = read_markup(str(histogram("T", "", labels, [1] * count, "en")))
    below = [one for one in page.named("text") if one.attributes["class"] == "middle"]
    places = [float(one.attributes["x"]) for one in below]
    assert below[0].text == labels[0]
    apart = [right - left for left, right in pairwise(places)]
    assert min(apart, default=float("inf")) > 6 * length


def test_a_label_that_is_too_long_is_cut_in_the_picture_and_whole_in_the_table() -> None:
    long = "word " * 40
    page = read_markup(str(bars("R", "", [long], [1], "en")))
    shown = page.named("text")[0].text
    assert len(shown) == MAX_LABEL_LENGTH
    assert shown.endswith("…")
    assert rows(page)[1][0] == long


@pytest.mark.parametrize("labels", [[], ["a"]])
def test_nothing_to_draw_is_said(labels: list[str]) -> None:
    for text in (
        stacked(labels=labels, series=[Series("a", [0] * len(labels))]),
        str(histogram("T", "", labels, [0] * len(labels), "en")),
        str(bars("T", "", labels, [0] * len(labels), "en")),
    ):
        page = read_markup(text)
        assert page.check() == []
        assert page.named("svg") == []
        assert "nothing to draw" in page.elements[0].text
    assert "nothing to draw" in stacked(labels=[], series=[])


def test_problems_are_hatched() -> None:
    page = read_markup(stacked())
    (used,) = {one.attributes["fill"] for one in rects(page) if "fill" in one.attributes}
    assert page.of("id", used.removeprefix("url(#").removesuffix(")"))[0].name == "pattern"


def test_what_is_shown_is_escaped() -> None:
    bad = "<script>\"&'"
    for text in (
        stacked(title=bad, description=bad, labels=[bad] * 3, heading=bad,
                series=[Series(bad, [1, 2, 3]), Series(bad, [1, 2, 3], "bad")]),
        str(bars(bad, bad, [bad], [1], "en", bad, bad)),
    ):  # fmt: skip
        assert "<script>" not in text
        assert read_markup(text).faults == []


def test_the_same_figures_make_the_same_text() -> None:
    assert stacked() == stacked()


@pytest.mark.parametrize("values", [[1, 2], [1, 2, 3, 4], [1, -1, 1]])
def test_values_that_do_not_fit_are_refused(values: list[int]) -> None:
    with pytest.raises(ValueError, match="chart"):
        stacked(series=[Series("a", values)])
    with pytest.raises(ValueError, match="chart"):
        histogram("T", "", LABELS, values, "en")
    with pytest.raises(ValueError, match="chart"):
        bars("T", "", LABELS, values, "en")


def test_the_stylesheet_paints_every_kind(repository: Any) -> None:
    style = (repository / "pages/static/style.css").read_text()
    painted = set(re.findall(r"\.fill-([a-z0-9]+)", style))
    assert painted == set(get_args(Kind))
