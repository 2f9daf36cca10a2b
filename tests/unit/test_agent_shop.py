"""The shop: what it keeps, what it makes of a sale, and to what it says no."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import ClaimAmounts, decode_claim
from optician.agent import store
from optician.agent.answers import claim_answer, encode_answer, queue_facts
from optician.agent.errors import SHOP_PROBLEMS, ShopError
from optician.agent.orders import encode_order
from optician.agent.records import STATES
from optician.agent.words import REASON_STEPS, STEPS
from optician.identity import Identity
from optician.order import OrderError, parse_order
from optician.vault import VaultError
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.shops import (
    URL,
    Premises,
    make_premises,
    order,
    order_document,
)

INSURER = samples.contract().insurer_id


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    made = make_premises(tmp_path)
    yield made
    made.vault.close()


def code_of(error: pytest.ExceptionInfo[ShopError]) -> str:
    assert error.value.titles.keys() == {"en", "fr"}
    return error.value.code


def granted(premises: Premises, sale_id: str = "sale-1", **choices: Any) -> str:
    """A claim that was sent and granted; its id."""
    claim_id = premises.shop.make(order(sale_id, **choices)).claim_id
    premises.sender.send_due()
    assert premises.shop.claim(claim_id).state == "granted"
    return claim_id


# -- set-up ---------------------------------------------------------------------------------------


def test_a_key_is_made_once(premises: Premises) -> None:
    shop = premises.shop
    identity = shop.identity()
    assert identity is not None
    assert identity.key_id == samples.identity().key_id
    assert json.loads(shop.public_keys())["keys"] == [samples.identity().public_entry()]
    with pytest.raises(ShopError) as refused:
        shop.make_identity("shop-2")
    assert code_of(refused) == "key_exists"
    with pytest.raises(ShopError) as refused:
        shop.import_identity(Identity.generate("shop-2").encode())
    assert code_of(refused) == "key_exists"
    kept = shop.identity()
    assert kept is not None
    assert kept.key_id == identity.key_id


def test_without_a_key_nothing_is_signed(tmp_path: Path, premises: Premises) -> None:
    with premises.vault.write() as writing:
        writing.connection.execute("DELETE FROM entries WHERE kind = 'identity'")
    assert premises.shop.identity() is None
    for act in (premises.shop.public_keys, lambda: premises.shop.make(order())):
        with pytest.raises(ShopError) as refused:
            act()
        assert code_of(refused) == "key_missing"
    with pytest.raises(ShopError) as refused:
        premises.shop.import_identity(b"{}")
    assert code_of(refused) == "key_invalid"
    with pytest.raises(ShopError) as refused:
        premises.shop.make_identity("no identifier!")
    assert refused.value.places == ("optician_id",)
    assert premises.shop.make_identity("shop-2").optician_id == "shop-2"


def test_settings_are_kept_and_bounded(premises: Premises) -> None:
    shop = premises.shop
    assert shop.settings().keep_days == 1096
    shop.change_settings(language="en", poll_minutes=3)
    assert (shop.settings().language, shop.settings().poll_minutes) == ("en", 3)
    for wrong in ({"keep_days": -1}, {"language": "de"}, {"page_size": True}, {"unknown": 1}):
        with pytest.raises(ShopError) as refused:
            shop.change_settings(**wrong)
        assert refused.value.places == tuple(wrong)
    assert shop.settings().poll_minutes == 3


def test_an_insurer_shows_its_token_to_nobody(premises: Premises) -> None:
    profile = premises.shop.insurer(INSURER)
    assert profile.token == canned.TOKEN
    assert canned.TOKEN not in repr(profile)
    assert profile.name == "Exemple"
    assert [entry.name for entry in profile.contracts] == [samples.contract().contract_id]


def test_what_is_given_of_an_insurer_is_changed_and_the_rest_stays(premises: Premises) -> None:
    changed = premises.shop.put_insurer(INSURER, name="Another name")
    assert (changed.name, changed.url, changed.token) == ("Another name", URL, canned.TOKEN)
    assert changed.contracts == premises.shop.insurer(INSURER).contracts


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"token": "t" * 20}, "url"),
        ({"url": URL}, "token"),
        ({"url": "http://insurer.example", "token": "t" * 20}, "url"),
        ({"url": URL, "token": "not a token"}, "token"),
        ({"url": URL, "token": "t" * 20, "name": "two\nlines"}, "name"),
    ],
)
def test_an_insurer_that_cannot_be_called_is_not_kept(
    premises: Premises, given: dict[str, Any], place: str
) -> None:
    with pytest.raises(ShopError) as refused:
        premises.shop.put_insurer("other", **given)
    assert (refused.value.code, refused.value.places) == ("argument_invalid", (place,))
    assert all(str(value) not in str(refused.value) for value in given.values())
    assert [each.insurer_id for each in premises.shop.insurers()] == [INSURER]


def test_a_trust_list_that_is_none_is_not_kept(premises: Premises) -> None:
    with pytest.raises(ShopError) as refused:
        premises.shop.put_insurer(INSURER, trust=b"[]")
    assert code_of(refused) == "document_invalid"
    assert premises.shop.insurer(INSURER).trust is None


def test_an_insurer_goes_when_its_claims_are_settled(premises: Premises) -> None:
    shop = premises.shop
    record = shop.make(order())
    with pytest.raises(ShopError) as refused:
        shop.remove_insurer(INSURER)
    assert code_of(refused) == "insurer_needed"
    shop.cancel(record.claim_id)
    shop.remove_insurer(INSURER)
    assert shop.insurers() == ()
    assert shop.claim(record.claim_id).insurer_id == INSURER
    with premises.vault.read() as reading:
        kinds = reading.connection.execute("SELECT DISTINCT kind FROM entries").fetchall()
    assert {kind for (kind,) in kinds} == {"identity"}


def test_documents_that_are_here_are_not_fetched_again(premises: Premises) -> None:
    asked = premises.insurer.requests
    asked.clear()
    premises.shop.fetch_insurer(INSURER)
    paths = [path for _, path, _ in asked]
    assert not any(path.startswith("/v1/contracts/") for path in paths)
    assert "/v1/contracts" in paths


def test_fetching_tells_what_is_wrong_with_the_service(premises: Premises) -> None:
    premises.insurer.is_up = False
    before = premises.shop.insurer(INSURER)
    with pytest.raises(ShopError) as refused:
        premises.shop.fetch_insurer(INSURER)
    assert code_of(refused) == "unreachable"
    assert premises.shop.insurer(INSURER) == before


# -- making claims --------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_a_claim_is_one_that_the_insurers_judge_accepts(premises: Premises, statement: Any) -> None:
    record = premises.shop.make(order(statement=statement))
    assert (record.state, record.statement) == ("pending", statement)
    premises.sender.send_due()
    (data,) = premises.insurer.recorded.values()
    claim = decode_claim(data)
    verdict = samples.judge().judge(claim)
    assert verdict.is_accepted, verdict.reason
    assert claim.claim_id == record.claim_id


def test_a_preview_writes_nothing(premises: Premises) -> None:
    before = premises.vault.path.read_bytes()
    preview = premises.shop.preview(order())
    assert preview.disclosure.statement == "equipment"
    assert premises.vault.path.read_bytes() == before
    assert premises.shop.claims() == []
    assert premises.shop.queue() == []
    assert str(samples.row_of("VM4").code) not in repr(preview)


def test_a_record_and_its_answer_hold_no_secret(premises: Premises) -> None:
    document = order_document()
    record = premises.shop.make(parse_order(json.dumps(document).encode()))
    told = repr(record) + encode_answer(claim_answer(record)).decode()
    told += repr(record.waiting) + json.dumps([queue_facts(each) for each in record.waiting])
    for place in ("right_lens", "left_lens", "frame"):
        for secret in (document[place]["code"], document[place]["price_cents"]):
            assert str(secret) not in told


def test_the_same_sale_again_gives_the_record_that_is_there(premises: Premises) -> None:
    first = premises.shop.make(order())
    assert premises.shop.make(order()).claim_id == first.claim_id
    premises.sender.send_due()
    assert premises.shop.make(order()).state == "granted"
    assert len(premises.shop.claims()) == 1
    assert sum(premises.insurer.arrivals.values()) == 1


def test_the_same_number_with_another_sale_is_refused(premises: Premises) -> None:
    premises.shop.make(order())
    other = order(price_cents={"frame": 9_900})
    with pytest.raises(ShopError) as refused:
        premises.shop.make(other)
    assert code_of(refused) == "sale_conflict"
    with pytest.raises(ShopError):
        premises.shop.make(other, again=True)  # the first claim still stands
    assert len(premises.shop.claims()) == 1


def test_a_refused_sale_is_claimed_anew_when_asked(premises: Premises) -> None:
    premises.insurer.verdict = canned.refusal
    first = premises.shop.make(order())
    premises.sender.send_due()
    assert premises.shop.make(order()).claim_id == first.claim_id
    premises.insurer.verdict = canned.verdict
    second = premises.shop.make(order(price_cents={"frame": 9_900}), again=True)
    assert second.claim_id != first.claim_id
    found = premises.shop.claim_of_sale("sale-1")
    assert found is not None
    assert found.claim_id == second.claim_id
    assert premises.shop.claim(first.claim_id).sale_id == "sale-1"
    assert premises.vault.check() == []


def test_the_sale_and_what_it_hides_can_be_read_again(premises: Premises) -> None:
    document = order_document(statement="line")
    given = parse_order(json.dumps(document).encode())
    record = premises.shop.make(given)
    assert premises.shop.order(record.claim_id) == given
    assert parse_order(encode_order(given)) == given


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"insurer_id": "nobody"}, "insurer_unknown", "insurer_id"),
        ({"contract_id": "nothing"}, "contract_unknown", "contract_id"),
        ({"date_of_service": "2019-01-01"}, "contract_not_in_force", "date_of_service"),
        ({"date_of_service": "2022-01-01"}, "contract_not_in_force", "date_of_service"),
    ],
)
def test_an_order_without_contract_is_refused(
    premises: Premises, changes: dict[str, Any], code: str, place: str
) -> None:
    given = parse_order(json.dumps(order_document() | changes).encode())
    with pytest.raises(ShopError) as refused:
        premises.shop.make(given)
    assert (refused.value.code, refused.value.places) == (code, (place,))
    assert premises.shop.claims() == []


def test_a_sale_that_the_contract_does_not_bear_is_refused(premises: Premises) -> None:
    document = order_document() | {"amounts": {"lenses_cents": 90_000, "frame_cents": 10_000}}
    with pytest.raises(ShopError) as refused:
        premises.shop.make(parse_order(json.dumps(document).encode()))
    assert code_of(refused) == "sale_refused"
    document = order_document()
    document["frame"]["code"] = document["right_lens"]["code"]
    with pytest.raises(OrderError) as unfit:
        premises.shop.make(parse_order(json.dumps(document).encode()))
    assert unfit.value.place == "frame"
    assert premises.shop.claims() == []


def test_the_insurer_may_be_left_out_where_it_is_clear(premises: Premises) -> None:
    document = order_document()
    del document["insurer_id"]
    given = parse_order(json.dumps(document).encode())
    assert premises.shop.preview(given).insurer.insurer_id == INSURER
    profile = premises.shop.insurer(INSURER)
    other = dataclasses.replace(profile, insurer_id="other")
    from optician.agent import insurers

    with premises.vault.write() as writing:
        insurers.put_profile(writing, other)
    with pytest.raises(ShopError) as refused:
        premises.shop.preview(given)
    assert code_of(refused) == "insurer_ambiguous"


# -- invoice and cancellation ---------------------------------------------------------------------


def test_an_invoice_goes_once_and_makes_the_claim_payable(premises: Premises) -> None:
    claim_id = granted(premises)
    first = premises.shop.invoice(claim_id, samples.DAY)
    again = premises.shop.invoice(claim_id, samples.DAY)
    assert first.waiting == again.waiting
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert (record.state, record.waiting) == ("payable", ())
    assert record.invoiced == record.amounts
    assert [event.kind for event in record.history] == [
        "made",
        "verdict",
        "invoice_signed",
        "invoice_taken",
    ]


def test_an_invoice_that_does_not_fit_is_not_signed(premises: Premises) -> None:
    claim_id = granted(premises)
    too_much = ClaimAmounts(lenses_cents=80_000, frame_cents=0)
    for day, amounts in (
        (samples.DAY, too_much),
        (samples.DAY - timedelta(days=1), None),
    ):
        with pytest.raises(ShopError) as refused:
            premises.shop.invoice(claim_id, day, amounts)
        assert code_of(refused) == "notice_refused"
    pending = premises.shop.make(order("sale-2"))
    with pytest.raises(ShopError) as refused:
        premises.shop.invoice(pending.claim_id, samples.DAY)
    assert code_of(refused) == "claim_state"


def test_another_invoice_takes_the_place_of_one_that_was_refused(premises: Premises) -> None:
    claim_id = granted(premises)
    premises.shop.invoice(claim_id, samples.DAY)
    premises.insurer.is_up = False
    premises.sender.send_due()
    less = ClaimAmounts(lenses_cents=100, frame_cents=100)
    record = premises.shop.invoice(claim_id, samples.DAY, less)
    assert len(record.waiting) == 1
    premises.insurer.is_up = True
    premises.sender.send_due()
    invoiced = premises.shop.claim(claim_id).invoiced
    assert invoiced is not None
    assert invoiced.lenses_cents == 100


def test_a_claim_that_was_never_sent_is_cancelled_here(premises: Premises) -> None:
    record = premises.shop.make(order())
    cancelled = premises.shop.cancel(record.claim_id)
    assert (cancelled.state, cancelled.waiting) == ("cancelled", ())
    premises.sender.send_due()
    assert not premises.insurer.recorded
    with pytest.raises(ShopError) as refused:
        premises.shop.cancel(record.claim_id)
    assert code_of(refused) == "claim_state"


def test_a_claim_that_may_have_arrived_is_cancelled_at_the_insurers(premises: Premises) -> None:
    record = premises.shop.make(order())
    premises.insurer.is_up = False
    premises.sender.send_due()
    waiting = premises.shop.cancel(record.claim_id).waiting
    assert [entry.kind for entry in waiting] == ["claim", "cancellation"]
    premises.insurer.is_up = True
    premises.clock.move(seconds=10)
    premises.sender.send_due()
    assert premises.shop.claim(record.claim_id).state == "cancelled"
    kinds = [path for method, path, _ in premises.insurer.requests if method == "POST"]
    assert kinds == ["/v1/claims", f"/v1/claims/{record.claim_id}/cancellation"]


def test_a_cancellation_takes_the_place_of_an_invoice_that_did_not_go(premises: Premises) -> None:
    claim_id = granted(premises)
    premises.shop.invoice(claim_id, samples.DAY)
    record = premises.shop.cancel(claim_id)
    assert [entry.kind for entry in record.waiting] == ["cancellation"]
    with pytest.raises(ShopError) as refused:
        premises.shop.invoice(claim_id, samples.DAY)
    assert code_of(refused) == "claim_state"
    premises.sender.send_due()
    assert premises.shop.claim(claim_id).state == "cancelled"


# -- erasing --------------------------------------------------------------------------------------


def test_openings_are_erased_after_their_last_day(premises: Premises) -> None:
    premises.shop.change_settings(keep_days=30)
    claim_id = granted(premises)
    last = samples.DAY + timedelta(days=30)
    assert premises.shop.claim(claim_id).openings_until == last
    premises.clock.now = premises.clock.now.replace(month=11, day=4)  # the last day
    assert premises.shop.erase_due() == []
    premises.clock.move(days=1)
    assert premises.shop.erase_due() == [claim_id]
    record = premises.shop.claim(claim_id)
    assert not record.has_openings
    assert record.history[-1].kind == "erased"
    assert premises.shop.order(claim_id) is None
    with premises.vault.read() as reading:
        stored = store.claim(reading, claim_id)
    assert stored is not None
    assert stored.content["order_index"] is None  # by which the sale could be guessed
    assert premises.shop.erase_due() == []
    assert premises.shop.make(order()).claim_id == claim_id  # still the same sale
    other = order(price_cents={"frame": 9_900})  # nobody can tell any more what was sold
    assert premises.shop.make(other).claim_id == claim_id
    assert premises.vault.check() == []


def test_another_number_of_days_holds_for_claims_that_are_there(premises: Premises) -> None:
    claim_id = granted(premises)
    premises.shop.change_settings(keep_days=10)
    assert premises.shop.claim(claim_id).openings_until == samples.DAY + timedelta(days=10)
    premises.clock.move(days=10)
    assert premises.shop.erase_due() == [claim_id]
    assert premises.vault.check() == []


# -- listing --------------------------------------------------------------------------------------


def test_claims_are_listed_by_state_and_page(premises: Premises) -> None:
    ids = [premises.shop.make(order(f"sale-{number}")).claim_id for number in range(3)]
    premises.sender.send_due(limit=1)
    assert [record.claim_id for record in premises.shop.claims()] == ids[::-1]
    first = premises.shop.claims(limit=2)
    rest = premises.shop.claims(before=first[-1].sequence)
    assert [record.claim_id for record in [*first, *rest]] == ids[::-1]
    assert [record.claim_id for record in premises.shop.claims("granted")] == ids[:1]
    assert premises.shop.counts() == {"granted": 1, "pending": 2}
    with pytest.raises(ShopError) as refused:
        premises.shop.claim("nothing")
    assert code_of(refused) == "claim_unknown"


def test_a_locked_vault_tells_nothing(premises: Premises) -> None:
    premises.vault.close()
    with pytest.raises(VaultError) as refused:
        premises.shop.claims()
    assert refused.value.code == "vault_locked"


def test_everything_that_is_said_is_said_in_both_languages() -> None:
    for words in (SHOP_PROBLEMS, STEPS, REASON_STEPS):
        for key, (english, french) in words.items():
            assert english != french, key
            assert english.strip() == english, key
    assert {"sent", "granted", "attestation_overdue", "expired"} <= set(STEPS) & set(STATES)
