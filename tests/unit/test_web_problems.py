"""Problems: codes, titles in both languages, and which language is meant."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from verifier_api.web.problems import (
    PROBLEMS,
    preferred_language,
    problem_response,
    status_of,
)

CODE = re.compile(r"[a-z_]{1,40}")


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_code_has_a_status_and_a_title_in_both_languages(code: str) -> None:
    kind = PROBLEMS[code]
    assert CODE.fullmatch(code)
    assert 400 <= kind.status <= 599
    assert status_of(code) == kind.status
    for title in (kind.english, kind.french):
        assert 10 < len(title) < 100
        assert not title.endswith(".")
    assert kind.english != kind.french
    for other, another in PROBLEMS.items():
        if other != code:
            assert kind.english != another.english
            assert kind.french != another.french


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_tells_both_titles_and_chooses_one(code: str, language: str) -> None:
    answer = problem_response(
        code,
        request_id="5f0c2b7e9a1d4c38",
        language=language,
        detail="what is wrong",
        places=("lines.0.code",),
    )
    kind = PROBLEMS[code]
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == language
    assert json.loads(bytes(answer.body)) == {
        "type": f"urn:clairobscur:problem:{code}",
        "code": code,
        "title": kind.english if language == "en" else kind.french,
        "titles": {"en": kind.english, "fr": kind.french},
        "status": kind.status,
        "detail": "what is wrong",
        "places": ["lines.0.code"],
        "instance": "urn:clairobscur:request:5f0c2b7e9a1d4c38",
    }
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)
    assert "retry-after" not in answer.headers


def test_reason_and_time_to_wait_are_told_where_there_are_any() -> None:
    answer = problem_response(
        "overloaded", request_id="x", reason="given_up", retry_after=7, headers={"Allow": "GET"}
    )
    assert json.loads(bytes(answer.body))["reason"] == "given_up"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("FR-fr", "fr"),
        ("fr-CA, en;q=0.9", "fr"),
        ("en, fr", "en"),
        ("fr, en", "fr"),
        ("en;q=0.5, fr;q=0.6", "fr"),
        ("en;q=0.6, fr;q=0.5", "en"),
        ("fr;q=0", "en"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("de, *;q=0.5", "en"),
        ("de, fr;q=0.1", "fr"),
        ("fr;q=nan", "en"),
        ("fr;q=x", "en"),
        ("fr;q=", "en"),
        ("fr; q = 0.9, en; q = 0.8", "fr"),
        ("french", "en"),
        (";;;,,,=", "en"),
        ("," * 10_000 + "fr", "en"),
        ("é, \x00", "en"),
    ],
)
def test_the_preferred_language(header: str, language: str) -> None:
    assert preferred_language(header) == language


def strings_in(folder: Path) -> dict[str, set[str]]:
    """File names, and every text that stands in the file as a constant."""
    return {
        str(file.relative_to(folder)): {
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for file in folder.rglob("*.py")
    }


def raised_in(folder: Path) -> set[str]:
    """The codes with which something is refused: first arguments of these calls."""
    refusing = {"ServiceError", "problem_response", "_refuse", "_answer"}
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in refusing and isinstance(first, ast.Constant):
                found.add(str(first.value))
    return found


def test_every_code_is_used_and_no_other(repository: Path) -> None:
    folder = repository / "verifier_api"
    raised = raised_in(folder)
    assert raised <= set(PROBLEMS)
    by_name = {"not_found", "method_not_allowed", "request_malformed"}  # statuses are mapped
    used = strings_in(folder)
    assert by_name <= used["web/refusals.py"]
    assert raised | by_name == set(PROBLEMS)
