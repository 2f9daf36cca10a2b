"""What the insurer does not know of a claim's lines: among how much each hidden code hides."""

from __future__ import annotations

from typing import Any

from circuits.claim import Claim, ClaimLine
from circuits.equipment import possible_lenses
from circuits.nomenclature import Nomenclature, Row, size_of
from zk.errors import StatementError


def line_facts(claim: Claim, table: Nomenclature | None) -> list[dict[str, Any]]:
    """Of every line what the claim declares, what it hides, and among how many cells and codes.

    ``cells`` is None where the code tells nothing of the eyes; both numbers are None for a code in
    clear, and where ``table``, the claim's own, is not known here or holds no such class.
    """
    return [_line_facts(number, line, claim, table) for number, line in enumerate(claim.lines, 1)]


def _line_facts(
    number: int, line: ClaimLine, claim: Claim, table: Nomenclature | None
) -> dict[str, Any]:
    is_lens = line.role in ("right_lens", "left_lens")
    label = family = price_class = legal_level = None
    if table is not None and line.regroupement is not None:
        try:
            entry = table.regroupement_class(line.regroupement)
        except StatementError:  # a claim that was refused may name any class
            pass
        else:
            label, family = entry.label_fr, entry.family
            price_class, legal_level = entry.price_class, entry.legal_level
    is_lens = is_lens or family == "lens"
    hides = [] if line.regroupement is not None else ["class"]
    hides += [] if line.code is not None else ["code"]
    hides += ["price", *(["correction"] if is_lens else [])]
    cells = codes = None
    if line.code is None and table is not None:
        try:
            size = size_of(_possible_rows(line, claim, table))
        except StatementError:
            pass
        else:
            codes = size.codes
            cells = size.cells if size.carries_correction else None
    return {
        "number": number,
        "role": line.role,
        "regroupement": line.regroupement,
        "label_fr": label,
        "family": family or ("lens" if is_lens else None),
        "price_class": price_class or (claim.price_class if is_lens else None),
        "legal_level": legal_level,
        "code": line.code,
        "commitment": line.commitment,
        "hides": hides,
        "cells": cells,
        "codes": codes,
    }


def _possible_rows(line: ClaimLine, claim: Claim, table: Nomenclature) -> list[Row]:
    """The rows that the line may be, by all that the claim says: its class, or for a hidden class
    every lens of the price class whose level the declared one of the pair leaves possible."""
    day = claim.date_of_service
    if line.regroupement is not None:
        return list(table.class_rows(line.regroupement, day))
    # Which of the two lenses has which level, nobody tells the insurer.
    possible = possible_lenses(claim.declaration(), table, day)
    return [row for rows in possible for row in rows]
