"""Where an attester's records come from: files that change, tables, and what is wrong with them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from circuits.nomenclature import check_digit
from verifier_api.attester.rules import Record
from verifier_api.attester.sources import (
    MAX_FILE_BYTES,
    MAX_QUANTITY,
    CsvRecords,
    RecordFault,
    SourceError,
    SqlRecords,
    _record_of,
    open_source,
    parse_records,
)
from verifier_api.attester.watched import Watched
from zk.errors import EncodingError, StatementError

CODE = 2_212_340 + check_digit(221_234)
OTHER_CODE = 7_654_320 + check_digit(765_432)
PRICE = 43_217
HEAD = "record_id,optician_id,code,price_cents,quantity\n"
GOOD = f"{HEAD}R-1,shop-1,{CODE},{PRICE},2\nR-2,shop-2,{OTHER_CODE},,\n"
PASSWORD = "pass-WORD-93"


def secrets_in(text: str) -> list[str]:
    return [word for word in (str(CODE), str(OTHER_CODE), str(PRICE), PASSWORD) if word in text]


# -- a file -------------------------------------------------------------------------------------


def test_records_are_read() -> None:
    assert parse_records(GOOD.encode()) == {
        "R-1": Record("R-1", "shop-1", CODE, PRICE, 2),
        "R-2": Record("R-2", "shop-2", OTHER_CODE, None, 1),
    }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        f"record_id,optician_id,code\nR-1,shop-1,{CODE}\n",
        f"code,quantity,optician_id,record_id\n{CODE},1,shop-1,R-1\n",
        f'"record_id","optician_id","code"\n"R-1","shop-1","{CODE}"\n',
        f"record_id, optician_id, code\nR-1,shop-1, {CODE} \n",
    ],
)
def test_other_ways_to_write_a_file(text: str) -> None:
    assert parse_records(text.encode())["R-1"].code == CODE


def test_a_file_without_records_is_one() -> None:
    assert parse_records(HEAD.encode()) == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the last line has no end"),
        (b"\n", "the first line must name"),
        (GOOD.encode()[:-1], "the last line has no end"),
        (GOOD.encode()[:-20], "the last line has no end"),
        (b"\xff\n", "not UTF-8"),
        (b"record_id,optician_id\n", "the first line must name"),
        (b"record_id,optician_id,code,code\n", "each once"),
        (b"record_id,optician_id,code,price\n", "nothing else"),
        (f"R-1,shop-1,{CODE}\n".encode(), "the first line must name"),
        (f'{HEAD}"R-1,shop-1,{CODE},1,1\n'.encode(), "line 2: not CSV"),
    ],
)
def test_what_is_no_such_file(data: bytes, words: str) -> None:
    with pytest.raises(EncodingError) as refusal:
        parse_records(data)
    assert words in str(refusal.value)
    assert not secrets_in(str(refusal.value))


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (f"-R,shop-1,{CODE},{PRICE},1", "record_id"),
        (f"R-1,,{CODE},{PRICE},1", "optician_id"),
        (f"R-1,shop 1,{CODE},{PRICE},1", "optician_id"),
        (f"R-1,shop-1,,{PRICE},1", "code"),
        (f"R-1,shop-1,{CODE + 1},{PRICE},1", "code"),
        (f"R-1,shop-1,0{CODE % 10**6},{PRICE},1", "code"),
        (f"R-1,shop-1,{CODE}.0,{PRICE},1", "code"),
        (f"R-1,shop-1,\u0661{CODE},{PRICE},1", "code"),
        (f"R-1,shop-1,{CODE},-{PRICE},1", "price_cents"),
        (f"R-1,shop-1,{CODE},432.17,1", "price_cents"),
        (f"R-1,shop-1,{CODE},{PRICE} EUR,1", "price_cents"),
        (f"R-1,shop-1,{CODE},10000001,1", "price_cents"),
        (f"R-1,shop-1,{CODE},{PRICE},0", "quantity"),
        (f"R-1,shop-1,{CODE},{PRICE},{MAX_QUANTITY + 1}", "quantity"),
        (f"R-1,shop-1,{CODE},{PRICE},two", "quantity"),
        (f"R-1,shop-1,{CODE},{PRICE}", "5 columns expected"),
        (f"R-1,shop-1,{CODE},{PRICE},1,{CODE}", "5 columns expected"),
        (f"R-2,shop-1,{CODE},{PRICE},1", "record_id: listed twice"),
    ],
)
def test_a_bad_row_is_told_by_number_and_field(row: str, field: str) -> None:
    text = f"{HEAD}R-2,shop-2,{OTHER_CODE},,\n{row}\nR-3,shop-3,{OTHER_CODE},,\n"
    with pytest.raises(StatementError) as refusal:
        parse_records(text.encode())
    told = str(refusal.value)
    assert told.startswith(f"records: line 3: {field}")
    assert ";" not in told
    assert not secrets_in(told)
    assert refusal.value.__cause__ is refusal.value.__context__ is None


def test_ten_bad_rows_are_told_at_most() -> None:
    rows = "".join(f"R-{n},shop-1,1,,\n" for n in range(30))
    with pytest.raises(StatementError) as refusal:
        parse_records((HEAD + rows).encode())
    assert str(refusal.value).count("not an LPP code") == 10


def test_no_repr_shows_a_record() -> None:
    record = parse_records(GOOD.encode())["R-1"]
    assert not secrets_in(repr(record))


# -- a file that changes ------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "records.csv"
    path.write_text(GOOD)
    return path


def rewrite(path: Path, text: str) -> None:
    """As a careful program does it: beside it, then renamed."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_file_is_read_again_when_it_changes(file: Path) -> None:
    records = CsvRecords(str(file))
    assert records.find("R-1") == Record("R-1", "shop-1", CODE, PRICE, 2)
    assert records.find("R-9") is None
    rewrite(file, f"{HEAD}R-9,shop-1,{CODE},,\n")
    assert records.find("R-1") is None
    assert records.find("R-9") == Record("R-9", "shop-1", CODE, None, 1)
    assert records.is_current()


@pytest.mark.parametrize("bad", ["", HEAD[:10], GOOD[:-1], GOOD.replace(str(CODE), "1234567")])
def test_a_file_that_became_bad_changes_nothing_until_it_is_good(file: Path, bad: str) -> None:
    faults: list[str] = []
    records = CsvRecords(str(file), faults.append)
    assert records.is_current()
    file.write_text(bad)
    for _ in range(3):
        assert records.find("R-1") == Record("R-1", "shop-1", CODE, PRICE, 2)
    assert not records.is_current()
    assert len(faults) == 1
    assert faults[0].startswith("records: ")
    assert not secrets_in(faults[0])
    rewrite(file, f"{HEAD}R-9,shop-1,{CODE},,\n")
    assert records.find("R-1") is None
    assert records.is_current()
    assert len(faults) == 1


def test_a_file_that_vanishes_changes_nothing_until_it_is_back(file: Path) -> None:
    faults: list[str] = []
    records = CsvRecords(str(file), faults.append)
    file.unlink()
    for _ in range(2):
        assert records.find("R-1") is not None
        assert not records.is_current()
    assert faults == ["records: No such file or directory"]
    file.write_text(GOOD)
    assert records.is_current()
    assert records.find("R-1") is not None


def test_an_unchanged_file_is_read_once(file: Path) -> None:
    reads: list[int] = []

    def parse(data: bytes) -> int:
        reads.append(len(data))
        return len(data)

    watched = Watched(str(file), 1000, parse, "records")
    assert [watched.current() for _ in range(5)] == [len(GOOD)] * 5
    assert len(reads) == 1
    assert repr(watched) == "Watched('records')"


def test_a_file_has_to_be_there_good_and_small_at_the_start(file: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        CsvRecords(str(tmp_path / "none.csv"))
    with file.open("ab") as opened:
        opened.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(EncodingError, match="more than the 67108864 bytes"):
        CsvRecords(str(file))
    file.write_text(GOOD[:-1])
    with pytest.raises(EncodingError):
        CsvRecords(str(file))


# -- a database ---------------------------------------------------------------------------------

TABLE = (
    "CREATE TABLE orders (record_id TEXT, optician_id TEXT, code, price_cents INTEGER,"
    " quantity INTEGER)"
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "shop's base.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE)
        connection.execute(
            "CREATE VIEW seen AS SELECT record_id, optician_id, code, NULL AS price_cents,"
            " 1 AS quantity FROM orders"
        )
        rows = [
            ("R-1", "shop-1", CODE, PRICE, 2),
            ("R-2", "shop-2", str(OTHER_CODE), None, None),
            ("R-3", "shop-3", 1234567, PRICE, 1),
            ("R-4", "shop-4", CODE, -1, 1),
            ("R-5", "shop-5", CODE, PRICE, 1),
            ("R-5", "shop-5", CODE, PRICE, 1),
            ("R-6", "shop-6", 2.5, PRICE, 1),
        ]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    return path


@pytest.fixture
def orders(base: Path) -> Iterator[SqlRecords]:
    source = SqlRecords(f"sqlite:///{base}", "orders")
    yield source
    source.close()


def test_records_of_a_table_and_of_a_view(orders: SqlRecords, base: Path) -> None:
    assert orders.find("R-1") == Record("R-1", "shop-1", CODE, PRICE, 2)
    assert orders.find("R-2") == Record("R-2", "shop-2", OTHER_CODE, None, 1)
    assert orders.find("R-9") is None
    assert orders.is_current()
    view = SqlRecords(f"sqlite:///{base}", "main.seen")
    assert view.find("R-1") == Record("R-1", "shop-1", CODE, None, 1)
    view.close()


@pytest.mark.parametrize(
    ("record_id", "field"),
    [("R-3", "code: not an LPP code"), ("R-4", "price_cents"), ("R-5", "record_id: stands there"),
     ("R-6", "code")],
)  # fmt: skip
def test_a_bad_record_is_told_by_field(orders: SqlRecords, record_id: str, field: str) -> None:
    with pytest.raises(SourceError) as refusal:
        orders.find(record_id)
    assert f"records: {field}" in str(refusal.value)
    assert not secrets_in(str(refusal.value))
    assert isinstance(refusal.value, RecordFault)
    assert refusal.value.opticians == {record_id.replace("R", "shop")}
    assert "shop" not in f"{refusal.value} {refusal.value!r}"


@pytest.mark.parametrize("record_id", ["' OR '1'='1", "R-1'; DROP TABLE orders; --", "R-_", "%"])
def test_what_is_asked_is_bound_and_nothing_else(orders: SqlRecords, record_id: str) -> None:
    assert orders.find(record_id) is None
    assert orders.find("R-1") is not None


def test_a_look_up_is_one_query(orders: SqlRecords) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(
        orders._engine,
        "before_cursor_execute",
        lambda _connection, _cursor, text, values, *_: statements.append((text, values)),
    )
    orders.find("R-1")
    ((text, values),) = statements
    assert "R-1" not in text
    assert values[0] == "R-1"


def test_the_database_is_never_written(orders: SqlRecords, base: Path) -> None:
    with orders._engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM orders")
    with pytest.raises(SourceError):
        SqlRecords(f"sqlite:///{base.parent}/none.db", "orders").find("R-1")
    assert not (base.parent / "none.db").exists()


def test_what_cannot_be_asked_is_told_without_content(base: Path) -> None:
    missing = SqlRecords(f"sqlite:///{base}", "no_such_table")
    with pytest.raises(SourceError, match=r"^records: cannot be asked \(OperationalError\)$"):
        missing.find("R-1")
    assert not missing.is_current()
    missing.close()
    url = f"postgresql://reader:{PASSWORD}@127.0.0.1:9/base"
    nobody = SqlRecords(url, "orders")
    with pytest.raises(SourceError) as refusal:
        nobody.find("R-1")
    assert not secrets_in(f"{refusal.value!r} {refusal.value.__context__!r} {nobody!r}")
    nobody.close()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"nonsense {PASSWORD}", "orders"),
        (f"nobase://x:{PASSWORD}@host/base", "orders"),
        (f"mysql+nodriver://x:{PASSWORD}@host/base", "orders"),
        (f"postgresql://x:{PASSWORD}@host:port/base", "orders"),
        ("sqlite:///x.db", ""),
        ("sqlite:///x.db", "orders; DROP TABLE orders"),
        ("sqlite:///x.db", 'a"b'),
        ("sqlite:///x.db", "a.b.c"),
    ],
)
def test_what_names_no_table_is_refused_without_repeating_it(url: str, name: str) -> None:
    with pytest.raises(StatementError) as refusal:
        SqlRecords(url, name)
    assert str(refusal.value).startswith("records: ")
    for text in (str(refusal.value), repr(refusal.value.__context__)):
        assert PASSWORD not in text
        assert "DROP" not in text


def test_numbers_of_other_databases_are_taken() -> None:
    row = {"record_id": "R-1", "optician_id": "shop-1", "quantity": Decimal(2)}
    expected = Record("R-1", "shop-1", CODE, PRICE, 2)
    assert _record_of(row | {"code": Decimal(CODE), "price_cents": Decimal(PRICE)}) == expected
    endless = [Decimal(text) for text in ("Infinity", "-Infinity", "NaN", "sNaN", "1E+999999")]
    for wrong in (*endless, Decimal("0.5"), True, float(PRICE), b"1", [1]):
        with pytest.raises(ValueError, match="price_cents"):
            _record_of(row | {"code": CODE, "price_cents": wrong})


# -- by name ------------------------------------------------------------------------------------


def test_a_source_is_opened_by_its_name(file: Path, base: Path) -> None:
    for text, kind in (
        (f"csv:{file}", CsvRecords),
        (f"sql:sqlite:///{base}#orders", SqlRecords),
    ):
        source = open_source(text)
        assert type(source) is kind
        assert source.find("R-1") == Record("R-1", "shop-1", CODE, PRICE, 2)
        source.close()


@pytest.mark.parametrize(
    "text",
    ["", "csv:", "records.csv", "sql:", f"sql:postgresql://x:{PASSWORD}@h/b", f"json:{PASSWORD}"],
)
def test_what_is_no_source_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(StatementError) as refusal:
        open_source(text)
    assert PASSWORD not in str(refusal.value)


class OwnRecords:
    """A source that somebody else wrote."""

    def find(self, record_id: str) -> Record | None:
        return Record(record_id, "shop-1", CODE, None, 1)

    def is_current(self) -> bool:
        return True

    def close(self) -> None:
        pass


def fails() -> OwnRecords:
    raise ValueError(PASSWORD)


def test_a_source_of_ones_own_is_plugged_in() -> None:
    source = open_source(f"python:{__name__}:OwnRecords")
    found = source.find("R-9")
    assert found is not None
    assert (found.record_id, found.code) == ("R-9", CODE)


@pytest.mark.parametrize(
    "text", ["", ":", "no_such_module:f", f"{__name__}:nothing", f"{__name__}:fails", "os:getcwd"]
)
def test_what_makes_no_source_is_refused(text: str) -> None:
    with pytest.raises(StatementError, match="python:MODULE:FUNCTION cannot be used") as refusal:
        open_source(f"python:{text}")
    assert PASSWORD not in f"{refusal.value!r} {refusal.value.__context__!r}"


def test_semicolons_of_french_spreadsheets_are_read() -> None:
    with_commas = f"record_id,optician_id,code,price_cents\nR-1,shop-1,{CODE},{PRICE}\n"
    with_semicolons = with_commas.replace(",", ";").replace("\n", "\r\n")
    assert parse_records(with_semicolons.encode("utf-8-sig")) == parse_records(with_commas.encode())
    mixed = with_commas.replace(",", ";", 3)
    with pytest.raises(StatementError, match="4 columns expected"):
        parse_records(mixed.encode())
