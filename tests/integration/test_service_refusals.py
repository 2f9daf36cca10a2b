"""Every reason that a verdict can have, from a server of its own on SQLite and on PostgreSQL.

Each refused claim is made from one that is granted, by the change that its reason names; where two
changes are made, the one that is checked first is the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from circuits.claim import Claim, encode_claim
from optician.identity import Identity
from tests.support import claims as samples
from tests.support.insurer import SECOND_TABLE, Insurer, contracts, digest_of, table_digest
from tests.support.remade import Draft, reproved, resigned
from tests.support.tables import limits_table
from verifier_api.judge import REASONS
from verifier_api.service.life import REASON_TITLES, add_months

pytestmark = pytest.mark.integration

CONTRACT = "long"  # its last day is far off, so that a day in the future can be claimed for


@dataclass(frozen=True)
class Scene:
    """What the changes need: somebody who has an equipment, and a claim that was granted."""

    insurer: Insurer
    beneficiary: str
    equipped: str
    granted: Claim
    other_proof: bytes


@pytest.fixture(scope="module")
def scene(insurer: Insurer) -> Scene:
    beneficiary, equipped, somebody = insurer.new_beneficiaries(3)
    client = insurer.client()
    for person in (equipped, somebody):
        claim = insurer.claim(contract=CONTRACT, beneficiary=person)
        assert client.submit_claim(claim).verdict == "granted"
    return Scene(insurer, beneficiary, equipped, claim, claim.proof_bytes())


def fresh_draft(scene: Scene) -> Draft:
    """A claim that would be granted as it is."""
    claim = scene.insurer.claim(contract=CONTRACT, beneficiary=scene.beneficiary)
    return Draft(claim, scene.insurer.shop.identity)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


# -- the changes --------------------------------------------------------------------------------


def unknown_key(draft: Draft, _scene: Scene) -> None:
    draft.signed_by(Identity.generate(draft.signer.optician_id))


def forged_signature(draft: Draft, _scene: Scene) -> None:
    draft.forge()


def other_insurer(draft: Draft, _scene: Scene) -> None:
    draft.change(insurer_id="another-insurer")


def day_before_the_contract(draft: Draft, _scene: Scene) -> None:
    draft.change(date_of_service=date(2020, 6, 30))


def unknown_table(draft: Draft, _scene: Scene) -> None:
    draft.change(nomenclature_digest=digest_of(samples.contract()))


def table_of_another_day(draft: Draft, _scene: Scene) -> None:
    is_late = draft.fields["date_of_service"] >= SECOND_TABLE
    other = samples.nomenclature() if is_late else limits_table()
    draft.change(nomenclature_digest=table_digest(other))


def expired(draft: Draft, _scene: Scene) -> None:
    draft.change(expires_at=now() - timedelta(seconds=2))


def valid_for_too_long(draft: Draft, _scene: Scene) -> None:
    draft.change(expires_at=now() + timedelta(days=93))


def day_in_the_future(draft: Draft, _scene: Scene) -> None:
    draft.change(date_of_service=now().date() + timedelta(days=3))
    if "nomenclature_digest" not in draft.touched:
        draft.fields["nomenclature_digest"] = table_digest(limits_table())  # in force by then


def commitment_of_another_claim(draft: Draft, scene: Scene) -> None:
    draft.fields["lines"][2]["commitment"] = scene.granted.lines[2].commitment
    draft.touched.add("third commitment")


def nobody(draft: Draft, _scene: Scene) -> None:
    draft.change(beneficiary="nobody_0123456789")


def somebody_equipped(draft: Draft, scene: Scene) -> None:
    draft.change(beneficiary=scene.equipped, early_renewal_ground=None)


def contract_for_lines(draft: Draft, _scene: Scene) -> None:
    terms = contracts()["lines only"]
    draft.change(contract_id=terms.contract_id, contract_digest=digest_of(terms))


def unknown_ground(draft: Draft, _scene: Scene) -> None:
    draft.change(early_renewal_ground="lost_at_sea")


def contract_that_wants_a_crowd(draft: Draft, _scene: Scene) -> None:
    terms = contracts()["crowd"]
    draft.change(contract_id=terms.contract_id, contract_digest=digest_of(terms))


def amount_over_the_ceiling(draft: Draft, _scene: Scene) -> None:
    draft.change(amounts={"lenses_cents": 80_001, "frame_cents": 0})


def same_commitment_twice(draft: Draft, _scene: Scene) -> None:
    draft.fields["lines"][1]["commitment"] = draft.fields["lines"][0]["commitment"]
    draft.touched.add("second commitment")


def proof_cut_short(draft: Draft, _scene: Scene) -> None:
    draft.prove_as(draft.proof[:-1])


def proof_of_another_claim(draft: Draft, scene: Scene) -> None:
    draft.prove_as(scene.other_proof)


CHANGES: Final[dict[str, Callable[[Draft, Scene], None]]] = {
    "optician_unknown": unknown_key,
    "signature_invalid": forged_signature,
    "contract_mismatch": other_insurer,
    "contract_not_in_force": day_before_the_contract,
    "nomenclature_mismatch": unknown_table,
    "nomenclature_not_in_force": table_of_another_day,
    "expired": expired,
    "expiry_too_far": valid_for_too_long,
    "date_in_future": day_in_the_future,
    "commitment_reused": commitment_of_another_claim,
    "rights_unknown": nobody,
    "renewal_too_early": somebody_equipped,
    "statement_not_allowed": contract_for_lines,
    "floor": contract_that_wants_a_crowd,
    "ground_not_allowed": unknown_ground,
    "ceiling_exceeded": amount_over_the_ceiling,
    "statement_invalid": same_commitment_twice,
    "proof_malformed": proof_cut_short,
    "proof_invalid": proof_of_another_claim,
}
"""One change a reason, in the order of the checks."""

UNPUBLISHED = {"contract_unpublished", "nomenclature_unpublished"}
"""Reasons that need a trust list, not a change of the claim: tests/api/test_publications.py."""

RECORDS = {"commitment_reused", "rights_unknown", "renewal_too_early"}
"""Reasons that are found in what is recorded: a claim by itself is accepted."""


def test_every_reason_has_a_change_and_its_place() -> None:
    others = UNPUBLISHED | {"early_renewal"}
    assert list(CHANGES) == [name for name in REASON_TITLES if name not in others]
    assert set(REASONS) == (set(CHANGES) | UNPUBLISHED) - RECORDS


@pytest.mark.parametrize("reason", CHANGES)
def test_one_change_is_the_reason(scene: Scene, reason: str) -> None:
    client = scene.insurer.client()
    draft = fresh_draft(scene)
    honest = draft.claim()
    assert client.verify(honest).verdict == "accepted"
    CHANGES[reason](draft, scene)
    changed = draft.claim()
    assert encode_claim(changed) != encode_claim(honest)
    answer = client.submit_claim(changed)
    assert (answer.verdict, answer.reason) == ("refused", reason)
    assert answer.reason_titles is not None
    assert (answer.reason_titles.en, answer.reason_titles.fr) == REASON_TITLES[reason]
    assert answer.granted_until is None
    assert answer.amounts is None
    told = client.claim(changed.claim_id)
    assert (told.state, told.reason) == ("refused", reason)
    if reason not in RECORDS:
        assert client.verify(changed).reason == reason


def test_a_refused_claim_leaves_nothing_in_the_way(scene: Scene) -> None:
    """All of them refused, and then one on the same commitments, for the same person, granted."""
    insurer, client = scene.insurer, scene.insurer.client()
    person = insurer.new_beneficiary()
    sale, claim, openings = insurer.sale_and_claim(contract=CONTRACT, beneficiary=person)
    for reason, change in CHANGES.items():
        draft = Draft(claim, insurer.shop.identity)
        draft.fields["claim_id"] = f"{claim.claim_id}-{reason}"
        change(draft, scene)
        assert client.submit_claim(draft.claim()).verdict == "refused"
    terms = contracts()[CONTRACT]
    other = reproved(
        sale, claim, openings, insurer.shop.identity, terms, claim_id=f"{claim.claim_id}-again"
    )
    assert client.submit_claim(other).verdict == "granted"
    assert client.submit_claim(claim).reason == "commitment_reused"


@pytest.mark.parametrize("first", [reason for reason in CHANGES if reason != "proof_invalid"])
def test_of_two_changes_the_one_that_is_checked_first_is_the_reason(
    scene: Scene, first: str
) -> None:
    client = scene.insurer.client()
    names = list(CHANGES)
    tried = 0
    for second in names[names.index(first) + 1 :]:
        alone = [fresh_draft(scene), fresh_draft(scene)]
        for draft, reason in zip(alone, (first, second), strict=True):
            CHANGES[reason](draft, scene)
        if alone[0].touched & alone[1].touched:
            continue  # one would undo the other
        both = fresh_draft(scene)
        CHANGES[second](both, scene)
        CHANGES[first](both, scene)
        answer = client.submit_claim(both.claim())
        assert answer.reason == first, second
        tried += 1
    assert tried or first == "proof_malformed"


# -- commitments --------------------------------------------------------------------------------


def test_honest_claims_on_commitments_that_are_in_use(scene: Scene) -> None:
    """The proof is good; the same sale is claimed for a second time."""
    insurer, client = scene.insurer, scene.insurer.client()
    person = insurer.new_beneficiary()
    sale, claim, openings = insurer.sale_and_claim("line", beneficiary=person)
    again = reproved(sale, claim, openings, insurer.shop.identity, claim_id="x" + claim.claim_id)
    assert client.verify(again).verdict == "accepted"
    assert client.submit_claim(claim).verdict == "granted"
    answer = client.submit_claim(again)
    assert (answer.reason, answer.detail) == ("commitment_reused", "lines.0.commitment")
    # Nor by another optician, for somebody else.
    other = insurer.new_optician()
    stolen = reproved(
        *(sale, claim, openings, other.identity),
        claim_id="y" + claim.claim_id,
        optician_id=other.name,
        key_id=other.identity.key_id,
        beneficiary=insurer.new_beneficiary(),
    )
    assert insurer.client(other).submit_claim(stolen).reason == "commitment_reused"


# -- rights -------------------------------------------------------------------------------------


def test_rights_end_and_are_those_of_one_contract(scene: Scene) -> None:
    insurer, client = scene.insurer, scene.insurer.client()
    person = "only_for_the_quick_" + insurer.new_beneficiary()
    right = {
        "beneficiary": person,
        "contract_id": "quick-2020",
        "age_group": "adult",
        "valid_from": "2020-10-01",
        "valid_to": "2020-10-31",
    }
    assert insurer.admin.add_rights([right]) == 1

    def reason(day: date, contract: str = "quick") -> str | None:
        claim = insurer.claim("line", contract=contract, beneficiary=person, day=day)
        return client.submit_claim(claim).reason

    assert reason(date(2020, 9, 30)) == "rights_unknown"
    assert reason(date(2020, 10, 1)) is None
    assert reason(date(2020, 10, 31)) is None
    assert reason(date(2020, 11, 1)) == "rights_unknown"
    assert reason(date(2020, 10, 15), "responsable") == "rights_unknown"
    insurer.admin.end_right(person, "quick-2020", date(2020, 10, 15))
    assert reason(date(2020, 10, 15)) is None
    assert reason(date(2020, 10, 16)) == "rights_unknown"


# -- renewal ------------------------------------------------------------------------------------

FIRST = date(2020, 8, 31)


@pytest.mark.parametrize(("age_group", "months"), [("adult", 6), ("under_16", 3)])
@pytest.mark.parametrize("is_backwards", [False, True])
def test_renewal_is_due_after_the_months_of_the_contract(
    scene: Scene, age_group: str, months: int, is_backwards: bool
) -> None:
    """To the day, and whichever of the two claims comes first."""
    insurer, client = scene.insurer, scene.insurer.client()
    due = add_months(FIRST, months)
    assert due == {6: date(2021, 2, 28), 3: date(2020, 11, 30)}[months]
    for second, reason in ((due - timedelta(days=1), "renewal_too_early"), (due, None)):
        person = insurer.new_beneficiary(age_group)
        days = [second, FIRST] if is_backwards else [FIRST, second]
        claims = [
            insurer.claim(contract="quick", beneficiary=person, day=day, frame="M03")
            for day in days
        ]
        assert client.submit_claim(claims[0]).verdict == "granted"
        # A line renews no equipment.
        line = insurer.claim("line", contract="quick", beneficiary=person, day=days[1])
        assert client.submit_claim(line).verdict == "granted"
        assert client.submit_claim(claims[1]).reason == reason


def test_renewal_counts_over_opticians_statements_and_contracts(scene: Scene) -> None:
    insurer = scene.insurer
    person = insurer.new_beneficiary()
    first = insurer.claim("pair", beneficiary=person)
    assert insurer.client().submit_claim(first).verdict == "granted"
    other = insurer.new_optician()
    client = insurer.client(other)
    for statement, contract in (("equipment", "responsable"), ("pair", "network")):
        claim = insurer.claim(statement, contract=contract, by=other, beneficiary=person)  # type: ignore[arg-type]
        assert client.submit_claim(claim).reason == "renewal_too_early"


def test_who_has_no_right_any_more_is_told_so_first(scene: Scene) -> None:
    insurer, client = scene.insurer, scene.insurer.client()
    person = insurer.new_beneficiary()
    assert client.submit_claim(insurer.claim(beneficiary=person)).verdict == "granted"
    again = insurer.claim(beneficiary=person)
    insurer.admin.end_right(person, "responsable-2020", samples.DAY - timedelta(days=1))
    assert client.submit_claim(again).reason == "rights_unknown"


def test_an_early_renewal_with_a_ground_is_pending_if_all_else_is_well(scene: Scene) -> None:
    insurer, client = scene.insurer, scene.insurer.client()
    ground = "change_of_vision"
    person = insurer.new_beneficiary()
    # Where the renewal is due, a ground does no harm.
    first = insurer.claim(contract=CONTRACT, beneficiary=person, early_renewal_ground=ground)
    assert client.submit_claim(first).verdict == "granted"
    for reason in list(CHANGES)[list(CHANGES).index("renewal_too_early") + 1 :]:
        early = insurer.claim(contract=CONTRACT, beneficiary=person, early_renewal_ground=ground)
        draft = Draft(early, insurer.shop.identity)
        CHANGES[reason](draft, scene)
        answer = client.submit_claim(draft.claim())
        assert (answer.verdict, answer.reason) == ("refused", reason)
    early = insurer.claim(contract=CONTRACT, beneficiary=person, early_renewal_ground=ground)
    answer = client.submit_claim(early)
    assert (answer.verdict, answer.reason) == ("pending", "early_renewal")
    assert answer.amounts is None
    # A pending one is no grant yet: without a ground the next is too early because of the first.
    assert client.submit_claim(insurer.claim(beneficiary=person)).reason == "renewal_too_early"


# -- versions -----------------------------------------------------------------------------------


def test_the_version_of_the_day_and_no_other(scene: Scene) -> None:
    """Two versions of one contract, two tables: each on its own days alone."""
    insurer, client = scene.insurer, scene.insurer.client()
    person = insurer.new_beneficiary()
    shipped, limits = samples.nomenclature(), limits_table()
    first, second = "responsable", "second version"
    expected = {
        (date(2021, 2, 28), first, shipped): None,
        (date(2021, 2, 28), second, shipped): "contract_not_in_force",
        (date(2021, 3, 1), first, shipped): "contract_not_in_force",
        (date(2021, 3, 1), second, shipped): None,
        (date(2021, 4, 30), second, shipped): None,
        (date(2021, 4, 30), second, limits): "nomenclature_not_in_force",
        (date(2021, 5, 1), second, limits): None,
        (date(2021, 5, 1), second, shipped): "nomenclature_not_in_force",
    }
    for (day, name, table), reason in expected.items():
        claim = insurer.claim(
            "line",
            contract=name,
            table=table,
            beneficiary=person,
            day=day,
            price_cents={"item": 4_000},
        )
        answer = client.submit_claim(claim)
        assert answer.reason == reason, (day, name)


def test_a_signature_covers_the_whole_claim(scene: Scene) -> None:
    insurer, client = scene.insurer, scene.insurer.client()
    claim = insurer.claim("line")
    later = claim.expires_at + timedelta(seconds=1)
    changed = claim.model_copy(update={"expires_at": later})
    assert client.submit_claim(changed).reason == "signature_invalid"
    signed = resigned(insurer.claim("line"), insurer.shop.identity, expires_at=later)
    assert client.submit_claim(signed).reason == "proof_invalid"  # the proof is bound to it too
