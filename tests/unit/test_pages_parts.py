"""Every part of a page, as the gallery shows it: whole, labelled, in two languages."""

from __future__ import annotations

import pytest

from pages.catalogue import LANGUAGES, Language
from tests.support.gallery.making import gallery_renderer, make_gallery
from tests.support.markup import Markup, read_markup


@pytest.fixture(scope="module")
def english() -> Markup:
    return read_markup(make_gallery("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_gallery_is_whole(language: Language) -> None:
    page = read_markup(make_gallery(language))
    assert page.check() == []
    (html,) = page.named("html")
    assert html.attributes["lang"] == language
    assert len(page.named("h1")) == len(page.named("main")) == 1
    assert page.named("title")[0].within == ("html", "head")


def test_the_gallery_uses_every_part() -> None:
    environment = gallery_renderer()._environments["en"]
    parts = {name for name in vars(environment.get_template("parts.html").module)
             if not name.startswith("_")}  # fmt: skip
    loader = environment.loader
    assert loader is not None
    source = loader.get_source(environment, "gallery.html")[0]
    # The frame uses one, and the others use these.
    assert parts - {"csrf_field", "shape", "eye"} == {
        name for name in parts if f"{name}(" in source.split("{% set word")[1]
    }


@pytest.mark.parametrize("fault", [
    ("<label for=sphere>", "<p>"),
    ('<p class="light">', '<p class="light" style="color: red">'),
    ("</h1>", "</h2>"),
    ('id="price"', 'id="sphere"'),
    ('href="/gallery"', 'href="https://example.org/"'),
    ("<main", "<script>1</script><main"),
    ('href="#price"', 'href="#prize"'),
])  # fmt: skip
def test_the_check_finds_faults(fault: tuple[str, str]) -> None:
    old, new = fault
    text = make_gallery("en").replace('<label for="sphere">', "<label for=sphere>")
    assert old in text
    assert read_markup(text.replace(old, new, 1)).check() != []


def test_the_frame_has_a_way_past_the_navigation(english: Markup) -> None:
    first = english.named("a")[0]
    assert first.attributes["href"] == "#content"
    assert english.of("id", "content")[0].name == "main"
    (navigation,) = [one for one in english.named("nav") if "pages" in one.attributes["class"]]
    assert navigation.attributes["aria-label"]
    assert len(english.of("aria-current", "page")) == 1


def test_the_switch_of_languages_posts_where_it_was(english: Markup) -> None:
    (switch,) = [form for form in english.named("form") if form.attributes["action"] == "/language"]
    assert switch.attributes["method"] == "post"
    assert [one.attributes["value"] for one in english.of("name", "language")] == list(LANGUAGES)
    (back,) = english.of("name", "back")
    assert back.attributes["value"] == "/gallery"


def test_every_form_that_posts_has_the_token(english: Markup) -> None:
    posts = [form for form in english.named("form") if form.attributes["method"] == "post"]
    tokens = english.of("name", "csrf")
    assert len(tokens) == len(posts) - 1  # the switch of languages needs none
    assert {token.attributes["value"] for token in tokens} == {"token"}


def test_a_mistake_is_tied_to_its_field_and_reached_from_above(english: Markup) -> None:
    (price,) = english.of("id", "price")
    assert price.attributes["aria-invalid"] == "true"
    assert price.attributes["aria-describedby"].split() == ["price-hint", "price-error"]
    (error,) = english.of("id", "price-error")
    assert "amount in euros" in error.text
    (link,) = english.of("href", "#price")
    assert "alert" in {one.attributes.get("role") for one in english.named("div")}
    assert "amount in euros" in link.text
    (good,) = english.of("id", "second")
    assert "aria-invalid" not in good.attributes


def test_states_differ_by_shape_and_word() -> None:
    environment = gallery_renderer()._environments["en"]
    module = environment.get_template("parts.html").module
    made = {kind: str(module.badge(kind, "word"))  # type: ignore[attr-defined]
            for kind in ("good", "bad", "warning", "waiting", "info", "off")}  # fmt: skip
    drawings = {text.split(">", 3)[2] + text.split("focusable", 1)[1] for text in made.values()}
    assert len(drawings) == len(made)
    assert all("word" in text and 'aria-hidden="true"' in text for text in made.values())


def test_cells_name_their_column_where_rows_become_cards(english: Markup) -> None:
    for table in english.named("table"):
        assert table.text.strip()
    cells = [one for one in english.named("td") if "data-label" in one.attributes]
    assert {one.attributes["data-label"] for one in cells} == {"word", ""}
    assert all(one.attributes.get("role") == "cell" for one in cells)


def test_what_scrolls_sideways_can_be_reached_and_has_a_name(english: Markup) -> None:
    regions = english.of("role", "region")
    assert regions
    assert all(one.attributes["tabindex"] == "0" for one in regions)
    assert all(one.attributes["aria-label"] for one in regions)


def test_the_two_sides_have_names(english: Markup) -> None:
    sides = {one.attributes["class"]: one for one in english.named("section")}
    assert sides["open-side"].attributes["aria-label"] == "The other side sees"
    assert "420.00" in sides["open-side"].text
    assert "420.00" not in sides["closed-side"].text


def test_what_is_typed_is_escaped() -> None:
    module = gallery_renderer()._environments["fr"].get_template("parts.html").module
    made = str(module.field("one", "<b>", '"><script>'))  # type: ignore[attr-defined]
    assert "<b>" not in made
    assert "<script>" not in made
    assert "&lt;b&gt;" in made
