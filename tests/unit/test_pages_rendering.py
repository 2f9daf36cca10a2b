"""Templates: escaped, strict, one language each."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import pytest

from pages.catalogue import Catalogue
from pages.rendering import Renderer

TEXTS = {
    "en": {"hello": "Hello {who}", "claim.one": "{number} claim", "claim.many": "{number} claims"},
    "fr": {"hello": "Bonjour {who} !", "claim.one": "{number} demande",
           "claim.many": "{number} demandes"},
}  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with the templates that a test writes."""
    folder = tmp_path / "some_pages"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_pages", raising=False)  # another test's
    return str(folder / "templates")


def rendered(package: str, source: str, language: str = "en", **context: object) -> str:
    Path(package, "one.html").write_text(source)
    renderer = Renderer(("some_pages",), Catalogue(TEXTS), "/here/")  # type: ignore[arg-type]
    return renderer.render("one.html", language, **context)  # type: ignore[arg-type]


def test_texts_counts_and_figures_speak_the_language(package: str) -> None:
    source = (
        "{{ t('hello', who=who) }}|{{ count('claim', 1200) }}|{{ 123450|euros }}|{{ 7|number }}|"
        "{{ '2026-11-25'|day }}|{{ '2026-11-25T10:00:00Z'|instant }}|{{ 1500|milliseconds }}|"
        "{{ 12.5|percent }}|{{ {'en': 'a', 'fr': 'l\\'un ?'}|titled }}|{{ language }}|{{ base }}|"
        "{{ known('hello') }}"
    )
    assert rendered(package, source, who="you") == (
        "Hello you|1,200 claims|€1,234.50|7|2026-11-25|2026-11-25 10:00\u00a0UTC|1.5\u202fms|"
        "12.5%|a|en|/here/|True"
    )
    assert rendered(package, source, "fr", who="vous") == (
        "Bonjour vous\u202f!|1\u202f200 demandes|1\u202f234,50\u00a0€|7|25/11/2026|"
        "25/11/2026 10:00\u00a0UTC|1,5\u202fms|12,5\u00a0%|l\u2019un\u202f?|fr|/here/|True"
    )


def test_macros_that_are_imported_speak_it_too(package: str) -> None:
    Path(package, "macros.html").write_text(
        "{% macro say() %}{{ t('hello', who='x') }}{% endmacro %}"
    )
    source = "{% from 'macros.html' import say %}{{ say() }}"
    assert rendered(package, source) == "Hello x"
    assert rendered(package, source, "fr") == "Bonjour x\u202f!"


def test_values_are_escaped_in_text_attributes_and_texts_of_catalogues(package: str) -> None:
    source = '<p title="{{ who }}">{{ who }}{{ t("hello", who=who) }}</p>'
    made = rendered(package, source, who="<i>\"'&")
    assert "<i>" not in made
    assert made.count("&lt;i&gt;&#34;&#39;&amp;") == 3


def test_a_value_is_no_template_and_no_format(package: str) -> None:
    made = rendered(package, "{{ t('hello', who=who) }}", who="{{ base }}{who}{0.__class__}")
    assert made == "Hello {{ base }}{who}{0.__class__}"


@pytest.mark.parametrize(
    "source", ["{{ nothing }}", "{{ who.nothing }}", "{% if nothing %}{% endif %}"]
)
def test_a_name_that_is_not_given_is_an_error(package: str, source: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        rendered(package, source, who="x")


@pytest.mark.parametrize("call", ["t('nothing')", "t('hello')", "count('hello', 1)"])
def test_a_text_or_a_place_that_there_is_not_is_an_error(package: str, call: str) -> None:
    with pytest.raises(KeyError):
        rendered(package, f"{{{{ {call} }}}}")


def test_a_template_that_there_is_not_is_an_error(package: str) -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        rendered(package, "{% include 'nothing.html' %}")


def test_a_template_that_is_none_is_found_when_all_are_compiled(package: str) -> None:
    Path(package, "broken.html").write_text("{% if %}")
    renderer = Renderer(("some_pages",), Catalogue(TEXTS))  # type: ignore[arg-type]
    assert set(renderer.template_names()) == {"broken.html", "layout.html", "parts.html"}
    with pytest.raises(jinja2.TemplateSyntaxError):
        renderer.compile_all()
    Path(package, "broken.html").unlink()
    Renderer(("some_pages",), Catalogue(TEXTS)).compile_all()  # type: ignore[arg-type]


@pytest.mark.parametrize("base", ["", "pages/", "/pages", "//pages/", "https://host/"])
def test_a_base_has_a_slash_at_both_ends(base: str) -> None:
    with pytest.raises(ValueError, match="slash at both ends"):
        Renderer((), Catalogue(TEXTS), base)  # type: ignore[arg-type]


def test_assets_and_the_switch_stand_under_the_base() -> None:
    made = Renderer((), Catalogue.load(), "/here/").render("layout.html", "fr")
    for path in ("assets/style.css", "assets/page.js", "assets/favicon.svg", "language"):
        assert f'="/here/{path}"' in made
