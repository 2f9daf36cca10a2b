"""Texts: the same keys and places in both languages, and French with its spaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.catalogue import LANGUAGES, Catalogue, grouped, own_catalogue, typeset


def catalogue(english: dict[str, str], french: dict[str, str]) -> Catalogue:
    return Catalogue({"en": english, "fr": french})


def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, **files: str) -> str:
    folder = tmp_path / name / "catalogues"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("")
    for language, text in files.items():
        (folder / f"{language}.toml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_text_with_its_places_filled() -> None:
    texts = catalogue({"one": "{who} asks {what}"}, {"one": "{who} demande {what}"})
    assert texts.say("one", "en", who="A", what="B") == "A asks B"
    assert texts.say("one", "fr", who="A", what="B") == "A demande B"
    assert "one" in texts
    assert "two" not in texts


@pytest.mark.parametrize("values", [{}, {"who": "A"}])
def test_a_place_that_is_not_filled_is_an_error(values: dict[str, str]) -> None:
    texts = catalogue({"one": "{who} asks {what}"}, {"one": "{who} demande {what}"})
    with pytest.raises(KeyError):
        texts.say("one", "en", **values)


def test_a_key_that_there_is_not_is_an_error() -> None:
    with pytest.raises(KeyError, match="two"):
        catalogue({"one": "a"}, {"one": "b"}).say("two", "en")


@pytest.mark.parametrize(
    ("number", "english", "french"),
    [
        (0, "0 claims", "0 demande"),
        (1, "1 claim", "1 demande"),
        (2, "2 claims", "2 demandes"),
        (12345, "12,345 claims", "12\u202f345 demandes"),
    ],
)
def test_plurals_go_by_the_language(number: int, english: str, french: str) -> None:
    texts = catalogue(
        {"n.one": "{number} claim", "n.many": "{number} claims"},
        {"n.one": "{number} demande", "n.many": "{number} demandes"},
    )
    assert texts.count("n", "en", number) == english
    assert texts.count("n", "fr", number) == french


@pytest.mark.parametrize(
    ("english", "french", "fault"),
    [
        ({"one": "a", "two": "b"}, {"one": "a"}, "two"),
        ({"one": "a"}, {"one": "a", "two": "b"}, "two"),
        ({"one": "{a}"}, {"one": "{b}"}, "one: not the same places"),
        ({"one": "{a}"}, {"one": "a"}, "one: not the same places"),
        ({"one": "{}"}, {"one": "{}"}, "one: places are plain names"),
        ({"one": "{0}"}, {"one": "{0}"}, "one: places are plain names"),
        ({"one": "{a.b}"}, {"one": "{a.b}"}, "one: places are plain names"),
        ({"one": "{a[0]}"}, {"one": "{a[0]}"}, "one: places are plain names"),
        ({"one": "{a:>9}"}, {"one": "{a:>9}"}, "one: places are plain names"),
        ({"one": "{a!r}"}, {"one": "{a!r}"}, "one: places are plain names"),
        ({"one": "{a"}, {"one": "{a"}, "one: "),
        ({"n.one": "a"}, {"n.one": "a"}, "n.many"),
        ({"n.many": "a"}, {"n.many": "a"}, "n.one"),
    ],
)
def test_catalogues_that_do_not_match_are_refused(
    english: dict[str, str], french: dict[str, str], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        catalogue(english, french)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Vraiment ? Oui !", "Vraiment\u202f? Oui\u202f!"),
        ("Un ; deux", "Un\u202f; deux"),
        ("Attention : {a}", "Attention\u00a0: "),
        ("« cité »", "«\u00a0cité\u00a0»"),
        ("20 % de 5 €", "20\u00a0% de 5\u00a0€"),
        ("l'opticien n'a rien", "l\u2019opticien n\u2019a rien"),
        ("à 10:30", "à 10:30"),
    ],
)
def test_french_gets_its_spaces_and_apostrophes(written: str, shown: str) -> None:
    english = "{a}" if "{a}" in written else ""
    assert catalogue({"one": english}, {"one": written}).say("one", "fr", a="") == shown


def test_english_gets_its_apostrophes_and_no_spaces() -> None:
    texts = catalogue({"one": "the insurer's: 'so' ?"}, {"one": "x"})
    assert texts.say("one", "en") == "the insurer\u2019s: 'so' ?"


def test_what_is_filled_in_stays_as_it_is() -> None:
    texts = catalogue({"one": "{a}"}, {"one": "{a}"})
    assert texts.say("one", "fr", a="d'or ? {a}") == "d'or ? {a}"


def test_packages_are_put_together_with_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = package(
        tmp_path,
        monkeypatch,
        "catalogue_good",
        en='[shop.claim]\ntitle = "Claim"\n',
        fr='[shop.claim]\ntitle = "Demande"\n',
    )
    texts = Catalogue.load(name)
    assert texts.keys() == own_catalogue().keys() | {"shop.claim.title"}
    assert texts.say("shop.claim.title", "fr") == "Demande"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("catalogue_twice", '[pages]\nskip = "x"\n', "pages.skip is of two packages"),
        ("catalogue_number", "[a]\nb = 1\n", "a.b is no text"),
        ("catalogue_list", 'a = ["b"]\n', "a is no text"),
        ("catalogue_key", 'A = "b"\n', "A: small letters"),
        ("catalogue_toml", "a = \n", "value"),
    ],
)
def test_a_package_that_is_wrong_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, fault: str
) -> None:
    package(tmp_path, monkeypatch, name, en=text, fr=text)
    with pytest.raises(ValueError, match=fault):
        Catalogue.load(name)


def test_a_text_from_elsewhere_is_set_as_well() -> None:
    assert typeset("l'un ? « oui » : 5 %", "fr") == (
        "l\u2019un\u202f? «\u00a0oui\u00a0»\u00a0: 5\u00a0%"
    )
    assert typeset("the insurer's ?", "en") == "the insurer\u2019s ?"


def test_groups_of_three_digits() -> None:
    assert [grouped(number, "en") for number in (0, 999, 1000, 1234567)] == [
        *("0", "999", "1,000", "1,234,567")
    ]
    assert grouped(1234567, "fr") == "1\u202f234\u202f567"


def test_there_are_two_languages() -> None:
    assert LANGUAGES == ("en", "fr")
