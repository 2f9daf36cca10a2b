"""Write the seeds anew from the golden vectors: ``python -m tests.fuzz.seeds``, from the root.

To be run after `scripts.make_golden`. Openings of lines have random masks, so these seeds differ
each time; all others are the same. Seeds under names that start with ``regression-`` stay.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from circuits.claim import Claim
from circuits.contract import load_sample
from circuits.nomenclature import Nomenclature, Row
from circuits.opening import encode_line_opening
from optician.claiming import Openings
from optician.opening_file import open_line
from optician.vault import keys, vault
from optician.vault.vault import header_of
from scripts.golden import signed
from scripts.golden.accepts import OPTICIANS
from tests.fuzz.corpus import FOLDER, write_seed
from tests.fuzz.mutators import pack
from tests.fuzz.targets import (
    ACCEPTS,
    PURPOSE,
    golden_claim,
    groups,
    pack_vault,
    table,
    vector,
)
from tests.support import vaults
from tests.support.circuits import bit, purchase
from tests.support.dbase import FICHE, HISTO, Members, fiche, histo
from tests.support.dbase import table as dbase_table
from tests.support.orders import RIGHT, order_document
from zk.generators import generators_of
from zk.program import _Compiler

REGRESSION = "regression-"
LARGE = ("record", "evidence")
"""Signed documents that hold others whole, with a target of their own."""

REJECTS_OF_CLAIMS = ("json", "envelope", "encoding", "statement", "proof")
"""One golden reject of each of these layers is a seed, too."""


def _claims() -> dict[str, bytes]:
    found = {name: vector(name)["claim"].encode() for name in ACCEPTS}
    for layer in REJECTS_OF_CLAIMS:
        texts = [
            reject["claim"]
            for reject in vector("rejects")
            if reject["layer"] == layer and "claim" in reject
        ]
        found[f"reject-{layer}"] = min(texts, key=len).encode()
    return found


def _points() -> dict[str, bytes]:
    group = groups()[0]
    generators = generators_of(group)
    sample = [generators.H, generators.G, group.neg(generators.H), *generators.J(2)]
    encoded = [group.encode(point) for point in sample]
    prime = 2**256 - 2**32 - 977
    return {
        "one": encoded[0],
        "several": b"".join(encoded),
        "twice": encoded[1] * 2,
        "prime": b"\x02" + prime.to_bytes(32, "big"),
        "uncompressed": b"\x04" + encoded[0][1:] + encoded[1][1:],
        "no-point": b"\x02" + (5).to_bytes(32, "big"),
    }


def _scalars() -> dict[str, bytes]:
    order = int(groups()[0].order)
    values = {"zero": 0, "one": 1, "largest": order - 1, "order": order, "top": 2**256 - 1}
    found = {name: value.to_bytes(32, "big") for name, value in values.items()}
    return found | {"three": found["one"] + found["largest"] + found["zero"]}


def _programs() -> dict[str, dict[str, bytes]]:
    """Programs of two small circuits, which are made whether or not anything is compiled."""
    circuits = {"bit": bit().circuit, "purchase": purchase().circuit}
    return {"program": {name: _Compiler(circuit).words() for name, circuit in circuits.items()}}


def _small_table() -> bytes:
    """A table of one row of each class, so that a seed is short."""
    full = table("nomenclature-limits.json")
    rows = {row.regroupement: row for row in full.rows}
    return Nomenclature(
        "small-1", "One row of each class.", full.classes(), rows.values()
    ).to_bytes()


def _openings() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Whole openings, and partial ones of single lines."""
    generators = generators_of(groups()[0])
    whole, partial = {}, {}
    for name, line, reveal in (
        ("line", 1, ["code", "price"]),
        ("equipment-mixed", 3, ["price"]),
        ("pair", 2, ["code", "price", "date", "correction"]),
    ):
        whole[name] = canonical_bytes(vector(name)["openings"])
        openings = Openings.parse(whole[name], generators)
        partial[name] = encode_line_opening(open_line(openings, line, reveal, PURPOSE, generators))
    return whole, partial


def _members() -> Members:
    """Two tables with rows to keep and rows to drop, of codes that the small table has."""
    known = [row.code for row in table("nomenclature-limits.json").rows[:3]]
    classes = [row.regroupement for row in table("nomenclature-limits.json").rows[:3]]
    fiches = [fiche(known[0]), fiche(known[1], AGE_MAX=16), fiche(known[2], DATE_FIN="20241231")]
    histos = [
        histo(known[0], classes[0], TARIF="9.50", PUREGLEMEN="100.00"),
        histo(known[1], classes[1], FINHISTO="20240630"),
        histo(known[1], classes[1], DEBUTVALID="20240701", TARIF="0,05"),
        histo(known[2], "XXX"),
        histo(known[2], classes[2]),
    ]
    return Members(
        dbase_table(FICHE, [*fiches, fiche(1234567, ARBO1=1)]),
        dbase_table(HISTO, histos, deleted=frozenset({4})),
    )


def _cursors() -> dict[str, bytes]:
    texts = {"claims": b"before:17", "rights": b"benef_golden_3Jx0kQ/responsable-2020/2020-01-01"}
    return {name: base64.urlsafe_b64encode(text).rstrip(b"=") for name, text in texts.items()}


def _forms() -> dict[str, bytes]:
    return {
        "claim": b"csrf=AAAA&sphere=-2%2C25&price=1+234%2C50+%E2%82%AC&day=2026-11-25&agreed=on",
        "lines": b"note=one%0D%0Atwo%0Dthree&line=1&line=2&empty=",
        "french": b"who=L%27%C3%A9t%C3%A9&day=25/11/2026&count=5",
        "reject-escape": b"a=%4",
        "reject-name": b"1a=2",
        "reject-control": b"a=%00",
    }


def _bodies() -> dict[str, bytes]:
    keys = [identity.public_entry() for identity in OPTICIANS]
    claim: Claim = golden_claim("equipment")
    right = {
        "beneficiary": claim.beneficiary,
        "contract_id": claim.contract_id,
        "age_group": "adult",
        "valid_from": "2020-01-01",
    }
    documents = {
        "keys": {"keys": keys},
        "rights": {"rights": [right]},
        "right-end": {
            "beneficiary": claim.beneficiary,
            "contract_id": claim.contract_id,
            "valid_to": "2020-12-31",
        },
        "token": {"label": "till", "scope": "optician", "optician_id": "golden-optician"},
        "decision": {"decision": "grant", "note": "as asked"},
    }
    return {name: canonical_bytes(document) for name, document in documents.items()}


ATTRIBUTES = (
    "lpp_code,kind,type,shape,sphere_near,sphere_far,cylinder,s_near,s_far\n"
    "{0},lens,single_vision,spherical,-2,-4.00,,,\n"
    '"{1}",lens,progressive,spherocylindrical_minus,0,-4,0.25..4,,\n'
    "{2},frame,,,,,,,\n"
)


def _party_file(role: str) -> bytes:
    keys = signed.party(role)
    return canonical_bytes(
        {
            "format_version": 1,
            "role": role,
            "party_id": keys.optician_id,
            "private_key": encode_base64url(keys.signing_key.private_bytes_raw()),
        }
    )


def _publications() -> dict[str, bytes]:
    documents = vector("signed-documents")
    one = next(e["document"] for e in documents["accepts"] if e["kind"] == "publication")
    rejects = {
        f"reject-{entry['layer']}": entry["document"].encode()
        for entry in documents["rejects"]
        if entry["mutates"] == "publication"
    }
    return {
        "one": one.encode(),
        "list": f"[{one},\n{one}]".encode(),
        "none": b"[]",
        **rejects,
    }


def _documents() -> dict[str, dict[str, bytes]]:
    """Signed documents, what they travel in, and whom to rely on for them."""
    golden = vector("signed-documents")
    made = {entry["kind"]: entry["document"].encode() for entry in golden["accepts"]}
    claim = vector(golden["of"])["claim"].encode()
    attestation, answer = made["attestation"], made["audit answer"]
    sealed = golden["sealed"]
    submission = b'{"attestations":%b,"claim":%b,"format_version":1}'
    reply = b'{"answer":%b,"format_version":1,"sealed":%b}'
    keys: list[dict[str, Any]] = [
        {
            "role": role,
            "party_id": party_id,
            "public_key": signed.party(role).public_entry()["public_key"],
        }
        for role, party_id in signed.PARTIES.items()
    ]
    keys[0] |= {"publishes": ["contract"], "insurer_id": "insurer-1"}
    keys[1] |= {"valid_from": "2020-01-01T00:00:00Z", "revoked_at": "2019-01-01T00:00:00Z"}
    keys[2] |= {"valid_to": "2021-01-01T00:00:00Z"}
    rejects = {
        f"reject-{entry['mutates'].replace(' ', '-')}-{entry['layer']}": entry["document"].encode()
        for entry in golden["rejects"]
        if entry["mutates"] in ("attestation", "audit answer")
    }
    return {
        "signed": {name.replace(" ", "-"): data for name, data in made.items() if name not in LARGE}
        | rejects,
        "evidence": {name: made[name] for name in LARGE},
        "request": {"golden": made["attestation request"]},
        "submission": {
            "one": submission % (b"[%b]" % attestation, claim),
            "two": submission % (b"[%b,%b]" % (attestation, attestation), claim),
            "none": submission % (b"[]", claim),
        },
        "reply": {
            "opening": reply % (answer, b'"' + sealed.encode() + b'"'),
            "without": reply % (answer, b"null"),
        },
        "trust": {
            "three": canonical_bytes({"format_version": 1, "keys": keys}),
            "none": b'{"format_version": 1, "keys": []}',
            "twice": canonical_bytes({"format_version": 1, "keys": keys[:1] * 2}),
        },
        "seal": {
            "opening": decode_base64url(sealed),
            "cut": decode_base64url(sealed)[:-1],
            "empty": b"",
        },
        "records": {
            "all": RECORDS.format(*(row.code for row in _first_rows())).encode(),
            "code-alone": b"record_id,optician_id,code\nR-1,shop-1,%d\n" % _first_rows()[0].code,
            "bad": b"record_id,optician_id,code\nR-1,shop-1,1234567\n",
        },
    }


RECORDS = (
    "record_id,optician_id,code,price_cents,quantity\n"
    "R-1,shop-1,{0},4900,2\n"
    '"R-2",shop-1,{1},,\n'
    "R-3,shop-2, {2},0,1\n"
)


def _first_rows() -> Sequence[Row]:
    return table("nomenclature-limits.json").rows[:3]


def seeds() -> dict[str, dict[str, bytes]]:
    """Corpus → name → bytes."""
    whole, partial = _openings()
    members = _members()
    notices = vector("notices")["accepts"]
    codes = [row.code for row in table("nomenclature-limits.json").rows[:3]]
    return {
        "json": {
            "values": b'{"a":[1,-2,9007199254740991,true,null],"\\u00e9":"\\ud83d\\ude00"}',
            "letters": b'{"\xc3\xa9":"\xe2\x82\xac"}',
            "nested": b"[" * 32 + b"]" * 32,
            "too-deep": b"[" * 33 + b"]" * 33,
            "fraction": b'{"a":1.5}',
            "duplicate": b'{"a":1,"a":2}',
            "surrogate": b'["\\ud800"]',
            "negative-zero": b"[-0]",
        },
        "base64url": {"bytes": b"AAEC_-8", "unused-bits": b"AAF", "padded": b"AA==", "empty": b""},
        "points": _points(),
        "scalars": _scalars(),
        **_programs(),
        "proof": {name: golden_claim(name).proof_bytes() for name in ("line", "line-limits")},
        "claim": _claims(),
        "contract": {
            name: canonical_bytes(load_sample(name).model_dump(mode="json"))
            for name in ("responsable", "reseau")
        },
        "nomenclature": {"small": _small_table()},
        "invoice": {e["name"]: e["notice"].encode() for e in notices if e["kind"] == "invoice"},
        "cancellation": {
            e["name"]: e["notice"].encode() for e in notices if e["kind"] == "cancellation"
        },
        "opening": partial,
        "keys": {"two": canonical_bytes(vector("line")["keys"])},
        "sale": {
            name: canonical_bytes(vector(name)["sale"]) for name in ("line", "equipment-mixed")
        },
        "order": _orders(),
        "identity": {"first": OPTICIANS[0].encode()},
        "party": {role: _party_file(role) for role in signed.PARTIES},
        "publications": _publications(),
        **_documents(),
        "openings": whole,
        **_vaults(),
        "archive": {"import": pack(list(members.files().items()))},
        "dbase": {"fiche": members.fiches, "histo": members.histos},
        "attributes": {"cells": ATTRIBUTES.format(*codes).encode()},
        "bodies": _bodies(),
        "cursors": _cursors(),
        "forms": _forms(),
    }


def _orders() -> dict[str, bytes]:
    """By corrections, by codes and classes, and one item."""
    article = {"price_cents": 800}
    by_code = {
        "right_lens": {"code": 7237538, **article},
        "left_lens": {"code": "7 237 538", **article},
    }
    single = {"right_lens": None, "left_lens": None, "frame": None, "item": RIGHT}
    supplements = [{"regroupement": "SV1", **article}]
    made = {
        "corrections": order_document(statement="least"),
        "codes": order_document(**by_code, supplements=supplements),
        "item": order_document(**single, statement="line"),
    }
    return {name: canonical_bytes(document) for name, document in made.items()}


def _vaults() -> dict[str, dict[str, bytes]]:
    """A vault of small pages: empty, filled, with a write that is in its log alone; its header."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(vault, "PAGE_BYTES", 512),
        mock.patch.object(keys, "BLOCK_BYTES", 64),
    ):
        with vaults.make_vault(Path(folder) / "shop.vault") as made:
            empty = vaults.files_of(made.path)[""]
            vaults.fill(made)
            filled = vaults.files_of(made.path)[""]
            with made.read() as reading:
                # An open connection keeps the log from being carried over.
                reading.connection.execute("SELECT * FROM header").fetchall()
                with made.write() as writing:
                    vaults.insert_claim(writing, 3)
                log = vaults.files_of(made.path)["-wal"]
        rows = header_of(made.path).rows()
    return {
        "vault": {
            "empty": pack_vault(empty, b""),
            "filled": pack_vault(filled, b""),
            "log": pack_vault(filled, log),
            "cut": pack_vault(filled[:-512], b""),
        },
        "vault-header": {"one": keys.canonical(rows)},
    }


def main() -> None:
    """Replace every seed that is no regression."""
    # Everything is made before anything is removed: some readers look at the seeds.
    made = seeds()
    for corpus, named in made.items():
        folder = FOLDER / corpus
        for path in folder.iterdir() if folder.is_dir() else ():
            if not path.name.startswith(REGRESSION):
                path.unlink()
        for seed, data in named.items():
            write_seed(corpus, seed, data)


if __name__ == "__main__":
    main()
