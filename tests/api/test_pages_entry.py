"""The door of the insurer's pages: who comes in, what a session is worth, what a form needs, and
that nothing which somebody wrote is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from markupsafe import escape

from pages.answers import PAGE_HEADERS
from pages.catalogue import LANGUAGES
from tests.support import claims as samples
from tests.support.page_visits import COOKIE, Visitor, words_of
from tests.support.web import Caller, Insurer, captured_log, code_of, later, log_lines, serving
from verifier_api.service.administration import COMMAND, TokenRequest, create_token
from verifier_api.web.pages.application import CLOSED, MOUNT, OPEN
from verifier_api.web.pages.visit import LINKS, catalogue
from verifier_api.web.problems import PROBLEMS

HOSTILE = "<script>alert(1)</script>\"'&"
NOTE = "<img src=x onerror=alert(1)>"

DAMAGED = {
    "blank": " ",
    "no token": "secret",
    "unknown": f"co_{'0' * 16}_{'A' * 43}",
    "not ASCII": "co_é",
}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """No worker is needed: what is judged here fails before its proof."""
    folder = tmp_path_factory.mktemp("insurer")
    insurer = Insurer(folder, of_contract=samples.contract().model_copy(update={"note": NOTE}))
    with serving(insurer) as started:
        yield started


def visitor(caller: Caller, name: str = "reader", language: str = "en") -> Visitor:
    return Visitor(caller, language).log_in(caller.insurer.tokens[name])


def refused_claim(caller: Caller) -> str:
    claim, _ = samples.claim_of(samples.sample_sale("line"), by=samples.identity("stranger"))
    claim = claim.model_copy(update={"optician_id": "optician-1"})
    assert caller.submit(claim).json()["reason"] == "optician_unknown"
    return claim.claim_id


def wait_for_decision(caller: Caller, claim_id: str) -> None:
    """As if the claim came before its renewal was due: only its state matters to a decision."""

    def act(connection: Any) -> None:
        statement = "UPDATE claims SET state = 'pending', deadline = NULL WHERE claim_id = ?"
        connection.exec_driver_sql(statement, (claim_id,))

    assert caller.portal is not None
    caller.portal.call(caller.insurer.service.change, act)


# -- coming in ----------------------------------------------------------------------------------


def test_the_root_leads_to_the_pages_and_these_to_the_door(caller: Caller) -> None:
    stranger = Visitor(caller)
    for path, target in {
        "/": "/pages/",
        "/pages": "/pages/",
        "/pages/": "/pages/login",
        "/pages/claims?state=pending": "/pages/login?next=%2Fpages%2Fclaims%3Fstate%3Dpending",
    }.items():
        answer = stranger.send("GET", path)
        assert (answer.status_code, answer.headers["location"]) == (303, target)


@pytest.mark.parametrize("scope", ["reader", "auditor", "admin"])
def test_a_token_opens_a_session_that_only_the_cookie_holds(caller: Caller, scope: str) -> None:
    token = caller.insurer.tokens[scope]
    fields = {"token": token, "next": "/pages/claims?state=pending"}
    answer = Visitor(caller).post("/pages/login", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, fields["next"])
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(
        rf"{COOKIE}=[A-Za-z0-9_-]{{43}}; Path=/pages/; HttpOnly; SameSite=Strict; Max-Age=43200",
        cookie,
    )
    inside = visitor(caller, scope)
    assert catalogue().say(f"scope.{scope}", "en") in inside.read("/pages/")
    answer = inside.send("GET", "/pages/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/pages/")


def test_over_https_the_cookie_stays_on_https(caller: Caller) -> None:
    fields = {"token": caller.insurer.tokens["reader"]}
    answer = Visitor(caller).post("/pages/login", fields, Origin="https://testserver")
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example/", "https://evil.example/", "/v1/claims", "/pages/../v1/claims", ""),
        *("/pages/\\evil", "/pages//../..//evil", "javascript:alert(1)", "/pagesx"),
    ],
)
def test_nobody_is_led_elsewhere(caller: Caller, target: str) -> None:
    fields = {"token": caller.insurer.tokens["reader"], "next": target}
    answer = Visitor(caller).post("/pages/login", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pages/")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["optician", "expired", *DAMAGED])
def test_other_tokens_open_nothing_and_are_not_repeated(
    caller: Caller, name: str, language: Any
) -> None:
    token = DAMAGED.get(name) or caller.insurer.tokens[name]
    answer = Visitor(caller, language).post("/pages/login", {"token": token})
    assert answer.status_code == (422 if name == "blank" else 403)
    assert "set-cookie" not in answer.headers
    assert f'lang="{language}"' in answer.text
    assert 'id="token-error"' in answer.text
    assert not token.strip() or token not in answer.text
    if name == "optician":
        assert catalogue().say("login.not_for_opticians", language) in words_of(answer.text)


def test_logging_out_ends_the_session_everywhere(caller: Caller) -> None:
    inside = visitor(caller)
    answer = inside.post("/pages/logout", {"csrf": inside.csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/pages/login?note=left")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    answer = inside.send("GET", "/pages/claims")  # with the old cookie
    assert answer.headers["location"].startswith("/pages/login?note=over&")


def test_a_session_ends_with_its_token(caller: Caller) -> None:
    made = caller.ask("POST", "/v1/tokens", document={"scope": "reader"}).json()
    inside = Visitor(caller).log_in(made["token"])
    inside.get("/pages/")
    caller.ask("DELETE", f"/v1/tokens/{made['token_id']}")
    assert inside.send("GET", "/pages/").status_code == 303


def test_a_session_lasts_twelve_hours(caller: Caller) -> None:
    inside, insurer = visitor(caller), caller.insurer
    now = insurer.now
    try:
        insurer.now = later(hours=12)
        inside.get("/pages/contracts")
        insurer.now = later(hours=12, seconds=1)
        assert inside.send("GET", "/pages/contracts").status_code == 303
    finally:
        insurer.now = now


@pytest.mark.parametrize("session", ["", "x", "A" * 43, "A" * 5000])
def test_a_made_up_session_opens_nothing(caller: Caller, session: str) -> None:
    stranger = Visitor(caller)
    stranger.session = session
    for path in ("/pages/", "/pages/claims.csv", "/pages/claims/x"):
        assert stranger.send("GET", path).status_code == 303


def test_every_closed_page_asks_for_a_session(caller: Caller) -> None:
    names = {"claim_id": "c", "digest": "A" * 43, "regroupement": "V04"}
    for path, methods in CLOSED.items():
        for method in methods:
            asked = MOUNT + path.format(**names)
            stranger = Visitor(caller)
            answer = stranger.send("GET", asked) if method == "GET" else stranger.post(asked, {})
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/pages/login")


# -- forms --------------------------------------------------------------------------------------

FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://testserver:81"},
    "no origin known": {"Origin": "null"},
    "nothing said": {"Origin": ""},
    "another site, by the browser": {"Origin": "", "Sec_Fetch_Site": "cross-site"},
    "a sister site": {"Origin": "", "Sec_Fetch_Site": "same-site"},
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_forms_of_other_sites_change_nothing(caller: Caller, foreign: str) -> None:
    claim_id = refused_claim(caller)
    wait_for_decision(caller, claim_id)
    inside = visitor(caller, "admin")
    forms = {
        "login": {"token": caller.insurer.tokens["reader"]},
        "language": {"language": "fr", "back": "/pages/"},
        "logout": {"csrf": inside.csrf},
        f"claims/{claim_id}/decision": {"csrf": inside.csrf, "decision": "refuse"},
    }
    for path, fields in forms.items():
        answer = inside.post(f"/pages/{path}", fields, **FOREIGN[foreign])
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert inside.csrf  # still logged in
    state = caller.ask("GET", f"/v1/claims/{claim_id}").json()["state"]
    assert state == "pending"


def test_our_own_forms_are_known_by_the_browsers_word_too(caller: Caller) -> None:
    fields = {"language": "fr", "back": "/pages/claims"}
    answer = Visitor(caller).post(
        "/pages/language", fields, Origin="", Sec_Fetch_Site="same-origin"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/pages/claims")
    assert answer.headers["set-cookie"].startswith("lang=fr; ")


@pytest.mark.parametrize("wrong", ["", "A" * 43, None])
def test_a_form_of_another_session_changes_nothing(caller: Caller, wrong: str | None) -> None:
    inside = visitor(caller, "admin")
    given = visitor(caller, "admin").csrf if wrong is None else wrong
    claim_id = refused_claim(caller)
    wait_for_decision(caller, claim_id)
    fields = {"csrf": given, "decision": "grant"}
    assert inside.post(f"/pages/claims/{claim_id}/decision", fields).status_code == 403
    assert inside.post("/pages/logout", {"csrf": given}).status_code == 403
    assert caller.ask("GET", f"/v1/claims/{claim_id}").json()["state"] == "pending"


def test_an_administrator_decides_once(caller: Caller) -> None:
    claim_id = refused_claim(caller)
    wait_for_decision(caller, claim_id)
    path = f"/pages/claims/{claim_id}"
    for scope in ("reader", "auditor"):
        inside = visitor(caller, scope)
        assert "decision-form" not in inside.get(path)
        fields = {"csrf": inside.csrf, "decision": "grant"}
        assert inside.post(f"{path}/decision", fields).status_code == 403
    admin = visitor(caller, "admin")
    assert "decision-form" in admin.get(path)
    fields = {"csrf": admin.csrf, "decision": "refuse", "note": HOSTILE}
    assert admin.post(f"{path}/decision", fields | {"note": "x" * 201}).status_code == 422
    assert admin.post(f"{path}/decision", fields | {"decision": "pay"}).status_code == 422
    assert admin.post(f"{path}/decision", fields | {"other": "1"}).status_code == 400
    answer = admin.post(f"{path}/decision", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    detail = caller.ask("GET", f"/v1/claims/{claim_id}").json()
    assert detail["state"] == "refused"
    assert detail["history"][-1]["facts"] == {"decision": "refuse", "note": HOSTILE}
    assert detail["history"][-1]["actor"] == caller.insurer.token_ids["admin"]
    late = admin.post(f"{path}/decision", {"csrf": admin.csrf, "decision": "grant"})
    assert late.status_code == 409
    assert catalogue().say("decision.too_late", "en") in words_of(late.text)
    assert admin.post("/pages/claims/nobody/decision", fields).status_code == 404
    for page in (admin.get(path), late.text):
        assert HOSTILE not in page
        assert str(escape(HOSTILE)) in page


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"token=%ff", "application/x-www-form-urlencoded", 400),
        (b"token", "application/x-www-form-urlencoded", 400),
        (b"token=a&token=b", "application/x-www-form-urlencoded", 400),
        (b"token=" + b"a" * 20_000, "application/x-www-form-urlencoded", 413),
        (b'{"token": "a"}', "application/json", 415),
    ],
)
def test_what_is_no_form_gets_a_page_that_says_so(
    caller: Caller, body: bytes, media_type: str, status: int
) -> None:
    sent = {"Content_Type": media_type, "Origin": "http://testserver"}
    answer = Visitor(caller).send("POST", "/pages/login", body, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


# -- what somebody wrote ------------------------------------------------------------------------


def test_what_others_wrote_is_text(caller: Caller) -> None:
    request = TokenRequest(scope="reader", label=HOSTILE)

    def act(connection: Any) -> Any:
        return create_token(connection, request, COMMAND, caller.insurer.now)

    assert caller.portal is not None
    made = caller.portal.call(caller.insurer.service.administer, act)
    inside = Visitor(caller).log_in(made.token)
    pages = [
        inside.get("/pages/"),
        inside.get(f"/pages/contracts/{caller.insurer.contract_digest}"),
        inside.get("/pages/claims?optician=%22%3E%3Cscript%3E&claim=%3Cb%3E", 422),
        Visitor(caller).get("/pages/login?next=/pages/%22%3E%3Cscript%3E&note=%3Cscript%3E"),
        inside.get("/pages/claims/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404),
    ]
    for text in pages:
        assert "<script>" not in text
        assert "<img" not in text
        assert "<b>" not in text
        assert not re.search(r"<[^>]*(\son\w+=|javascript:|\sstyle=)", text)
    assert str(escape(HOSTILE)) in pages[0]
    assert str(escape(NOTE)) in pages[1]


# -- headers, methods, places -------------------------------------------------------------------


def test_every_answer_of_a_page_has_its_headers_once(caller: Caller) -> None:
    inside = visitor(caller)
    answers = [
        inside.send("GET", "/pages/"),
        inside.send("GET", "/pages/claims.csv"),
        inside.send("GET", "/pages/nothing"),
        inside.send("POST", "/pages/claims"),
        Visitor(caller).send("GET", "/pages/login"),
        Visitor(caller).send("GET", "/pages/claims"),
        Visitor(caller).send("GET", "/"),
    ]
    for answer in answers:
        for name, value in PAGE_HEADERS.items():
            assert answer.headers.get_list(name) == [value], (answer.url, name)
        assert answer.headers["x-request-id"]
    api = caller.ask("GET", "/v1/claims")
    assert api.headers.get_list("content-security-policy") == [
        "default-src 'none'; frame-ancestors 'none'"
    ]
    assert api.headers["referrer-policy"] == "no-referrer"


def test_no_page_names_another_host(caller: Caller) -> None:
    inside = visitor(caller)
    for _, path in LINKS:
        text = inside.get(f"/pages/{path}")
        links = re.findall(r'(?:href|src|action)="([^"]*)"', text)
        assert links
        assert all(link.startswith(("/pages/", "#")) for link in links)


def test_assets(caller: Caller) -> None:
    stranger = Visitor(caller)
    answer = stranger.send("GET", "/pages/assets/style.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    again = stranger.send("GET", "/pages/assets/style.css", If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    for name in ("secret", "..%2Fanswers.py", "style.css%00"):
        assert stranger.send("GET", f"/pages/assets/{name}").status_code == 404


@pytest.mark.parametrize("language", LANGUAGES)
def test_problems_are_pages_in_both_languages(caller: Caller, language: Any) -> None:
    inside = visitor(caller, language=language)
    kind = PROBLEMS["not_found"]
    title = kind.french if language == "fr" else kind.english
    for path in ("nothing", "claims/nobody", "claims/", "contracts/x", f"tables/{'A' * 43}"):
        words = inside.read(f"/pages/{path}", 404)
        assert title in words
        assert catalogue().say("problem.not_found", language) in words
        assert catalogue().say("menu.claims", language) in words  # the way back
    assert title in Visitor(caller, language).read("/pages/nothing", 404)
    for path in ("?days=4", "claims?cursor=%C3%A9", "audits?state=x", "claims?cursor=AAAA"):
        assert catalogue().say("problem.parameter_invalid", language) in inside.read(
            f"/pages/{path}", 422
        )
    inside.get(f"/pages/tables/{caller.insurer.table_digest}?date=2020-13-01", 422)
    inside.get(f"/pages/tables/{caller.insurer.table_digest}?date=1990-01-01", 422)


def test_methods(caller: Caller) -> None:
    inside = visitor(caller)
    for path in ("", "claims", "claims.csv", "refusals", "login"):
        head = inside.send("HEAD", f"/pages/{path}")
        assert head.status_code == (303 if path == "login" else 200)
    names = {"claim_id": "c", "digest": "A" * 43, "regroupement": "V04", "name": "x"}
    for path, handlers in {**OPEN, **CLOSED}.items():
        answer = inside.send("DELETE", MOUNT + path.format(**names))
        allowed = {*handlers, *({"HEAD"} if "GET" in handlers else ())}
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed
        assert answer.headers["content-type"].startswith("text/html")
    assert code_of(caller.post("/")) == "method_not_allowed"


def test_the_interface_is_as_without_pages(caller: Caller) -> None:
    assert all(not path.startswith("/pages") for path in caller.insurer.app.openapi()["paths"])
    assert "/" not in caller.insurer.app.openapi()["paths"]
    inside = visitor(caller, "admin")
    answer = inside.send("GET", "/v1/tokens")  # a session is no token
    assert (answer.status_code, code_of(answer)) == (401, "token_missing")


def test_the_pages_can_be_left_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(Insurer(tmp_path_factory.mktemp("bare"), pages=False)) as bare:
        for path in ("/", "/pages", "/pages/", "/pages/login", "/pages/assets/style.css"):
            assert code_of(bare.get(path, follow_redirects=False)) == "not_found"


def test_so_many_pages_at_once_are_not_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("limited"), rate_per_second=0.01, rate_burst=2)
    with serving(insurer) as caller:
        inside = visitor(caller)
        inside.get("/pages/contracts")
        inside.get("/pages/contracts")
        answer = inside.send("GET", "/pages/contracts")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert catalogue().say("problem.too_many_requests", "en") in words_of(answer.text)


# -- logs ---------------------------------------------------------------------------------------


def test_logs_and_metrics_hold_routes_and_no_secrets(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: Any) -> Any:
        raise RuntimeError("3204567 at 123.45")

    with captured_log() as log, serving(Insurer(tmp_path_factory.mktemp("logged"))) as caller:
        claim_id = refused_claim(caller)
        inside = visitor(caller, "admin")
        token = caller.insurer.tokens["admin"]
        inside.get(f"/pages/claims/{claim_id}")
        inside.get("/pages/claims/3204567", 404)
        inside.get("/pages/claims?claim=3204567")
        inside.get("/pages/3204567", 404)
        Visitor(caller).post("/pages/login", {"token": token + "x"})
        csrf = inside.csrf
        monkeypatch.setattr(caller.insurer.service.overview, "contracts", fail)
        words = inside.read("/pages/contracts", 500)
        told = log.getvalue() + caller.ask("GET", "/metrics").text + words
    assert catalogue().say("problem.internal", "en") in words
    for secret in (token.split("_", 2)[2], inside.session or "-", csrf, "3204567"):
        assert secret not in told
    lines = log_lines(log.getvalue())
    requests = [line for line in lines if line["event"] == "request"]
    routes = {line["route"] for line in requests}
    assert {"/pages/login", "/pages/claims", "/pages/claims/{claim_id}", "unmatched"} <= routes
    (about_it,) = [
        line
        for line in requests
        if line.get("claim_id") == claim_id and line["route"] != "/v1/claims"
    ]
    assert about_it["status"] == 200
    assert about_it["token_id"] == caller.insurer.token_ids["admin"]
    (fault,) = [line for line in lines if line["event"] == "fault"]
    assert fault["fault"] == "RuntimeError"
    assert [line["status"] for line in requests if line.get("problem") == "internal"] == [500]
