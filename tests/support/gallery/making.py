"""A page with every part of a page, which no side has: made to be looked at and to be checked."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Final

from markupsafe import Markup

from pages.catalogue import Catalogue, Language
from pages.charts import Kind, Series, bars, histogram, stacked_bars
from pages.figures import day
from pages.rendering import Renderer

PACKAGE: Final = "tests.support.gallery"
CLASSES: Final[tuple[Kind, ...]] = (
    *("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"),
    *("other", "hidden"),
)


@cache
def gallery_renderer() -> Renderer:
    """What makes the gallery."""
    return Renderer((PACKAGE,), Catalogue.load(PACKAGE))


def make_gallery(language: Language) -> str:
    """The page."""
    renderer = gallery_renderer()
    word = renderer.catalogue.say("gallery.word", language)
    return renderer.render(
        "gallery.html",
        language,
        product=renderer.catalogue.say("gallery.product", language),
        csrf="token",
        who=word,
        leave_path="/gallery",
        back="/gallery",
        links=[
            {"href": "/gallery", "text": word, "is_current": number == 1, "number": number}
            for number in range(4)
        ],
        footer=word,
        charts=_charts(renderer.catalogue, language),
        errors={"price": renderer.catalogue.say("pages.form.amount_invalid", language), "": word},
    )


def _charts(catalogue: Catalogue, language: Language) -> list[Markup]:
    word, text = (catalogue.say(f"gallery.{name}", language) for name in ("word", "text"))
    days = [day(date(2026, 9, 27) + timedelta(number), language) for number in range(60)]
    verdicts = (
        Series(f"{word} 1", [number * 7 % 11 for number in range(60)], "good"),
        Series(f"{word} 2", [number * 5 % 3 for number in range(60)], "bad"),
        Series(f"{word} 3", [number * 3 % 2 for number in range(60)], "waiting"),
    )
    classes = [
        Series(f"{word} {at}", [(number * 7 + at * at) % 4 for number in range(60)], kind)
        for at, kind in enumerate(CLASSES)
    ]
    ranges = [f"≤ {2**power}" for power in range(5, 13)]
    counts = [2, 30, 120, 90, 40, 12, 3, 1]
    long = catalogue.say("gallery.long", language)
    return [
        stacked_bars("1", text, days, verdicts, language, word),
        stacked_bars("2", text, days, classes, language, word),
        histogram("3", text, ranges, counts, language, word, word),
        bars("4", text, [word, text, long], [12, 4, 1], language, word, word, "bad"),
        bars("5", text, [word], [0], language),
    ]
