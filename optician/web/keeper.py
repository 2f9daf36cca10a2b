"""The shop while it is open: unlocking and locking, and the thread that sends.

One vault, open or locked. It is locked after so many minutes in which nobody used the page and no
sale came to the endpoint; nothing is sent then, and everything that waits is kept.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from optician.agent.records import ClaimRecord
from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.vault import KeyringKey, Passphrase, Source, Vault, VaultError, inspect
from optician.web.attempts import Attempts
from optician.web.sessions import Sessions

if TYPE_CHECKING:
    from optician.vault import ScryptCost

State: TypeAlias = Literal["missing", "locked", "open"]
Clock: TypeAlias = Callable[[], datetime]

CODE_DIGITS: Final = 8
TICK_SECONDS: Final = 1.0
"""So often the thread looks what is due, and whether to lock."""

FAULT_SECONDS: Final = 30.0
"""After a fault of sending the thread rests for so long."""

ERASE_EVERY: Final = timedelta(hours=1)

WAITING_STATES: Final = ("pending",)
"""In these a claim has no answer yet, though it may be on its way."""


def _now() -> datetime:
    return datetime.now(UTC)


class Keeper:
    """Holds the vault's key while it is unlocked. Safe for several threads.

    ``source`` is the key to begin with, None to begin locked; ``clock`` tells instants,
    ``monotonic`` seconds that only go forward; ``announce`` tells people at the terminal;
    ``make_shop`` and ``make_sender`` are for tests.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: Source | None = None,
        uses_keyring: bool = False,
        clock: Clock = _now,
        monotonic: Callable[[], float] = time.monotonic,
        announce: Callable[[str, str], None] = lambda _key, _text: None,
        make_shop: Callable[[Vault], Shop] | None = None,
        make_sender: Callable[[Shop], Sender] = Sender,
        attempts: Attempts | None = None,
        cost: ScryptCost | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.monotonic = monotonic
        self.sessions = Sessions(monotonic)
        self._wants_keyring = uses_keyring
        self._announce = announce
        self._make_shop = make_shop or (lambda vault: Shop(vault, clock))
        self._make_sender = make_sender
        self._attempts = attempts or Attempts(monotonic)
        self._cost = cost
        self._guard = threading.RLock()
        self._vault: Vault | None = None
        self._shop: Shop | None = None
        self._used_at = monotonic()
        self._lock_seconds = 15 * 60.0
        self._code = ""
        self._wake = threading.Event()
        self._round = threading.Condition()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._rests_until = 0.0
        self.fault: str | None = None
        """Where the thread last stumbled, until it has gone round well again."""
        self.damaged = 0
        """Rows of the vault that do not unseal or are not this program's, found when it was
        opened."""
        self._is_checked = False
        self._erased_at: datetime | None = None
        if source is not None and path.exists():
            self._take(Vault.open(path, source))

    # -- state --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Whether there is a vault, and whether it is open."""
        if self._shop is not None:
            return "open"
        return "locked" if self.path.exists() else "missing"

    @property
    def uses_keyring(self) -> bool:
        """Whether the vault's key is in the keyring, so that the page asks for a code instead of a
        passphrase. Raises `VaultError`."""
        if not self.path.exists():
            return self._wants_keyring
        return inspect(self.path).source == "keyring"

    def shop(self) -> Shop:
        """The open shop. Raises `VaultError` "vault_locked"."""
        shop = self._shop
        if shop is None:
            raise VaultError("vault_locked")
        return shop

    def vault(self) -> Vault:
        """The open vault. Raises `VaultError` "vault_locked"."""
        vault = self._vault
        if vault is None:
            raise VaultError("vault_locked")
        return vault

    @property
    def idle_seconds(self) -> float:
        """After so long without use the vault is locked."""
        return self._lock_seconds

    def use(self) -> None:
        """Somebody uses the page, or a sale came in."""
        self._used_at = self.monotonic()

    def apply_settings(self) -> None:
        """Read anew after how long to lock."""
        self._lock_seconds = self.shop().settings().lock_minutes * 60.0

    # -- keys ---------------------------------------------------------------------------------

    def create(self, source: Source) -> None:
        """Make the vault and open it. Raises `VaultError`."""
        with self._guard:
            if self._cost is None:
                vault = Vault.create(self.path, source)
            else:
                vault = Vault.create(self.path, source, scrypt=self._cost)
            self._take(vault)

    def sign_in(self, text: str) -> bool:
        """Whether ``text`` is the passphrase (of a vault with a keyring key: the code from the
        terminal); then the vault is open. Raises `VaultError` for another fault,
        `optician.web.attempts.TooManyAttempts`."""
        return self._attempts.attempt(lambda: self._try(text))

    def is_passphrase(self, text: str) -> bool:
        """Whether ``text`` opens the vault; counted as an attempt to sign in."""
        return self._attempts.attempt(lambda: self._opens(lambda: Passphrase(text), keep=False))

    def _try(self, text: str) -> bool:
        if not self.uses_keyring:
            return self._opens(lambda: Passphrase(text), keep=True)
        code, digits = self._code, "".join(text.split())
        if not code or not hmac.compare_digest(digits.encode(), code.encode()):
            return False
        self.announce_code()
        return self._opens(KeyringKey, keep=True)

    def _opens(self, make_source: Callable[[], Source], *, keep: bool) -> bool:
        try:
            vault = Vault.open(self.path, make_source())
        except VaultError as error:
            if error.code == "passphrase_wrong":
                return False
            raise
        with self._guard:
            if keep and self._shop is None:
                self._take(vault)
            else:
                vault.close()
        return True

    def announce_code(self) -> None:
        """A fresh code, told at the terminal; the one before is void."""
        self._code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        self._announce("code", f"{self._code[:4]} {self._code[4:]}")

    def change(self, source: Source) -> None:
        """Another passphrase, or the keyring. Raises `VaultError`."""
        self.vault().change(source)

    def lock(self) -> None:
        """Forget the key and who was signed in."""
        with self._guard:
            vault, self._vault, self._shop = self._vault, None, None
            self.sessions.close_all()
            if vault is not None:
                vault.close()
        self._tell_round()

    def _take(self, vault: Vault) -> None:
        self._vault, self._shop = vault, self._make_shop(vault)
        self._is_checked, self.damaged = False, 0
        self.use()
        try:
            self.apply_settings()
        except VaultError:
            self.lock()
            raise
        self.wake()

    # -- sending ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread that sends."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="sender", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and forget the key."""
        self._is_stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None
        self.lock()

    def wake(self) -> None:
        """There may be something to send."""
        self._rests_until = 0.0
        self._wake.set()

    def wait_for(self, claim_id: str, seconds: float) -> ClaimRecord:
        """The claim as soon as it has an answer or cannot be sent now, or as it is after
        ``seconds``. Raises as `Shop.claim`."""
        self.wake()
        until = self.monotonic() + seconds
        while True:
            with self._round:
                record = self.shop().claim(claim_id)
                left = until - self.monotonic()
                if self._thread is None or not is_on_its_way(record) or left <= 0:
                    return record
                self._round.wait(min(left, TICK_SECONDS))

    def wait_round(self, seconds: float) -> None:
        """Until the thread has gone round once, for ``seconds`` at most."""
        if self._thread is not None:
            with self._round:
                self._round.wait(seconds)

    def tick(self) -> None:
        """One round: lock what is idle, send what is due, erase what is over; the first also reads
        the whole vault for damage."""
        if self._shop is not None and self.monotonic() - self._used_at > self._lock_seconds:
            self.lock()
            return
        shop = self._shop
        if shop is None:
            return
        self._make_sender(shop).send_due(self.clock())
        if not self._is_checked:
            self._is_checked, self.damaged = True, len(self.vault().check())
        now = self.clock()
        if self._erased_at is None or now - self._erased_at >= ERASE_EVERY:
            self._erased_at = now
            shop.erase_due(now)

    def _work(self) -> None:
        while not self._is_stopping:
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            self._go_round()

    def _go_round(self) -> None:
        """A `tick`, whose faults are told; then there is a rest."""
        if self.monotonic() < self._rests_until:
            return
        try:
            self.tick()
            self.fault = None
        except VaultError as error:
            if error.code != "vault_locked":  # locked meanwhile: what was sent goes again
                self._rest("vault", error.code)
        except Exception as error:
            # A fault of ours; its message might repeat anything, so only its place is told.
            self._rest("fault", place_of(error))
        self._tell_round()

    def _rest(self, key: str, text: str) -> None:
        self._rests_until = self.monotonic() + FAULT_SECONDS
        if self.fault != text:
            self._announce(key, text)
        self.fault = text

    def _tell_round(self) -> None:
        with self._round:
            self._round.notify_all()


def is_on_its_way(record: ClaimRecord) -> bool:
    """Whether an answer may come at any moment: nothing that was tried has failed."""
    return record.state in WAITING_STATES and record.problem is None


def place_of(error: BaseException) -> str:
    """Kind and place of a fault, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
    return f"{type(error).__name__} at {place}"


def tell_on_terminal(text: str) -> None:
    """One line on standard error, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
