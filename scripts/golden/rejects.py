"""Mutations of the golden claims, and lies told with proofs of their own, all to be refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785

from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import (
    SIGNATURE_TAG,
    Claim,
    ClaimAmounts,
    ClaimBody,
    build_instance,
    encode_claim,
    sign_claim,
)
from circuits.contract import Contract, contract_digest, load_sample
from circuits.nomenclature import load_shipped
from optician.identity import Identity
from optician.sale import parse_sale
from scripts.golden.accepts import (
    DAY,
    GENERATORS,
    NOW,
    OPTICIANS,
    Accept,
    Document,
    Json,
    fixed_identity,
)
from tests.support.liar import tale, wires_for
from tests.support.tables import limits_table


@dataclass(frozen=True)
class Reject:
    """Bytes to be refused: the accept they mutate, what was done, who must refuse and why."""

    name: str
    mutates: str
    layer: str
    reason: str
    data: bytes
    contract: Contract | None = None

    def vector(self) -> Document:
        """As stored; ``claim`` is text, or base64url where the bytes are no UTF-8."""
        document: Document = {
            "name": self.name,
            "mutates": self.mutates,
            "layer": self.layer,
            "reason": self.reason,
        }
        try:
            document["claim"] = self.data.decode("utf-8")
        except UnicodeDecodeError:
            document["claim_base64url"] = encode_base64url(self.data)
        if self.contract is not None:
            document["contract"] = self.contract.model_dump(mode="json")
        return document


def signed(document: Document, by: Identity = OPTICIANS[0], tag: bytes = SIGNATURE_TAG) -> bytes:
    """A document, signed whatever it says."""
    unsigned = {key: value for key, value in document.items() if key != "signature"}
    framed = len(tag).to_bytes(4, "big") + tag
    signature = by.signing_key.sign(framed + rfc8785.dumps(unsigned))
    return rfc8785.dumps(unsigned | {"signature": encode_base64url(signature)})


class Mutator:
    """Makes rejects of the accepts."""

    def __init__(self, known: Sequence[Accept]) -> None:
        self._accepts = {accept.name: accept for accept in known}

    def document(self, name: str) -> Document:
        document: Document = json.loads(self.data(name))
        return document

    def data(self, name: str) -> bytes:
        return encode_claim(self._accepts[name].claim)

    def claim(self, name: str) -> Claim:
        return self._accepts[name].claim

    def all(self) -> Iterator[Reject]:
        """Every reject, layer by layer."""
        yield from self._json()
        yield from self._envelope()
        yield from self._encoding()
        yield from self._signature()
        yield from self._statement()
        yield from self._proof()
        yield from self._lies()

    def _json(self) -> Iterator[Reject]:
        text = self.data("line").decode()
        version = '"format_version":1'
        nested = "[" * 33 + "]" * 33
        texts = {
            "duplicate key": text.replace(version, f"{version},{version}"),
            "duplicate key inside a line": text.replace('{"code":null', '{"code":null,"code":null'),
            "members in another order": json.dumps(
                dict(reversed(self.document("line").items())), separators=(",", ":")
            ),
            "white space": text.replace(version, '"format_version": 1'),
            "newline at the end": text + "\n",
            "escaped character": text.replace('"insurer_id"', '"insurer\\u005fid"'),
            "fraction": text.replace(version, '"format_version":1.0'),
            "exponent": text.replace(version, '"format_version":1e0'),
            "leading zero": text.replace(version, '"format_version":01'),
            "negative zero": text.replace(version, '"format_version":-0'),
            "not a number": text.replace(version, '"format_version":NaN'),
            "integer beyond 2^53": text.replace(version, '"format_version":9007199254740992'),
            "integer of 5000 digits": text.replace(version, '"format_version":' + "9" * 5000),
            "lone surrogate": text.replace(version, '"format_version":"\\ud800"'),
            "nested 33 deep": text.replace('"level":null', f'"level":{nested}'),
            "cut off": text[:-1],
            "two values": text + "{}",
            "in a list": f"[{text}]",
            "32 KiB and a byte": " " * (32 * 2**10 + 1 - len(text)) + text,
        }
        for name, changed in texts.items():
            assert changed != text, name
            yield Reject(name, "line", "json", "", changed.encode())
        yield Reject("byte order mark", "line", "json", "", b"\xef\xbb\xbf" + text.encode())
        latin = text.encode().replace(b"benef", b"b\xe9nef")
        yield Reject("invalid UTF-8", "line", "json", "", latin)

    def _changed(
        self, name: str, accept: str, layer: str, reason: str, change: Callable[[Document], None]
    ) -> Reject:
        document = self.document(accept)
        change(document)
        data = signed(document)
        assert data != self.data(accept), name
        return Reject(name, accept, layer, reason, data)

    def _set(
        self, name: str, accept: str, layer: str, reason: str, *path: str | int, to: Json
    ) -> Reject:
        def change(document: Json) -> None:
            for step in path[:-1]:
                document = document[step]
            old = document[path[-1]]
            document[path[-1]] = to(old) if callable(to) else to

        return self._changed(name, accept, layer, reason, change)

    def _envelope(self) -> Iterator[Reject]:
        def envelope(name: str, *path: str | int, to: Json, accept: str = "line") -> Reject:
            return self._set(name, accept, "envelope", "", *path, to=to)

        yield envelope("format version 2", "format_version", to=2)
        yield envelope("true for 1", "format_version", to=True)
        yield envelope("identifier with a space", "claim_id", to="golden line")
        yield envelope("empty identifier", "insurer_id", to="")
        yield envelope("no such day", "date_of_service", to="2020-02-30")
        yield envelope("date without dashes", "date_of_service", to="20201005")
        yield envelope("instant with an offset", "expires_at", to="2020-11-05T09:30:00+00:00")
        yield envelope("short beneficiary", "beneficiary", to="benef")
        yield envelope("unknown statement", "statement", to="lens")
        yield envelope("null proof", "proof", to=None)
        yield envelope("padded base64url", "key_id", to=lambda old: old + "=")
        yield envelope("standard base64", "proof", to=lambda old: f"+/{old[2:]}")
        yield envelope("bits beyond the last byte", "key_id", to=_with_spare_bit)
        yield envelope("digest of 31 bytes", "contract_digest", to=encode_base64url(bytes(31)))
        yield envelope(
            "point of 32 bytes", "lines", 0, "commitment", to=encode_base64url(bytes(32))
        )
        yield envelope("no line", "lines", to=[])
        yield envelope("eight lines", "lines", to=lambda old: old * 8)
        yield envelope("code of eight digits", "lines", 0, "code", to=10_000_000)
        yield envelope("negative amount", "amounts", "frame_cents", to=-1, accept="equipment")
        yield envelope("ground with a space", "early_renewal_ground", to="change of vision")
        yield envelope("empty ground", "early_renewal_ground", to="")
        yield envelope("amount as text", "amounts", "frame_cents", to="1", accept="equipment")
        yield self._changed(
            "unknown field", "line", "envelope", "", lambda document: document.update(note="x")
        )
        yield self._changed(
            "field left out", "line", "envelope", "", lambda document: document.pop("level")
        )

    def _encoding(self) -> Iterator[Reject]:
        def proof(name: str, change: Callable[[bytes], bytes]) -> Reject:
            return self._set(
                name, "line", "encoding", "proof_malformed", "proof", to=_on_bytes(change)
            )

        order = int(GENERATORS.group.order).to_bytes(32, "big")
        no_point = b"\x02" + bytes(31) + b"\x05"  # no point of the curve has x = 5
        yield proof("proof a byte short", lambda raw: raw[:-1])
        yield proof("proof a byte long", lambda raw: raw + b"\0")
        yield proof("proof a scalar short", lambda raw: raw[:-32])
        yield proof("B is the identity", lambda raw: bytes(33) + raw[33:])
        yield proof("B is no point", lambda raw: no_point + raw[33:])
        yield proof("A with an uncompressed prefix", lambda raw: raw[:33] + b"\x04" + raw[34:])
        yield proof("T_0 with x beyond p", lambda raw: raw[:67] + b"\xff" * 32 + raw[99:])
        yield proof("z_2 equal to q", lambda raw: raw[:-32] + order)
        yield proof("z_1 of all ones", lambda raw: raw[:-64] + b"\xff" * 32 + raw[-32:])
        for name, point in (("no point", no_point), ("the identity", bytes(33))):
            yield self._set(
                f"commitment is {name}",
                "line",
                "encoding",
                "statement_invalid",
                *("lines", 0, "commitment"),
                to=encode_base64url(point),
            )

    def _signature(self) -> Iterator[Reject]:
        def unsigned(name: str, reason: str, *path: str | int, to: Json) -> Reject:
            made = self._set(name, "line", "signature", reason, *path, to=to)
            document = json.loads(made.data)
            document["signature"] = self.document("line")["signature"]
            return Reject(name, "line", "signature", reason, rfc8785.dumps(document))

        invalid = "signature_invalid"
        yield unsigned("claim id changed", invalid, "claim_id", to="golden-other")
        yield unsigned("proof changed", invalid, "proof", to=_on_bytes(_flip(-1)))
        yield unsigned(
            "commitment negated", invalid, "lines", 0, "commitment", to=_on_bytes(_flip(0))
        )
        for name, change in (
            ("signature with a flipped bit", _flip(0)),
            ("signature with S + L for S", _malleated),
            ("signature of all zeros", lambda raw: bytes(64)),
        ):
            document = self.document("line")
            document["signature"] = _on_bytes(change)(document["signature"])
            yield Reject(name, "line", "signature", invalid, rfc8785.dumps(document))
        unknown = "optician_unknown"
        yield self._set(
            "unknown optician", "line", "signature", unknown, "optician_id", to="nobody"
        )
        yield self._set(
            "another optician's name",
            "line",
            "signature",
            unknown,
            "optician_id",
            to="second-optician",
        )
        yield self._set(
            "another optician's key id",
            "line",
            "signature",
            unknown,
            "key_id",
            to=OPTICIANS[1].key_id,
        )
        stranger = fixed_identity("stranger")
        document = self.document("line") | {"key_id": stranger.key_id}
        yield Reject(
            "key that nobody registered", "line", "signature", unknown, signed(document, stranger)
        )

    def _statement(self) -> Iterator[Reject]:
        def statement(name: str, accept: str, reason: str, *path: str | int, to: Json) -> Reject:
            return self._set(name, accept, "statement", reason, *path, to=to)

        other = encode_base64url(bytes(range(32)))
        invalid = "statement_invalid"
        yield statement("another insurer", "line", "contract_mismatch", "insurer_id", to="other")
        yield statement("another contract", "line", "contract_mismatch", "contract_id", to="other")
        yield statement("other terms", "line", "contract_mismatch", "contract_digest", to=other)
        yield statement(
            "other table", "line", "nomenclature_mismatch", "nomenclature_digest", to=other
        )
        yield statement("expired", "line", "expired", "expires_at", to="2020-10-06T09:29:59Z")
        yield statement(
            "valid for ever", "line", "expiry_too_far", "expires_at", to="2021-01-06T09:30:01Z"
        )
        yield statement(
            "tomorrow's sale", "line", "date_in_future", "date_of_service", to="2020-10-08"
        )
        yield statement(
            "before the contract",
            "line",
            "contract_not_in_force",
            "date_of_service",
            to="2020-06-30",
        )
        yield statement("unknown class", "line", invalid, "lines", 0, "regroupement", to="Z99")
        yield statement("class left open", "line", invalid, "lines", 0, "regroupement", to=None)
        yield statement("code in clear", "line", invalid, "lines", 0, "code", to=2_204_140)
        yield statement("line with a level", "line", invalid, "level", to="a")
        yield statement(
            "line with amounts",
            "line",
            invalid,
            "amounts",
            to={"frame_cents": 0, "lenses_cents": 0},
        )
        yield statement("equipment without amounts", "equipment", invalid, "amounts", to=None)
        yield statement("lines swapped", "equipment", invalid, "lines", to=_swapped)
        yield statement("frame left out", "equipment", invalid, "lines", to=lambda old: old[:2])
        yield statement(
            "frame of a lens class", "equipment", invalid, "lines", 2, "regroupement", to="VM4"
        )
        yield statement(
            "two price classes", "equipment", invalid, "lines", 0, "regroupement", to="V04"
        )
        yield statement("pair without a level", "pair", invalid, "level", to=None)
        yield statement("pair with a class", "pair", invalid, "lines", 0, "regroupement", to="VM4")
        yield statement(
            "ground that the contract does not list",
            *("pair", "ground_not_allowed", "early_renewal_ground"),
            to="lost",
        )
        yield statement(
            "line with a ground",
            *("line", "ground_not_allowed", "early_renewal_ground"),
            to="change_of_vision",
        )
        yield statement(
            "supplement in clear with another code",
            *("equipment-mixed", invalid, "lines", 4, "code"),
            to=lambda old: old + 1,
        )
        yield statement(
            "total a cent over the ceiling",
            *("equipment", "ceiling_exceeded", "amounts", "lenses_cents"),
            to=lambda old: old + 1,
        )
        yield statement(
            "frame a cent over its ceiling",
            *("equipment", "ceiling_exceeded", "amounts"),
            to={"frame_cents": 10_001, "lenses_cents": 0},
        )
        yield self._changed(
            "two equal commitments",
            *("equipment", "statement", invalid),
            lambda document: document["lines"][1].update(
                commitment=document["lines"][0]["commitment"]
            ),
        )
        for name, reason, terms in (
            ("statement not in the contract", "statement_not_allowed", {"statements": ("pair",)}),
            ("below the floor", "floor", {"floor_cells": {"warn": 100, "refuse": 37}}),
        ):
            contract = Contract.model_validate(load_sample("responsable").model_dump() | terms)
            document = self.document("line")
            document["contract_digest"] = encode_base64url(contract_digest(contract))
            yield Reject(name, "line", "statement", reason, signed(document), contract)

    def _proof(self) -> Iterator[Reject]:
        def proof(name: str, accept: str, *path: str | int, to: Json) -> Reject:
            return self._set(name, accept, "proof", "proof_invalid", *path, to=to)

        yield proof("another claim id", "line", "claim_id", to="golden-other")
        yield proof("another beneficiary", "line", "beneficiary", to="benef_golden_other")
        yield proof("another ground", "equipment", "early_renewal_ground", to="change_of_vision")
        yield proof("ground taken away", "pair", "early_renewal_ground", to=None)
        yield proof("a second later", "line", "expires_at", to="2020-11-05T09:30:01Z")
        yield proof("a day earlier", "line", "date_of_service", to="2020-10-04")
        yield proof(
            "commitment negated, signed", "line", "lines", 0, "commitment", to=_on_bytes(_flip(0))
        )
        yield proof(
            "commitment of another claim",
            *("equipment", "lines", 0, "commitment"),
            to=self.document("pair")["lines"][0]["commitment"],
        )
        yield proof("commitments swapped", "equipment", "lines", to=_commitments_swapped)
        yield proof("commitments of the eyes swapped", "pair", "lines", to=_commitments_swapped)
        yield proof("a cent less", "equipment", "amounts", "lenses_cents", to=lambda old: old - 1)
        yield proof("a cent more within the ceiling", "pair-limits", "amounts", to=_a_cent_moved)
        yield proof("another level", "pair-limits", "level", to="f")
        circuit = self._circuit("line")
        first_t, first_f = 66, 66 + 33 * circuit.degree
        for name, position in (
            ("sign of B", 0),
            ("sign of A", 33),
            ("sign of T_0", first_t),
            ("last bit of f_1", first_f + 31),
            ("last bit of z_1", -33),
            ("last bit of z_2", -1),
        ):
            yield proof(name, "line", "proof", to=_on_bytes(_flip(position)))
        yield proof("B and A exchanged", "line", "proof", to=_on_bytes(_exchange(0, 33, 33)))
        yield proof(
            "T_0 and T_1 exchanged",
            "line",
            "proof",
            to=_on_bytes(_exchange(first_t, first_t + 33, 33)),
        )
        yield proof("z_1 and z_2 exchanged", "line", "proof", to=_on_bytes(_exchange(-64, -32, 32)))
        yield proof("z_2 of 0", "line", "proof", to=_on_bytes(lambda raw: raw[:-32] + bytes(32)))
        second = OPTICIANS[1]
        claim = self.claim("line")
        fields = claim.model_dump(exclude={"proof", "signature"})
        fields |= {"optician_id": second.optician_id, "key_id": second.key_id}
        stolen = sign_claim(
            ClaimBody.model_validate(fields), claim.proof_bytes(), second.signing_key
        )
        yield Reject(
            "signed by another registered optician",
            *("line", "proof", "proof_invalid"),
            encode_claim(stolen),
        )

    def _circuit(self, name: str) -> Any:
        accept = self._accepts[name]
        group = GENERATORS.group
        return build_instance(accept.claim, accept.contract, accept.table, group)[0].circuit

    def _lies(self) -> Iterator[Reject]:
        """False statements with proofs made for them, by a prover that checks nothing."""

        def lie(name: str, accept: str, **told: Any) -> Reject:
            claim = stories[accept].tell(**told)
            return Reject(name, accept, "proof", "proof_invalid", encode_claim(claim))

        stories = {
            name: tale(
                parse_sale(json.dumps(accept.sale).encode()),
                accept.contract,
                accept.table,
                by=OPTICIANS[0],
                now=NOW,
            )
            for name, accept in self._accepts.items()
        }
        day = datetime.fromisoformat(DAY).date()
        plain = load_shipped().class_rows("V01", day)[0].code
        yield lie("lie: code of another class", "line", values={(0, 0): plain})
        limited = limits_table().class_rows("V04", day)
        yield lie(
            "lie: price under the limit of another row",
            "equipment-limits",
            values={(0, 0): limited[1].code},
        )
        network = stories["pair-limits"].statement.items
        for number, wires in enumerate(wires_for(network[2]._price, 15_001), start=1):
            yield lie(
                f"lie: price a cent over the cap, {number}",
                "pair-limits",
                wires=wires,
                values={(2, 1): 15_001},
            )
        story = stories["equipment-limits"]
        claimed = story.body.amounts
        assert claimed is not None
        too_much = ClaimAmounts(
            lenses_cents=claimed.lenses_cents + 1, frame_cents=claimed.frame_cents
        )
        slack: Any = story.statement
        for number, wires in enumerate(wires_for(slack._lenses_slack, -1), start=1):
            yield lie(
                f"lie: amount a cent over the hidden prices, {number}",
                "equipment-limits",
                wires=wires,
                amounts=too_much,
            )


def _on_bytes(change: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda text: encode_base64url(change(decode_base64url(text)))


def _flip(position: int) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[position] ^= 1
        return bytes(changed)

    return flip


def _exchange(first: int, second: int, size: int) -> Callable[[bytes], bytes]:
    def exchange(raw: bytes) -> bytes:
        one, other = first % len(raw), second % len(raw)
        middle = raw[one + size : other]
        parts = raw[:one], raw[other : other + size], middle, raw[one : one + size]
        return b"".join(parts) + raw[other + size :]

    return exchange


def _malleated(signature: bytes) -> bytes:
    """Ed25519 with S + L for S, which lax verifiers accept (RFC 8032, section 5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(
        32, "little"
    )


def _with_spare_bit(text: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def _swapped(lines: list[Json]) -> list[Json]:
    return [lines[1], lines[0], *lines[2:]]


def _commitments_swapped(lines: list[Document]) -> list[Document]:
    texts = [line["commitment"] for line in _swapped(lines)]
    return [line | {"commitment": text} for line, text in zip(lines, texts, strict=True)]


def _a_cent_moved(amounts: Document) -> Document:
    return {
        "frame_cents": amounts["frame_cents"] - 1,
        "lenses_cents": amounts["lenses_cents"] + 1,
    }
