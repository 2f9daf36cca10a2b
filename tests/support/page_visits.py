"""Somebody at the insurer's pages without a browser: answers over the ASGI application."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlencode

from tests.support.web import Caller

HOME = "http://testserver"
COOKIE = "clairobscur_session"
_CSRF = re.compile(r'name="csrf" value="([^"]*)"')
_ID = re.compile(r'\sid="([^"]*)"')


class Visitor:
    """Keeps its session's cookie and language; asks as a browser does, redirections aside."""

    def __init__(self, caller: Caller, language: str = "en") -> None:
        self.caller = caller
        self.language = language
        self.session: str | None = None

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """The answer."""
        given = {"Accept-Language": self.language}
        if self.session is not None:
            given["Cookie"] = f"{COOKIE}={self.session}"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.caller.cookies.clear()
        return self.caller.request(
            method, path, content=body, headers=given, follow_redirects=False
        )

    def get(self, path: str, status: int = 200) -> str:
        """The text of a page as it is written, which must be of that status."""
        answer = self.send("GET", path)
        assert answer.status_code == status, f"{path}: {answer.status_code}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        text: str = answer.text
        identifiers = _ID.findall(text)
        assert len(identifiers) == len(set(identifiers)), "an id stands twice"
        return text

    def read(self, path: str, status: int = 200) -> str:
        """The words of a page, without its tags."""
        return words_of(self.get(path, status))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Any:
        """The answer to a form, sent from a page of ours unless ``headers`` say otherwise."""
        sent = {"Content_Type": "application/x-www-form-urlencoded", "Origin": HOME} | headers
        chosen = {name: value for name, value in sent.items() if value}
        return self.send("POST", path, urlencode(fields).encode(), **chosen)

    def log_in(self, token: str) -> Visitor:
        """With a token, by the form; itself."""
        answer = self.post("/pages/login", {"token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/pages/")
        self.session = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        return self

    @property
    def csrf(self) -> str:
        """The token of this session's forms, as a page has it."""
        found = _CSRF.search(self.get("/pages/contracts"))
        assert found is not None
        return found[1]


def words_of(text: str) -> str:
    """A page's text as people read it, in one line; spaces that do not break stay."""
    bare = re.sub(r"<[^>]*>", " ", text)
    return re.sub(r"[ \n]+", " ", html.unescape(bare))
