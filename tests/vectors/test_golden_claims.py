"""Golden claims: accepted by both backends, to the last digest; their mutations refused in place.

The files are the artefacts that other implementations are held to; see the README beside them.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import decode_base64url
from circuits.claim import (
    Claim,
    build_instance,
    claim_digest,
    context_digest,
    decode_claim,
    encode_claim,
)
from circuits.contract import Contract, contract_digest, parse_contract
from circuits.nomenclature import SHIPPED_FILE, Nomenclature
from circuits.slots import SLOTS, encode_day
from optician.claiming import Openings
from optician.sale import parse_sale
from scripts import make_golden
from scripts.golden.accepts import TABLE_FILE
from tests.support.backends import backends
from tests.support.tables import limits_table
from verifier_api.judge import REASONS, Judge
from verifier_api.keys import parse_keys
from zk.backends import load_group
from zk.commitment import verify_opening
from zk.encoding import decode_proof, encode_proof, proof_bytes
from zk.errors import EncodingError, StatementError
from zk.generators import generators_of
from zk.verify import challenges

GOLDEN = Path(__file__).parent / "golden"
BACKENDS = [group.name for group in backends()]
ACCEPTS = (
    "line",
    "line-limits",
    "equipment",
    "equipment-limits",
    "equipment-mixed",
    "pair",
    "pair-limits",
)
LAYERS = ("json", "envelope", "encoding", "signature", "statement", "proof")
OF_LAYER = {
    "optician_unknown": "signature",
    "signature_invalid": "signature",
    "proof_malformed": "encoding",
    "proof_invalid": "proof",
}
"""Every other reason belongs to the layer "statement"."""


@cache
def vector(name: str, folder: Path = GOLDEN) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_bytes())
    return document


def rejects(folder: Path = GOLDEN) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = json.loads((folder / "rejects.json").read_bytes())
    return documents


@cache
def table(name: str) -> Nomenclature:
    if name == SHIPPED_FILE:
        return Nomenclature.parse(files("circuits").joinpath("data", name).read_bytes())
    return Nomenclature.parse((GOLDEN / name).read_bytes())


def contract_of(document: dict[str, Any]) -> Contract:
    return parse_contract(json.dumps(document["contract"]).encode())


def claim_of(document: dict[str, Any]) -> Claim:
    return decode_claim(document["claim"].encode())


def judge(document: dict[str, Any], backend: str, contract: Contract | None = None) -> Judge:
    """The insurer that a vector describes."""
    now = datetime.fromisoformat(document["now"])
    return Judge(
        contract or contract_of(document),
        table(document["nomenclature"]),
        parse_keys(json.dumps(document["keys"]).encode()),
        generators_of(load_group(backend)),
        lambda: now,
    )


# -- accepts -----------------------------------------------------------------------------------


def test_all_files_are_known() -> None:
    names = {path.name for path in GOLDEN.iterdir()}
    others = {"README.md", make_golden.REJECTS_FILE, make_golden.NOTICES_FILE, TABLE_FILE}
    others.add(make_golden.SIGNED_FILE)
    assert names == {f"{name}.json" for name in ACCEPTS} | others
    assert table(TABLE_FILE) == limits_table()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ACCEPTS)
def test_a_golden_claim_is_accepted(name: str, backend: str) -> None:
    document = vector(name)
    assert document["name"] == name
    assert document["verdict"] == "accepted"
    verdict = judge(document, backend).judge(claim_of(document))
    assert verdict.reason is None, verdict.detail


@pytest.mark.parametrize("backend", BACKENDS)
def test_golden_claims_are_accepted_in_batches(backend: str) -> None:
    batches: dict[str, list[str]] = {}
    for name in ACCEPTS:
        document = vector(name)
        key = json.dumps([document["contract"], document["nomenclature"]])
        batches.setdefault(key, []).append(name)
    assert max(map(len, batches.values())) >= 4
    for names in batches.values():
        claims = [claim_of(vector(name)) for name in names]
        verdicts = judge(vector(names[0]), backend).judge_batch(claims)
        assert [verdict.reason for verdict in verdicts] == [None] * len(names)


@pytest.mark.parametrize("name", ACCEPTS)
def test_a_golden_claim_has_one_byte_form(name: str) -> None:
    document = vector(name)
    assert encode_claim(claim_of(document)) == document["claim"].encode()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ACCEPTS)
def test_everything_in_between_is_as_stored(name: str, backend: str) -> None:
    document = vector(name)
    stored = document["computed"]
    claim, contract, group = claim_of(document), contract_of(document), load_group(backend)
    nomenclature = table(document["nomenclature"])
    compiled, instance = build_instance(claim, contract, nomenclature, group)
    circuit, proof = compiled.circuit, claim.proof_bytes()
    y, x = challenges(group, instance, proof)
    assert stored == {
        "contract_digest": contract_digest(contract).hex(),
        "nomenclature_digest": nomenclature.digest.hex(),
        "circuit_digest": circuit.digest.hex(),
        "context_digest": context_digest(claim).hex(),
        "claim_digest": claim_digest(claim).hex(),
        "wires": circuit.wires,
        "degree": circuit.degree,
        "equations": len(circuit.equations),
        "lines": len(claim.lines),
        "publics": list(instance.publics),
        "instance": instance.encode(group).hex(),
        "commitments": [decode_base64url(line.commitment).hex() for line in claim.lines],
        "y": f"{int(y):064x}",
        "x": f"{int(x):064x}",
        "proof_bytes": len(proof),
    }
    assert len(proof) == proof_bytes(circuit, group)
    assert encode_proof(decode_proof(proof, circuit, group), group) == proof
    assert stored["publics"][0] == encode_day(date(2020, 10, 5))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ACCEPTS)
def test_the_openings_open_the_lines_to_what_was_sold(name: str, backend: str) -> None:
    document = vector(name)
    generators = generators_of(load_group(backend))
    openings = Openings.parse(json.dumps(document["openings"]).encode(), generators)
    sale = parse_sale(json.dumps(document["sale"]).encode())
    claim = claim_of(document)
    assert openings.claim_id == claim.claim_id
    for line, text, opening, item in zip(
        claim.lines, openings.commitments, openings.openings, sale.items(), strict=True
    ):
        assert text == line.commitment
        verify_opening(generators, generators.group.decode(decode_base64url(text)), opening, SLOTS)
        assert opening.values[:2] == (item.code, item.price_cents)


@pytest.mark.parametrize("name", ACCEPTS)
def test_a_golden_claim_hides_what_was_sold(name: str) -> None:
    document = vector(name)
    shown = {line["code"] for line in json.loads(document["claim"])["lines"]}
    for line in document["openings"]["lines"]:
        code = line["values"][0]
        assert code in shown or str(code) not in document["claim"]
        assert line["blinding"] not in document["claim"]


def test_limits_are_hidden_where_the_name_says_so() -> None:
    for name in ACCEPTS:
        document = vector(name)
        claim, contract = claim_of(document), contract_of(document)
        group = load_group()
        statement, _ = build_instance(claim, contract, table(document["nomenclature"]), group)
        hidden = any(item._slack is not None for item in statement.items)
        assert hidden == name.endswith("-limits")


# -- rejects -----------------------------------------------------------------------------------


def data_of(reject: dict[str, Any]) -> bytes:
    if "claim" in reject:
        return str(reject["claim"]).encode()
    return decode_base64url(reject["claim_base64url"])


def layer_and_reason(
    accept: dict[str, Any], reject: dict[str, Any], backend: str
) -> tuple[str, str]:
    """Who refuses, and with which reason code ("" before there is one)."""
    try:
        claim = decode_claim(data_of(reject))
    except EncodingError:
        return "json", ""
    except StatementError:
        return "envelope", ""
    contract = contract_of(reject) if "contract" in reject else None
    insurer = judge(accept, backend, contract)
    verdict = insurer.judge(claim)
    reason = verdict.reason
    assert reason in REASONS
    assert [other.reason for other in insurer.judge_batch([claim])] == [reason]
    if reason == "statement_invalid":
        # A commitment that is no point: the same reason, and an encoding all the same.
        group = load_group(backend)
        try:
            for line in claim.lines:
                group.decode(decode_base64url(line.commitment))
        except EncodingError:
            return "encoding", reason
    return OF_LAYER.get(reason, "statement"), reason


REJECTS = rejects()


@pytest.mark.parametrize("reject", REJECTS, ids=[reject["name"] for reject in REJECTS])
def test_a_reject_is_refused_at_its_layer(reject: dict[str, Any]) -> None:
    accept = vector(reject["mutates"])
    assert data_of(reject) != accept["claim"].encode()
    expected = reject["layer"], reject["reason"]
    assert layer_and_reason(accept, reject, "libsecp256k1") == expected


@pytest.mark.parametrize("layer", ["encoding", "proof"])
def test_the_other_backend_refuses_alike(layer: str) -> None:
    for reject in REJECTS:
        if reject["layer"] == layer:
            accept = vector(reject["mutates"])
            expected = layer, reject["reason"]
            assert layer_and_reason(accept, reject, "py_ecc") == expected, reject["name"]


def test_every_layer_and_every_reason_has_a_reject() -> None:
    assert {reject["layer"] for reject in REJECTS} == set(LAYERS)
    # One verifier with one table has no other version of it, and no list of publishers.
    assert {reject["reason"] for reject in REJECTS} == {"", *REASONS} - {
        "nomenclature_not_in_force",
        "contract_unpublished",
        "nomenclature_unpublished",
    }
    names = [reject["name"] for reject in REJECTS]
    assert len(set(names)) == len(names)
    assert {reject["mutates"] for reject in REJECTS} <= set(ACCEPTS)


# -- making them anew --------------------------------------------------------------------------


def test_vectors_made_anew_say_the_same(tmp_path: Path) -> None:
    # All but what is random: blindings, and with them commitments, proofs and challenges.
    make_golden.write(tmp_path)
    random = {"claim_digest", "context_digest", "instance", "commitments", "y", "x"}
    for name in ACCEPTS:
        stored, made = vector(name), vector(name, tmp_path)
        for document in (stored, made):
            assert set(document) == set(stored)
        for key in set(stored) - {"claim", "openings", "computed"}:
            assert made[key] == stored[key]
        for key in set(stored["computed"]) - random:
            assert made["computed"][key] == stored["computed"][key]
        for key in random:
            assert made["computed"][key] != stored["computed"][key]
    made_rejects = rejects(tmp_path)
    for made, stored in zip(made_rejects, REJECTS, strict=True):
        for key in ("name", "mutates", "layer", "reason"):
            assert made[key] == stored[key]
        assert data_of(made) != data_of(stored)
    assert (tmp_path / TABLE_FILE).read_bytes() == (GOLDEN / TABLE_FILE).read_bytes()
