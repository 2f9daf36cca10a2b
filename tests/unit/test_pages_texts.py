"""What both sides' pages say: all of it in catalogues, in two languages, set as French is set."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from pages.catalogue import LANGUAGES, Catalogue
from pages.rendering import Renderer

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ("pages", "optician", "verifier_api")
PACKAGES = sorted(
    ".".join(folder.parent.relative_to(ROOT).parts)
    for package in SHIPPED
    for folder in (ROOT / package).rglob("catalogues")
)
"""Every package with texts of its own."""
TEMPLATES = sorted(
    path
    for package in SHIPPED
    for folder in (ROOT / package).rglob("templates")
    for path in folder.glob("**/*.html")
)

_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_ATTRIBUTES = re.compile(r"(?:\s*[a-z-]+=\"[^\"]*\")+")
"""What a macro puts into a tag."""
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.S)
_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.S)
_TAG = re.compile(r"<[^>]*>", re.S)
_SPOKEN = re.compile(r"\b(?:title|alt|placeholder|aria-label|summary)=\"([^\"]*)\"")
_LITERAL = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")
_SENTENCE = re.compile(r"[A-ZÀ-Ý][a-zà-ÿ]{2,}|[a-zà-ÿ]+ [a-zà-ÿ]+ [a-zà-ÿ]+")
_KEY = re.compile(r"\b(t|count)\(\s*'([a-z0-9_.]+)'(?!\s*~)")
_TAGLIKE = re.compile(r"<\s*(style|script)\b(?![^>]*\bsrc=)|\bstyle\s*=|\son[a-z]+\s*=", re.I)

FRENCH_FAULTS = {
    "no space before ; ? or !": re.compile(r"[\w»)%€][;?!]"),
    "no space before a colon": re.compile(r"[^\W\d][:](?=\s|$)|»:"),
    "a space that breaks": re.compile(r" [;?!:»%€]|« "),
    "a quotation mark without its space": re.compile(r"«[^\u00a0]|[^\u00a0]»"),
    "a straight quotation mark": re.compile(r"\"|“|”"),
    "three dots for an ellipsis": re.compile(r"\.\.\."),
    "two spaces": re.compile(r"  "),
    "a straight apostrophe": re.compile(r"\w'\w"),
}


@cache
def catalogue_of(package: str) -> Catalogue:
    return Catalogue.load(package)


def french_faults(text: str) -> list[str]:
    """What is wrong with how a French text is set."""
    return [name for name, pattern in FRENCH_FAULTS.items() if pattern.search(text)]


def spoken_literals(template: str) -> list[str]:
    """Words for people that stand in a template itself."""
    template = _COMMENT.sub("", template)
    bare = _JINJA.sub("", template)
    found = [text for text in re.split(r"\s*\n\s*", _TAG.sub("\n", bare)) if re.search(r"\w", text)]
    found = [text for text in found if not _ATTRIBUTES.fullmatch(text)]
    found += [text for text in _SPOKEN.findall(bare) if re.search(r"\w", text)]
    for code in _CODE.findall(template):
        literals = (one or two for one, two in _LITERAL.findall(code))
        found += [text for text in literals if _SENTENCE.search(text)]
    return found


def test_both_sides_have_texts_and_templates() -> None:
    assert "pages" in PACKAGES
    assert any(path.name == "layout.html" for path in TEMPLATES)


@pytest.mark.parametrize("package", PACKAGES)
def test_french_is_set_as_french(package: str) -> None:
    texts = catalogue_of(package)
    filled = {key: texts._texts["fr"][key] for key in sorted(texts.keys())}
    faults = {key: found for key, text in filled.items() if (found := french_faults(text))}
    assert faults == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_says_something_in_both_languages(package: str) -> None:
    texts = catalogue_of(package)
    for language in LANGUAGES:
        assert [key for key, text in texts._texts[language].items() if not text.strip()] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_have_no_words_and_no_styles_or_scripts_of_their_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert spoken_literals(text) == []
    assert _TAGLIKE.findall(_COMMENT.sub("", text)) == []
    assert re.findall(r"(?:https?:)?//[a-z][\w.]*", _CODE.sub("", text)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_that_a_template_names_is_there(package: str) -> None:
    texts = catalogue_of(package)
    folder = ROOT.joinpath(*package.split("."), "templates")
    missing = [
        (path.name, key)
        for path in folder.glob("**/*.html")
        for what, key in _KEY.findall(path.read_text(encoding="utf-8"))
        if (key if what == "t" else f"{key}.one") not in texts
    ]
    assert missing == []


def test_every_text_of_our_own_is_used() -> None:
    made_up = ("pages.form.", "pages.refused.", "pages.chart.")  # from codes, which have tests
    sources = [*TEMPLATES, *(path for name in SHIPPED for path in (ROOT / name).rglob("*.py"))]
    used = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    ours = catalogue_of("pages").keys()
    keys = {key.removesuffix(".one").removesuffix(".many") for key in ours}
    assert {key for key in keys if not key.startswith(made_up) and f"'{key}'" not in used} == set()


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "pages"])
def test_every_template_compiles(package: str) -> None:
    renderer = Renderer((package,), catalogue_of(package))
    renderer.compile_all()
    assert len(renderer.template_names()) > 2


@pytest.mark.parametrize(("text", "count"), [
    ("Prise en charge\u00a0: oui\u202f; vraiment\u202f?", 0),
    ("«\u00a0cité\u00a0», à 10:30, 20\u00a0% de 5\u00a0€…", 0),
    ("Vraiment?", 1), ("Vraiment ?", 1), ("Ainsi:", 1), ("« cité\u00a0»", 2), ("«cité»", 1),
    ('dit "non"', 1), ("ainsi...", 1), ("un  deux", 1), ("l'un", 1),
])  # fmt: skip
def test_faults_of_french_are_found(text: str, count: int) -> None:
    assert len(french_faults(text)) == count


@pytest.mark.parametrize("template", [
    "<p>Words</p>", '<a title="words">{{ t(key) }}</a>', "{{ notice('info', 'Some words') }}",
    "{{ heading('all the claims') }}", "{% call card('Claims') %}{% endcall %}",
])  # fmt: skip
def test_words_in_a_template_are_found(template: str) -> None:
    assert spoken_literals(template)
    assert (
        spoken_literals("<p class='a b c'>{{ t('some.key') }}: – {{ badge('good', x) }}</p>") == []
    )
