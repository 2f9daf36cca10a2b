"""What is fuzzed: every reader of bytes from outside, each with the promises that it has to keep.

A target takes bytes and says whether they were accepted. Out of it comes nothing but its verdict: a
`Broken` promise, or any error that is not of the documented family, is a finding. What decodes has
to encode to the same bytes where there is one form only; a claim, a notice or an opening that a
judge accepts has to be one of the golden ones, since nobody can make another without its secrets.
"""

from __future__ import annotations

import json
import os
import re
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

import zk.program
from circuits.attestation import (
    ATTESTATION_REASONS,
    Attestation,
    AttestationRequest,
    Duty,
    decode_submission,
    encode_submission,
    require_attestation,
)
from circuits.audit import (
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    Finding,
    decode_reply,
    encode_reply,
    require_answer_fits,
    unseal_opening,
)
from circuits.canonical import (
    canonical_bytes,
    decode_base64url,
    encode_base64url,
    parse_json_strict,
)
from circuits.claim import Claim, build_instance, decode_claim, encode_claim, sign_claim
from circuits.contract import contract_digest, load_sample, parse_contract
from circuits.document import StrictDocument
from circuits.nomenclature import SHIPPED_FILE, Nomenclature, is_lpp_code, load_shipped
from circuits.notices import (
    Cancellation,
    Invoice,
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
    require_cancellation_fits,
    require_invoice_fits,
    verify_notice_signature,
)
from circuits.opening import decode_line_opening, encode_line_opening
from circuits.publication import (
    PUBLICATION_REASONS,
    Publication,
    parse_publications,
    require_published,
)
from circuits.sealing import RecipientKey
from circuits.signed import (
    Signed,
    SignedDocument,
    decode_signed,
    encode_signed,
    signed_digest,
    verify_signed,
)
from circuits.signing import key_id_of, public_key_of, sign_document
from circuits.trust import TRUST_REASONS, parse_trust
from optician.agent.orders import encode_order
from optician.claiming import Openings
from optician.disclosure import disclose
from optician.identity import Identity
from optician.order import order_warnings, parse_order, to_sale
from optician.sale import parse_sale
from optician.vault.errors import VaultError
from optician.vault.files import beside
from optician.vault.keys import Header, Passphrase
from optician.vault.vault import Vault
from pages.forms import MAX_CENTS, MAX_FIELDS, Form, FormError, decode_form
from scripts.golden.accepts import OPTICIANS
from tests.fuzz.corpus import read_corpus
from tests.fuzz.mutators import (
    Mutator,
    change_archive,
    change_bytes,
    change_json,
    change_words,
)
from tests.support import vaults
from verifier_api.attester.rules import REQUEST_REASONS, open_request, require_authentic
from verifier_api.attester.sources import parse_records
from verifier_api.evidence.check import check_evidence
from verifier_api.evidence.documents import Evidence
from verifier_api.judge import REASONS, Judge
from verifier_api.keys import parse_keys
from verifier_api.lpp.archive import open_archive
from verifier_api.lpp.attributes import read_attributes
from verifier_api.lpp.importing import import_lpp
from verifier_api.lpp.tables import Table
from verifier_api.openings import OPENING_REASONS, verify_line_opening
from verifier_api.parties import Party
from verifier_api.service.administration import RightEnd, RightsRequest, TokenRequest
from verifier_api.service.cursors import decode_cursor
from verifier_api.service.notices import Decision
from verifier_api.web import administration
from verifier_api.web.bodies import decode_body
from zk.backends import BACKENDS, load_group
from zk.encoding import decode_proof, encode_proof
from zk.errors import EncodingError, ProofRejected, StatementError, ZkError
from zk.field import decode_scalar, decode_scalars, encode_scalars, read_scalars
from zk.generators import generators_of
from zk.group import Group

GOLDEN = Path(__file__).resolve().parent.parent / "vectors" / "golden"
ACCEPTS = (
    *("line", "line-limits", "equipment", "equipment-limits", "equipment-mixed"),
    *("pair", "pair-limits"),
)
PURPOSE = "audit 2020-1"
"""What the openings among the seeds were made for."""

BODIES: tuple[type[StrictDocument], ...] = (
    Decision,
    RightEnd,
    RightsRequest,
    TokenRequest,
    administration.KeysRequest,
)

Run: TypeAlias = Callable[[bytes], bool]


class Broken(Exception):
    """A promise that a reader did not keep."""


def _require(holds: bool, promise: str) -> None:
    if not holds:
        raise Broken(promise)


@dataclass(frozen=True)
class Target:
    """A reader with its promises.

    ``make`` prepares what it needs and returns the function that takes bytes and says whether they
    were accepted. ``corpus`` names its seeds; ``largest`` is the longest input in bytes.
    """

    name: str
    about: str
    make: Callable[[], Run]
    corpus: str
    mutate: Mutator = change_json
    largest: int = 8192


def _refusing(read: Run) -> Run:
    """``read``, with every documented error as a refusal."""

    def run(data: bytes) -> bool:
        try:
            return read(data)
        except ZkError:
            return False

    return run


# -- JSON and texts ---------------------------------------------------------------------------


def _json() -> Run:
    def read(data: bytes) -> bool:
        value = parse_json_strict(data, max_bytes=1 << 16, what="document")
        _require(
            value == json.loads(data.decode()),
            "the value is the one that the standard reader finds",
        )
        canonical = canonical_bytes(value)
        again = parse_json_strict(canonical, max_bytes=1 << 20, what="document")
        _require(again == value, "the canonical form says the same")
        _require(canonical_bytes(again) == canonical, "there is one canonical form")
        return True

    return read


def _base64url() -> Run:
    def read(data: bytes) -> bool:
        text = data.decode("latin-1")
        _require(encode_base64url(decode_base64url(text)) == text, "there is one form")
        return True

    return read


def _cursors() -> Run:
    def read(data: bytes) -> bool:
        text, accepted = data.decode("latin-1"), 0
        for decode in (decode_cursor, administration._decode_cursor):
            try:
                decode(text)
            except ZkError:
                continue
            accepted += 1
        _require(accepted < 2, "a cursor is of one list only")
        return accepted > 0

    return read


def _bodies() -> Run:
    def read(data: bytes) -> bool:
        accepted = False
        for model in BODIES:
            try:
                parsed = decode_body(model, data, 1 << 16, "body")
            except ZkError:
                continue
            accepted = True
            _require(type(parsed) is model, "a body is what was asked for")
        return accepted

    return read


def _forms() -> Run:
    def read(data: bytes) -> bool:
        try:
            form = decode_form(data)
        except FormError:
            return False
        fields = [(name, text) for name in sorted(form.names) for text in form._fields[name]]
        pairs = parse_qsl(data.decode(), keep_blank_values=True, errors="strict")
        found = [(name, text.replace("\r\n", "\n").replace("\r", "\n")) for name, text in pairs]
        _require(fields == sorted(found, key=lambda pair: pair[0]), "both readers read the same")
        _require(len(fields) <= MAX_FIELDS, "there are so many fields and no more")
        again = decode_form(urlencode(fields).encode(), 4 * len(data) + 4)
        _require(again._fields == dict(sorted(form._fields.items())), "it encodes to the same")
        for name in form.names:
            _fields(form, name)
        return True

    return read


def _fields(form: Form, name: str) -> None:
    """A field as every kind that it could be asked for."""
    readers: dict[str, Callable[[], bool]] = {
        "a text is a line": lambda: "\n" not in form.text(name, 50, ""),
        "a text is as short as was asked": lambda: len(form.text(name, 50, "")) <= 50,
        "a number is in range": lambda: -5 <= form.integer(name, -5, 5) <= 5,
        "an amount is in range": lambda: 0 <= form.cents(name) <= MAX_CENTS,
        "a day is written as one": lambda: form.day(name).year > 0,
        "a choice is one of them": lambda: form.choice(name, ("on", "")) in ("on", ""),
    }
    for promise, ask in readers.items():
        try:
            holds = ask()
        except FormError:
            continue
        _require(holds, promise)


# -- points, scalars, proofs ------------------------------------------------------------------


@cache
def groups() -> tuple[Group, ...]:
    """Every backend that this machine has; there are at least two, or agreement means nothing."""
    found = []
    for name in BACKENDS:
        try:
            found.append(load_group(name))
        except (ImportError, StatementError):
            continue  # an accelerator that was not built here
    assert len(found) >= 2
    return tuple(found)


def _encodings(group: Group, data: bytes) -> bytes | None:
    """The encodings of all the points in ``data``, or None if the backend refuses it."""
    try:
        points = group.decode_many(data)
    except ZkError:
        return None
    size = group.point_bytes
    single = [group.decode(data[at : at + size]) for at in range(0, len(data), size)]
    _require(single == points, f"{group.name}: points are the same one by one")
    return b"".join(map(group.encode, points))


def _points() -> Run:
    def read(data: bytes) -> bool:
        found = {group.name: _encodings(group, data) for group in groups()}
        _require(len(set(found.values())) == 1, "all backends read the same points")
        (encoded,) = set(found.values())
        _require(encoded in (None, data), "a point has one encoding")
        return encoded is not None

    return read


def _scalars() -> Run:
    order = groups()[0].order

    def read(data: bytes) -> bool:
        late = _read_as(lambda: read_scalars(data, order))
        early = _read_as(lambda: decode_scalars(data, order))
        _require(late == early, "both readers of scalars read the same")
        values = decode_scalars(data, order)
        _require(all(0 <= value < order for value in values), "scalars are reduced")
        _require(encode_scalars(values) == data, "a scalar has one encoding")
        single = [decode_scalar(data[at : at + 32], order) for at in range(0, len(data), 32)]
        _require(single == values, "scalars are the same one by one")
        return True

    return read


def _read_as(read: Callable[[], Sequence[Any]]) -> tuple[Any, ...] | None:
    try:
        return tuple(read())
    except ZkError:
        return None


LARGEST_COUNT = 1 << 14
"""Of wires, public inputs and powers: programs of more are not run."""


def _program() -> Run:
    """Programs come from our own compiler; but C that trusts no word of them cannot be led astray
    by a fault there."""
    native = zk.program.native
    assert native is not None  # or there is no such target
    one = (1).to_bytes(32, "little")

    def read(data: bytes) -> bool:
        try:
            program = native.Program(data)
        except ValueError:
            return False
        wires, publics, slots, _, powers = struct.unpack_from("<5q", data)
        if max(wires, publics, powers) > LARGEST_COUNT:
            return True  # it is a program, of a circuit that no constructor would let pass
        for points in (1, 3):
            given = [one * (count * points) for count in (wires, 1, powers)]
            given.append((1).to_bytes(8, "big") * (publics * points))
            values = program.evaluate(*given)
            _require(len(values) == 32 * points * (1 + slots), "there is a value for g and each h")
            _require(values == program.evaluate(*given), "the same comes out each time")
        return True

    return read


def _proofs() -> Run:
    group = groups()[0]
    circuits = []
    for name in ACCEPTS:
        claim, insurer = golden_claim(name), insurer_of(name)
        compiled, _ = build_instance(claim, insurer.own_contract, insurer.own_nomenclature, group)
        circuits.append(compiled.circuit)

    def read(data: bytes) -> bool:
        accepted = 0
        for circuit in circuits:
            try:
                proof = decode_proof(data, circuit, group)
            except ZkError:
                continue
            accepted += 1
            # A copy has forgotten the bytes it came from.
            _require(encode_proof(replace(proof), group) == data, "a proof has one encoding")
        return accepted > 0

    return read


# -- claims and what follows them -------------------------------------------------------------


@cache
def vector(name: str) -> Any:
    """A golden file."""
    return json.loads((GOLDEN / f"{name}.json").read_bytes())


@cache
def golden_claim(name: str) -> Claim:
    """The claim of a golden accept."""
    return decode_claim(vector(name)["claim"].encode())


@cache
def table(name: str) -> Nomenclature:
    """A nomenclature by the name that the golden files give it."""
    if name == SHIPPED_FILE:
        return load_shipped()
    return Nomenclature.parse((GOLDEN / name).read_bytes())


@cache
def insurer_of(name: str) -> Judge:
    """The insurer that a golden accept describes."""
    document = vector(name)
    now = datetime.fromisoformat(document["now"])
    return Judge(
        parse_contract(json.dumps(document["contract"]).encode()),
        table(document["nomenclature"]),
        parse_keys(json.dumps(document["keys"]).encode()),
        generators_of(groups()[0]),
        lambda: now,
    )


def _insurer_for(claim: Claim) -> Judge:
    """The insurer whose documents a claim names, else the first."""
    for name in ACCEPTS:
        known = golden_claim(name)
        if (known.contract_digest, known.nomenclature_digest) == (
            claim.contract_digest,
            claim.nomenclature_digest,
        ):
            return insurer_of(name)
    return insurer_of(ACCEPTS[0])


def _claim() -> Run:
    def read(data: bytes) -> bool:
        _require(encode_claim(decode_claim(data)) == data, "a claim has one form")
        return True

    return read


def _judged(claim: Claim) -> bool:
    verdict = _insurer_for(claim).judge(claim)
    _require(verdict.reason is None or verdict.reason in REASONS, "a reason is a documented one")
    if verdict.is_accepted:
        known = {encode_claim(golden_claim(name)) for name in ACCEPTS}
        _require(encode_claim(claim) in known, "an accepted claim is one that was made")
    return verdict.is_accepted


def _judge() -> Run:
    return lambda data: _judged(decode_claim(data))


def _signed() -> Run:
    """The optician himself signs what was changed: the proof alone has to stop it."""

    def read(data: bytes) -> bool:
        claim = decode_claim(data)
        return _judged(sign_claim(claim, claim.proof_bytes(), OPTICIANS[0].signing_key))

    return read


@cache
def _notices() -> tuple[dict[str, Any], ...]:
    """The golden notices to accept."""
    return tuple(vector("notices")["accepts"])


def _notice(
    kind: str, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes],
    require_fits: Callable[[Any, Claim], None],
) -> Run:  # fmt: skip
    known = {entry["notice"].encode(): entry["of"] for entry in _notices() if entry["kind"] == kind}
    key = OPTICIANS[0].signing_key.public_key()

    def read(data: bytes) -> bool:
        notice: Invoice | Cancellation = decode(data)
        _require(encode(notice) == data, "a notice has one form")
        fitting = []
        for name in ACCEPTS:
            try:
                require_fits(notice, golden_claim(name))
                verify_notice_signature(notice, key)
            except ProofRejected:
                continue
            fitting.append(name)
        _require(fitting == ([known[data]] if data in known else []), "an accepted one was made")
        return bool(fitting)

    return read


def _invoice() -> Run:
    return _notice("invoice", decode_invoice, encode_invoice, require_invoice_fits)


def _cancellation() -> Run:
    return _notice(
        "cancellation", decode_cancellation, encode_cancellation, require_cancellation_fits
    )


def _opening() -> Run:
    known = set(read_corpus("opening").values())
    claims = {claim.claim_id: claim for claim in map(golden_claim, ACCEPTS)}
    generators = generators_of(groups()[0])

    def read(data: bytes) -> bool:
        opening = decode_line_opening(data)
        _require(encode_line_opening(opening) == data, "an opening has one form")
        claim = claims.get(opening.claim_id, golden_claim(ACCEPTS[0]))
        try:
            verify_line_opening(generators, claim, opening, PURPOSE)
        except ProofRejected:
            return False
        _require(data in known, "an accepted opening is one that was made")
        return True

    return read


# -- reference data and secret files ----------------------------------------------------------


def _contract() -> Run:
    def read(data: bytes) -> bool:
        contract = parse_contract(data)
        again = parse_contract(canonical_bytes(contract.model_dump(mode="json")))
        _require(again == contract, "what a contract says can be written and read")
        _require(contract_digest(again) == contract_digest(contract), "its digest stays the same")
        return True

    return read


def _nomenclature() -> Run:
    def read(data: bytes) -> bool:
        read_table = Nomenclature.parse(data)
        written = read_table.to_bytes()
        _require(json.loads(written) == json.loads(data), "a table's file says what was read")
        again = Nomenclature.parse(written)
        _require(again.digest == read_table.digest, "its digest stays the same")
        return True

    return read


def _keys() -> Run:
    def read(data: bytes) -> bool:
        parse_keys(data)
        return True

    return read


def _sale() -> Run:
    def read(data: bytes) -> bool:
        parse_sale(data)
        return True

    return read


_SEVEN_DIGITS = re.compile(r"[0-9]{7}")


def _order() -> Run:
    contract = load_sample("responsable")
    nomenclature = load_shipped()

    def read(data: bytes) -> bool:
        order = parse_order(data)
        _require(parse_order(encode_order(order)) == order, "an order is kept as it is read")
        order = order.model_copy(
            update={"contract_id": contract.contract_id, "insurer_id": contract.insurer_id}
        )
        try:
            sale = to_sale(order, nomenclature, contract)
            disclosure = disclose(sale, contract, nomenclature)
        except ZkError as error:
            _require(not _SEVEN_DIGITS.search(str(error)), "no refusal repeats a code")
            return False
        order_warnings(order, nomenclature)
        clear = {fact.place for fact in disclosure.sees if fact.key == "code"}
        hidden = {hiding.place for hiding in disclosure.hides_among}
        _require(not clear & hidden, "a code is hidden or declared, never both")
        _require(
            all(place.startswith("supplements") or place == "item" for place in clear),
            "no code of a lens or a frame is declared in clear",
        )
        return True

    return read


def _identity() -> Run:
    def read(data: bytes) -> bool:
        identity = Identity.parse(data)
        _require(Identity.parse(identity.encode()).key_id == identity.key_id, "keys stay the same")
        return True

    return read


def _party() -> Run:
    def read(data: bytes) -> bool:
        party = Party.parse(data)
        again = Party.parse(party.encode())
        _require(
            (again.key_id, again.role, again.party_id)
            == (party.key_id, party.role, party.party_id),
            "key, role and name stay the same",
        )
        return True

    return read


def _publications() -> Run:
    document = json.loads((GOLDEN / "signed-documents.json").read_text())
    (golden,) = [entry for entry in document["accepts"] if entry["kind"] == "publication"]
    made = decode_signed(Publication, golden["document"].encode())
    entry = {
        "role": "publisher",
        "party_id": made.publisher_id,
        "public_key": golden["public_key"],
        "publishes": ["contract", "nomenclature"],
    }
    trust = parse_trust(canonical_bytes({"format_version": 1, "keys": [entry]}))

    def read(data: bytes) -> bool:
        for publication in parse_publications(data):
            form = encode_signed(publication)
            _require(decode_signed(Publication, form) == publication, "there is one form")
            try:
                require_published(publication, trust, made.published_at)
            except ProofRejected as error:
                reasons = TRUST_REASONS | PUBLICATION_REASONS
                _require(error.reason in reasons, "the reason is a documented one")
            else:
                _require(publication == made, "none counts but one that was made")
        return True

    return read


def _openings() -> Run:
    generators = generators_of(groups()[0])

    def read(data: bytes) -> bool:
        openings = Openings.parse(data, generators)
        again = Openings.parse(openings.encode(), generators)
        _require(again == openings, "openings can be written and read")
        return True

    return read


# -- the vault ------------------------------------------------------------------------------------


def pack_vault(file: bytes, log: bytes) -> bytes:
    """A vault's file and what SQLite keeps beside it, as one input."""
    return struct.pack(">I", len(file)) + file + log


def _vault() -> Run:
    """The file, its log, its header and its seals: nobody without the key makes another vault."""
    place = Path(_folder().name) / f"{os.getpid()}-shop.vault"
    names = {suffix: beside(place, suffix) for suffix in ("", "-wal", "-shm", "-journal")}
    known: list[object] = []

    def look(data: bytes) -> object:
        size = int.from_bytes(data[:4], "big")
        parts = {"": data[4 : 4 + size], "-wal": data[4 + size :]}
        for suffix, name in names.items():
            name.unlink(missing_ok=True)
            if parts.get(suffix) or not suffix:
                name.write_bytes(parts[suffix])
        try:
            with Vault.open(place, Passphrase(vaults.TEXT)) as vault:
                vault.require_whole()
                for suffix in ("", "-wal"):
                    left = names[suffix].read_bytes() if names[suffix].exists() else b""
                    _require(left == parts[suffix], "looking writes nothing")
                return vaults.contents(vault)
        except VaultError:
            left = names[""].read_bytes()
            _require(left == parts[""], "what is refused is left as it was")
            return None

    for seed in read_corpus("vault").values():
        state = look(seed)
        if state is not None:
            known.append(state)

    def read(data: bytes) -> bool:
        state = look(data)
        _require(state is None or state in known, "a vault that is whole is one that was made")
        return state is not None

    return read


def _vault_header() -> Run:
    (made,) = (Header.parse(_rows(seed)) for seed in read_corpus("vault-header").values())

    def read(data: bytes) -> bool:
        try:
            header = Header.parse(_rows(data))
        except VaultError:
            return False
        _require(header.rows() == _rows(data), "a header has one form")
        _require(header == made, "a header whose checksum is right is the one that was made")
        return True

    return read


def _rows(data: bytes) -> dict[str, Any]:
    """The rows of a header as JSON has them: bytes as hexadecimal in an object."""
    rows = parse_json_strict(data, max_bytes=1 << 16, what="header")
    if not isinstance(rows, dict):
        raise EncodingError("header: no object")
    try:
        return {
            name: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
            for name, value in rows.items()
        }
    except (KeyError, TypeError, ValueError):
        raise EncodingError("header: no bytes") from None


# -- documents around a claim -------------------------------------------------------------------

MODELS: tuple[type[SignedDocument], ...] = (
    *(Publication, AttestationRequest, Attestation),
    *(AuditCase, AuditAnswer, AuditOutcome, Finding),
)


def _signed_golden(model: type[Signed]) -> Signed:
    (found,) = [e for e in vector("signed-documents")["accepts"] if e["kind"] == model.WHAT]
    return decode_signed(model, found["document"].encode())


def _signed_documents() -> Run:
    entries = vector("signed-documents")["accepts"]
    keys = {entry["kind"]: public_key_of(entry["public_key"]) for entry in entries}
    known = {entry["document"].encode() for entry in entries}

    def read(data: bytes) -> bool:
        accepted = 0
        for model in MODELS:
            try:
                document = decode_signed(model, data)
            except ZkError:
                continue
            accepted += 1
            _require(encode_signed(document) == data, "a document has one form")
            _require(len(decode_base64url(signed_digest(document))) == 32, "it has a digest")
            try:
                verify_signed(document, keys[model.WHAT])
            except ProofRejected:
                continue
            _require(data in known, "a document that is signed is one that was made")
        _require(accepted < 2, "a document is of one kind only")
        return accepted > 0

    return read


def _evidence() -> Run:
    """Evidence that was changed does not hold, and no evidence makes its judge fall over."""
    entries = vector("signed-documents")
    known = {entry["document"].encode() for entry in entries["accepts"]}
    trust = parse_trust(json.dumps(entries["trust"]).encode())
    judged_by = trust, table(SHIPPED_FILE), generators_of(groups()[0])

    def read(data: bytes) -> bool:
        evidence = decode_signed(Evidence, data)
        _require(encode_signed(evidence) == data, "evidence has one form")
        judged = check_evidence(evidence, *judged_by, evidence.made_at)
        _require(not judged.holds or data in known, "evidence that was changed does not hold")
        return judged.holds

    return read


def _attester() -> Run:
    """The optician himself signs what was changed: the proof in the opening has to stop it."""
    made, key = _signed_golden(AttestationRequest), OPTICIANS[0].signing_key
    registry = parse_keys(json.dumps(vector(ACCEPTS[0])["keys"]).encode())
    generators = generators_of(groups()[0])

    def read(data: bytes) -> bool:
        request = decode_signed(AttestationRequest, data)
        signature = sign_document(request.TAG, request.unsigned() | {"key_id": made.key_id}, key,
                                  what=request.WHAT)  # fmt: skip
        request = request.model_copy(update={"key_id": made.key_id, "signature": signature})
        try:
            require_authentic(request, made.attester_id, registry, made.requested_at)
            open_request(request, generators)
        except ProofRejected as error:
            reasons = REQUEST_REASONS | OPENING_REASONS
            _require(error.reason in reasons, "a reason is a documented one")
            return False
        _require(request.opening == made.opening, "an opening that is good is one that was made")
        return True

    return read


def _submission() -> Run:
    made = _signed_golden(Attestation)
    (signer,) = [e for e in vector("signed-documents")["accepts"] if e["kind"] == made.WHAT]
    entry = {"role": "attester", "party_id": made.attester_id, "public_key": signer["public_key"]}
    trust = parse_trust(canonical_bytes({"format_version": 1, "keys": [entry]}))
    duty = Duty(made.line, 0, (made.attester_id,), ("code",), None)

    def read(data: bytes) -> bool:
        submission = decode_submission(data)
        _require(encode_submission(submission) == data, "a submission has one form")
        claim = decode_claim(encode_claim(submission.claim))
        for attestation in submission.attestations:
            try:
                require_attestation(attestation, claim, [duty], trust, made.attested_at)
            except ProofRejected as error:
                _require(error.reason in ATTESTATION_REASONS, "a reason is a documented one")
                continue
            _require(attestation == made, "an attestation that counts is one that was made")
        return True

    return read


def _reply() -> Run:
    case, answer = _signed_golden(AuditCase), _signed_golden(AuditAnswer)
    claim = golden_claim(vector("signed-documents")["of"])
    key = OPTICIANS[0].signing_key.public_key()

    def read(data: bytes) -> bool:
        reply = decode_reply(data)
        _require(encode_reply(reply) == data, "a reply has one form")
        try:
            require_answer_fits(reply, case, claim)
            verify_signed(reply.answer, key)
        except ProofRejected:
            return True
        same = (reply.answer, reply.sealed) == (answer, vector("signed-documents")["sealed"])
        _require(same, "an answer that fits is one that was made")
        return True

    return read


def _trust() -> Run:
    def read(data: bytes) -> bool:
        trust = parse_trust(data)
        for key_id, entry in trust.keys.items():
            _require(key_id_of(trust.public_key(key_id)) == key_id, "a key has its own id")
            at = entry.valid_from
            try:
                trust.require(entry.role, entry.party_id, key_id, at)
            except ProofRejected as error:
                _require(error.reason == "key_revoked", "a key counts on its first day")
                assert entry.revoked_at is not None
                _require(entry.revoked_at <= at, "a key is revoked from an instant on")
        return True

    return read


def _seal() -> Run:
    key = RecipientKey.decode(vector("signed-documents")["recipient_key"])
    made = decode_base64url(vector("signed-documents")["sealed"])
    case = _signed_golden(AuditCase)

    def read(data: bytes) -> bool:
        try:
            unseal_opening(encode_base64url(data), case, key)
        except ProofRejected as error:
            _require(error.reason == "seal_invalid", "there is one reason")
            return False
        _require(data == made, "what opens is what was sealed")
        return True

    return read


def _records() -> Run:
    def read(data: bytes) -> bool:
        for record_id, record in parse_records(data).items():
            _require(record.record_id == record_id, "a record is found by its number")
            _require(is_lpp_code(record.code) and record.quantity > 0, "a record has its values")
        return True

    return read


# -- files of CNAM's --------------------------------------------------------------------------


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """One folder a process, removed at its end."""
    return tempfile.TemporaryDirectory(prefix="fuzz-")


def _file(name: str, data: bytes) -> Path:
    path = Path(_folder().name) / f"{os.getpid()}-{name}"
    path.write_bytes(data)
    return path


def _archive() -> Run:
    base = table("nomenclature-limits.json")

    def read(data: bytes) -> bool:
        path = _file("LPP.zip", data)
        with open_archive(path):
            pass
        dropped: list[object] = []
        result = import_lpp(path, base=base, report=dropped.append)
        _require(Nomenclature.parse(result.nomenclature.to_bytes()) == result.nomenclature,
                 "an imported table can be written and read")  # fmt: skip
        counts = result.counts.values()
        told = sum(sum(count.dropped.values()) for count in counts)
        _require(told == len(dropped), "every dropped row is told")
        return True

    return read


def _dbase() -> Run:
    def read(data: bytes) -> bool:
        found = Table(_file("table.dbf", data), "table")
        names = [field.name for field in found.fields]
        rows = list(found.rows(names))
        _require(len(rows) == found.records - found.deleted, "every live record is yielded")
        for _, values in rows:
            lengths = [len(value) for value in values]
            _require(lengths == [field.length for field in found.fields], "values fill their field")
        return True

    return read


def _attributes() -> Run:
    def read(data: bytes) -> bool:
        read_attributes(_file("attributes.csv", data))
        return True

    return read


ALL_TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("json", "strict JSON and its canonical form", _json, "json"),
        Target("base64url", "binary values in JSON", _base64url, "base64url", change_bytes, 200),
        Target("points", "points, by every backend", _points, "points", change_bytes, 200),
        Target("scalars", "scalars", _scalars, "scalars", change_bytes, 200),
        Target("program", "programs for the compiled evaluator", _program, "program",
               change_words),
        Target("proof", "a proof for seven circuits", _proofs, "proof", change_bytes),
        Target("claim", "the envelope", _claim, "claim"),
        Target("judge", "the verdict on a claim", _judge, "claim"),
        Target("judge-signed", "the same, signed after the change", _signed, "claim"),
        Target("contract", "contracts", _contract, "contract"),
        Target("nomenclature", "nomenclatures", _nomenclature, "nomenclature"),
        Target("invoice", "invoices, and whether they fit", _invoice, "invoice"),
        Target("cancellation", "cancellations, and whether they fit", _cancellation,
               "cancellation"),
        Target("opening", "partial openings and their verdict", _opening, "opening"),
        Target("keys", "the list of opticians' keys", _keys, "keys"),
        Target("sale", "sales", _sale, "sale"),
        Target("order", "sale orders, and what a claim of one would tell", _order, "order"),
        Target("identity", "the optician's key file", _identity, "identity"),
        Target("party", "the key file of another party", _party, "party"),
        Target("publications", "publications, and whether they count", _publications,
               "publications"),
        Target("signed", "signed documents of every kind", _signed_documents, "signed"),
        Target("evidence", "evidence, and what it is worth", _evidence, "evidence", largest=32768),
        Target("attester", "requests to an attester, signed after the change", _attester,
               "request"),
        Target("submission", "claims with attestations", _submission, "submission",
               largest=16384),
        Target("reply", "answers to audits", _reply, "reply", largest=16384),
        Target("trust", "trust lists", _trust, "trust"),
        Target("seal", "sealed openings", _seal, "seal", change_bytes),
        Target("records", "an attester's file of records", _records, "records", change_bytes),
        Target("openings", "the openings that stay in the shop", _openings, "openings"),
        Target("vault", "the shop's vault, its log and its seals", _vault, "vault", change_bytes,
               largest=65536),
        Target("vault-header", "the header of a vault", _vault_header, "vault-header"),
        Target("archive", "CNAM's archive and its import", _archive, "archive", change_archive),
        Target("dbase", "dBase tables", _dbase, "dbase", change_bytes),
        Target("attributes", "tables of attributes", _attributes, "attributes", change_bytes),
        Target("bodies", "bodies of the service", _bodies, "bodies"),
        Target("forms", "forms of the pages", _forms, "forms", change_bytes),
        Target("cursors", "cursors of the service's lists", _cursors, "cursors", change_bytes, 400),
    )
}  # fmt: skip
"""Every target by its name."""

TARGETS = {
    name: target
    for name, target in ALL_TARGETS.items()
    if name != "program" or zk.program.native is not None
}
"""Those that this machine has the code for: compiled modules are optional."""


def runner(target: Target) -> Run:
    """The target made ready: True for accepted, False for refused, anything raised a finding."""
    return _refusing(target.make())


def seeds(target: Target) -> Sequence[bytes]:
    """The bytes of its corpus."""
    return tuple(read_corpus(target.corpus).values())
