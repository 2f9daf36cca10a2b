"""The opening of one line, in part: what optician and auditor exchange, format 1.

One canonical JSON object. It names the claim, the line (from 1), the line's commitment and the
purpose, gives the revealed values *as they are committed* (`circuits.slots`: the date as a day
number, the correction packed) and proves knowledge of the values that stay hidden
(`zk.commitment`). The proof covers commitment, revealed values and purpose; so whoever checks it
takes the commitment from the claim he stored and the purpose from the question he asked, never from
this document.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, ValidationError

from circuits.canonical import (
    MAX_INTEGER,
    canonical_bytes,
    decode_base64url,
    encode_base64url,
)
from circuits.claim import MAX_LINES, POINT_BYTES, EncodedPoint
from circuits.document import (
    MAX_PRICE_CENTS,
    Identifier,
    StrictDocument,
    base64url_of,
    describe_problems,
    parse_document,
)
from circuits.nomenclature import is_lpp_code
from circuits.slots import SLOTS, Correction, Slot, decode_day, unpack_correction
from zk.commitment import PartialOpening
from zk.errors import EncodingError, StatementError
from zk.field import SCALAR_BYTES

MAX_OPENING_BYTES = 8 * 2**10
MAX_PURPOSE = 200
"""Characters of a purpose."""

_MAX_DECOMPOSED = 4 * MAX_PURPOSE
"""Characters before they are composed: a letter with marks is one of at most four."""

SlotName: TypeAlias = Literal["code", "price", "date", "correction"]

SLOT_OF: Final[Mapping[str, Slot]] = MappingProxyType(
    {name: Slot[name.upper()] for name in get_args(SlotName)}
)
"""The slots by the names that users give them."""

_MAX_OPENING_PROOF_BYTES = POINT_BYTES + SCALAR_BYTES * (SLOTS + 1)


def normalise_purpose(text: str) -> str:
    """``text`` in Unicode form NFC: however it was typed, both sides hash the same bytes.

    Raises `StatementError` unless it has 1 to `MAX_PURPOSE` characters, all printable.
    """
    # Not so long a text: runs of marks take quadratic time to compose.
    text = unicodedata.normalize("NFC", text) if len(text) <= _MAX_DECOMPOSED else ""
    if not 1 <= len(text) <= MAX_PURPOSE or not text.isprintable():
        raise StatementError(f"purpose: not 1 to {MAX_PURPOSE} printable characters")
    return text


def bound_purpose(claim_id: str, line: int, purpose: str) -> bytes:
    """What the proof of an opening is bound to: claim, line and purpose, as canonical JSON."""
    return canonical_bytes({"claim_id": claim_id, "line": line, "purpose": purpose})


def _require_purpose(text: str) -> str:
    try:
        normal = normalise_purpose(text)
    except StatementError as error:
        raise ValueError(str(error)) from None
    if normal != text:
        raise ValueError("not in Unicode form NFC")
    return text


_Value: TypeAlias = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class LineOpening(StrictDocument):
    """The document; see module docstring. ``revealed`` maps slot names to committed integers."""

    format_version: Annotated[int, Field(ge=1, le=1)]
    claim_id: Identifier
    line: Annotated[int, Field(ge=1, le=MAX_LINES)]
    commitment: EncodedPoint
    purpose: Annotated[str, AfterValidator(_require_purpose)]
    revealed: Annotated[dict[SlotName, _Value], Field(min_length=1, repr=False)]
    proof: Annotated[str, base64url_of(1, _MAX_OPENING_PROOF_BYTES)]

    def partial_opening(self) -> PartialOpening:
        """The same for `zk.commitment.verify_partial_opening`."""
        revealed = {int(SLOT_OF[name]): value for name, value in self.revealed.items()}
        return PartialOpening(SLOTS, revealed, decode_base64url(self.proof))


@dataclass(frozen=True)
class RevealedValues:
    """What an opening reveals, decoded; ``names`` says which of the fields are revealed.

    ``correction`` is None also where it is revealed that none was committed.
    """

    names: tuple[SlotName, ...]
    code: int | None = field(default=None, repr=False)
    price_cents: int | None = field(default=None, repr=False)
    date_of_service: date | None = field(default=None, repr=False)
    correction: Correction | None = field(default=None, repr=False)


def decode_revealed(opening: LineOpening) -> RevealedValues:
    """The revealed values in words.

    Raises `StatementError` for an integer that is no LPP code, price, day or correction: nothing
    but the code and the price is held to a set by a claim's proof.
    """
    given = opening.revealed
    code, price = given.get("code"), given.get("price")
    day, correction = given.get("date"), given.get("correction")
    if code is not None and not is_lpp_code(code):
        raise StatementError("revealed: code: not an LPP code")
    if price is not None and price > MAX_PRICE_CENTS:
        raise StatementError("revealed: price: over every price that a contract may have")
    return RevealedValues(
        names=tuple(name for name in get_args(SlotName) if name in given),
        code=code,
        price_cents=price,
        date_of_service=None if day is None else decode_day(day),
        correction=None if correction is None else unpack_correction(correction),
    )


def slots_named(names: Sequence[str]) -> list[int]:
    """Numbers of the slots that ``names`` name, each once.

    Raises `StatementError` for an unknown name, or for none.
    """
    if not names:
        raise StatementError(f"reveal: name at least one of {', '.join(SLOT_OF)}")
    if not all(name in SLOT_OF for name in names):
        raise StatementError(f"reveal: a name is not one of {', '.join(SLOT_OF)}")
    return sorted({int(SLOT_OF[name]) for name in names})


def line_opening(
    claim_id: str, line: int, commitment: str, purpose: str, opening: PartialOpening
) -> LineOpening:
    """The document of ``opening``. Raises `StatementError` naming the fields at fault."""
    name_of = {slot: name for name, slot in SLOT_OF.items()}
    document = {
        "format_version": 1,
        "claim_id": claim_id,
        "line": line,
        "commitment": commitment,
        "purpose": purpose,
        "revealed": {name_of[Slot(slot)]: value for slot, value in opening.revealed.items()},
        "proof": encode_base64url(opening.proof),
    }
    try:
        return LineOpening.model_validate_json(canonical_bytes(document))
    except ValidationError as error:
        raise StatementError(f"opening: {describe_problems(error)}") from None
    except EncodingError:
        raise StatementError("opening: a value has no JSON form") from None


def encode_line_opening(opening: LineOpening) -> bytes:
    """The one byte form of an opening."""
    return canonical_bytes(opening.model_dump(mode="json"))


def decode_line_opening(data: bytes) -> LineOpening:
    """Strict inverse of `encode_line_opening`; raises `EncodingError` or `StatementError`, without
    content."""
    return parse_document(
        LineOpening, data, max_bytes=MAX_OPENING_BYTES, what="opening", is_canonical=True
    )
