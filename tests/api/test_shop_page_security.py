"""Nobody but the person at the page gets in: other sites, foreign names, forms without a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from optician.web.app import CLOSED_PAGES, OPEN_PAGES
from optician.web.attempts import MOST_FAILURES
from pages.answers import PAGE_HEADERS
from tests.support.shopfront import ORIGIN, PORT, Counter, Visitor, make_counter
from tests.support.shops import PASSPHRASE

SESSION = f"clairobscur_shop_{PORT}"
POSTS = sorted({path for method, path, _ in (*OPEN_PAGES, *CLOSED_PAGES) if method == "POST"})
GETS = sorted({path for method, path, _ in CLOSED_PAGES if method == "GET"})


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Counter:
    return make_counter(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def person(counter: Counter) -> Visitor:
    """Somebody who is signed in."""
    return counter.signed_in()


@pytest.fixture(scope="module")
def other(counter: Counter) -> Visitor:
    """Somebody else who is."""
    return counter.signed_in()


def filled(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "some-1", path)


# -- Host, against DNS rebinding ------------------------------------------------------------------

FOREIGN_HOSTS = (
    "evil.example",
    f"evil.example:{PORT}",
    "127.0.0.1",
    f"127.0.0.1:{PORT + 1}",
    f"localhost.evil.example:{PORT}",
    f"127.0.0.1.:{PORT}",
    f"[::1]:{PORT}",
    f"0.0.0.0:{PORT}",
    "",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/", "/lock", "/assets/style.css", "/v1/status", "/nowhere"])
def test_a_foreign_host_is_refused(person: Visitor, host: str, path: str) -> None:
    assert person.get("/").status_code == 200  # the accept that this changes
    answer = person.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "clairobscur" not in answer.text.replace("urn:clairobscur", "")


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_our_own_names_are_answered(person: Visitor, host: str) -> None:
    assert person.get("/lock", headers={"Host": host}).status_code in (200, 303)


# -- Origin ----------------------------------------------------------------------------------------

FOREIGN_ORIGINS: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": f"https://127.0.0.1:{PORT}"},
    {"Origin": f"http://127.0.0.1:{PORT + 1}"},
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {},
)


@pytest.mark.parametrize("headers", FOREIGN_ORIGINS)
@pytest.mark.parametrize("path", [*POSTS, "/language"])
def test_a_form_of_another_site_changes_nothing(
    person: Visitor, path: str, headers: dict[str, str]
) -> None:
    fields = {"csrf": person.token("/settings"), "language": "fr"}
    answer = person.post(filled(path), data=fields, headers=headers)
    assert answer.status_code == 403
    assert person.get("/").status_code == 200  # still unlocked and signed in


def test_the_same_form_from_our_own_page_is_taken(person: Visitor) -> None:
    for headers in ({"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}):
        fields = {"csrf": person.token("/settings")}
        answer = person.post("/new/drop", data=fields, headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"


def test_a_page_says_nothing_to_a_foreign_origin(person: Visitor) -> None:
    answer = person.get("/", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


# -- tokens of forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "A" * 43, "of another session"])
def test_a_form_without_its_token_changes_nothing(
    person: Visitor, other: Visitor, path: str, token: str
) -> None:
    if token.startswith("of"):
        token = other.token("/settings")
    answer = person.post(filled(path), data={"csrf": token}, headers={"Origin": ORIGIN})
    assert answer.status_code == 403
    assert person.get("/").status_code == 200


def test_every_form_has_a_token(person: Visitor) -> None:
    for path in GETS:
        if "{" in path:
            continue


# -- sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GETS)
def test_without_a_session_every_page_leads_to_the_door(counter: Counter, path: str) -> None:
    answer = counter.visitor().get(filled(path))
    assert (answer.status_code, answer.headers["location"]) == (303, "/lock")


@pytest.mark.parametrize("cookie", ["", "A" * 43, "../../etc", "x" * 4000])
def test_a_made_up_session_is_none(counter: Counter, cookie: str) -> None:
    visitor = counter.visitor()
    answer = visitor.get("/", headers={"Cookie": f"{SESSION}={cookie}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/lock")


def test_the_session_cookie_is_for_this_page_alone(counter: Counter) -> None:
    visitor = counter.visitor()
    answer = visitor.sign_in()
    (cookie,) = [text for text in answer.headers.get_list("set-cookie") if SESSION in text]
    name, _, rest = cookie.partition("=")
    value, *parts = rest.split("; ")
    assert name == SESSION
    assert len(value) == 43
    assert set(parts) == {"Path=/", "HttpOnly", "SameSite=Strict"}


def test_signing_in_gives_an_id_that_nobody_knew_before(counter: Counter) -> None:
    visitor = counter.visitor()
    visitor.cookies.set(SESSION, "A" * 43, domain="127.0.0.1")
    assert visitor.sign_in().status_code == 303
    values = [cookie.value for cookie in visitor.cookies.jar if cookie.name == SESSION]
    assert values
    assert values[-1] != "A" * 43


def test_two_sign_ins_have_two_ids(counter: Counter) -> None:
    found = set()
    for _ in range(3):
        visitor = counter.signed_in()
        found |= {cookie.value for cookie in visitor.cookies.jar if cookie.name == SESSION}
    assert len(found) == 3


# -- answers ---------------------------------------------------------------------------------------


def answers(counter: Counter, person: Visitor) -> list[tuple[str, Any]]:
    """One of every kind."""
    return [
        ("page", person.get("/")),
        ("door", counter.visitor().get("/lock")),
        ("redirection", counter.visitor().get("/")),
        ("refusal", person.post("/new", data={}, headers={"Origin": "https://evil.example"})),
        ("nothing", person.get("/nowhere")),
        ("method", person.put("/")),
        ("foreign host", person.get("/", headers={"Host": "evil.example"})),
        ("file", person.get("/settings/KEYS.json")),
        ("problem", person.get("/v1/status")),
        ("no problem's path", person.get("/v1/nowhere")),
    ]


def test_every_answer_has_the_safe_headers(counter: Counter, person: Visitor) -> None:
    for name, answer in answers(counter, person):
        for header, value in PAGE_HEADERS.items():
            assert answer.headers.get(header) == value, (name, header)
            assert len(answer.headers.get_list(header)) == 1, (name, header)


def test_the_policy_lets_nothing_in_from_elsewhere(person: Visitor) -> None:
    policy = person.get("/").headers["content-security-policy"]
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert sources.pop("default-src") == "'none'"
    assert set(sources.values()) <= {"'self'", "'none'"}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_page_names_another_host_or_has_a_script_of_its_own(
    counter: Counter, language: str
) -> None:
    person = counter.signed_in(language)
    for path in GETS:
        if "{" in path or path.endswith(".json") or path == "/new/check":
            continue
        text = person.get(path).text
        loaded = re.findall(r'(?:src|href|action)="([^"]*)"', text)
        assert loaded
        assert all(re.match(r"[/#](?!/)", address) for address in loaded), path
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)


def test_nothing_is_told_to_other_methods(counter: Counter, person: Visitor) -> None:
    for route in counter.app.routes:
        assert isinstance(route, Route)
        answer = person.options(filled(route.path))
        assert answer.status_code in (401, 404, 405), route.path
        assert "access-control-allow-origin" not in answer.headers


# -- locking ---------------------------------------------------------------------------------------


def test_a_lock_ends_every_session_and_closes_every_page(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    first, second = counter.signed_in(), counter.signed_in()
    answer = first.submit("/lock", {})
    assert answer.headers["location"] == "/lock"
    assert counter.keeper.state == "locked"
    for visitor in (first, second):
        assert visitor.get("/claims").headers["location"] == "/lock"
    text = second.get("/lock").text
    assert "The agent is locked" in text
    assert second.sign_in().status_code == 303
    assert second.get("/claims").status_code == 200
    assert first.get("/claims").headers["location"] == "/lock"  # its session is gone for good


def test_what_is_idle_is_locked(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    person = counter.signed_in()
    counter.seconds.now += 14 * 60
    assert person.get("/").status_code == 200
    counter.seconds.now += 14 * 60
    counter.keeper.tick()
    assert person.get("/").status_code == 200
    counter.seconds.now += 15 * 60 + 1
    counter.keeper.tick()
    assert counter.keeper.state == "locked"
    assert person.get("/").headers["location"] == "/lock"


def test_an_idle_session_ends_though_the_vault_is_in_use(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    person, other = counter.signed_in(), counter.signed_in()
    counter.seconds.now += 10 * 60
    assert other.get("/").status_code == 200
    counter.seconds.now += 6 * 60
    counter.keeper.tick()
    assert counter.keeper.state == "open"
    assert other.get("/").status_code == 200
    assert person.get("/").headers["location"] == "/lock"


def test_a_wrong_passphrase_is_refused_and_too_many_close_the_door(tmp_path: Path) -> None:
    counter = make_counter(tmp_path, is_open=False)
    visitor = counter.visitor()
    for _ in range(MOST_FAILURES):
        answer = visitor.sign_in("not the passphrase at all")
        assert answer.status_code == 403
        assert "not the passphrase at all" not in answer.text
        assert "This is not the vault" in answer.text
    answer = visitor.sign_in()
    assert answer.status_code == 429
    assert "Wait" in answer.text
    assert counter.keeper.state == "locked"
    counter.seconds.now += 61
    assert visitor.sign_in().status_code == 303


@pytest.mark.parametrize("text", ["", " ", "\ufeff", "x" * 1024])
def test_what_is_no_passphrase_is_refused(tmp_path: Path, text: str) -> None:
    counter = make_counter(tmp_path, is_open=False)
    assert counter.visitor().sign_in(text).status_code == 403


def test_an_unlocked_vault_asks_every_browser_for_the_passphrase(counter: Counter) -> None:
    visitor = counter.visitor()
    text = visitor.get("/lock").text
    assert "Sign in" in text
    assert visitor.sign_in("wrong wrong wrong").status_code == 403
    assert visitor.get("/").status_code == 303
    assert visitor.sign_in(PASSPHRASE).status_code == 303
    assert visitor.get("/").status_code == 200


def test_a_damaged_vault_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    counter = make_counter(tmp_path, is_open=False)
    file = tmp_path / "shop.vault"
    file.write_bytes(b"no vault at all " * 100)
    before = file.read_bytes()
    answer = counter.visitor().get("/lock")
    assert answer.status_code == 503
    assert "optician vault restore" in answer.text
    assert file.read_bytes() == before
