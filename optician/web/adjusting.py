"""Settings: what the shop has chosen, insurers, key, endpoint, passphrase, back-up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from optician.agent.errors import ShopError
from optician.agent.records import InsurerProfile
from optician.messages import in_language
from optician.vault import VAULT_WORDS, Passphrase, VaultError, backup
from optician.web.attempts import TooManyAttempts
from optician.web.entry import LEAST_PASSPHRASE, MAX_PASSPHRASE, new_passphrase_errors
from optician.web.tokens import has_endpoint_token, make_endpoint_token
from optician.web.visit import Visit, sentence
from pages.answers import PAGE_HEADERS
from pages.catalogue import LANGUAGES
from pages.forms import FormError, Mistakes
from pages.language import language_cookie

MAX_URL: Final = 512
MAX_TOKEN: Final = 512
MAX_TRUST: Final = 40_000
MOST_DAYS: Final = 36_500
MOST_MINUTES: Final = 24 * 60


def settings(visit: Visit) -> Response:
    """All of them on one page."""
    return _settings_page(visit)


def _settings_page(
    visit: Visit,
    errors: dict[str, str] | None = None,
    refusal: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    shop, keeper = visit.shop, visit.keeper
    identity = shop.identity()
    stamp = keeper.clock().date().isoformat()
    names = ("insurer_id", "insurer_name", "url", "keep_days", "lock_minutes", "poll_minutes")
    return visit.show(
        "settings.html",
        status,
        settings=shop.settings(),
        insurers=[_insurer(visit, insurer) for insurer in shop.insurers()],
        optician_id="" if identity is None else identity.optician_id,
        public_keys="" if identity is None else shop.public_keys().decode(),
        has_token=has_endpoint_token(keeper.vault()),
        token=visit.own_session.take_shown_once(),
        endpoint=f"http://127.0.0.1:{visit.site.port}/v1/claims",
        vault_path=str(keeper.path),
        uses_keyring=keeper.uses_keyring,
        backup_name=f"clairobscur-{stamp}.backup",
        least=LEAST_PASSPHRASE,
        typed={name: visit.form.text(name, 600, "") for name in names},
        trust=visit.form.exact("trust", MAX_TRUST),
        errors=errors or {},
        refusal=refusal,
    )


def _insurer(visit: Visit, insurer: InsurerProfile) -> dict[str, Any]:
    return {
        "insurer_id": insurer.insurer_id,
        "name": insurer.name,
        "url": insurer.url,
        "contracts": [
            {
                "name": entry.name,
                "first": entry.valid_from,
                "last": entry.valid_to,
            }
            for entry in insurer.contracts
        ],
        "tables": [entry.name for entry in insurer.nomenclatures],
        "fetched_at": insurer.fetched_at,
        "has_trust": insurer.trust is not None,
    }


# -- general ----------------------------------------------------------------------------------


def change_general(visit: Visit) -> Response:
    """Language, and how long what."""
    form, mistakes = visit.form, Mistakes()
    language = mistakes.read(lambda: form.choice("shop_language", LANGUAGES), "fr")
    changes = {
        "language": language,
        "keep_days": mistakes.read(lambda: form.integer("keep_days", 1, MOST_DAYS), 1),
        "lock_minutes": mistakes.read(lambda: form.integer("lock_minutes", 1, MOST_MINUTES), 1),
        "poll_minutes": mistakes.read(lambda: form.integer("poll_minutes", 1, MOST_MINUTES), 1),
    }
    if mistakes:
        return _settings_page(visit, mistakes.words(visit.language), status=422)
    try:
        visit.shop.change_settings(**changes)
    except ShopError as error:
        return _settings_page(visit, refusal=visit.refusal(error), status=422)
    visit.keeper.apply_settings()
    (chosen,) = (name for name in LANGUAGES if name == language)
    visit.cookies.append(language_cookie(chosen, False))
    return visit.go("/settings", "settings.saved")


# -- insurers ---------------------------------------------------------------------------------


def add_insurer(visit: Visit) -> Response:
    """Enter an insurer, or change one, and fetch its documents at once."""
    form, mistakes = visit.form, Mistakes()
    known = {insurer.insurer_id for insurer in visit.shop.insurers()}
    insurer_id = mistakes.read(lambda: form.text("insurer_id", 64), "")
    is_new = insurer_id not in known
    url = mistakes.read(lambda: form.text("url", MAX_URL, None if is_new else ""), "")
    token = mistakes.read(lambda: form.text("token", MAX_TOKEN, None if is_new else ""), "")
    name = mistakes.read(lambda: form.text("insurer_name", 100, ""), "")
    trust = mistakes.read(lambda: form.exact("trust", MAX_TRUST).strip(), "")
    if mistakes:
        return _settings_page(visit, mistakes.words(visit.language), status=422)
    try:
        visit.shop.put_insurer(
            insurer_id,
            name=name or None,
            url=url or None,
            token=token or None,
            trust=trust.encode() if trust else None,
        )
    except ShopError as error:
        return _settings_page(visit, refusal=visit.refusal(error), status=422)
    return _fetch(visit, insurer_id)


def fetch_insurer(visit: Visit) -> Response:
    """Get contracts and tables anew."""
    return _fetch(visit, visit.name("insurer_id"))


def _fetch(visit: Visit, insurer_id: str) -> Response:
    try:
        profile = visit.shop.fetch_insurer(insurer_id)
    except ShopError as error:
        return _settings_page(visit, refusal=visit.refusal(error), status=502)
    if not profile.contracts:
        return visit.go("/settings", "settings.no_contracts", "warning", name=profile.name)
    return visit.go("/settings", "settings.fetched", name=profile.name)


def remove_insurer(visit: Visit) -> Response:
    """Forget an insurer."""
    try:
        visit.shop.remove_insurer(visit.name("insurer_id"))
    except ShopError as error:
        return _settings_page(visit, refusal=visit.refusal(error), status=409)
    return visit.go("/settings", "settings.removed", "info")


# -- key, token, passphrase, back-up ----------------------------------------------------------


def public_keys(visit: Visit) -> Response:
    """KEYS.json, to be given to the insurer."""
    return Response(
        visit.shop.public_keys(),
        headers={
            **PAGE_HEADERS,
            "Content-Disposition": 'attachment; filename="KEYS.json"',
        },
        media_type="application/json",
    )


def make_token(visit: Visit) -> Response:
    """A fresh token for point-of-sale software, shown once."""
    visit.own_session.shown_once = make_endpoint_token(visit.keeper.vault())
    return visit.go("/settings", "settings.token_made")


def change_passphrase(visit: Visit) -> Response:
    """Another passphrase, for whoever knows the one that holds."""
    keeper = visit.keeper
    if not keeper.uses_keyring:
        try:
            is_right = keeper.is_passphrase(visit.form.exact("old_passphrase", MAX_PASSPHRASE))
        except TooManyAttempts as error:
            wait = visit.say("lock.wait", seconds=error.seconds)
            return _settings_page(visit, {"old_passphrase": wait}, status=429)
        if not is_right:
            wrong = visit.say("lock.wrong_passphrase")
            return _settings_page(visit, {"old_passphrase": wrong}, status=403)
    errors = new_passphrase_errors(visit)
    if errors:
        return _settings_page(visit, errors, status=422)
    try:
        keeper.change(Passphrase(visit.form.exact("passphrase", MAX_PASSPHRASE)))
    except VaultError as error:
        if error.code != "passphrase_weak":
            raise
        weak = visit.say("setup.weak", least=LEAST_PASSPHRASE)
        return _settings_page(visit, {"passphrase": weak}, status=422)
    return visit.go("/settings", "settings.passphrase_changed")


def make_backup(visit: Visit) -> Response:
    """Copy the vault, sealed as it is, into a new file."""
    try:
        name = visit.form.text("backup_file", MAX_URL)
        target = Path(name)
        if not target.is_absolute():
            if target.name != name or name.startswith("."):
                raise FormError("field_characters", "backup_file")
            target = visit.keeper.path.parent / name
        backup(visit.keeper.path, target)
    except FormError as error:
        return _settings_page(visit, {"backup_file": error.words(visit.language)}, status=422)
    except VaultError as error:
        if error.code not in ("vault_exists", "vault_storage"):
            raise
        words = sentence(in_language(VAULT_WORDS[error.code], visit.language))
        return _settings_page(visit, {"backup_file": words}, status=422)
    return visit.go("/settings", "settings.backed_up", place=str(target))
