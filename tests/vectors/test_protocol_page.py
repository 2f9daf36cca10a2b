"""``docs/protocol.md`` is true and complete: a verifier written from it agrees with ours.

The verifier of ``tests/support/independent_verifier.py`` shares no code with the project. It judges
claims of every statement, true and tampered with, and its circuit digests, contexts and challenges
are compared with ours. The tables of the page are compared with the constants of the code.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import random
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from circuits import gadgets
from circuits.attestation import ATTESTATION_REASONS, Attestation, AttestationRequest
from circuits.audit import AUDIT_REASONS, AuditAnswer, AuditCase, AuditOutcome, Finding
from circuits.canonical import canonical_bytes, decode_base64url
from circuits.claim import (
    Claim,
    ClaimBody,
    build_instance,
    context_digest,
    decode_claim,
    encode_claim,
    sign_claim,
)
from circuits.contract import Contract, contract_digest, parse_contract
from circuits.declaration import Declaration, DeclaredLine
from circuits.equipment import EQUIPMENT_DEGREE, PAIR_DEGREE
from circuits.line import DEGREE
from circuits.nomenclature import Nomenclature
from circuits.notices import (
    CANCELLATION_TAG,
    INVOICE_TAG,
    NOTICE_REASONS,
    Cancellation,
    Invoice,
)
from circuits.publication import PUBLICATION_REASONS, Publication
from circuits.signed import SignedDocument
from circuits.slots import Correction, Slot, pack_correction
from circuits.statements import compile_statement
from circuits.trust import TRUST_REASONS
from optician.claiming import make_claim
from optician.sale import parse_sale
from tests.support import claims as samples
from tests.support import independent_verifier as independent
from tests.support.tables import limits_table
from verifier_api.evidence.documents import Evidence, Record
from verifier_api.judge import REASONS
from verifier_api.openings import OPENING_REASONS
from zk.commitment import Opening, open_partially
from zk.errors import EncodingError, StatementError
from zk.hash_to_curve import hash_to_curve
from zk.transcript import OPENING, PROOF, Transcript, session_tag
from zk.verify import challenges

NOW = samples.NOW
OPTICIAN = "optician-1"


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "protocol.md").read_text(encoding="utf-8")


# -- claims of every statement, judged twice ------------------------------------------------------


@cache
def own_documents(
    contract: Contract, table: Nomenclature
) -> tuple[independent.Contract, independent.Nomenclature]:
    """The same contract and table, read again from their files by the independent verifier."""
    return (
        independent.Contract.parse(contract.model_dump_json().encode()),
        independent.Nomenclature.parse(table.to_bytes()),
    )


def judge_independently(
    data: bytes,
    contract: Contract | None = None,
    table: Nomenclature | None = None,
    now: datetime = NOW,
) -> independent.Trace:
    documents = own_documents(contract or samples.contract(), table or samples.nomenclature())
    key = samples.identity().signing_key.public_key().public_bytes_raw()
    return independent.judge(data, *documents, OPTICIAN, key, now)


def assert_judged_alike(
    claim: Claim, contract: Contract | None = None, table: Nomenclature | None = None
) -> None:
    """Both accept, and agree on circuit, context and challenges."""
    contract, table = contract or samples.contract(), table or samples.nomenclature()
    verdict = samples.judge(of_contract=contract, table=table).judge(claim)
    assert verdict.is_accepted, verdict.detail
    trace = judge_independently(encode_claim(claim), contract, table)
    group = samples.generators().group
    statement, instance = build_instance(claim, contract, table, group)
    assert trace.circuit_digest == statement.circuit.digest
    assert trace.context == context_digest(claim) == instance.context
    assert (trace.y, trace.x) == challenges(group, instance, claim.proof_bytes())


SALES: dict[str, tuple[dict[str, Any], str]] = {
    "line: a lens": ({"statement": "line", "item": "VM4"}, "responsable"),
    "line: a frame of class A": ({"statement": "line", "item": "M01"}, "responsable"),
    "line: a code in clear": ({"statement": "line", "item": "S01"}, "reseau"),
    "equipment": ({"statement": "equipment"}, "responsable"),
    "equipment: price caps, supplements": (
        {"lenses": ("VM4", "VU2"), "supplements": ("SV3", "SV1")},
        "reseau",
    ),
    "equipment: class A lenses in a mixed basket": ({"lenses": ("V04", "V01")}, "responsable"),
    "equipment: a class A frame in a mixed basket": ({"frame": "M01"}, "responsable"),
    "pair": ({"statement": "pair"}, "responsable"),
    "pair: price caps hidden with the class": (
        {"statement": "pair", "lenses": ("VM4", "VU1"), "supplements": ("SV3",)},
        "reseau",
    ),
}


@pytest.mark.parametrize("name", SALES)
def test_the_independent_verifier_accepts_what_we_accept(name: str) -> None:
    choices, contract_name = SALES[name]
    contract = samples.contract(contract_name)
    claim, _ = samples.claim_of(
        samples.sample_sale(**choices, claim_id="page-1"), of_contract=contract
    )
    assert_judged_alike(claim, contract)


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_it_agrees_where_limits_and_shares_differ_from_row_to_row(statement: str) -> None:
    table = limits_table()

    def code(regroupement: str, index: int) -> dict[str, int]:
        return {
            "code": table.class_rows(regroupement, samples.DAY)[index].code,
            "price_cents": 5000,
        }

    articles: dict[str, Any] = {"item": code("V04", 3)}
    if statement != "line":
        articles = {
            "right_lens": code("VM4", 1),
            "left_lens": code("VM7", 3),
            "frame": code("M03", 2),
            "supplements": [code("SV3", 4)],
        }
    document = articles | {
        "format_version": 1,
        "statement": statement,
        "claim_id": "page-2",
        "date_of_service": samples.DAY.isoformat(),
        "beneficiary": samples.BENEFICIARY,
    }
    sale = parse_sale(json.dumps(document).encode())
    claim, _ = make_claim(
        sale,
        samples.contract(),
        table,
        samples.identity(),
        samples.generators(),
        NOW,
    )
    assert_judged_alike(claim, samples.contract(), table)


# -- claims tampered with ---------------------------------------------------------------------


def signed_again(claim: Claim, **changes: Any) -> bytes:
    """The claim with these fields changed, under a fresh and valid signature."""
    document = json.loads(encode_claim(claim)) | changes
    proof = decode_base64url(document.pop("proof"))
    document.pop("signature")
    body = ClaimBody.model_validate_json(json.dumps(document))
    return encode_claim(sign_claim(body, proof, samples.identity().signing_key))


def with_proof(claim: Claim, change: Callable[[bytes], bytes]) -> bytes:
    text = base64.urlsafe_b64encode(change(claim.proof_bytes())).rstrip(b"=").decode()
    return signed_again(claim, proof=text)


def flipped(place: int, bit: int = 1) -> Callable[[bytes], bytes]:
    def change(proof: bytes) -> bytes:
        data = bytearray(proof)
        data[place] ^= bit
        return bytes(data)

    return change


def scalar_plus_order(proof: bytes) -> bytes:
    """z_2 + q, which fits into 32 bytes only for a small z_2: here replaced by q itself."""
    return proof[:-32] + independent.ORDER.to_bytes(32, "big")


def amounts(lenses: int, frame: int) -> dict[str, Any]:
    return {"amounts": {"lenses_cents": lenses, "frame_cents": frame}}


def swapped_lenses(claim: Claim) -> bytes:
    lines = json.loads(encode_claim(claim))["lines"]
    first, second = lines[0]["commitment"], lines[1]["commitment"]
    lines[0]["commitment"], lines[1]["commitment"] = second, first
    return signed_again(claim, lines=lines)


def repeated_commitment(claim: Claim) -> bytes:
    lines = json.loads(encode_claim(claim))["lines"]
    lines[1]["commitment"] = lines[0]["commitment"]
    return signed_again(claim, lines=lines)


def other_class(claim: Claim) -> bytes:
    lines = json.loads(encode_claim(claim))["lines"]
    lines[0]["regroupement"] = "VM5"
    return signed_again(claim, lines=lines)


LIES: dict[str, tuple[str, Callable[[Claim], bytes]]] = {
    "a response": ("proof_invalid", lambda c: with_proof(c, flipped(-1))),
    "the first response": ("proof_invalid", lambda c: with_proof(c, flipped(33 * 12 + 31))),
    "the sign of B": ("proof_invalid", lambda c: with_proof(c, flipped(0))),
    "a scalar not below q": ("proof_malformed", lambda c: with_proof(c, scalar_plus_order)),
    "a point's form": ("proof_malformed", lambda c: with_proof(c, flipped(33, 4))),
    "a byte too many": ("proof_malformed", lambda c: with_proof(c, lambda p: p + b"\0")),
    "the beneficiary": ("proof_invalid", lambda c: signed_again(c, beneficiary="x" * 20)),
    "a day later": ("proof_invalid", lambda c: signed_again(c, date_of_service="2020-10-06")),
    "an amount": ("proof_invalid", lambda c: signed_again(c, **amounts(30_000, 9_999))),
    "lenses swapped": ("proof_invalid", swapped_lenses),
    "another class": ("proof_malformed", other_class),
    "one commitment twice": ("statement_invalid", repeated_commitment),
    "over the ceiling": ("ceiling_exceeded", lambda c: signed_again(c, **amounts(70_001, 10_000))),
    "the frame over its own": ("ceiling_exceeded", lambda c: signed_again(c, **amounts(0, 10_001))),
    "a ground that is listed": (
        "proof_invalid",
        lambda c: signed_again(c, early_renewal_ground="change_of_vision"),
    ),
    "a ground that is not": (
        "ground_not_allowed",
        lambda c: signed_again(c, early_renewal_ground="lost"),
    ),
    "no amounts": ("statement_invalid", lambda c: signed_again(c, amounts=None)),
    "a level": ("statement_invalid", lambda c: signed_again(c, level="f", price_class="B")),
    "another contract": (
        "contract_mismatch",
        lambda c: signed_again(c, contract_digest="A" * 43),
    ),
    "another table": (
        "nomenclature_mismatch",
        lambda c: signed_again(c, nomenclature_digest="A" * 43),
    ),
    "expired": ("expired", lambda c: signed_again(c, expires_at="2020-10-06T09:29:59Z")),
    "in the future": ("date_in_future", lambda c: signed_again(c, date_of_service="2020-10-08")),
    "before the contract": (
        "contract_not_in_force",
        lambda c: signed_again(c, date_of_service="2020-06-30"),
    ),
    "another optician": ("optician_unknown", lambda c: signed_again(c, optician_id="optician-2")),
    "the signature": (
        "signature_invalid",
        lambda c: encode_claim(c).replace(b'"beneficiary":"b', b'"beneficiary":"c'),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_both_refuse_a_lie_for_the_same_reason(lie: str) -> None:
    reason, tell = LIES[lie]
    claim, _ = samples.sample_claim("equipment")
    data = tell(claim)
    with pytest.raises(independent.Refused) as caught:
        judge_independently(data)
    assert caught.value.reason == reason
    assert samples.judge().judge(Claim.model_validate_json(data)).reason == reason


def test_both_refuse_a_statement_that_the_contract_does_not_allow() -> None:
    claim, _ = samples.sample_claim("pair")
    document = json.loads(samples.contract().model_dump_json()) | {"statements": ["line"]}
    narrow = parse_contract(json.dumps(document).encode())
    digest = base64.urlsafe_b64encode(contract_digest(narrow)).rstrip(b"=").decode()
    data = signed_again(claim, contract_digest=digest)
    with pytest.raises(independent.Refused) as caught:
        judge_independently(data, narrow)
    assert caught.value.reason == "statement_not_allowed"
    verdict = samples.judge(of_contract=narrow).judge(Claim.model_validate_json(data))
    assert verdict.reason == "statement_not_allowed"


def test_both_apply_the_floor() -> None:
    claim, _ = samples.sample_claim("equipment")
    document = json.loads(samples.contract().model_dump_json())
    document["floor_cells"] = {"warn": 20, "refuse": 17}
    strict = parse_contract(json.dumps(document).encode())
    digest = base64.urlsafe_b64encode(contract_digest(strict)).rstrip(b"=").decode()
    data = signed_again(claim, contract_digest=digest)
    with pytest.raises(independent.Refused) as caught:
        judge_independently(data, strict)
    assert caught.value.reason == "floor"
    verdict = samples.judge(of_contract=strict).judge(Claim.model_validate_json(data))
    assert verdict.reason == "floor"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b" ",
        lambda data: data.replace(b'"amounts"', b'"amounts":null,"amounts"', 1),
        lambda data: data.replace(b'"format_version":1', b'"format_version":true', 1),
        lambda data: data.replace(b'"format_version":1', b'"format_version":1.0', 1),
        lambda data: data.replace(b'"level":null', b'"level":"g"', 1),
        lambda data: data.replace(b'"signature":"', b'"signature":"A', 1),
        lambda data: data.replace(b',"level":null', b"", 1),
        lambda data: b"[" + data + b"]",
        lambda data: b"\xef\xbb\xbf" + data,
    ],
)
def test_both_find_the_same_documents_unreadable(change: Callable[[bytes], bytes]) -> None:
    data = change(encode_claim(samples.sample_claim("equipment")[0]))
    with pytest.raises(independent.Unreadable):
        judge_independently(data)
    with pytest.raises((EncodingError, StatementError)):
        decode_claim(data)


# -- parts ------------------------------------------------------------------------------------


def test_generators_challenges_and_signatures_agree() -> None:
    generators = samples.generators()
    group = generators.group
    ours = [generators.H, generators.G, *generators.J(4), *generators.W(3)]
    theirs = [
        independent.generator_h(),
        independent.generator_g(),
        *map(independent.generator_j, range(1, 5)),
        *map(independent.generator_w, range(1, 4)),
    ]
    assert [group.encode(point) for point in ours] == list(map(independent.encode_point, theirs))
    assert independent.hash_to_curve(b"abc", b"tag") == hash_to_curve(b"abc", b"tag")
    for protocol in (PROOF, OPENING):
        transcript = Transcript(group, protocol)
        transcript.absorb(b"one", b"two")
        assert transcript.challenge() == independent.challenge(protocol, b"onetwo")
    key = samples.identity().signing_key
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"message")
    assert independent.is_ed25519_signature(public, b"message", signature)
    assert not independent.is_ed25519_signature(public, b"massage", signature)


def test_ranges_and_radices_agree() -> None:
    generator = random.Random(12)
    caps = [*range(130), 3_000, 300_000, 10**7, *(generator.randrange(10**7) for _ in range(60))]
    for base in (2, 3, 5, 8, 10, 16):
        for cap in caps:
            assert tuple(independent.range_digits(cap, base)) == gadgets.range_digits(cap, base)
    for degree in (1, 2, 5, 8, 10, 16):
        for rows in [*range(2, 130), 901, 4_096, 16_384, 65_536]:
            assert independent.radix_of(rows, degree) == gadgets.selector_radix(rows, degree)


@pytest.mark.parametrize("reveal", [(1,), (1, 2), (2, 3, 4), (1, 2, 3, 4)])
def test_partial_openings_agree(reveal: Sequence[int]) -> None:
    claim, openings = samples.sample_claim("line")
    commitment = decode_base64url(claim.lines[0].commitment)
    opening: Opening = openings.openings[0]
    partial = open_partially(samples.generators(), opening, reveal, b"audit 7")
    revealed = dict(partial.revealed)
    independent.verify_partial_opening(commitment, 4, revealed, b"audit 7", partial.proof)
    lie = revealed | {reveal[0]: revealed[reveal[0]] + 1}
    for values, purpose in ((lie, b"audit 7"), (revealed, b"audit 8")):
        with pytest.raises(independent.Refused):
            independent.verify_partial_opening(commitment, 4, values, purpose, partial.proof)


def test_the_page_packs_corrections_as_the_code_does() -> None:
    packed = 2**39 + (-9 + 512) * 2**29 + (-2 + 512) * 2**19 + (8 + 512) * 2**9 + 85
    assert pack_correction(Correction(sphere=-9, cylinder=-2, addition=8, axis=85)) == packed
    assert [slot.value for slot in Slot] == [1, 2, 3, 4]


# -- the page's tables --------------------------------------------------------------------------


def section(page: str, number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section {number}"
    return found[0]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row but the headings' rules."""
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def test_the_pages_limits_are_the_codes(page: str) -> None:
    checked = 0
    for row in table_rows(section(page, 11)):
        constant = re.fullmatch(r"`([\w.]+)\.(\w+)`", row[-1])
        if constant:
            text = row[1].split()[0].replace(",", "").replace("^", "**")
            base, _, exponent = text.partition("**")
            stated = int(base) ** int(exponent or 1)
            assert getattr(importlib.import_module(constant[1]), constant[2]) == stated, row
            checked += 1
    assert checked >= 16


def test_the_pages_reason_codes_are_the_judges(page: str) -> None:
    text, _, notices = section(page, 10).partition("\nAn invoice or a cancellation")
    named = {name for row in table_rows(text) for name in re.findall(r"`([a-z_]+)`", row[-1])}
    assert named == set(REASONS)
    assert set(re.findall(r"`(opening_[a-z_]+)`", text)) == set(OPENING_REASONS)
    notices, _, signed = notices.partition("\nThe signed documents around a claim")
    reasons = [row[-1].strip("`") for row in table_rows(notices)[1:]]
    assert [reason for reason in reasons if not reason.startswith("-")] == list(NOTICE_REASONS)
    told = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", signed)) - {"opened_at", "answer_by"}
    assert told >= set(TRUST_REASONS) | set(PUBLICATION_REASONS)
    # Those of the records and of the optician's key are the service's.
    of_records = {"attestation_replayed", "attestation_late", "attestation_missing"}
    assert told >= set(ATTESTATION_REASONS) - of_records
    of_records = {"audit_late", "outcome_too_soon", "auditor_unknown", "optician_unknown"}
    assert told >= set(AUDIT_REASONS) - of_records


SIGNED: tuple[type[SignedDocument], ...] = (
    *(Publication, AttestationRequest, Attestation),
    *(AuditCase, AuditAnswer, AuditOutcome, Finding),
    *(Record, Evidence),
)


@pytest.mark.parametrize("model", SIGNED, ids=lambda model: model.WHAT)
def test_the_pages_signed_documents_have_the_codes_keys(
    page: str, model: type[SignedDocument]
) -> None:
    text = section(page, 8).partition("### Signed documents around a claim")[2]
    (row,) = [row for row in table_rows(text) if row[0].startswith(f"{model.WHAT},")]
    assert row[1] == f"`{model.TAG.decode()}`"
    # What stands in brackets are values, and instants that follow one another are joined by <.
    told = re.sub(r"\([^()]*\)", "", row[2])
    assert set(re.findall(r"`(\w+)`", told)) == set(model.model_fields) - set(
        SignedDocument.model_fields
    )


@pytest.mark.parametrize("kind", ["invoice", "cancellation"])
def test_the_pages_notices_have_the_codes_keys(page: str, kind: str) -> None:
    text = section(page, 8).partition("### Invoice and cancellation")[2]
    model: type[Invoice | Cancellation] = Invoice if kind == "invoice" else Cancellation
    keys = {
        name
        for first, used, *_ in table_rows(text)
        if used in ("both", kind)
        for name in re.findall(r"`(\w+)`", first)
    }
    assert keys == set(model.model_fields)
    tag = INVOICE_TAG if kind == "invoice" else CANCELLATION_TAG
    assert f"{kind}: " in text
    assert f'I2OSP({len(tag)}, 4) ‖ "{tag.decode()}"' in text


@pytest.mark.parametrize(("title", "model"), [("Contract", Contract), ("Claim", Claim)])
def test_the_pages_documents_have_the_codes_keys(page: str, title: str, model: Any) -> None:
    found = re.search(rf"^### {title}\n.*?(?=^##)", section(page, 8), re.MULTILINE | re.DOTALL)
    assert found is not None
    keys = {name for row in table_rows(found[0]) for name in re.findall(r"`(\w+)`", row[0])}
    assert keys == set(model.model_fields)


def test_the_pages_degrees_are_the_codes(page: str) -> None:
    stated = dict(re.findall(r"`(line|equipment|pair)`, δ = (\d+)", section(page, 9)))
    codes = {"line": DEGREE, "equipment": EQUIPMENT_DEGREE, "pair": PAIR_DEGREE}
    assert {name: int(degree) for name, degree in stated.items()} == codes
    assert codes == independent.TARGET_DEGREE


def computed_values() -> dict[str, str]:
    """Every value of section 14, computed by the code."""
    generators, table = samples.generators(), samples.nomenclature()
    encode = generators.group.encode
    values = {"H": encode(generators.H).hex(), "G": encode(generators.G).hex()}
    values |= {f"J_{s}": encode(J).hex() for s, J in enumerate(generators.J(4), 1)}
    values |= {f"G_{i}": encode(W).hex() for i, W in enumerate(generators.W(2), 1)}
    for name, protocol in (("proof", PROOF), ("partial opening", OPENING)):
        tag = session_tag(generators.group, protocol)
        padded = b"irtf-cfrg-fiat-shamir/session-id" + bytes(136) + tag
        values[f"session id, {name}"] = hashlib.shake_128(padded).hexdigest(32)
        transcript = Transcript(generators.group, protocol)
        transcript.absorb(b"abc")
        values[f'challenge, {name}, after "abc"'] = f"{int(transcript.challenge()):064x}"
    values["nomenclature digest, shipped table"] = table.digest.hex()
    for name in ("responsable", "reseau"):
        digest = contract_digest(samples.contract(name))
        values[f"contract digest, sample {name}"] = digest.hex()
    return values


@cache
def circuit_of(name: str) -> Any:
    """The circuit named in section 14: ``contract: statement class class …``."""
    contract, _, words = name.partition(": ")
    statement, *classes = words.split()
    if statement == "line":
        declaration = Declaration("line", (DeclaredLine("item", classes[0]),))
    elif statement == "equipment":
        right, left, frame, *others = classes
        lines = [DeclaredLine("right_lens", right), DeclaredLine("left_lens", left)]
        lines += [DeclaredLine("frame", frame), *(DeclaredLine("supplement", s) for s in others)]
        declaration = Declaration("equipment", tuple(lines))
    else:
        level, price_class, frame, *others = classes
        lines = [
            DeclaredLine("right_lens"),
            DeclaredLine("left_lens"),
            DeclaredLine("frame", frame),
        ]
        lines += [DeclaredLine("supplement", s) for s in others]
        declaration = Declaration("pair", tuple(lines), level, price_class)  # type: ignore[arg-type]
    day = date(2020, 10, 5)
    contract_ = samples.contract(contract)
    return compile_statement(declaration, contract_, samples.nomenclature(), day).circuit


def test_the_pages_values_are_the_codes(page: str) -> None:
    rows = table_rows(section(page, 14))
    stated = {row[0].strip("`"): row[-1].strip("`") for row in rows}
    for name, value in computed_values().items():
        assert stated[name] == value, name
    circuits = [row for row in rows if re.match(r"`(responsable|reseau): ", row[0])]
    assert len(circuits) >= 8
    for name, *numbers, digest in circuits:
        circuit = circuit_of(name.strip("`"))
        counts = (circuit.wires, len(circuit.equations), len(circuit.lines), circuit.degree)
        size = 33 * (2 + circuit.degree) + 32 * (circuit.wires + 2)
        expected = [*map(str, (*counts, size)), circuit.digest.hex()]
        assert [*numbers, digest.strip("`")] == expected, f"{name} | {' | '.join(expected)}"


def test_the_pages_bound_on_the_soundness_error_holds(page: str) -> None:
    assert "E + L + D is below 2^8" in " ".join(section(page, 12).split())
    largest = [
        "reseau: pair f B M03 SV3 SV3 SV3 SV3",
        "responsable: pair c A M03 SV3 SV3 SV3 SV2",
        "reseau: equipment V04 V04 M03 SV3 SV3 SV3 SV3",
    ]
    for name in largest:
        circuit = circuit_of(name)
        assert len(circuit.equations) + len(circuit.lines) + circuit.degree < 2**8


def test_the_page_gives_the_canonical_form_that_is_hashed() -> None:
    """The independent verifier's canonical JSON is RFC 8785 as our encoder has it."""
    value = {"é": ["\u2028", "\x1f\b", '"\\'], "a": {"z": -1, "b": [True, None]}}
    assert independent.canonical(value) == canonical_bytes(value)


def test_the_independent_verifier_imports_nothing_of_ours(repository: Path) -> None:
    text = (repository / "tests/support/independent_verifier.py").read_text(encoding="utf-8")
    modules = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    assert not modules & {"zk", "circuits", "optician", "verifier_api", "tests", "gmpy2", "numpy"}
