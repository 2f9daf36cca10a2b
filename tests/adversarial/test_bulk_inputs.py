"""Parquet that somebody made to harm: one error that names the file, bounded memory, no crash.

Each reject mutates the accept of `test_the_accept`: a file of good claims that is read whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from console.running import CommandError
from tests.support.bulk import good_claims, write_parquet
from verifier_api.bulk.inputs import open_source
from verifier_api.bulk.reader import READER_MEMORY_BYTES

SECRET = "7241994"
"""Stands for what no error may repeat."""

MEGABYTE = 2**20


def read_all(path: Path) -> int:
    """How many entries there are, all of them read."""
    return sum(1 for _ in open_source(str(path)).entries())


def write_accept(path: Path) -> Path:
    """Good claims, several row groups, plainly encoded."""
    return write_parquet(
        path, good_claims() * 40, row_group_size=100, use_dictionary=False, compression="none"
    )


@pytest.fixture
def accept(tmp_path: Path) -> Path:
    return write_accept(tmp_path / "claims.parquet")


def test_the_accept(accept: Path) -> None:
    assert read_all(accept) == 480


# -- what is no file of claims ------------------------------------------------------------------


def _column(values: list[Any], kind: Any) -> Callable[[Path], object]:
    return lambda path: write_parquet(path, values, kind)


def _two_columns(path: Path) -> None:
    column = pyarrow.array(good_claims(), pyarrow.binary())
    schema = pyarrow.schema([("claim", pyarrow.binary()), ("claim", pyarrow.binary())])
    parquet.write_table(pyarrow.table([column, column], schema=schema), path)


def _renamed(path: Path) -> None:
    column = pyarrow.array(good_claims(), pyarrow.binary())
    parquet.write_table(pyarrow.table({f"Claim {SECRET}": column}), path)


WRONG_COLUMNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no such column": (_renamed, "has no column 'claim'"),
    "twice": (_two_columns, "has more than one column 'claim'"),
    "numbers": (_column([int(SECRET)], pyarrow.int64()), "neither bytes nor text"),
    "lists": (_column([[SECRET]], pyarrow.list_(pyarrow.string())), "neither bytes nor text"),
    "parts": (
        _column([{"claim": SECRET}], pyarrow.struct([("claim", pyarrow.string())])),
        "neither bytes nor text",
    ),
    "numbers in a dictionary": (
        _column([int(SECRET)], pyarrow.dictionary(pyarrow.int32(), pyarrow.int64())),
        "neither bytes nor text",
    ),
    "nothing but nulls": (_column([None], pyarrow.null()), "neither bytes nor text"),
}


@pytest.mark.parametrize("name", WRONG_COLUMNS)
def test_columns_that_hold_no_claims(tmp_path: Path, name: str) -> None:
    write, told = WRONG_COLUMNS[name]
    path = tmp_path / "claims.parquet"
    write(path)
    with pytest.raises(CommandError, match=f"claims.parquet: .*{told}") as error:
        open_source(str(path))
    assert error.value.kind == "unreadable"
    assert SECRET not in str(error.value)


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "the magic alone": lambda data: data[:4],
    "half of it": _cut(0.5),
    "all but the last byte": lambda data: data[:-1],
    "a footer of nothing": lambda data: data[:-8] + b"\0\0\0\0PAR1",
    "a footer longer than the file": lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1",
    "a footer of garbage": lambda data: data[:-600] + b"\x5a" * 592 + data[-8:],
    "encrypted": lambda data: data[:-4] + b"PARE",
    "lines in disguise": lambda data: b'{"code": ' + SECRET.encode() + b"}\n",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_is_damaged(accept: Path, name: str) -> None:
    accept.write_bytes(DAMAGES[name](accept.read_bytes()))
    with pytest.raises(CommandError, match=r"claims\.parquet: .*not Parquet, or damaged") as error:
        open_source(str(accept))
    assert error.value.kind == "unreadable"
    assert SECRET not in str(error.value)


def test_the_second_file_of_a_folder_is_the_one_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("a.parquet", "b.parquet", "c.parquet"):
        write_accept(folder / name)
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes()[:-30])
    with pytest.raises(CommandError, match=r"^b\.parquet: "):
        open_source(str(folder))


def test_pages_that_are_damaged_behind_a_whole_footer(accept: Path) -> None:
    data = bytearray(accept.read_bytes())
    metadata = parquet.read_metadata(accept)
    # The head of the fifth row group's page; what was before it is read.
    start = metadata.row_group(4).column(1).data_page_offset
    data[start : start + 20] = b"\xff" * 20
    accept.write_bytes(data)
    source = open_source(str(accept))
    entries = source.entries()
    assert [next(entries).position for _ in range(10)] == list(range(1, 11))
    with pytest.raises(CommandError, match=r"claims\.parquet: not Parquet, or damaged behind row"):
        list(entries)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_bytes_are_changed_it_is_read_or_refused(accept: Path, seed: int) -> None:
    from random import Random

    random = Random(seed)
    data = bytearray(accept.read_bytes())
    for _ in range(random.choice((1, 5, 50))):
        # Most of what can go wrong is in the last kilobytes, where the footer is.
        place = random.randrange(len(data) - 3000, len(data)) if seed % 2 else None
        data[random.randrange(len(data)) if place is None else place] = random.randrange(256)
    accept.write_bytes(data)
    told = []
    try:
        read_all(accept)
    except CommandError as error:
        told.append((error.kind, str(error).partition(": ")[0]))
    assert told in ([], [("unreadable", "claims.parquet")])


# -- what is too large --------------------------------------------------------------------------


READ = """
import resource, sys
from console.running import CommandError
from verifier_api.bulk.inputs import open_source
count, told = 0, ""
try:
    for entry in open_source(sys.argv[1]).entries():
        count += 1
        if count == int(sys.argv[2]):
            break
except CommandError as error:
    told = str(error)
# Not getrusage for this one: it counts what was there before exec, which is the tests' process.
own = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
print(count, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, told)
"""


def read_apart(path: Path, most: int = 0) -> tuple[int, int, int, str]:
    """Read by a process of its own: entries read (at most ``most``), its largest resident set and
    that of the process which reads for it, in bytes, and the error."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(most)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    count, own, reader, told = done.stdout.rstrip("\n").split(" ", 3)
    return int(count), int(own), int(reader), told


def write_dictionary(path: Path, size: int, rows: int, **choices: Any) -> None:
    """One value of so many bytes, named by so many rows."""
    column = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * rows, pyarrow.int32()), pyarrow.array([b"a" * size], pyarrow.binary())
    )
    parquet.write_table(
        pyarrow.table({"claim": column}), path, row_group_size=rows, compression="zstd", **choices
    )


def test_what_unpacks_to_more_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "claims.parquet"
    write_dictionary(path, 16 * MEGABYTE, 1000, store_schema=False)  # 16 GB
    assert path.stat().st_size < MEGABYTE // 4
    count, own, reader, told = read_apart(path)
    assert count == 0
    assert told == "claims.parquet: takes more than 1024 MiB to read behind row 0"
    assert own < 250 * MEGABYTE
    assert reader < READER_MEMORY_BYTES + 250 * MEGABYTE


def test_a_large_value_is_cut_in_the_process_that_reads(tmp_path: Path) -> None:
    path = tmp_path / "claims.parquet"
    write_parquet(path, [b"a" * (50 * MEGABYTE)], compression="zstd", use_dictionary=False)
    (entry,) = open_source(str(path)).entries()
    assert len(entry.data) == 2**15 + 2


@pytest.mark.parametrize("store_schema", [True, False])
def test_one_long_value_that_a_million_rows_name(tmp_path: Path, store_schema: bool) -> None:
    """A few bytes of indices and one entry of a dictionary: 30 GB, were they written out."""
    path = tmp_path / "claims.parquet"
    write_dictionary(path, 30_000, 1_000_000, store_schema=store_schema)
    assert path.stat().st_size < MEGABYTE
    count, own, reader, told = read_apart(path, 20_000)
    assert (count, told) == (20_000, "")
    assert own < 250 * MEGABYTE
    assert reader < 250 * MEGABYTE


def test_a_row_group_of_half_a_gigabyte_is_streamed(tmp_path: Path) -> None:
    """One row group, as other programs write them: what is read ahead are pages."""
    path = tmp_path / "claims.parquet"
    values = [os.urandom(1_000) * 8 for _ in range(8_000)]
    parts = [pyarrow.array(values, pyarrow.binary())] * 8
    table = pyarrow.table({"claim": pyarrow.chunked_array(parts)})
    parquet.write_table(table, path, row_group_size=64_000, compression="zstd")
    assert parquet.read_metadata(path).num_row_groups == 1
    count, own, reader, told = read_apart(path)
    assert (count, told) == (64_000, "")
    assert own < 250 * MEGABYTE
    assert reader < 250 * MEGABYTE


def test_a_reader_that_is_brought_down_is_told(
    accept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verifier_api.bulk import parquet_input

    source = open_source(str(accept))
    monkeypatch.setattr(parquet_input, "read", _fall_over)
    with pytest.raises(
        CommandError, match=r"claims\.parquet: the process that read it was brought"
    ):
        list(source.entries())


def _fall_over(*_: object) -> None:
    """As a library in C++ does."""
    os.abort()
