"""Publications: of which document, by whose key, for whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.publication import (
    MAX_PUBLICATIONS_BYTES,
    PUBLICATION_REASONS,
    Publication,
    published_facts,
    require_allowed,
    require_publication_fits,
    require_published,
)
from circuits.signed import decode_signed, encode_signed, verify_signed
from circuits.trust import TRUST_REASONS, Published, Trust
from tests.support import claims as samples
from tests.support.publishing import PUBLISHED_AT, party, publication, trust
from tests.support.tables import limits_table
from zk.errors import ProofRejected, StatementError

BOTH = pytest.mark.parametrize("document", [samples.contract(), samples.nomenclature()],
                               ids=["contract", "nomenclature"])  # fmt: skip
CONTRACT = samples.contract()
INSURER = CONTRACT.insurer_id
AT = PUBLISHED_AT


def reason_of(call: Callable[..., object], *given: object) -> str:
    with pytest.raises(ProofRejected) as refusal:
        call(*given)
    reasons = TRUST_REASONS | PUBLICATION_REASONS
    assert refusal.value.detail == reasons[refusal.value.reason]
    return refusal.value.reason


# -- of which document --------------------------------------------------------------------------


@BOTH
def test_it_repeats_what_its_document_is_known_by(document: Contract | Nomenclature) -> None:
    made = publication(document)
    facts = published_facts(document)
    assert {name: getattr(made, name) for name in facts} == facts
    require_publication_fits(made, document)
    verify_signed(made, party().signing_key.public_key())
    assert decode_signed(Publication, encode_signed(made)) == made


@BOTH
def test_of_another_document_it_does_not_fit(document: Contract | Nomenclature) -> None:
    made = publication(document)
    others: list[Contract | Nomenclature] = [
        samples.contract("reseau"),
        CONTRACT.model_copy(update={"note": "another"}),
        CONTRACT.model_copy(update={"contract_id": "another"}),
        CONTRACT.model_copy(update={"insurer_id": "another"}),
        limits_table(),
    ]
    for other in others:
        assert reason_of(require_publication_fits, made, other) == "publication_differs"


@BOTH
@pytest.mark.parametrize("name", ["digest", "name", "insurer_id", "kind"])
def test_each_fact_has_to_be_the_documents(document: Contract | Nomenclature, name: str) -> None:
    other = {
        "digest": publication(limits_table()).digest,
        "name": "another",
        "insurer_id": "another",
        "kind": "nomenclature" if isinstance(document, Contract) else "contract",
    }
    made = publication(document).model_copy(update={name: other[name]})
    assert reason_of(require_publication_fits, made, document) == "publication_differs"


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (CONTRACT, {"insurer_id": None}),
        (samples.nomenclature(), {"insurer_id": "insurer-1"}),
        (CONTRACT, {"kind": "nomenclature"}),
        (CONTRACT, {"kind": "tariff"}),
        (CONTRACT, {"digest": "AAAA"}),
        (CONTRACT, {"name": ""}),
        (CONTRACT, {"in_force_from": "2020-02-30"}),
        (CONTRACT, {"published_at": "2020-02-01"}),
        (CONTRACT, {"publisher_id": "no name"}),
    ],
)
def test_what_no_publication_can_say(document: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="publication: "):
        publication(document, **changes)


# -- by whose key -------------------------------------------------------------------------------


@BOTH
def test_a_publisher_publishes_what_he_is_relied_upon_for(
    document: Contract | Nomenclature,
) -> None:
    made = publication(document)
    kind = made.kind
    other: Published = "contract" if kind == "nomenclature" else "nomenclature"
    require_published(made, trust(), AT)
    only = trust(party().public_entry(publishes=[kind]))
    require_published(made, only, AT)
    neither = trust(party().public_entry(publishes=[other]))
    assert reason_of(require_published, made, neither, AT) == "publisher_not_allowed"


def test_a_publisher_of_one_insurer_publishes_for_no_other() -> None:
    made = publication(CONTRACT)
    require_published(made, trust(party().public_entry(insurer_id=INSURER)), AT)
    for insurer_id in (f"{INSURER}-2", INSURER.upper(), INSURER[:-1]):
        foreign = trust(party().public_entry(insurer_id=insurer_id))
        assert reason_of(require_published, made, foreign, AT) == "publisher_not_allowed"


def test_a_publisher_of_one_insurer_publishes_no_table_for_all() -> None:
    """A table names no insurer, so it is nobody's own."""
    of_one = trust(party().public_entry(insurer_id=INSURER))
    made = publication(samples.nomenclature())
    assert reason_of(require_published, made, of_one, AT) == "publisher_not_allowed"


@pytest.mark.parametrize("role", ["attester", "auditor", "insurer"])
def test_no_other_party_publishes(role: Any) -> None:
    other = party("publisher-1", role)
    made = publication(CONTRACT, other)
    assert reason_of(require_published, made, trust(other.public_entry()), AT) == "key_unknown"


@pytest.mark.parametrize(
    ("made", "known", "reason"),
    [
        (lambda: publication(CONTRACT, party(number=2)), trust, "key_unknown"),
        (lambda: publication(CONTRACT), Trust, "key_unknown"),
        (lambda: publication(CONTRACT, publisher_id="publisher-2"), trust, "key_unknown"),
        (lambda: publication(CONTRACT).model_copy(update={"name": "other"}), trust,
         "signature_invalid"),
        (lambda: publication(CONTRACT).model_copy(
            update={"in_force_from": CONTRACT.valid_from + timedelta(days=1)}), trust,
         "signature_invalid"),
        (lambda: publication(CONTRACT),
         lambda: trust(party().public_entry(valid_from=AT + timedelta(seconds=1))),
         "key_not_valid"),
        (lambda: publication(CONTRACT),
         lambda: trust(party().public_entry(valid_to=AT - timedelta(seconds=1))),
         "key_not_valid"),
        (lambda: publication(CONTRACT), lambda: trust(party().public_entry(revoked_at=AT)),
         "key_revoked"),
    ],
)  # fmt: skip
def test_what_does_not_count(made: Any, known: Any, reason: str) -> None:
    require_published(publication(CONTRACT), trust(), AT)
    assert reason_of(require_published, made(), known(), AT) == reason


def test_the_moment_of_recording_counts_and_not_the_one_that_is_signed() -> None:
    """Who has the key after its revocation may sign any moment that he likes."""
    revoked = trust(party().public_entry(revoked_at=AT + timedelta(days=1)))
    backdated = publication(CONTRACT)
    require_published(backdated, revoked, AT)
    later = AT + timedelta(days=2)
    assert reason_of(require_published, backdated, revoked, later) == "key_revoked"


def test_a_file_of_publications_has_a_largest_size() -> None:
    assert MAX_PUBLICATIONS_BYTES == 2**20


def test_a_key_alone_says_whether_it_may() -> None:
    made = publication(CONTRACT)
    (key,) = trust().keys.values()
    require_allowed(made, key)
    nothing = key.model_copy(update={"publishes": ()})
    assert reason_of(require_allowed, made, nothing) == "publisher_not_allowed"
