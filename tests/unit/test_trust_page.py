"""docs/trust.md names no reason, state, setting or command that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from circuits.attestation import ATTESTATION_REASONS, Attestation
from circuits.audit import AUDIT_REASONS, OUTCOME_OF, AuditCase
from circuits.publication import PUBLICATION_REASONS, Publication
from circuits.trust import TRUST_REASONS, TrustedKey
from optician.attestations import ANSWER_REASONS
from verifier_api.attester.rules import REQUEST_REASONS
from verifier_api.cli import app
from verifier_api.evidence.check import EVIDENCE_REASONS
from verifier_api.judge import REASONS
from verifier_api.openings import OPENING_REASONS
from verifier_api.service.life import STATES
from verifier_api.web.problems import PROBLEMS

DOCUMENTS = (Attestation, AuditCase, Publication, TrustedKey)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/trust.md").read_text(encoding="utf-8")


def test_every_name_on_the_page_is_one_of_the_code(page: str) -> None:
    known = {
        *(*ATTESTATION_REASONS, *AUDIT_REASONS, *PUBLICATION_REASONS, *TRUST_REASONS),
        *(*ANSWER_REASONS, *REQUEST_REASONS, *EVIDENCE_REASONS, *OPENING_REASONS, *REASONS),
        *(*STATES, *PROBLEMS, *OUTCOME_OF, *OUTCOME_OF.values()),
        *(name for document in DOCUMENTS for name in document.model_fields),
    }
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", page))
    assert len(named) > 30
    assert named - known == set()


def test_every_reason_of_an_attestation_and_of_a_case_is_told_to_be_good_for_something(
    page: str,
) -> None:
    """But for those that only say whose document it is, or that a clock is wrong."""
    plain = {
        *("attester_unknown", "attestation_in_future", "attestation_incomplete", "key_unknown"),
        *("optician_unknown", "audit_other_claim", "audit_other_line", "audit_other_case"),
        *("audit_not_foreseen", "answer_other", "opened_in_future"),
    }
    for reason in {*ATTESTATION_REASONS, *AUDIT_REASONS} - plain:
        assert f"`{reason}`" in page, reason


def test_every_command_on_the_page_exists(page: str) -> None:
    names = {group.name for group in app.registered_groups}
    names |= {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    }
    named = set(re.findall(r"`verifier ([a-z-]+)", page))
    assert {"check-evidence", "auditor"} <= named <= names
