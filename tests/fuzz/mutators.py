"""Changes that keep the form of a document, so that fuzzing gets beyond the first check.

libFuzzer changes bytes; a changed byte in canonical JSON, or in a packed member of an archive, is
refused at once. These change one value, or one member, and put the whole back into its form.
``alter`` is what changes bytes: libFuzzer's own mutation, given bytes and their largest length.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, TypeAlias

from circuits.canonical import decode_base64url, encode_base64url
from zk.errors import EncodingError

Alter: TypeAlias = Callable[[bytes, int], bytes]
Mutator: TypeAlias = Callable[[bytes, int, Random, Alter], bytes]

LARGEST_TEXT = 300
_MEMBER_DATE = (1980, 1, 1, 0, 0, 0)
_SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**53 - 1, 2**53, 10**40, 0.5),
    *("", "A", "\u0000", "V04", "é", "\ud800", "2020-02-30", "9999-12-31", "0001-01-01"),
)


def _odd(random: Random) -> Any:
    """A value out of place; lists and objects are new each time, since they will be changed."""
    return random.choice([*_SCALARS, [], {}, [[]], {"a": 1}])


def change_bytes(data: bytes, largest: int, random: Random, alter: Alter) -> bytes:
    """Any bytes."""
    return alter(data, largest)


def change_json(data: bytes, largest: int, random: Random, alter: Alter) -> bytes:
    """A document with one to three of its values changed, in canonical form; or any bytes."""
    if random.random() < 0.2:
        return alter(data, largest)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return alter(data, largest)
    for _ in range(random.randint(1, 3)):
        places = _places(document)
        if not places:
            return alter(data, largest)
        _change(*random.choice(places), places, random, alter)
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        changed = text.encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return alter(data, largest)
    return changed if len(changed) <= largest else alter(data, largest)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every (list or object, its index or key) within a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            found += [(node, key) for key in keys]
            waiting += [node[key] for key in keys]
    return found


def _change(
    node: Any, key: Any, places: list[tuple[Any, Any]], random: Random, alter: Alter
) -> None:
    match random.randrange(6):
        case 0:
            del node[key]
        case 1:
            other, name = random.choice(places)
            node[key] = deepcopy(other[name])  # a copy, or it could come to hold itself
        case 2 if isinstance(node, dict):
            node[f"{key}_"] = deepcopy(node[key])
        case 2:
            node.append(deepcopy(node[key]))
        case 3:
            node[key] = _odd(random)
        case _:
            node[key] = _near(node[key], random, alter)


def _near(value: Any, random: Random, alter: Alter) -> Any:
    """A value of the same kind that differs a little; what a text stands for is changed, too."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + random.choice((-1, 1, 256, -(2**32))) * random.choice((1, 1, 7))
    if not isinstance(value, str):
        return _odd(random)
    if len(value) > 40 and random.random() < 0.8:
        try:
            packed = decode_base64url(value)
        except EncodingError:
            pass
        else:
            return encode_base64url(alter(packed, len(packed) + random.choice((0, 0, 33))))
    return alter(value.encode("utf-8", "surrogatepass"), LARGEST_TEXT).decode("utf-8", "replace")


def change_words(data: bytes, largest: int, random: Random, alter: Alter) -> bytes:
    """Words of 8 bytes, little-endian, with one to three of them changed; or any bytes."""
    words = [data[start : start + 8] for start in range(0, len(data) // 8 * 8, 8)]
    if not words or random.random() < 0.2:
        return alter(data, largest)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(words))
        near = int.from_bytes(words[place], "little", signed=True) + random.choice((-1, 1, 2, 64))
        odd = random.choice((near, near, 0, -1, 2**31, 2**62, 2**63 - 1, random.randrange(40)))
        match random.randrange(8):
            case 0:
                words[place:place] = words[random.randrange(len(words)) :][:4]
            case 1 if len(words) > 1:
                del words[place]
            case _:
                words[place] = (odd % 2**64).to_bytes(8, "little")
    return b"".join(words)[:largest]


def change_archive(data: bytes, largest: int, random: Random, alter: Alter) -> bytes:
    """An archive with one member's bytes or name changed and packed again; or any bytes."""
    if random.random() < 0.3:
        return alter(data, largest)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
        chosen = random.randrange(len(members))
        name, content = members[chosen]
        if random.random() < 0.9:
            content = alter(content, largest)
        else:
            name = alter(name.encode(), 40).decode("utf-8", "replace") or "x"
        members[chosen] = name, content
        changed = pack(members, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    except (ValueError, KeyError, OSError, RuntimeError, NotImplementedError, zlib.error,
            zipfile.BadZipFile, EOFError, OverflowError):  # fmt: skip
        return alter(data, largest)
    return changed if len(changed) <= largest else alter(data, largest)


def pack(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these members, the same bytes each time."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name, _MEMBER_DATE)
            entry.compress_type = method
            archive.writestr(entry, content)
    return target.getvalue()
