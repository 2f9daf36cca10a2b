"""Looking for secrets in bytes, in every form that a program might leave them in.

Numbers are looked for as decimal and hexadecimal text and as integers of 4, 8 and 32 bytes in both
orders (those of 5 bytes and more also without padding); keys and blindings as they are. Everything
is looked for in the bytes themselves and in whatever they hold in base64, base64url or hexadecimal.
Forms shorter than 4 bytes, or 5 letters, occur by chance and are not looked for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_HEXADECIMAL = re.compile(rb"(?:[0-9a-fA-F]{2}){4,}")
_URL_TO_PLAIN = bytes.maketrans(b"-_", b"+/")
_WIDTHS = (4, 8, 32)


def forms_of(secret: int | bytes) -> set[bytes]:
    """The byte strings that betray ``secret``."""
    if isinstance(secret, bytes):
        number = int.from_bytes(secret, "big")
        forms = {secret, secret[::-1]}
    else:
        number = secret
        forms = set()
    shortest = -(-number.bit_length() // 8)
    widths = {*(width for width in _WIDTHS if width >= shortest), max(shortest, 4)}
    for width in widths:
        forms |= {number.to_bytes(width, "big"), number.to_bytes(width, "little")}
    texts = {f"{number}", f"{number:x}", f"{number:X}"}
    return forms | {text.encode() for text in texts if len(text) >= 5}


def views_of(data: bytes) -> Iterator[bytes]:
    """``data``, and what it holds in base64, base64url and hexadecimal, at every alignment."""
    yield data
    for match in _BASE64.finditer(data):
        text = match.group().translate(_URL_TO_PLAIN)
        for start in range(4):
            part = text[start:]
            yield base64.b64decode(part[: len(part) // 4 * 4])
            # What is left over holds bytes too.
            yield base64.b64decode(part[-4 * (len(part) // 4) :])
            rest = len(part) % 4
            if rest >= 2:
                yield base64.b64decode(part + b"=" * (4 - rest))
    for match in _HEXADECIMAL.finditer(data):
        yield bytes.fromhex(match.group().decode())


def traces_in(data: bytes, secrets: Mapping[str, int | bytes]) -> set[str]:
    """The names of the secrets that ``data`` betrays."""
    views = list(views_of(data))
    return {
        name
        for name, secret in secrets.items()
        if any(form in view for form in forms_of(secret) for view in views)
    }
