"""Archives and tables that lie: each is an archive that is accepted, changed in one place."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from circuits.nomenclature import load_shipped
from tests.support.dbase import FICHE, HISTO, Column, Members, fiche, histo, table
from verifier_api.lpp import archive as archive_module
from verifier_api.lpp import tables as tables_module
from verifier_api.lpp.archive import MAX_MEMBERS, MAX_RATIO, open_archive
from verifier_api.lpp.importing import LppImport, import_lpp
from zk.errors import EncodingError, StatementError, ZkError

LENS = 2200335
FICHES = table(FICHE, [fiche(LENS)])
HISTOS = table(HISTO, [histo(LENS)] * 3)
FICHE_NAME, HISTO_NAME = Members(FICHES, HISTOS).files()


def good_bytes() -> bytes:
    return zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS})


def zip_bytes(members: dict[str, bytes]) -> bytes:
    return zip_of([(zipfile.ZipInfo(name), data) for name, data in members.items()])


def zip_of(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        for info, data in members:
            opened.writestr(info, data, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def import_bytes(folder: Path, data: bytes, name: str = "LPP823.zip") -> LppImport:
    path = folder / name
    path.write_bytes(data)
    return import_lpp(path, base=load_shipped())


def import_tables(folder: Path, fiches: bytes, histos: bytes) -> LppImport:
    return import_bytes(folder, zip_bytes({FICHE_NAME: fiches, HISTO_NAME: histos}))


def test_the_archive_that_the_others_change_is_accepted(tmp_path: Path) -> None:
    done = import_bytes(tmp_path, good_bytes())
    assert [row.code for row in done.nomenclature.rows] == [LENS]
    with_readme = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS, "lisez-moi.txt": b"text"})
    assert import_bytes(tmp_path, with_readme).nomenclature == done.nomenclature
    upper = zip_bytes({FICHE_NAME.upper(): FICHES, HISTO_NAME.upper(): HISTOS})
    assert import_bytes(tmp_path, upper).nomenclature == done.nomenclature


# --- the archive --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "..\\evil.txt",
        "/etc/evil.txt",
        "folder/evil.txt",
        "folder/",
        "C:evil.txt",
        "..",
        f"../{HISTO_NAME}",
    ],
)
def test_a_readme_whose_name_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    data = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS, name: b"text"})
    with pytest.raises(EncodingError, match=r"LPP823\.zip: member 3: a name with a path"):
        import_bytes(folder, data)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "LPP823.zip"]


def test_a_readme_with_a_zero_byte_in_its_name_is_refused(tmp_path: Path) -> None:
    data = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS, "evilX.txt": b"text"})
    with pytest.raises(EncodingError, match="member 3: a name with control characters"):
        import_bytes(tmp_path, data.replace(b"evilX.txt", b"evil\0.txt"))


def test_a_table_that_is_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(HISTO_NAME)
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    data = zip_of([(zipfile.ZipInfo(FICHE_NAME), FICHES), (link, b"/etc/passwd")])
    with pytest.raises(EncodingError, match="member 2: a link"):
        import_bytes(tmp_path, data)


@pytest.mark.parametrize("bit", [0x1, 0x40, 0x2000])
def test_a_table_marked_as_encrypted_is_refused(tmp_path: Path, bit: int) -> None:
    data = bytearray(good_bytes())
    flags = data.rindex(b"PK\x01\x02") + 8
    data[flags : flags + 2] = struct.pack("<H", bit)
    with pytest.raises(EncodingError, match="member 2: encrypted"):
        import_bytes(tmp_path, bytes(data))


@pytest.mark.parametrize("name", [HISTO_NAME, HISTO_NAME.upper()])
def test_a_table_that_comes_twice_is_refused(tmp_path: Path, name: str) -> None:
    members = [(FICHE_NAME, FICHES), (HISTO_NAME, HISTOS), ("histo", HISTOS)]
    data = zip_of([(zipfile.ZipInfo(label), content) for label, content in members])
    assert import_bytes(tmp_path, data).nomenclature.rows
    with pytest.warns(UserWarning, match="Duplicate") if name == HISTO_NAME else nullcontext():
        data = zip_of(
            [(zipfile.ZipInfo(label), content) for label, content in members[:2]]
            + [(zipfile.ZipInfo(name), HISTOS)]
        )
    with pytest.raises(EncodingError, match="member 3: a name that comes twice"):
        import_bytes(tmp_path, data)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({HISTO_NAME: HISTOS}, "0 tables lpp_fiche_totNNN"),
        ({FICHE_NAME: FICHES}, "0 tables lpp_histo_totNNN"),
        ({FICHE_NAME: FICHES, "xlpp_histo_tot823.dbf": HISTOS}, "0 tables lpp_histo"),
        ({FICHE_NAME: FICHES, "lpp_histo_tot824.dbf": HISTOS}, "different numbers"),
        (
            {FICHE_NAME: FICHES, HISTO_NAME: HISTOS, "lpp_histo_tot824.dbf": HISTOS},
            "2 tables lpp_histo_totNNN",
        ),
        (
            {"lpp_fiche_tot824.dbf": FICHES, "lpp_histo_tot824.dbf": HISTOS},
            "another number than the archive's name",
        ),
    ],
)
def test_not_exactly_the_two_tables_of_one_number_is_refused(
    tmp_path: Path, members: dict[str, bytes], problem: str
) -> None:
    with pytest.raises(StatementError, match=rf"LPP823\.zip: .*{problem}"):
        import_bytes(tmp_path, zip_bytes(members))


def test_one_member_too_many_is_refused(tmp_path: Path) -> None:
    most = {FICHE_NAME: FICHES, HISTO_NAME: HISTOS}
    most |= {f"text{index}": b"" for index in range(MAX_MEMBERS - 2)}
    assert import_bytes(tmp_path, zip_bytes(most)).nomenclature.rows
    with pytest.raises(EncodingError, match=f"{MAX_MEMBERS + 1} members"):
        import_bytes(tmp_path, zip_bytes(most | {"more": b""}))


def test_an_archive_one_byte_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = good_bytes()
    monkeypatch.setattr(archive_module, "MAX_ARCHIVE_BYTES", len(data))
    assert import_bytes(tmp_path, data).nomenclature.rows
    monkeypatch.setattr(archive_module, "MAX_ARCHIVE_BYTES", len(data) - 1)
    with pytest.raises(EncodingError, match=f"{len(data)} bytes, more than"):
        import_bytes(tmp_path, data)


def test_a_member_that_unpacks_to_one_byte_too_many_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(FICHES) + len(HISTOS)
    monkeypatch.setattr(archive_module, "MAX_UNPACKED_BYTES", size)
    assert import_bytes(tmp_path, good_bytes()).nomenclature.rows
    data = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS, "text": b"1"})
    with pytest.raises(EncodingError, match=f"{size + 1} bytes unpacked"):
        import_bytes(tmp_path, data)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = HISTOS + bytes(archive_module.RATIO_FREE_BYTES)
    data = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: bomb})
    with pytest.raises(EncodingError, match=f"more than {MAX_RATIO} times its size"):
        import_bytes(tmp_path, data)
    # One that nobody unpacks does no harm.
    harmless = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS, "zeros": bomb})
    assert import_bytes(tmp_path, harmless).nomenclature.rows


def _directory_entry(data: bytes, name: str) -> int:
    """Where the entry of a member begins in an archive's directory."""
    return data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))


def _local_entry(data: bytes, name: str) -> int:
    return data.rindex(b"PK\x03\x04", 0, data.index(name.encode()))


def with_stated_size(data: bytes, size: int) -> bytes:
    """The archive, its directory and local header stating ``size`` for the second table."""
    changed = bytearray(data)
    for start in (_directory_entry(data, HISTO_NAME) + 24, _local_entry(data, HISTO_NAME) + 22):
        changed[start : start + 4] = struct.pack("<I", size)
    return bytes(changed)


def test_sizes_stated_as_they_are_change_nothing(tmp_path: Path) -> None:
    assert with_stated_size(good_bytes(), len(HISTOS)) == good_bytes()


@pytest.mark.parametrize("difference", [-1, -len(HISTOS), 1, 1000])
def test_a_size_that_lies_is_refused(tmp_path: Path, difference: int) -> None:
    lying = with_stated_size(good_bytes(), len(HISTOS) + difference)
    with pytest.raises(ZkError, match=r"LPP823\.zip: lpp_histo_tot823\.dbf: "):
        import_bytes(tmp_path, lying)


def test_a_bomb_that_states_a_small_size_is_cut_at_that_size(tmp_path: Path) -> None:
    bomb = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: bytes(64 * 2**20)})
    path = tmp_path / "LPP823.zip"
    path.write_bytes(with_stated_size(bomb, 1000))
    target = io.BytesIO()
    with open_archive(path) as opened, pytest.raises(EncodingError, match="broken"):
        opened.unpack("histo", target)
    assert len(target.getvalue()) <= 1000


def test_what_comes_out_is_counted_whatever_the_library_believes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "LPP823.zip"
    path.write_bytes(good_bytes())

    def unpack_stating(size: int) -> int:
        with open_archive(path) as opened:
            monkeypatch.setattr(opened._tables["histo"], "file_size", len(HISTOS))
            packed = opened._zip.open(opened._tables["histo"])
            monkeypatch.setattr(opened._zip, "open", lambda _: packed)
            monkeypatch.setattr(opened._tables["histo"], "file_size", size)
            return opened.unpack("histo", io.BytesIO())

    assert unpack_stating(len(HISTOS)) == len(HISTOS)
    with pytest.raises(EncodingError, match="more bytes than the archive's directory states"):
        unpack_stating(len(HISTOS) - 1)
    with pytest.raises(EncodingError, match="fewer bytes than the archive's directory states"):
        unpack_stating(len(HISTOS) + 1)


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray(good_bytes())
    for start in (
        _directory_entry(bytes(data), HISTO_NAME) + 16,
        _local_entry(bytes(data), HISTO_NAME) + 14,
    ):
        data[start] ^= 1
    with pytest.raises(EncodingError, match=r"histo_tot823\.dbf: broken"):
        import_bytes(tmp_path, bytes(data))


def test_another_method_of_packing_is_refused(tmp_path: Path) -> None:
    def packed_by(method: int) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as opened:
            opened.writestr(FICHE_NAME, FICHES, method)
            opened.writestr(HISTO_NAME, HISTOS, method)
        return target.getvalue()

    assert import_bytes(tmp_path, packed_by(zipfile.ZIP_STORED)).nomenclature.rows
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(EncodingError, match="another method than deflate"):
            import_bytes(tmp_path, packed_by(method))


@pytest.mark.parametrize("place", [1, 10**6, 2**31, 2**32 - 2])
def test_a_directory_that_leads_elsewhere_is_refused(tmp_path: Path, place: int) -> None:
    data = bytearray(good_bytes())
    # Where the archive starts follows from where its directory says that it is itself.
    start = data.rindex(b"PK\x05\x06") + 16
    (stated,) = struct.unpack_from("<I", data, start)
    for offset in (place, stated + place):
        struct.pack_into("<I", data, start, min(offset, 2**32 - 2))
        with pytest.raises(EncodingError, match="broken"):
            import_bytes(tmp_path, bytes(data))


def test_a_long_directory_is_refused_before_the_library_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = {f"{number:05}.txt": b"" for number in range(2000)}
    long = zip_bytes({FICHE_NAME: FICHES, HISTO_NAME: HISTOS} | readme)
    opened = []
    library = zipfile.ZipFile

    def counting(file: Any) -> zipfile.ZipFile:
        opened.append(file)
        return library(file)

    good = good_bytes()
    # A comment moves the record that states the directory's size.
    commented = good[:-2] + struct.pack("<H", 5) + b"2024."
    expected = import_bytes(tmp_path, good).nomenclature
    monkeypatch.setattr(zipfile, "ZipFile", counting)
    assert import_bytes(tmp_path, good).nomenclature == expected
    assert import_bytes(tmp_path, commented).nomenclature == expected
    assert len(opened) == 2
    for data in (long, long[:-2] + struct.pack("<H", 5) + b"2024."):
        with pytest.raises(EncodingError, match=r"LPP823\.zip: a directory of \d+ bytes"):
            import_bytes(tmp_path, data)
    assert len(opened) == 2


def test_the_form_for_huge_archives_is_refused(tmp_path: Path) -> None:
    good = good_bytes()
    end = good.rindex(b"PK\x05\x06")
    count, _, size, start = struct.unpack_from("<8xHHII", good, end)
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    # The library would believe the second record, whatever the first says of the directory.
    huge = good[:end] + record + locator + good[end:]
    assert len(zipfile.ZipFile(io.BytesIO(huge)).infolist()) == 2
    with pytest.raises(EncodingError, match=r"LPP823\.zip: of the form for archives of more than"):
        import_bytes(tmp_path, huge)


@pytest.mark.parametrize("kept", [0, 1, 30, 200, -1, -30])
def test_an_archive_that_is_cut_is_refused(tmp_path: Path, kept: int) -> None:
    with pytest.raises(EncodingError, match=r"LPP823\.zip: broken"):
        import_bytes(tmp_path, good_bytes()[:kept])


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LPP823.zip").mkdir()
    with pytest.raises(EncodingError, match="not a regular file"):
        import_lpp(tmp_path / "LPP823.zip", base=load_shipped())
    with pytest.raises(FileNotFoundError):
        import_lpp(tmp_path / "LPP824.zip", base=load_shipped())


def test_a_table_that_is_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match="not a table of dBase"):
        import_tables(tmp_path, FICHES, good_bytes())


# --- the tables ---------------------------------------------------------------------------------

HISTO_HEADER = 32 + 32 * len(HISTO) + 1
RECORD = 1 + sum(column.length for column in HISTO)


def changed(position: int, value: bytes) -> Callable[[bytes], bytes]:
    """What writes ``value`` over the bytes at ``position``."""
    return lambda data: data[:position] + value + data[position + len(value) :]


def field_at(index: int, offset: int, value: bytes) -> Callable[[bytes], bytes]:
    """What writes over a field's description in the header."""
    return changed(32 + 32 * index + offset, value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (changed(0, b"\x04"), "not a table of dBase"),
        (changed(0, b"\x30"), "not a table of dBase"),
        (lambda data: data[:31], "not a table of dBase"),
        (lambda _: b"", "not a table of dBase"),
        (changed(29, b"\x03"), "wrong code page, byte 29 is 0x03"),
        (changed(29, b"\x57"), "wrong code page"),
        (changed(29, b"\x01"), "wrong code page"),
        (changed(14, b"\x01"), "transaction"),
        (changed(15, b"\x01"), "encrypted"),
        (changed(4, struct.pack("<I", 2)), "the header accounts for"),
        (changed(4, struct.pack("<I", 4)), "the header accounts for"),
        (changed(4, b"\xff\xff\xff\xff"), "records, more than"),
        (changed(8, struct.pack("<H", HISTO_HEADER - 1)), "list of fields"),
        (changed(8, struct.pack("<H", HISTO_HEADER + 1)), "record 1 is marked neither"),
        (changed(8, b"\x00\x00"), "list of fields is empty"),
        (changed(8, b"\xff\xff"), "the header accounts for"),
        (changed(10, struct.pack("<H", RECORD - 1)), "do not add up"),
        (changed(10, struct.pack("<H", RECORD + 1)), "do not add up"),
        (changed(10, b"\x00\x00"), "do not add up"),
        (field_at(0, 16, b"\x08"), "do not add up"),
        (field_at(0, 17, b"\x01"), "do not add up"),
        (field_at(0, 16, b"\x00"), "field 1: of a length"),
        (field_at(1, 16, b"\x07"), "field 2: of a length"),
        (field_at(0, 11, b"Y"), "field 1: of no type"),
        (field_at(0, 0, b"\xc3"), "field 1: malformed name"),
        (field_at(0, 0, b"\0"), "field 1: malformed name"),
        (field_at(1, 0, b"CODE_TIPS\0\0"), "field 2: a name that comes twice"),
        (field_at(1, 0, b"code_tips\0\0"), "field 2: a name that comes twice"),
        (field_at(0, 0, b"CODE_TIPZ"), "no column CODE_TIPS"),
        (field_at(4, 0, b"TARIFS"), "no column TARIF"),
        (changed(HISTO_HEADER - 1, b"X"), "list of fields"),
        (changed(HISTO_HEADER, b"?"), "record 1 is marked neither"),
        (changed(HISTO_HEADER + 2 * RECORD, b"\x1a"), "record 3 is marked neither"),
        (changed(HISTO_HEADER + 3 * RECORD, b"\0"), "the last byte is not the end mark"),
        (lambda data: data + b"\x1a", "the header accounts for"),
        (lambda data: data[:-2], "the header accounts for"),
        (lambda data: data[: HISTO_HEADER + 5], "the header accounts for"),
    ],
)
def test_a_table_changed_in_one_place_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], problem: str
) -> None:
    assert change(HISTOS) != HISTOS
    with pytest.raises(
        (EncodingError, StatementError),
        match=rf"^LPP823\.zip: lpp_histo_tot823\.dbf: .*{problem}",
    ):
        import_tables(tmp_path, FICHES, change(HISTOS))


@pytest.mark.parametrize(
    "change",
    [
        changed(0, b"\x83"),
        changed(0, b"\x8b"),
        changed(29, b"\x00"),
        changed(1, b"\0\0\0"),
        lambda data: data[:-1],
        field_at(0, 0, b"code_tips"),
        changed(HISTO_HEADER + RECORD, b"*"),
    ],
)
def test_a_table_changed_where_it_does_not_matter_is_accepted(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    done = import_tables(tmp_path, FICHES, change(HISTOS))
    assert done.nomenclature == import_bytes(tmp_path, good_bytes()).nomenclature


@pytest.mark.parametrize("name", ["CODE_TIPS", "DATE_FIN", "AGE_MAX", "ARBO1", "ARBO2"])
def test_a_fiche_table_without_a_column_is_refused(tmp_path: Path, name: str) -> None:
    columns = [column for column in FICHE if column.name != name]
    row = {key: value for key, value in fiche(LENS).items() if key != name}
    with pytest.raises(StatementError, match=rf"fiche_tot823\.dbf: no column {name}"):
        import_tables(tmp_path, table(columns, [row]), HISTOS)


def test_columns_that_nobody_reads_may_be_missing_or_more(tmp_path: Path) -> None:
    read = {"CODE_TIPS", "DEBUTVALID", "FINHISTO", "NAT_PREST", "TARIF", "PUREGLEMEN"}
    few = [column for column in HISTO if column.name in read]
    many = [Column(f"EXTRA{index}", "C", 3) for index in range(200)]
    for columns in (few, [*HISTO, *many]):
        assert import_tables(tmp_path, FICHES, table(columns, [histo(LENS)])).nomenclature.rows


def test_more_records_than_allowed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_module, "MAX_RECORDS", 3)
    assert import_bytes(tmp_path, good_bytes()).nomenclature.rows
    monkeypatch.setattr(tables_module, "MAX_RECORDS", 2)
    with pytest.raises(EncodingError, match="3 records, more than the 2 allowed"):
        import_bytes(tmp_path, good_bytes())


def test_the_unpacked_tables_are_gone_after_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert import_bytes(tmp_path, good_bytes()).nomenclature.rows
    with pytest.raises(EncodingError):
        import_tables(tmp_path, FICHES, HISTOS[:-2])
    assert list(folder.iterdir()) == []


# --- anything -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_bytes_changed_anywhere_are_accepted_or_refused(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    original = good_bytes()
    accepted, refusals = 0, []
    for _ in range(60):
        # In the archive, or in a table behind a checksum that is right.
        if source.random() < 0.5:
            data = _garbled(source, original)
        else:
            fiches, histos = _garbled(source, FICHES), _garbled(source, HISTOS)
            data = zip_bytes({FICHE_NAME: fiches, HISTO_NAME: histos})
        try:
            import_bytes(tmp_path, data)
            accepted += 1
        except ZkError as error:
            refusals.append(str(error))
    assert accepted
    assert refusals
    assert all(refusal.startswith("LPP823.zip: ") for refusal in refusals)


def _garbled(source: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(source.choice([1, 1, 1, 3])):
        changed[source.randrange(len(changed))] = source.randrange(256)
    if source.random() < 0.1:
        del changed[source.randrange(len(changed)) :]
    return bytes(changed)
