"""The keeper of the vault: unlocking, locking, sending in a thread of its own."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path

import pytest

from optician.agent.sender import Sender
from optician.vault import KeyringKey, Passphrase, Vault, VaultError
from optician.web.attempts import CLOSED_SECONDS, MOST_FAILURES, Attempts, TooManyAttempts
from optician.web.keeper import ERASE_EVERY, FAULT_SECONDS, is_on_its_way, place_of
from optician.web.server import HOST, listen
from optician.web.sessions import MOST_SESSIONS, Sessions
from tests.support.shopfront import Seconds, make_counter
from tests.support.shops import CHEAP, PASSPHRASE, order

# -- attempts ---------------------------------------------------------------------------------


def test_every_failure_waits_and_the_tenth_closes_for_a_minute() -> None:
    seconds, paused = Seconds(), list[float]()
    attempts = Attempts(seconds, paused.append)
    for number in range(MOST_FAILURES):
        assert not attempts.attempt(lambda: False)
        assert paused == [1.0] * (number + 1)
    with pytest.raises(TooManyAttempts) as caught:
        attempts.attempt(lambda: True)
    assert 0 < caught.value.seconds <= CLOSED_SECONDS + 1
    seconds.now += CLOSED_SECONDS
    assert attempts.attempt(lambda: True)


def test_a_success_forgets_the_failures() -> None:
    attempts = Attempts(Seconds(), lambda _seconds: None)
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            assert not attempts.attempt(lambda: False)
        assert attempts.attempt(lambda: True)


def test_what_fails_otherwise_is_no_attempt() -> None:
    attempts = Attempts(Seconds(), lambda _seconds: None)

    def broken() -> bool:
        raise OSError

    for _ in range(2 * MOST_FAILURES):
        with pytest.raises(OSError, match=r"^$"):
            attempts.attempt(broken)
    assert attempts.attempt(lambda: True)


# -- sessions ---------------------------------------------------------------------------------


def test_a_session_lives_while_it_is_used() -> None:
    seconds = Seconds()
    sessions = Sessions(seconds)
    session = sessions.open()
    for _ in range(5):
        seconds.now += 59
        assert sessions.find(session.session_id, 60) is session
    seconds.now += 61
    assert sessions.find(session.session_id, 60) is None
    assert sessions.find(session.session_id, 10**9) is None


def test_there_are_so_many_at_most_and_the_idlest_goes() -> None:
    seconds = Seconds()
    sessions = Sessions(seconds)
    opened = [sessions.open() for _ in range(MOST_SESSIONS)]
    seconds.now += 1
    assert sessions.find(opened[0].session_id, 60) is opened[0]
    sessions.open()
    assert sessions.find(opened[0].session_id, 60) is opened[0]
    assert sessions.find(opened[1].session_id, 60) is None


def test_a_session_shows_nothing_and_says_things_once() -> None:
    session = Sessions(Seconds()).open()
    session.draft, session.shown_once = "codes", "token"
    session.notice = ("settings.saved", {})
    assert session.session_id not in repr(session)
    assert "codes" not in repr(session)
    assert "token" not in repr(session)
    assert (session.take_shown_once(), session.take_shown_once()) == ("token", None)
    assert (session.take_notice() or ("",))[0] == "settings.saved"
    assert session.take_notice() is None


# -- keys -------------------------------------------------------------------------------------


def test_it_begins_without_a_vault_locked_or_open(tmp_path: Path) -> None:
    assert make_counter(tmp_path, has_vault=False).keeper.state == "missing"
    counter = make_counter(tmp_path, is_open=False)
    assert counter.keeper.state == "locked"
    for ask in (counter.keeper.shop, counter.keeper.vault):
        with pytest.raises(VaultError) as caught:
            ask()
        assert caught.value.code == "vault_locked"
    assert not counter.keeper.sign_in("something else entirely")
    assert counter.keeper.sign_in(PASSPHRASE)
    assert counter.keeper.shop().identity() is not None


def test_a_passphrase_is_changed(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    other = "cadre chaise fenêtre bateau"
    assert counter.keeper.is_passphrase(PASSPHRASE)
    counter.keeper.change(Passphrase(other))
    assert not counter.keeper.is_passphrase(PASSPHRASE)
    assert counter.keeper.is_passphrase(other)
    assert counter.keeper.state == "open"


class Ring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_a_vault_of_the_keyring_asks_for_a_code_that_serves_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring()
    monkeypatch.setattr("optician.vault.keys.system_keyring", lambda: ring)
    Vault.create(tmp_path / "shop.vault", KeyringKey(), scrypt=CHEAP).close()
    counter = make_counter(tmp_path, has_vault=False)
    keeper = counter.keeper
    assert keeper.uses_keyring
    assert not keeper.sign_in("")  # before any was told
    keeper.announce_code()
    (key, code) = counter.told[-1]
    assert key == "code"
    assert re.fullmatch(r"[0-9]{4} [0-9]{4}", code)
    assert not keeper.sign_in("00000000" if code != "0000 0000" else "11111111")
    assert keeper.sign_in(code)
    assert keeper.state == "open"
    assert not keeper.sign_in(code)
    assert keeper.sign_in(counter.told[-1][1].replace(" ", ""))


# -- sending ----------------------------------------------------------------------------------


def test_a_round_sends_what_waits(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    record = counter.keeper.shop().make(order())
    assert is_on_its_way(record)
    counter.keeper.tick()
    assert counter.keeper.shop().claim(record.claim_id).state == "granted"


def test_nothing_is_sent_while_it_is_locked(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    counter.keeper.shop().make(order())
    counter.keeper.lock()
    counter.keeper.tick()
    assert counter.insurer.requests[-1][1] != "/v1/claims"
    assert counter.keeper.sign_in(PASSPHRASE)
    counter.keeper.tick()
    assert counter.keeper.shop().counts() == {"granted": 1}


def test_the_thread_sends_and_whoever_waits_is_told(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    counter.keeper.monotonic = time.monotonic
    counter.keeper.use()
    counter.keeper.start()
    try:
        record = counter.keeper.shop().make(order())
        assert counter.keeper.wait_for(record.claim_id, 30).state == "granted"
    finally:
        counter.keeper.stop()
    assert counter.keeper.state == "locked"


def test_whoever_waits_hears_at_once_that_the_line_is_down(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    counter.insurer.is_up = False
    counter.keeper.monotonic = time.monotonic
    counter.keeper.use()
    counter.keeper.start()
    try:
        record = counter.keeper.shop().make(order())
        waited = counter.keeper.wait_for(record.claim_id, 30)
    finally:
        counter.keeper.stop()
    assert waited.state == "pending"
    assert waited.problem is not None


def test_a_fault_of_sending_is_told_by_its_place_and_tried_again(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    keeper = counter.keeper
    keeper.shop().make(order())

    class Broken(Sender):
        def send_due(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise RuntimeError("2201814 at 415.00")

    good = keeper._make_sender
    keeper._make_sender = Broken
    for _ in range(2):
        keeper._go_round()
    assert [key for key, _ in counter.told] == ["fault"]
    assert keeper.fault == counter.told[0][1]
    assert counter.told[0][1].startswith("RuntimeError at test_shop_keeper.py:")
    keeper._make_sender = good
    keeper._go_round()
    assert keeper.shop().counts() == {"pending": 1}  # it rests
    counter.seconds.now += FAULT_SECONDS
    keeper._go_round()
    assert keeper.fault is None
    assert keeper.shop().counts() == {"granted": 1}


def test_damage_is_found_once_it_is_open(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    counter = make_counter(tmp_path)
    record = counter.keeper.shop().make(order())
    counter.keeper.tick()
    assert counter.keeper.damaged == 0
    counter.keeper.lock()
    with closing(sqlite3.connect(tmp_path / "shop.vault")) as connection:
        connection.execute("DELETE FROM claims WHERE claim_id = ?", (record.claim_id,))
        connection.commit()
    person = counter.signed_in()
    counter.keeper.tick()
    assert counter.keeper.damaged
    assert "optician vault restore" in person.get("/").text


def test_what_is_over_is_erased_hour_by_hour(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    shop = counter.keeper.shop()
    record = shop.make(order())
    counter.keeper.tick()
    assert shop.order(record.claim_id) is not None
    counter.clock.now += timedelta(days=1200)
    counter.keeper.tick()
    assert shop.order(record.claim_id) is None
    assert timedelta(hours=1) == ERASE_EVERY


def test_the_place_of_a_fault_has_no_message() -> None:
    try:
        raise ValueError("2201814")
    except ValueError as error:
        told = place_of(error)
    assert told.startswith("ValueError at test_shop_keeper.py:")
    assert "2201814" not in told


def test_it_listens_on_the_loopback_interface_alone() -> None:
    opened = listen(0)
    try:
        assert opened.getsockname()[0] == HOST == "127.0.0.1"
    finally:
        opened.close()
