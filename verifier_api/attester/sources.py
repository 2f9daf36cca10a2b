"""Where an attester's records come from: a CSV file, a table or view of a database, or code of the
attester's own that implements `RecordSource`.

File and table have the columns ``record_id``, ``optician_id``, ``code``, ``price_cents`` (empty or
NULL where the record has no price) and ``quantity`` (1 if not given). Neither is ever written. What
is wrong with a record is told by number and field, never by value.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Protocol
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from sqlalchemy import Connection, Engine, column, create_engine, event, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from circuits.document import Cents, Identifier, SecretDocument, describe_problems
from circuits.nomenclature import is_lpp_code
from verifier_api.attester.rules import Record
from verifier_api.attester.watched import Tell, Watched
from zk.errors import EncodingError, StatementError, ZkError

MAX_FILE_BYTES = 64 * 2**20
MAX_QUANTITY = 10_000
MAX_TOLD = 10
"""So many bad rows of a file are told."""

COLUMNS: Final = ("record_id", "optician_id", "code", "price_cents", "quantity")
_NEEDED = frozenset(COLUMNS[:3])

CSV_PREFIX = "csv:"
SQL_PREFIX = "sql:"
PYTHON_PREFIX = "python:"
POOL_SIZE = 4
WAIT_SECONDS = 10
"""For a connection to the database, and for one that is free."""

_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_TOO_LARGE = 10**12
_TABLE = re.compile(r"(?:([A-Za-z_][A-Za-z0-9_]{0,62})\.)?([A-Za-z_][A-Za-z0-9_]{0,62})", re.ASCII)


class SourceError(ZkError):
    """The records cannot be asked now, or one of them is no record. Holds no content."""


class RecordFault(SourceError):
    """One record is none, or stands there twice. Whose it is, nobody else may be told: so
    ``opticians`` names them, in no message."""

    def __init__(self, message: str, opticians: frozenset[str]) -> None:
        super().__init__(message)
        self.opticians = opticians


class RecordSource(Protocol):
    """Where records are looked up."""

    def find(self, record_id: str) -> Record | None:
        """The record of that number, None if there is none. Raises `SourceError`, its kind
        `RecordFault` for one that is no record."""

    def is_current(self) -> bool:
        """Whether what is answered is what the records say now."""

    def close(self) -> None:
        """Let go of files and connections."""


# -- one record ---------------------------------------------------------------------------------


def _require_code(code: int) -> int:
    if not is_lpp_code(code):
        raise ValueError("not an LPP code")
    return code


def _is_whole(value: Decimal) -> bool:
    # Finite first: comparing what signals raises, and infinity is its own integral value.
    is_small = value.is_finite() and abs(value) < _TOO_LARGE
    return is_small and value == value.to_integral_value()


def _whole(value: object) -> object:
    """A whole number as files and databases give it."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip(" ")):
        return int(value)
    if isinstance(value, Decimal) and _is_whole(value):
        return int(value)
    if isinstance(value, str | Decimal):
        raise ValueError("not a whole number")
    return value


def _whole_or_none(value: object) -> object:
    return None if value is None or value == "" else _whole(value)


def _whole_or_one(value: object) -> object:
    return 1 if value is None or value == "" else _whole(value)


class _Row(SecretDocument):
    record_id: Identifier
    optician_id: Identifier
    code: Annotated[int, BeforeValidator(_whole), AfterValidator(_require_code)]
    price_cents: Annotated[Cents | None, BeforeValidator(_whole_or_none)] = None
    quantity: Annotated[int, BeforeValidator(_whole_or_one), Field(ge=1, le=MAX_QUANTITY)] = 1


def _record_of(row: Mapping[str, Any]) -> Record:
    """Raises `ValueError` naming the fields at fault."""
    try:
        return Record(**_Row.model_validate(dict(row)).model_dump())
    except ValidationError as error:
        problems = describe_problems(error)
    # Raised out here, the refusal has no context: pydantic's error holds the whole row.
    raise ValueError(problems)


# -- a file -------------------------------------------------------------------------------------


def parse_records(data: bytes) -> dict[str, Record]:
    """The records of a CSV file in UTF-8, by number.

    The first line names the columns, in any order, with commas or with semicolons, as all others
    then. A file that does not end with a line end is
    still being written. Raises `EncodingError` for what is no such CSV, and `StatementError` naming
    the bad rows (by the number of their last line) and their fields.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EncodingError("records: not UTF-8: save it as CSV in UTF-8") from None
    if not text.endswith("\n"):
        raise EncodingError("records: the last line has no end, so the file may not be whole")
    is_french = ";" in text.partition("\n")[0]  # as spreadsheets write there
    delimiter = ";" if is_french else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    found: dict[str, Record] = {}
    problems: list[str] = []
    try:
        for row in reader:
            if not row:
                continue
            if names is None:
                names = _heading(row)
                continue
            problem = _add_row(found, names, row)
            if problem is not None and len(problems) < MAX_TOLD:
                problems.append(f"line {reader.line_num}: {problem}")
    except csv.Error:
        raise EncodingError(f"records: line {reader.line_num}: not CSV") from None
    if names is None:
        raise EncodingError(f"records: the first line must name {', '.join(COLUMNS)}")
    if problems:
        raise StatementError(f"records: {'; '.join(problems)}")
    return found


def _heading(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    if not _NEEDED <= set(names) <= set(COLUMNS) or len(set(names)) != len(names):
        raise EncodingError(
            "records: the first line must name record_id, optician_id and code, and may name "
            "price_cents and quantity, separated by commas or by semicolons, each once and "
            "nothing else"
        )
    return names


def _add_row(found: dict[str, Record], names: list[str], row: list[str]) -> str | None:
    """What is wrong with the row, if anything is."""
    if len(row) != len(names):
        return f"{len(names)} columns expected"
    try:
        record = _record_of(dict(zip(names, row, strict=True)))
    except ValueError as error:
        return str(error)
    if record.record_id in found:
        return "record_id: listed twice"
    found[record.record_id] = record
    return None


class CsvRecords:
    """Records of a CSV file, which is read again when it changes."""

    def __init__(self, path: str, tell: Tell = lambda _: None) -> None:
        """Reads the file; raises `OSError` or as `parse_records`. ``tell`` is told when the file
        has become bad; the records that it had are used until it is good again."""
        self._file = Watched(path, MAX_FILE_BYTES, parse_records, "records", tell)

    def find(self, record_id: str) -> Record | None:
        """See `RecordSource`."""
        return self._file.current().get(record_id)

    def is_current(self) -> bool:
        """See `RecordSource`."""
        self._file.current()
        return self._file.fault is None

    def close(self) -> None:
        """See `RecordSource`."""


# -- a database ---------------------------------------------------------------------------------


class SqlRecords:
    """Records of a table or view of any database that SQLAlchemy has a driver for here.

    One query a look-up, its parameter bound, in a transaction that is rolled back; on SQLite and
    PostgreSQL it may only read. Neither URL nor values are in any message or repr.
    """

    def __init__(self, url: str, name: str) -> None:
        """``name`` is TABLE or SCHEMA.TABLE. Opens nothing yet; raises `StatementError`."""
        named = _TABLE.fullmatch(name)
        if named is None:
            raise StatementError("records: TABLE or SCHEMA.TABLE expected after #")
        try:
            self._engine = _engine_for(url)
        except (NoSuchModuleError, ImportError):
            problem = "no driver for this kind of database is installed"
        except (ArgumentError, ValueError):
            problem = "not a database URL"
        else:
            source = table(named[2], *(column(name) for name in COLUMNS), schema=named[1])
            # Two, so that a number that stands there twice is noticed.
            self._query = select(*source.c).limit(2)
            self._number = source.c.record_id
            return
        raise StatementError(f"records: {problem}")  # out here, without the URL in its context

    def __repr__(self) -> str:
        return "SqlRecords()"

    def find(self, record_id: str) -> Record | None:
        """See `RecordSource`."""
        try:
            with self._engine.connect() as connection:
                query = self._query.where(self._number == record_id)
                rows = connection.execute(query).mappings().fetchall()
                connection.rollback()
        except (SQLAlchemyError, OSError) as error:
            fault = type(error).__name__
        else:
            return _only_record(rows)
        raise SourceError(f"records: cannot be asked ({fault})")

    def is_current(self) -> bool:
        """See `RecordSource`."""
        try:
            self.find("-")  # the number of no record
        except SourceError:
            return False
        return True

    def close(self) -> None:
        """See `RecordSource`."""
        self._engine.dispose()


def _only_record(rows: Any) -> Record | None:
    if not rows:
        return None
    opticians = frozenset(str(row["optician_id"]).rstrip() for row in rows)
    if len(rows) > 1:
        raise RecordFault("records: record_id: stands there twice", opticians)
    try:
        return _record_of(rows[0])
    except ValueError as error:
        problems = str(error)
    raise RecordFault(f"records: {problems}", opticians)


def _engine_for(text: str) -> Engine:
    url = make_url(text)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    kind = url.get_backend_name()
    options: dict[str, Any] = {"hide_parameters": True}
    if kind == "sqlite":
        # As a URI of SQLite's own, which alone can forbid writing and making a file.
        path = f"file:{quote(url.database or '')}"
        url = url.set(database=path).update_query_dict({"mode": "ro", "uri": "true"})
        options["connect_args"] = {"timeout": WAIT_SECONDS, "check_same_thread": False}
    else:
        options |= {"pool_pre_ping": True, "pool_timeout": WAIT_SECONDS, "pool_size": POOL_SIZE}
    if kind == "postgresql":
        options["connect_args"] = {"connect_timeout": WAIT_SECONDS}
    engine = create_engine(url, **options)
    if kind == "postgresql":
        event.listen(engine, "begin", _only_read)
    return engine


def _only_read(connection: Connection) -> None:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{WAIT_SECONDS}s'")


# -- the command line's way to name one ---------------------------------------------------------


def open_source(text: str, tell: Tell = lambda _: None) -> RecordSource:
    """``csv:FILE``, ``sql:URL#TABLE``, or ``python:MODULE:FUNCTION`` for a function without
    arguments, importable here, that makes a `RecordSource`.

    Raises `StatementError` without repeating it (a URL may hold a password), and for a file
    `OSError` or as `parse_records`.
    """
    if text.startswith(CSV_PREFIX) and len(text) > len(CSV_PREFIX):
        return CsvRecords(text.removeprefix(CSV_PREFIX), tell)
    url, mark, name = text.removeprefix(SQL_PREFIX).rpartition("#")
    if text.startswith(SQL_PREFIX) and mark:
        return SqlRecords(url, name)
    if text.startswith(PYTHON_PREFIX):
        return _own_source(text.removeprefix(PYTHON_PREFIX))
    raise StatementError("records: csv:FILE, sql:URL#TABLE or python:MODULE:FUNCTION expected")


def _own_source(text: str) -> RecordSource:
    module, _, name = text.partition(":")
    try:
        made: RecordSource = getattr(importlib.import_module(module), name)()
    except Exception as error:  # it is somebody else's code
        fault = type(error).__name__
    else:
        if all(callable(getattr(made, part, None)) for part in ("find", "is_current", "close")):
            return made
        fault = "it makes no RecordSource"
    raise StatementError(f"records: python:MODULE:FUNCTION cannot be used ({fault})")
