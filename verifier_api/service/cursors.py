"""Cursors of lists that are newest first: where a page ends."""

from __future__ import annotations

import base64

from verifier_api.service.errors import ServiceError


def encode_cursor(sequence: int) -> str:
    """The cursor of what comes after the row of that number."""
    return base64.urlsafe_b64encode(f"before:{sequence}".encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> int:
    """Inverse of `encode_cursor`. Raises `ServiceError` "parameter_invalid" for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        kind, number = text.split(":")
        if kind != "before" or not number.isdigit() or len(number) > 18:
            raise ValueError
        return int(number)
    except ValueError:
        raise ServiceError(
            "parameter_invalid", "cursor: not one that this service gave out", places=("cursor",)
        ) from None
