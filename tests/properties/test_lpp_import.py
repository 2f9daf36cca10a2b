"""Random tables of codes, written as dBase files and imported, are what was written."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from circuits.nomenclature import Nomenclature, check_digit, load_shipped
from tests.support.dbase import FICHE, HISTO, Members, fiche, histo, table
from verifier_api.lpp.archive import TABLES
from verifier_api.lpp.importing import Dropped, import_lpp

CLASSES = [entry.code for entry in load_shipped().classes()]
FIRST_DAY = date(2002, 1, 1)


class Period(NamedTuple):
    """A period of a code as the archive is to state it; ``tariff`` and ``limit`` in cents."""

    regroupement: str
    start: date
    end: date | None
    tariff: int | None
    limit: int | None


class Code(NamedTuple):
    """A code, its age limit, whether it is optics, and its periods, which do not overlap."""

    code: int
    max_age: int | None
    is_optics: bool
    periods: tuple[Period, ...]


CENTS = st.none() | st.integers(1, 9_999_999)


@st.composite
def codes(draw: st.DrawFn) -> Code:
    first_six = draw(st.integers(100_000, 999_999))
    periods = []
    day = FIRST_DAY
    for index, length in enumerate(draw(st.lists(st.integers(1, 900), max_size=4))):
        start = day + timedelta(days=draw(st.integers(0, 30)))
        end = start + timedelta(days=length - 1)
        periods.append(Period(draw(st.sampled_from(CLASSES)), start, end, draw(CENTS), draw(CENTS)))
        day = end + timedelta(days=1)
        if index == 3 or draw(st.booleans()):
            periods[-1] = periods[-1]._replace(end=None)
            break
    return Code(
        first_six * 10 + check_digit(first_six),
        draw(st.none() | st.integers(1, 150)),
        draw(st.booleans()),
        tuple(periods),
    )


def euros(cents: int | None, separator: str = ".") -> str | None:
    return None if cents is None else f"{cents // 100}{separator}{cents % 100:02d}"


def compact(day: date | None) -> str | None:
    return None if day is None else day.isoformat().replace("-", "")


def records(listed: list[Code]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    fiches = [
        fiche(code.code, AGE_MAX=code.max_age, ARBO1=2 if code.is_optics else 1) for code in listed
    ]
    histos = [
        histo(
            code.code,
            period.regroupement,
            DEBUTVALID=compact(period.start),
            FINHISTO=compact(period.end),
            TARIF=euros(period.tariff),
            PUREGLEMEN=euros(period.limit, ","),
        )
        for code in listed
        for period in code.periods
    ]
    return fiches, histos


ALWAYS = Code(2200335, None, True, (Period("VU1", FIRST_DAY, None, 5, None),))


@given(
    st.lists(codes(), max_size=8, unique_by=lambda code: code.code),
    st.randoms(use_true_random=False),
    st.integers(0, 2),
)
def test_what_is_written_is_imported(listed: list[Code], random: Random, deleted: int) -> None:
    listed = [ALWAYS, *(code for code in listed if code.code != ALWAYS.code)]
    fiches, histos = records(listed)
    marked = []
    for rows in (fiches, histos):
        random.shuffle(rows)
        numbers = sorted(random.sample(range(1, len(rows) + deleted + 1), deleted))
        for number in numbers:
            rows.insert(number - 1, {"CODE_TIPS": "deleted"})
        marked.append(frozenset(numbers))
    members = Members(
        table(FICHE, fiches, deleted=marked[0]), table(HISTO, histos, deleted=marked[1])
    )
    dropped: list[Dropped] = []
    with tempfile.TemporaryDirectory() as folder:
        done = import_lpp(members.write(Path(folder)), base=load_shipped(), report=dropped.append)
    kept = {
        (
            *(row.code, row.max_age, row.regroupement, row.valid_from, row.valid_to),
            *(row.base_tariff_cents, row.price_limit_cents),
        )
        for row in done.nomenclature.rows
    }
    assert kept == {
        (
            *(code.code, code.max_age, period.regroupement, period.start, period.end),
            *(period.tariff, period.limit),
        )
        for code in listed
        for period in code.periods
        if code.is_optics
    }
    assert len(kept) == len(done.nomenclature.rows)
    for name in TABLES:
        counts = done.counts[name]
        told = [drop for drop in dropped if drop.table == name]
        assert counts.read == counts.kept + len(told)
        assert sum(counts.dropped.values()) == len(told)
    assert {drop.reason for drop in dropped} <= {"not_optics", "no_period"}
    assert [done.counts[name].deleted for name in TABLES] == [deleted, deleted]
    again = Nomenclature.parse(done.nomenclature.to_bytes())
    assert again.digest == done.nomenclature.digest
