"""Unlocking, locking and the first steps."""

from __future__ import annotations

from starlette.responses import Response

from optician.agent.errors import ShopError
from optician.vault import KeyringKey, Passphrase, VaultError
from optician.web.attempts import TooManyAttempts
from optician.web.visit import Visit
from pages.answers import see_other
from pages.guard import forget_cookie

MAX_PASSPHRASE = 1024
LEAST_PASSPHRASE = 12
"""What the vault asks for, beside letters that differ."""


def lock_page(visit: Visit) -> Response:
    """Where the passphrase is asked for."""
    state = visit.keeper.state
    if state == "missing":
        return visit.go("/setup")
    if state == "open" and visit.session is not None:
        return visit.go("/")
    return _lock_page(visit)


def _lock_page(visit: Visit, error: str = "", status: int = 200) -> Response:
    return visit.show(
        "lock.html",
        status,
        is_locked=visit.keeper.state == "locked",
        uses_keyring=visit.keeper.uses_keyring,
        error=error,
    )


def unlock(visit: Visit) -> Response:
    """The passphrase, or the code from the terminal."""
    keeper = visit.keeper
    if keeper.state == "missing":
        return visit.go("/setup")
    uses_keyring = keeper.uses_keyring
    given = visit.form.exact("code" if uses_keyring else "passphrase", MAX_PASSPHRASE)
    try:
        is_right = keeper.sign_in(given)
    except TooManyAttempts as error:
        return _lock_page(visit, visit.say("lock.wait", seconds=error.seconds), 429)
    if not is_right:
        key = "lock.wrong_code" if uses_keyring else "lock.wrong_passphrase"
        return _lock_page(visit, visit.say(key), 403)
    visit.sign_in()
    return visit.go("/" if visit.shop.identity() is not None else "/setup")


def lock(visit: Visit) -> Response:
    """Forget the key and everybody who was signed in."""
    visit.keeper.lock()
    return see_other("/lock", [forget_cookie(visit.site.session_name, False)])


# -- first steps ------------------------------------------------------------------------------


def setup_page(visit: Visit) -> Response:
    """What is still missing: the vault, or the key."""
    if visit.keeper.state != "missing":
        if visit.keeper.state == "locked" or visit.session is None:
            return visit.go("/lock")
        if visit.shop.identity() is not None:
            return visit.go("/settings")
    return _setup_page(visit)


def _setup_page(visit: Visit, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    return visit.show(
        "setup.html",
        status,
        step="vault" if visit.keeper.state == "missing" else "key",
        uses_keyring=visit.keeper.uses_keyring,
        least=LEAST_PASSPHRASE,
        errors=errors or {},
        optician_id=visit.form.text("optician_id", default=""),
    )


def setup(visit: Visit) -> Response:
    """Make the vault."""
    keeper = visit.keeper
    if keeper.state != "missing":
        return visit.go("/setup")
    if keeper.uses_keyring:
        keeper.create(KeyringKey())
    else:
        errors = new_passphrase_errors(visit)
        if errors:
            return _setup_page(visit, errors, 422)
        try:
            keeper.create(Passphrase(visit.form.exact("passphrase", MAX_PASSPHRASE)))
        except VaultError as error:
            if error.code != "passphrase_weak":
                raise
            weak = visit.say("setup.weak", least=LEAST_PASSPHRASE)
            return _setup_page(visit, {"passphrase": weak}, 422)
    visit.sign_in()
    return visit.go("/setup", "setup.done")


def new_passphrase_errors(visit: Visit) -> dict[str, str]:
    """What is wrong with a new passphrase that was typed twice."""
    first = visit.form.exact("passphrase", MAX_PASSPHRASE)
    if len(first) < LEAST_PASSPHRASE:
        return {"passphrase": visit.say("setup.weak", least=LEAST_PASSPHRASE)}
    if first != visit.form.exact("passphrase_again", MAX_PASSPHRASE):
        return {"passphrase_again": visit.say("setup.differ")}
    return {}


def make_key(visit: Visit) -> Response:
    """Make the signing key."""
    try:
        visit.shop.make_identity(visit.form.text("optician_id", 64, ""))
    except ShopError as error:
        if error.code == "key_exists":
            return visit.go("/settings")
        return _setup_page(visit, {"optician_id": visit.say("fix.identifier")}, 422)
    return visit.go("/settings", "setup.key_done")
