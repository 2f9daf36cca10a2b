"""docs/files.md names every field of the documents and answers, and none that does not exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from circuits.attestation import (
    ATTESTATION_REASONS,
    Attestation,
    AttestationRequest,
    Submission,
)
from circuits.audit import (
    AUDIT_REASONS,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Finding,
)
from circuits.claim import Claim, ClaimLine
from circuits.contract import AttestationRule, AuditRules, Contract
from circuits.document import StrictDocument
from circuits.notices import NOTICE_REASONS, Cancellation, Invoice
from circuits.opening import SLOT_OF, LineOpening
from circuits.publication import PUBLICATION_REASONS, Publication
from circuits.trust import TRUST_REASONS, TrustedKey, _TrustFile
from optician.agent.answers import (
    AnsweredAmounts,
    AnsweredHiding,
    AnsweredLine,
    AnsweredProblem,
    AnsweredWarning,
    ClaimAnswer,
)
from optician.answers import (
    AuditDetail,
    CancellationAnswer,
    ClaimSummary,
    InvoiceAnswer,
    VerdictAnswer,
)
from optician.claiming import _OpeningLine, _OpeningsFile
from optician.identity import _IdentityFile
from optician.messages import ORDER_PROBLEMS
from optician.order import OrderItem, SaleOrder
from optician.sale import Sale, SaleCorrection, SaleItem
from tests.support import bundles
from tests.support import claims as samples
from tests.support.tables import limits_table
from verifier_api.attester.rules import REQUEST_REASONS
from verifier_api.attester.sources import COLUMNS as RECORD_COLUMNS
from verifier_api.attester.sources import MAX_FILE_BYTES, MAX_QUANTITY, parse_records
from verifier_api.auditor.conclude import PaperCorrection, Papers
from verifier_api.auditor.vault import Conclusion, Vault, _Erased, _KeyFile, _Mark
from verifier_api.bulk.duplicates import Tally
from verifier_api.bulk.manifest import Manifest
from verifier_api.bulk.parts import COLUMNS as VERDICT_COLUMNS
from verifier_api.bulk.runs import _summary
from verifier_api.commands.auditor import _case_facts
from verifier_api.commands.evidence import judgement_facts
from verifier_api.commands.rights import COLUMNS
from verifier_api.evidence.check import check_evidence
from verifier_api.evidence.documents import (
    Evidence,
    Record,
    RecordedAttestation,
    RecordedAudit,
    RecordedKey,
    RecordedPublication,
    RecordedVerdict,
)
from verifier_api.keys import KeyEntry, _KeysFile
from verifier_api.lpp.archive import TABLES
from verifier_api.lpp.differences import compare_nomenclatures
from verifier_api.lpp.importing import Counts, LppImport
from verifier_api.parties import _PartyFile
from verifier_api.reports import claim_facts, verdict_facts
from verifier_api.service.administration import Right


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/files.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {title}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[0]


def table_keys(text: str) -> set[str]:
    """The names in backticks in the first column of every table."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize(
    ("title", "models"),
    [
        ("Sale", [Sale, SaleItem, SaleCorrection]),
        ("Sale order", [SaleOrder, OrderItem]),
        ("Claim answer", [ClaimAnswer]),
        ("Public keys", [_KeysFile, KeyEntry]),
        ("Claim", [Claim, ClaimLine]),
        ("Invoice", [Invoice]),
        ("Cancellation", [Cancellation]),
        ("Attestation request", [AttestationRequest]),
        ("Attestation", [Attestation]),
        ("Audit case", [AuditCase]),
        ("Audit reply", [AuditReply, AuditAnswer]),
        ("Audit outcome", [AuditOutcome]),
        ("Audit finding", [Finding]),
        ("Record", [Record, RecordedVerdict, RecordedKey, RecordedAudit]),
        ("Evidence", [Evidence]),
        ("Papers", [Papers]),
        ("Contract", [Contract, AttestationRule, AuditRules]),
        ("Party key file", [_PartyFile]),
        ("Trust list", [_TrustFile, TrustedKey]),
        ("Publication", [Publication]),
        ("Submission", [Submission]),
        ("Rights", [Right]),
    ],
)
def test_tables_have_the_fields_of_the_documents(
    page: str, title: str, models: list[type[StrictDocument]]
) -> None:
    fields = {name for model in models for name in model.model_fields}
    assert table_keys(section(page, title)) == fields


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("Secret key file", _IdentityFile),
        ("Openings", _OpeningsFile),
        ("Openings", _OpeningLine),
        ("Claim answer", AnsweredLine),
        ("Claim answer", AnsweredAmounts),
        ("Claim answer", AnsweredHiding),
        ("Claim answer", AnsweredWarning),
        ("Claim answer", AnsweredProblem),
        ("Papers", PaperCorrection),
        ("Record", RecordedPublication),
        ("Record", RecordedAttestation),
        ("Vault", _KeyFile),
        ("Vault", Conclusion),
        ("Vault", _Mark),
        ("Vault", _Erased),
    ],
)
def test_every_field_is_named(page: str, title: str, model: type[StrictDocument]) -> None:
    text = section(page, title)
    assert [name for name in model.model_fields if not re.search(rf"\b{name}\b", text)] == []


def test_the_files_of_the_vault_are_listed(page: str, tmp_path: Path) -> None:
    made_of = bundles.parts("consistent")
    assert made_of.answer is not None
    kept = Vault(tmp_path).add(made_of.case, bundles.claim()[0], bundles.recipient_key())
    kept.mark_sent(bundles.CONCLUDED_AT)
    kept.keep_reply(AuditReply(format_version=1, answer=made_of.answer, sealed=made_of.sealed))
    kept.keep_conclusion(made_of.finding, made_of.outcome)
    kept.mark_concluded(bundles.CONCLUDED_AT)
    names = {path.name for path in kept.folder.iterdir()}
    kept.erase(bundles.CONCLUDED_AT)
    names |= {path.name for path in kept.folder.iterdir()}
    text = section(page, "Vault")
    assert set(re.findall(r"^\| `(\w+\.json)`", text, re.MULTILINE)) == names


def test_judgements_of_evidence_have_the_keys_of_the_page(page: str) -> None:
    evidence = bundles.evidence("consistent")
    judgement = check_evidence(
        evidence,
        bundles.trust(),
        samples.nomenclature(),
        samples.generators(),
        bundles.RECEIVED_AT,
    )
    text = section(page, "Answers with `--json`").split("`verifier check-evidence`\n")[1]
    facts = judgement_facts(evidence, judgement)
    assert table_keys(text.split("`verifier auditor open`")[0]) == set(facts)
    assert set(facts["points"][0]) <= set(re.findall(r"`(\w+)`", text))


def test_answers_about_audits_have_the_keys_of_the_page(page: str, tmp_path: Path) -> None:
    answers = section(page, "Answers with `--json`")
    text = answers.split("`optician audits list`, `show`, `answer`, `refuse`\n")[1]
    told = {*AuditDetail.model_fields, "audits", "reveals", "reason", "warnings"}
    assert table_keys(text.split("`optician submit`\n")[0]) == told
    made_of = bundles.parts("consistent")
    kept = Vault(tmp_path).add(made_of.case, bundles.claim()[0], bundles.recipient_key())
    text = answers.split("`verifier auditor open`")[1]
    shown = {"is_valid", "reason", "revealed", "refusal"}
    assert table_keys(text) == {*_case_facts(kept), *shown}


def test_the_file_of_rights_has_the_heading_of_the_page(page: str) -> None:
    example = re.search(r"^```\n(.*?)^```", section(page, "Rights"), re.MULTILINE | re.DOTALL)
    assert example
    heading, *rows = example[1].splitlines()
    assert heading == ",".join(COLUMNS)
    for row in rows:
        entry = dict(zip(COLUMNS, row.split(","), strict=True))
        Right.model_validate_json(json.dumps(entry | {"valid_to": entry["valid_to"] or None}))


def test_the_records_of_an_attester_are_those_of_the_page(page: str) -> None:
    text = section(page, "Records of an attester")
    assert table_keys(text) == set(RECORD_COLUMNS)
    example = re.search(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example
    first, second = parse_records(example[1].encode()).values()
    assert (first.quantity, second.quantity, second.price_cents) == (2, 1, None)
    assert f"{MAX_FILE_BYTES // 2**20} MiB" in text
    assert f"1 to {MAX_QUANTITY:,}" in text


def test_the_reasons_of_an_attester_are_listed_in_their_order(page: str) -> None:
    text = section(page, "Attestation request")
    _, _, told = text.partition("The attester looks")
    named = [name for name in re.findall(r"`(\w+)`", told) if name in REQUEST_REASONS]
    assert named == list(REQUEST_REASONS)


def test_the_reasons_against_an_order_are_listed(page: str) -> None:
    _, _, told = section(page, "Sale order").partition("refused with a code")
    assert set(re.findall(r"`(\w+)`", told)) == set(ORDER_PROBLEMS)


def test_the_names_of_revealed_values_are_listed(page: str) -> None:
    named = set(re.findall(r"`(\w+)`", section(page, "Opening of a line")))
    assert named == {"revealed", *SLOT_OF}
    assert "revealed" in LineOpening.model_fields


def test_the_reasons_of_refusals_are_listed(page: str) -> None:
    for title, codes in (
        ("Invoice", set(NOTICE_REASONS)),
        ("Cancellation", {"signature_invalid", "claim_differs"}),
        ("Publication", set(TRUST_REASONS) | set(PUBLICATION_REASONS)),
        ("Submission", set(ATTESTATION_REASONS)),
    ):
        text = section(page, title)
        sentence = re.search(r"[Rr]efused\s+with\s+((?:`\w+`(?:,| or)?\s*)+)", text)
        assert sentence is not None
        assert set(re.findall(r"`(\w+)`", sentence[1])) == codes


def test_the_reasons_of_audits_are_listed(page: str) -> None:
    text = section(page, "Audit case")
    sentence = re.search(r"^What does not fit is refused.*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[0])) == set(AUDIT_REASONS)


def test_a_verdict_has_the_keys_of_the_page(page: str) -> None:
    claim, _ = samples.sample_claim("equipment")
    verdict = samples.judge().judge(claim)
    answers = section(page, "Answers with `--json`")
    text = answers.split("`verifier check`\n")[1].split("`verifier check-batch`")[0]
    keys = {*verdict_facts(verdict, claim), *claim_facts(claim), "milliseconds"}
    assert table_keys(text) == keys
    named = set(re.findall(r"`(\w+)`", text))
    assert {*verdict.milliseconds, "total"} <= named


@pytest.mark.parametrize(
    ("command", "following", "keys"),
    [
        ("submit", "optician status", {*VerdictAnswer.model_fields, "warnings"}),
        (
            "status",
            "optician invoice",
            {*ClaimSummary.model_fields, "attestations", "warnings"},
        ),
        (
            "invoice",
            "optician cancel",
            {"claim_id", "date_of_delivery", "amounts", "invoice_file", "answer", "warnings"},
        ),
        (
            "cancel",
            "optician fetch",
            {"claim_id", "cancellation_file", "answer", "warnings"},
        ),
        (
            "fetch",
            "optician attest",
            {"digest", "file", "bytes", "publications_file", "publications", "warnings"},
        ),
        (
            "attest",
            "optician vault create`, `info`, `backup",
            {
                *("claim_id", "line", "attester_id", "attested", "expires_at"),
                *("attestation_file", "answer", "warnings"),
            },
        ),
    ],
)
def test_what_is_sent_to_the_insurer_has_the_keys_of_the_page(
    page: str, command: str, following: str, keys: set[str]
) -> None:
    answers = section(page, "Answers with `--json`")
    text = answers.split(f"`optician {command}`\n")[1].split(f"`{following}`\n")[0]
    assert table_keys(text) == keys


def test_the_page_has_the_members_of_what_the_service_answers_to_notices(page: str) -> None:
    answers = section(page, "Answers with `--json`")
    for command, model in (("invoice", InvoiceAnswer), ("cancel", CancellationAnswer)):
        text = answers.split(f"`optician {command}`\n")[1]
        row = re.search(r"^\| `answer` \| .*: (.*); null", text, re.MULTILINE)
        assert row is not None
        assert set(re.findall(r"`(\w+)`", row[1])) == set(model.model_fields)


def test_an_import_answers_with_the_keys_of_the_page(page: str) -> None:
    answers = section(page, "Answers with `--json`")
    text = answers.split("`verifier nomenclature import`\n")[1].split("`verifier contracts")[0]
    table = limits_table()
    difference = compare_nomenclatures(table, samples.nomenclature()).facts()
    counts = Counts(0, 0, 0, {})
    done = LppImport(table, dict.fromkeys(TABLES, counts), {}, 0).facts()
    assert table_keys(text) == {"version", "digest", "rows", *done, "difference"}
    nested = [*difference["moved"], *difference["classes"], difference["before"]]
    assert difference["classes"]
    named = {*counts.facts(), *difference, *(name for entry in nested for name in entry)}
    assert set(re.findall(r"`(\w+)`", text)) == named | table_keys(text) | {"from", "to"}


def test_bulk_verdicts_have_the_columns_and_keys_of_the_page(page: str) -> None:
    text = section(page, "Bulk verdicts")
    columns, manifest, summary = re.split(r"^`(?:manifest|summary)\.json` is", text, flags=re.M)
    assert table_keys(columns) == set(VERDICT_COLUMNS)
    assert table_keys(manifest) == set(Manifest.model_fields)
    assert table_keys(summary) == set(_summary("00" * 32, Tally(), 0))
    types = dict(re.findall(r"^\| `(\w+)`(?:, `\w+`)* \| (\w+) \|", columns, re.MULTILINE))
    assert types.items() <= VERDICT_COLUMNS.items()
    assert len(types) >= 7
