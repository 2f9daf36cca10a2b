"""Golden notices: invoices and cancellations of the golden claims, and mutations to refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date

import rfc8785

from circuits.claim import ClaimAmounts
from circuits.notices import (
    CANCELLATION_TAG,
    INVOICE_TAG,
    Cancellation,
    Invoice,
    encode_cancellation,
    encode_invoice,
    notice_digest,
    signed_notice_bytes,
)
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from scripts.golden.accepts import OPTICIANS, Accept, Document, Json
from scripts.golden.rejects import signed

DELIVERY = date(2020, 10, 12)
TAGS = {"invoice": INVOICE_TAG, "cancellation": CANCELLATION_TAG}


def _encode(notice: Invoice | Cancellation) -> bytes:
    return encode_invoice(notice) if isinstance(notice, Invoice) else encode_cancellation(notice)


class Notices:
    """Makes notices of the accepts, and rejects of the notices."""

    def __init__(self, known: Sequence[Accept]) -> None:
        self._accepts = {accept.name: accept for accept in known}
        self._made: dict[str, tuple[str, str, Invoice | Cancellation]] = {
            "invoice": self._invoice("equipment"),
            "invoice-less": self._invoice("equipment-mixed", lenses=-1_000),
            "invoice-line": self._invoice("line"),
            "cancellation": (
                "cancellation",
                "pair",
                make_cancellation(self._accepts["pair"].claim, OPTICIANS[0]),
            ),
        }

    def _invoice(self, of: str, lenses: int = 0) -> tuple[str, str, Invoice]:
        claim = self._accepts[of].claim
        amounts = None
        if claim.amounts is not None:
            amounts = ClaimAmounts(
                lenses_cents=claim.amounts.lenses_cents + lenses,
                frame_cents=claim.amounts.frame_cents,
            )
        return "invoice", of, make_invoice(claim, OPTICIANS[0], DELIVERY, amounts)

    def vector(self) -> Document:
        """As stored."""
        return {"accepts": list(self._accepted()), "rejects": list(self._rejected())}

    def _accepted(self) -> Iterator[Document]:
        for name, (kind, of, notice) in self._made.items():
            yield {
                "name": name,
                "kind": kind,
                "of": of,
                "notice": _encode(notice).decode(),
                "signed_bytes": signed_notice_bytes(notice).hex(),
                "digest": notice_digest(notice).hex(),
            }

    def _rejected(self) -> Iterator[Document]:
        yield from self._unreadable()
        for name, mutates, reason, changes in (
            ("another claim id", "invoice", "claim_differs", {"claim_id": "golden-other"}),
            (
                "digest of another claim",
                "invoice",
                "claim_differs",
                {"claim_digest": json.loads(self._data("cancellation"))["claim_digest"]},
            ),
            ("another insurer", "invoice", "claim_differs", {"insurer_id": "other"}),
            ("another optician", "invoice", "claim_differs", {"optician_id": "second-optician"}),
            ("cancellation of another claim", "cancellation", "claim_differs", {"claim_id": "x"}),
            (
                "commitments in another order",
                "invoice",
                "commitments_differ",
                {"commitments": lambda old: [old[1], old[0], *old[2:]]},
            ),
            (
                "a commitment left out",
                "invoice",
                "commitments_differ",
                {"commitments": lambda old: old[:-1]},
            ),
            (
                "lenses a cent above the grant",
                "invoice",
                "amount_above_grant",
                {"amounts": lambda old: old | {"lenses_cents": old["lenses_cents"] + 1}},
            ),
            (
                "a cent moved to the frame",
                "invoice",
                "amount_above_grant",
                {
                    "amounts": lambda old: {
                        "frame_cents": old["frame_cents"] + 1,
                        "lenses_cents": old["lenses_cents"] - 1,
                    }
                },
            ),
            ("no amounts", "invoice", "amount_above_grant", {"amounts": None}),
            (
                "amounts of a line",
                "invoice-line",
                "amount_above_grant",
                {"amounts": {"frame_cents": 0, "lenses_cents": 0}},
            ),
            (
                "delivered the day before",
                "invoice",
                "delivery_before_service",
                {"date_of_delivery": "2020-10-04"},
            ),
        ):
            yield self._reject(name, mutates, "claim", reason, self._changed(mutates, changes))
        yield from self._unsigned()

    def _unreadable(self) -> Iterator[Document]:
        text = self._data("invoice").decode()
        spaced = text.replace('"format_version":1', '"format_version": 1')
        yield self._reject("white space", "invoice", "json", "", spaced.encode())
        yield self._reject("newline at the end", "invoice", "json", "", f"{text}\n".encode())
        padded = " " * (4097 - len(text)) + text
        yield self._reject("4 KiB and a byte", "invoice", "json", "", padded.encode())
        changes: list[tuple[str, str, Document]] = [
            ("format version 2", "invoice", {"format_version": 2}),
            ("no commitment", "invoice", {"commitments": []}),
            ("eight commitments", "invoice", {"commitments": lambda old: old[:1] * 8}),
            ("no such day", "invoice", {"date_of_delivery": "2020-02-30"}),
            ("negative amount", "invoice", {"amounts": {"frame_cents": 0, "lenses_cents": -1}}),
            ("unknown field", "cancellation", {"note": "x"}),
            ("cancellation with a date", "cancellation", {"date_of_delivery": "2020-10-12"}),
        ]
        for name, mutates, change in changes:
            data = self._changed(mutates, change)
            yield self._reject(name, mutates, "envelope", "", data)

    def _unsigned(self) -> Iterator[Document]:
        def invalid(name: str, mutates: str, data: bytes) -> Document:
            return self._reject(name, mutates, "signature", "signature_invalid", data)

        document = json.loads(self._data("invoice"))
        document["date_of_delivery"] = "2020-10-13"
        yield invalid("a day later, not signed", "invoice", rfc8785.dumps(document))
        document = json.loads(self._data("invoice"))
        document["signature"] = json.loads(self._data("invoice-less"))["signature"]
        yield invalid("signature of another invoice", "invoice", rfc8785.dumps(document))
        yield invalid(
            "signed under the tag of the other kind",
            "cancellation",
            self._changed("cancellation", {}, tag=INVOICE_TAG),
        )
        yield invalid(
            "signed by another optician's key",
            "invoice",
            self._changed("invoice", {}, by=OPTICIANS[1]),
        )

    def _data(self, name: str) -> bytes:
        return _encode(self._made[name][2])

    def _changed(
        self,
        name: str,
        changes: Document,
        *,
        by: Identity = OPTICIANS[0],
        tag: bytes | None = None,
    ) -> bytes:
        document = json.loads(self._data(name))
        for key, value in changes.items():
            change: Callable[[Json], Json] | Json = value
            document[key] = change(document[key]) if callable(change) else change
        data = signed(document, by, tag or TAGS[self._made[name][0]])
        assert data != self._data(name), name
        return data

    def _reject(self, name: str, mutates: str, layer: str, reason: str, data: bytes) -> Document:
        return {
            "name": name,
            "mutates": mutates,
            "layer": layer,
            "reason": reason,
            "notice": data.decode(),
        }
