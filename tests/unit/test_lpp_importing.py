"""From CNAM's tables to a nomenclature: what is kept, what is dropped, and why."""

from __future__ import annotations

import csv
import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from circuits.nomenclature import (
    ClassSize,
    Nomenclature,
    RegroupementClass,
    Row,
    check_digit,
    load_shipped,
)
from tests.support.dbase import FICHE, HISTO, Column, Members, archive_of, fiche, histo, table
from verifier_api.lpp.attributes import COLUMNS, Attributes, read_attributes
from verifier_api.lpp.command import run_import
from verifier_api.lpp.importing import REASONS, Dropped, LppImport, import_lpp
from zk.errors import EncodingError, StatementError

ROOT = Path(__file__).parents[2]

LENS = 2200335  # in the base: VU1
FRAME = 2222124  # in the base: M03
NEW = 1101000  # not in the base
OTHER = 2200795  # in the base: SV3, other_supplement
BAD_DIGIT = 2200336
DAY = date(2024, 6, 1)


@dataclasses.dataclass
class Run:
    """An import and what was told meanwhile."""

    done: LppImport
    dropped: list[Dropped]
    progress: list[tuple[int, int | None]]

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.done.nomenclature.rows

    def reasons(self, name: str = "histo") -> list[tuple[int, str]]:
        return [(drop.row, drop.reason) for drop in self.dropped if drop.table == name]


def run(archive: Path, **more: Any) -> Run:
    dropped: list[Dropped] = []
    progress: list[tuple[int, int | None]] = []
    done = import_lpp(
        archive,
        **({"base": load_shipped()} | more),
        report=dropped.append,
        progress=lambda read, total: progress.append((read, total)),
    )
    return Run(done, dropped, progress)


def run_rows(
    folder: Path,
    histos: Sequence[Mapping[str, object]],
    fiches: Sequence[Mapping[str, object]] = (fiche(LENS),),
    **more: Any,
) -> Run:
    return run(archive_of(folder, fiches, histos), **more)


# --- what is kept -------------------------------------------------------------------------------


def test_a_row_has_all_that_the_tables_say(tmp_path: Path) -> None:
    period = {"DEBUTVALID": "20240101", "FINHISTO": "20241231"}
    row = histo(LENS, TARIF="0.05", PUREGLEMEN="159.90", **period)
    (kept,) = run_rows(tmp_path, [row], [fiche(LENS, AGE_MAX=15)]).rows
    assert kept == Row(
        code=LENS,
        regroupement="VU1",
        regroupement_status="derived",
        scope="generic",
        kind="lens",
        lens_type="single_vision",
        cell="single_vision/spherical/sphere=4..6/cylinder=0",
        max_age=15,
        price_class="B",
        base_tariff_cents=5,
        price_limit_cents=15990,
        valid_from=date(2024, 1, 1),
        valid_to=date(2024, 12, 31),
        period_status="stated",
    )


def test_what_is_empty_is_open_or_not_known(tmp_path: Path) -> None:
    (kept,) = run_rows(tmp_path, [histo(LENS)]).rows
    assert (kept.valid_to, kept.max_age) == (None, None)
    assert (kept.base_tariff_cents, kept.price_limit_cents) == (None, None)


def test_a_limit_of_nothing_is_no_limit_and_a_tariff_of_nothing_is_one(tmp_path: Path) -> None:
    (kept,) = run_rows(tmp_path, [histo(LENS, TARIF="0.00", PUREGLEMEN="0.00")]).rows
    assert (kept.base_tariff_cents, kept.price_limit_cents) == (0, None)


def test_every_period_is_a_row(tmp_path: Path) -> None:
    rows = run_rows(
        tmp_path,
        [
            histo(LENS, "VU2", DEBUTVALID="20250101"),
            histo(LENS, "VU1", DEBUTVALID="20240101", FINHISTO="20241231"),
        ],
    ).rows
    assert [(row.regroupement, row.valid_from.year) for row in rows] == [
        ("VU1", 2024),
        ("VU2", 2025),
    ]


def test_a_fiche_that_ends_ends_its_periods(tmp_path: Path) -> None:
    ended = [fiche(LENS, DATE_FIN="20240630")]
    (kept,) = run_rows(tmp_path, [histo(LENS)], ended).rows
    assert kept.valid_to == date(2024, 6, 30)
    (kept,) = run_rows(tmp_path, [histo(LENS, FINHISTO="20241231")], ended).rows
    assert kept.valid_to == date(2024, 6, 30)
    (kept,) = run_rows(tmp_path, [histo(LENS, FINHISTO="20240331")], ended).rows
    assert kept.valid_to == date(2024, 3, 31)


@pytest.mark.parametrize("place", [("2", "2"), ("02", "02"), (2, 2), ("2.0", "2")])
def test_the_place_of_optics_may_be_written_in_several_ways(
    tmp_path: Path, place: tuple[object, object]
) -> None:
    columns = [
        Column(column.name, "C", 4) if column.name in ("ARBO1", "ARBO2") else column
        for column in FICHE
    ]
    fiches = [fiche(LENS, ARBO1=place[0], ARBO2=place[1])]
    members = Members(table(columns, fiches), table(HISTO, [histo(LENS)]))
    assert len(run(members.write(tmp_path)).rows) == 1


def test_types_and_order_of_columns_do_not_matter(tmp_path: Path) -> None:
    columns = [
        Column("puReglemen", "C", 12),
        Column("OTHER", "M", 10),
        Column("TARIF", "F", 12, 2),
        Column("FINHISTO", "C", 10),
        Column("DEBUTVALID", "N", 8),
        Column("NAT_PREST", "C", 10),
        Column("CODE_TIPS", "N", 9),
    ]
    row = histo(LENS, TARIF="0.05", FINHISTO="2024-12-31", DEBUTVALID=20240101, puReglemen="30,5")
    fiches = table(FICHE, [fiche(LENS)])
    (kept,) = run(Members(fiches, table(columns, [row])).write(tmp_path)).rows
    (same,) = run_rows(
        tmp_path, [histo(LENS, TARIF="0.05", FINHISTO="20241231", PUREGLEMEN="30.50")]
    ).rows
    assert kept == same


def test_deleted_records_are_counted_and_nothing_else(tmp_path: Path) -> None:
    rows = [histo(BAD_DIGIT), histo(LENS), histo(LENS, "XXX"), histo(FRAME, "???")]
    members = Members(table(FICHE, [fiche(LENS)]), table(HISTO, rows, deleted=frozenset({1, 4})))
    done = run(members.write(tmp_path))
    counts = done.done.counts["histo"]
    assert (counts.read, counts.kept, counts.deleted) == (2, 1, 2)
    # Deleted records count in the numbers of those that follow.
    assert done.reasons() == [(3, "unknown_class")]


def test_the_version_is_the_archives_number_or_as_given(tmp_path: Path) -> None:
    assert run_rows(tmp_path, [histo(LENS)]).done.nomenclature.version == "LPP823"
    named = run_rows(tmp_path, [histo(LENS)], version="mine-1").done.nomenclature
    assert named.version == "mine-1"
    with pytest.raises(StatementError, match="malformed version"):
        run_rows(tmp_path, [histo(LENS)], version="a b")


def test_the_archive_may_be_renamed(tmp_path: Path) -> None:
    renamed = archive_of(tmp_path, [fiche(LENS)], [histo(LENS)], name="LPP823 (1).zip")
    assert run(renamed).done.nomenclature.version == "LPP823"


def test_the_source_says_where_what_comes_from(tmp_path: Path) -> None:
    source = run_rows(tmp_path, [histo(LENS)]).done.nomenclature.source
    assert "tables 823" in source
    assert f"2020-07 ({load_shipped().digest.hex()})" in source


def test_the_same_archive_twice_is_the_same_nomenclature(tmp_path: Path) -> None:
    first = run_rows(tmp_path, [histo(LENS), histo(FRAME, "M03")], [fiche(LENS), fiche(FRAME)])
    again = run_rows(tmp_path, [histo(FRAME, "M03"), histo(LENS)], [fiche(FRAME), fiche(LENS)])
    assert first.done.nomenclature.digest == again.done.nomenclature.digest
    table = Nomenclature.parse(first.done.nomenclature.to_bytes())
    assert table.digest == first.done.nomenclature.digest


def test_classes_are_those_of_the_base(tmp_path: Path) -> None:
    assert run_rows(tmp_path, [histo(LENS)]).done.nomenclature.classes() == load_shipped().classes()


def test_progress_ends_at_all_records(tmp_path: Path) -> None:
    progress = run_rows(tmp_path, [histo(LENS), histo(LENS)]).progress
    assert progress[0] == (0, None)
    assert progress[-1] == (3, 3)
    rows = [histo(OTHER + index) for index in range(2500)]
    progress = run_rows(tmp_path, [histo(LENS), *rows]).progress
    assert progress == [(0, None), (1, 2502), (1001, 2502), (2001, 2502), (2502, 2502)]


# --- what is dropped ----------------------------------------------------------------------------

ENDED = fiche(LENS, DATE_FIN="20231231")


@pytest.mark.parametrize(
    ("bad", "fiches", "reason"),
    [
        (histo(OTHER), [fiche(OTHER, ARBO1=1)], "not_optics"),
        (histo(OTHER), [fiche(OTHER, ARBO2=3)], "not_optics"),
        (histo(OTHER), [fiche(OTHER, ARBO1=None)], "not_optics"),
        (histo("22003X5"), [], "bad_code"),
        (histo(None), [], "bad_code"),
        (histo(BAD_DIGIT), [], "bad_check_digit"),
        (histo(OTHER), [], "no_fiche"),
        (histo(OTHER, "V99"), [fiche(OTHER)], "unknown_class"),
        (histo(OTHER, None), [fiche(OTHER)], "unknown_class"),
        (histo(OTHER, "sv3"), [fiche(OTHER)], "unknown_class"),
        (histo(OTHER, DEBUTVALID=None), [fiche(OTHER)], "bad_date"),
        (histo(OTHER, DEBUTVALID="20240230"), [fiche(OTHER)], "bad_date"),
        (histo(OTHER, FINHISTO="20240X01"), [fiche(OTHER)], "bad_date"),
        (histo(OTHER, FINHISTO="20231231"), [fiche(OTHER)], "period_reversed"),
        (histo(OTHER), [fiche(OTHER, DATE_FIN="20231231")], "after_fiche_end"),
        (histo(OTHER, TARIF="1.001"), [fiche(OTHER)], "bad_amount"),
        (histo(OTHER, PUREGLEMEN="-1"), [fiche(OTHER)], "bad_amount"),
        (histo(OTHER), [fiche(OTHER, AGE_MAX=200)], "no_fiche"),
        (histo(OTHER), [fiche(OTHER, DATE_FIN="20241332")], "no_fiche"),
    ],
)
def test_a_bad_row_is_dropped_alone(
    tmp_path: Path,
    bad: Mapping[str, object],
    fiches: list[Mapping[str, object]],
    reason: str,
) -> None:
    done = run_rows(tmp_path, [bad, histo(LENS)], [fiche(LENS), *fiches])
    assert done.reasons() == [(1, reason)]
    assert [row.code for row in done.rows] == [LENS]
    assert done.done.counts["histo"].dropped == {reason: 1}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (fiche(OTHER, ARBO1=7), "not_optics"),
        (fiche(OTHER, ARBO1=None), "not_optics"),
        (fiche(None, ARBO1=7), "not_optics"),
        (fiche("ABC"), "bad_code"),
        (fiche(None), "bad_code"),
        (fiche(BAD_DIGIT), "bad_check_digit"),
        (fiche(OTHER, AGE_MAX=151), "bad_age"),
        (fiche(OTHER, DATE_FIN="20230229"), "bad_date"),
        (fiche(LENS, AGE_MAX=3), "duplicate"),
        (fiche(OTHER), "no_period"),
    ],
)
def test_a_bad_fiche_is_dropped_alone(
    tmp_path: Path, bad: Mapping[str, object], reason: str
) -> None:
    done = run_rows(tmp_path, [histo(LENS)], [fiche(LENS), bad])
    assert done.reasons("fiche") == [(2, reason)]
    assert [(row.code, row.max_age) for row in done.rows] == [(LENS, None)]
    counts = done.done.counts["fiche"]
    assert (counts.read, counts.kept, counts.dropped) == (2, 1, {reason: 1})


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (histo(LENS, FINHISTO="20241231", TARIF="0.05"), "duplicate"),
        (histo(LENS, FINHISTO="20241231"), "period_overlap"),
        (histo(LENS, DEBUTVALID="20241231"), "period_overlap"),
        (histo(LENS, DEBUTVALID="20230101"), "period_overlap"),
        (histo(LENS, DEBUTVALID="20230101", FINHISTO="20240101"), "period_overlap"),
        (histo(LENS, DEBUTVALID="20240601", FINHISTO="20240630"), "period_overlap"),
        (histo(LENS, "VU2", DEBUTVALID="20250101"), None),
        (histo(LENS, "VU2", DEBUTVALID="20230101", FINHISTO="20231231"), None),
    ],
)
def test_of_periods_that_overlap_the_first_in_the_file_stays(
    tmp_path: Path, second: Mapping[str, object], reason: str | None
) -> None:
    first = histo(LENS, FINHISTO="20241231", TARIF="0.05")
    done = run_rows(tmp_path, [first, second])
    assert done.reasons() == ([(2, reason)] if reason else [])
    assert done.done.nomenclature.row(LENS, DAY).base_tariff_cents == 5


def test_a_period_between_two_others_overlaps_either(tmp_path: Path) -> None:
    first = histo(LENS, DEBUTVALID="20200101", FINHISTO="20201231")
    last = histo(LENS, DEBUTVALID="20220101", FINHISTO="20221231")
    between = {"DEBUTVALID": "20210101", "FINHISTO": "20211231"}
    assert run_rows(tmp_path, [last, first, histo(LENS, **between)]).reasons() == []
    early = histo(LENS, **(between | {"DEBUTVALID": "20201231"}))
    assert run_rows(tmp_path, [last, first, early]).reasons() == [(3, "period_overlap")]
    late = histo(LENS, **(between | {"FINHISTO": "20220101"}))
    assert run_rows(tmp_path, [last, first, late]).reasons() == [(3, "period_overlap")]


def test_what_is_read_is_kept_or_dropped(tmp_path: Path) -> None:
    rows = [histo(LENS), histo(LENS), histo(BAD_DIGIT), histo(OTHER), histo(FRAME, "M03")]
    fiches = [fiche(LENS), fiche(FRAME), fiche(OTHER, ARBO1=1), fiche(NEW)]
    done = run_rows(tmp_path, rows, fiches)
    for name, counts in done.done.counts.items():
        assert counts.read == counts.kept + sum(counts.dropped.values())
        assert len(done.reasons(name)) == sum(counts.dropped.values())
    assert done.done.counts["histo"].kept == len(done.rows) == 2


def test_an_archive_without_optics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StatementError, match=r"LPP823\.zip: no row of optics"):
        run_rows(tmp_path, [histo(LENS)], [fiche(LENS, ARBO1=1)])
    with pytest.raises(StatementError, match="no row of optics"):
        run_rows(tmp_path, [])


def test_the_page_explains_every_reason() -> None:
    page = (ROOT / "docs" / "nomenclature-import.md").read_text(encoding="utf-8")
    assert [reason for reason in REASONS if f"| `{reason}` |" not in page] == []


# --- kind and cell ------------------------------------------------------------------------------


def test_codes_that_nobody_knows_are_unknown(tmp_path: Path) -> None:
    done = run_rows(tmp_path, [histo(NEW), histo(FRAME, "M03")], [fiche(NEW), fiche(FRAME)])
    lens = done.done.nomenclature.row(NEW, DAY)
    assert (lens.kind, lens.lens_type, lens.cell) == ("lens", "unknown", "unknown")
    assert lens.scope == "manufacturer"
    assert done.done.origins == {"unknown": 1, "class": 1}


@pytest.mark.parametrize(("regroupement", "kind"), [("M02", "frame"), ("SV2", "other_supplement")])
def test_the_class_says_the_kind_of_the_rest(tmp_path: Path, regroupement: str, kind: str) -> None:
    (row,) = run_rows(tmp_path, [histo(NEW, regroupement)], [fiche(NEW)]).rows
    assert (row.kind, row.lens_type, row.cell) == (kind, None, None)


def test_unknown_lenses_count_as_one_cell(tmp_path: Path) -> None:
    codes = [six * 10 + check_digit(six) for six in range(110_100, 110_110)]
    done = run_rows(tmp_path, [histo(c) for c in codes], [fiche(c) for c in codes])
    assert done.done.nomenclature.class_size("VU1", DAY) == ClassSize(codes=10, cells=1)


def test_what_the_base_knows_of_another_class_is_not_used(tmp_path: Path) -> None:
    done = run_rows(
        tmp_path,
        [histo(LENS, "VU4"), histo(FRAME, "V01"), histo(OTHER, "SV2")],
        [fiche(LENS), fiche(FRAME), fiche(OTHER)],
    )
    assert [row.cell for row in done.rows] == ["unknown", None, "unknown"]
    assert done.done.misfits == 3
    assert done.done.origins == {"unknown": 3}


def test_the_base_may_know_a_code_by_period(tmp_path: Path) -> None:
    shipped = load_shipped()
    row = next(row for row in shipped.rows if row.code == LENS)
    later = dataclasses.replace(
        row,
        cell="single_vision/spherical/sphere=0..2/cylinder=0",
        valid_from=date(2024, 1, 1),
        valid_to=None,
    )
    base = Nomenclature("b", "for a test", shipped.classes(), [row, later])
    rows = [histo(LENS, DEBUTVALID="20200101", FINHISTO="20231231"), histo(LENS)]
    kept = run_rows(tmp_path, rows, base=base).rows
    assert [one.cell for one in kept] == [row.cell, later.cell]


def write_attributes(folder: Path, *lines: Mapping[str, object], bom: bool = False) -> Path:
    path = folder / "attributes.csv"
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(lines)
    return path


SPHERE: dict[str, object] = {
    "kind": "lens",
    "type": "single_vision",
    "shape": "spherical",
    "sphere_near": "0",
    "sphere_far": "2",
    "cylinder": "0",
}
CELL = "single_vision/spherical/sphere=0..2/cylinder=0"


def test_a_table_of_attributes_says_what_the_base_does_not(tmp_path: Path) -> None:
    attributes = write_attributes(
        tmp_path, {"lpp_code": NEW} | SPHERE, {"lpp_code": OTHER, "kind": "tint_supplement"}
    )
    done = run_rows(
        tmp_path,
        [histo(NEW), histo(OTHER, "SV3")],
        [fiche(NEW), fiche(OTHER)],
        attributes=attributes,
    )
    lens, supplement = done.rows
    assert (lens.kind, lens.lens_type, lens.cell) == ("lens", "single_vision", CELL)
    assert supplement.kind == "tint_supplement"  # the base says other_supplement
    assert done.done.origins == {"attributes": 2}
    assert "a table of attributes" in done.done.nomenclature.source


def test_attributes_of_another_family_are_not_used(tmp_path: Path) -> None:
    attributes = write_attributes(tmp_path, {"lpp_code": LENS, "kind": "frame"})
    done = run_rows(tmp_path, [histo(LENS)], attributes=attributes)
    assert done.rows[0].cell == "single_vision/spherical/sphere=4..6/cylinder=0"
    assert (done.done.misfits, done.done.origins) == (1, {"base": 1})


def test_attributes_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_attributes(tmp_path, {"lpp_code": NEW} | SPHERE, bom=True)
    assert read_attributes(path) == {NEW: Attributes("lens", "single_vision", CELL)}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([{"lpp_code": BAD_DIGIT} | SPHERE], "row 1: the code"),
        ([{"lpp_code": "x"} | SPHERE], "row 1: the code"),
        (
            [{"lpp_code": NEW} | SPHERE, {"lpp_code": NEW} | SPHERE],
            "row 2: a code that comes twice",
        ),
        ([{"lpp_code": NEW} | SPHERE | {"sphere_far": ""}], "row 1: a band with one end"),
        ([{"lpp_code": NEW} | SPHERE | {"sphere_far": "2.1"}], "row 1: cell: "),
        ([{"lpp_code": NEW} | SPHERE | {"type": "unknown"}], "row 1: cell: unknown lens type"),
        ([{"lpp_code": NEW} | SPHERE | {"kind": "glass"}], "row 1: unknown kind"),
    ],
)
def test_bad_attributes_are_refused(
    tmp_path: Path, lines: list[Mapping[str, object]], problem: str
) -> None:
    path = write_attributes(tmp_path, *lines)
    with pytest.raises((EncodingError, StatementError), match=rf"attributes\.csv: {problem}"):
        read_attributes(path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no column lpp_code"),
        (b"lpp_code,kind\n", "no column type"),
        (",".join(COLUMNS).encode() + b"\n\xff\xfe\n", "no CSV table in UTF-8"),
        (",".join(COLUMNS).encode() + b'\n"a"b,c\n', "no CSV table in UTF-8"),
        (",".join(COLUMNS).encode() + b"\n1101000,frame\n", "row 1: not as many values"),
        (",".join(COLUMNS).encode() + b"\n1101000,frame,,,,,,,,,\n", "row 1: not as many"),
    ],
)
def test_files_that_are_no_table_of_attributes_are_refused(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "attributes.csv"
    path.write_bytes(data)
    with pytest.raises((EncodingError, StatementError), match=problem):
        read_attributes(path)


# --- the command --------------------------------------------------------------------------------


def test_the_command_writes_a_report_and_tells_counts(tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path,
        [fiche(LENS), fiche(OTHER, ARBO1=1)],
        [histo(LENS), histo(OTHER), histo(LENS, "V99")],
    )
    report = tmp_path / "report.ndjson"
    table, facts, lines = run_import(archive, load_shipped(), None, None, report, False)
    written = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert [(entry["table"], entry["row"], entry["reason"]) for entry in written] == [
        ("fiche", 2, "not_optics"),
        ("histo", 2, "not_optics"),
        ("histo", 3, "unknown_class"),
    ]
    assert written[2]["detail"] == f"code {LENS}: class V99"
    assert facts["version"] == table.version == "LPP823"
    assert facts["rows"] == 1
    assert facts["tables"]["histo"]["dropped"] == {"not_optics": 1, "unknown_class": 1}
    assert facts["difference"]["before"]["version"] == "2020-07"
    assert json.loads(json.dumps(facts)) == facts
    assert lines[0].startswith("nomenclature LPP823  ")
    assert "  unknown_class    1" in lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LPP823.zip", "report.ndjson"]


def test_a_refusal_reports_what_was_dropped_before_it(tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    report.write_text("before", encoding="utf-8")
    archive = archive_of(tmp_path, [fiche(LENS, ARBO1=1)], [histo(LENS)])
    with pytest.raises(StatementError, match="no row of optics"):
        run_import(archive, load_shipped(), None, None, report, False)
    dropped = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert {entry["reason"] for entry in dropped} == {"not_optics"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LPP823.zip", "report.ndjson"]


def test_the_bar_is_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = archive_of(tmp_path, [fiche(LENS)], [histo(LENS)])
    run_import(archive, load_shipped(), show_progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "rows 2" in captured.err
    run_import(archive, load_shipped())
    assert capsys.readouterr().err == ""


def test_more_periods_of_one_code_than_anyone_has_are_refused(tmp_path: Path) -> None:
    days = [date.fromordinal(date(2000, 1, 1).toordinal() + index) for index in range(1001)]
    rows = [histo(LENS, DEBUTVALID=f"{day:%Y%m%d}", FINHISTO=f"{day:%Y%m%d}") for day in days]
    assert len(run_rows(tmp_path, rows[:1000]).rows) == 1000
    with pytest.raises(StatementError, match=r"histo_tot823\.dbf: more than 1000 periods"):
        run_rows(tmp_path, rows)


def test_a_class_that_the_base_has_not_is_not_made_up(tmp_path: Path) -> None:
    lenses = RegroupementClass("VU1", "lens", "VERRES", "B", "simple")
    row = next(row for row in load_shipped().rows if row.code == LENS)
    base = Nomenclature("b", "for a test", [lenses], [row])
    fiches = [fiche(LENS), fiche(FRAME)]
    done = run_rows(tmp_path, [histo(LENS), histo(FRAME, "M03")], fiches, base=base)
    assert done.reasons() == [(2, "unknown_class")]


def test_other_members_of_the_archive_are_not_read(tmp_path: Path) -> None:
    nested = tmp_path / "nested.zip"
    with zipfile.ZipFile(nested, "w") as inner:
        inner.writestr("lpp_histo_tot999.dbf", b"")
    members = Members(
        table(FICHE, [fiche(LENS)]),
        table(HISTO, [histo(LENS)]),
        others={"nested.zip": nested.read_bytes(), "lpp_comp_tot823.dbf": b"no table"},
    )
    assert len(run(members.write(tmp_path)).rows) == 1
