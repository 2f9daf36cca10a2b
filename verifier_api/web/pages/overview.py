"""The first page, and why claims were refused."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup
from starlette.responses import Response

from pages.charts import Kind, Series, bars, histogram, stacked_bars
from pages.figures import day, milliseconds, number
from verifier_api.web.pages.queries import PERIODS, days_of
from verifier_api.web.pages.visit import Visit

_VERDICT_KINDS: Final[dict[str, Kind]] = {
    "granted": "good",
    "refused": "bad",
    "pending": "waiting",
}
_CLASS_KINDS: Final[tuple[Kind, ...]] = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8")
_UNNAMED: Final[dict[str, Kind]] = {"other": "other", "hidden": "hidden"}


async def show(visit: Visit) -> Response:
    """What waits, what came, how it was judged."""
    summary = await visit.overview.summary(days_of(visit.request))
    return visit.render(
        "overview.html",
        summary=summary,
        periods=PERIODS,
        charts=[
            _by_verdict(visit, summary),
            _by_class(visit, summary),
            _latency(visit, summary["latency"]),
            _batches(visit, summary["batches"]),
        ],
    )


async def show_refusals(visit: Visit) -> Response:
    """Refusals by reason, with what each means."""
    found = await visit.overview.refusals(days_of(visit.request))
    chart = None
    if found["reasons"]:
        chart = bars(
            visit.say("refusals.chart"),
            visit.say("refusals.chart_about"),
            [entry["titles"][visit.language] for entry in found["reasons"]],
            [entry["count"] for entry in found["reasons"]],
            visit.language,
            visit.say("column.reason"),
            visit.say("column.claims"),
            "bad",
        )
    return visit.render("refusals.html", found=found, periods=PERIODS, chart=chart)


def _days(visit: Visit, entries: list[dict[str, Any]]) -> list[str]:
    return [day(entry["day"], visit.language) for entry in entries]


def _by_verdict(visit: Visit, summary: dict[str, Any]) -> Markup:
    entries = summary["by_day"]
    series = [
        Series(visit.say(f"verdict.{name}"), [entry[name] for entry in entries], kind)
        for name, kind in _VERDICT_KINDS.items()
    ]
    return stacked_bars(
        visit.say("overview.by_verdict"),
        visit.say("overview.by_verdict_about"),
        _days(visit, entries),
        series,
        visit.language,
        visit.say("column.day"),
    )


def _by_class(visit: Visit, summary: dict[str, Any]) -> Markup:
    entries, names = summary["by_class"], summary["classes"]
    series = [
        Series(
            visit.say(f"overview.class_{name}") if name in _UNNAMED else name,
            [entry["counts"][place] for entry in entries],
            _UNNAMED.get(name) or _CLASS_KINDS[place % len(_CLASS_KINDS)],
        )
        for place, name in enumerate(names)
    ]
    return stacked_bars(
        visit.say("overview.by_class"),
        visit.say("overview.by_class_about"),
        _days(visit, entries),
        series,
        visit.language,
        visit.say("column.day"),
    )


def _latency(visit: Visit, facts: dict[str, Any]) -> Markup:
    def time(microseconds: int) -> str:
        return number(microseconds // 1000 if microseconds % 1000 == 0 else microseconds / 1000,
                      visit.language)  # fmt: skip

    labels = [
        visit.say("overview.at_least", least=time(bucket["from_us"]))
        if bucket["to_us"] is None
        else visit.say(
            "overview.between", least=time(bucket["from_us"]), most=time(bucket["to_us"])
        )
        for bucket in facts["buckets"]
    ]
    about = visit.say(
        "overview.latency_about",
        median=milliseconds(facts["median_us"], visit.language),
        p95=milliseconds(facts["p95_us"], visit.language),
        largest=milliseconds(facts["largest_us"], visit.language),
    )
    return histogram(
        visit.say("overview.latency"),
        about,
        labels,
        [bucket["count"] for bucket in facts["buckets"]],
        visit.language,
        visit.say("overview.latency_range"),
        visit.say("column.claims"),
    )


def _batches(visit: Visit, facts: dict[str, Any]) -> Markup:
    def label(bucket: dict[str, Any]) -> str:
        least, most = bucket["from"], bucket["to"]
        if most is None:
            return visit.say("overview.at_least", least=number(least, visit.language))
        if least == most:
            return number(least, visit.language)
        return visit.say(
            "overview.between",
            least=number(least, visit.language),
            most=number(most, visit.language),
        )

    about = visit.say(
        "overview.batches_about",
        median=number(facts["median"], visit.language),
        largest=number(facts["largest"], visit.language),
    )
    return histogram(
        visit.say("overview.batches"),
        about,
        [label(bucket) for bucket in facts["buckets"]],
        [bucket["count"] for bucket in facts["buckets"]],
        visit.language,
        visit.say("overview.batches_range"),
        visit.say("column.claims"),
    )
