"""Forms: what browsers send is read, anything else is refused with a documented code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from urllib.parse import urlencode

import pytest

from pages.catalogue import LANGUAGES, own_catalogue
from pages.forms import (
    FORM_CODES,
    MAX_FIELDS,
    MEDIA_TYPE,
    Form,
    FormError,
    Mistakes,
    decode_form,
    read_form,
)
from tests.support.requests import request_of

KIND = [("content-type", MEDIA_TYPE)]


def form(**fields: str) -> Form:
    return decode_form(urlencode(fields).encode())


def refused(ask: Callable[[], object]) -> FormError:
    with pytest.raises(FormError) as caught:
        ask()
    return caught.value


# -- bodies -----------------------------------------------------------------------------------


def test_a_form_as_browsers_send_it() -> None:
    body = b"who=L%27opticien+%26+fils&note=un%0D%0Adeux&empty=&price=12%2C50+%E2%82%AC"
    read = decode_form(body)
    assert read.names == {"who", "note", "empty", "price"}
    assert read.text("who") == "L'opticien & fils"
    assert read.exact("note") == "un\ndeux"
    assert read.exact("empty") == ""
    assert read.cents("price") == 1250


def test_an_empty_form() -> None:
    assert decode_form(b"").names == frozenset()


@pytest.mark.parametrize("kind", [
    MEDIA_TYPE, f"{MEDIA_TYPE}; charset=utf-8", f"{MEDIA_TYPE};charset=UTF-8", MEDIA_TYPE.upper(),
])  # fmt: skip
def test_a_body_in_parts(kind: str) -> None:
    request = request_of([("content-type", kind)], "POST", [b"a=1&b", b"=2"])
    read = asyncio.run(read_form(request))
    assert (read.text("a"), read.text("b")) == ("1", "2")


@pytest.mark.parametrize("headers", [
    [], [("content-type", "text/plain")], [("content-type", "multipart/form-data; boundary=x")],
    [("content-type", "application/json")], [("content-type", f"{MEDIA_TYPE}; charset=latin-1")],
    [*KIND, *KIND],
])  # fmt: skip
def test_another_kind_of_body_is_refused(headers: list[tuple[str, str]]) -> None:
    request = request_of(headers, "POST", [b"a=1"])
    error = refused(lambda: asyncio.run(read_form(request)))
    assert (error.code, error.status) == ("form_media_type", 415)


def test_a_body_is_read_within_limits() -> None:
    whole = request_of(KIND, "POST", [b"a=", b"b" * 98])
    assert asyncio.run(read_form(whole, 100)).text("a") == "b" * 98
    longer = request_of(KIND, "POST", [b"a=", b"b" * 99])
    assert refused(lambda: asyncio.run(read_form(longer, 100))).code == "form_too_large"
    assert refused(lambda: decode_form(b"a=bbb", 4)).code == "form_too_large"


def test_a_body_that_is_cut_off_is_refused() -> None:
    request = request_of(KIND, "POST", [b"a=1"], is_cut=True)
    assert refused(lambda: asyncio.run(read_form(request))).code == "form_interrupted"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"a", "form_malformed"),
        (b"a=1&", "form_malformed"),
        (b"a=1;b=2 ", "form_malformed"),
        (b"a=%", "form_malformed"),
        (b"a=%4", "form_malformed"),
        (b"a=%zz", "form_malformed"),
        (b"a=%c3", "form_malformed"),
        (b"a=%ff", "form_malformed"),
        (b"a=\xc3\xa9", "form_malformed"),
        (b"a=%00", "form_malformed"),
        (b"a=%1b", "form_malformed"),
        (b"a=%7f", "form_malformed"),
        (b"a=%c2%9b", "form_malformed"),
        (b"=1", "field_name"),
        (b"1a=1", "field_name"),
        (b"a%20b=1", "field_name"),
        (b"%c3%a9=1", "field_name"),
        (b"a" * 65 + b"=1", "field_name"),
        (b"&".join([b"a=1"] * (MAX_FIELDS + 1)), "form_fields"),
    ],
)
def test_what_no_page_of_ours_sends_is_refused(body: bytes, code: str) -> None:
    error = refused(lambda: decode_form(body))
    assert error.code == code
    assert error.status == 400
    assert len(decode_form(b"&".join([b"a=1"] * MAX_FIELDS)).all("a")) == MAX_FIELDS


# -- fields -----------------------------------------------------------------------------------


def test_a_line_of_text() -> None:
    read = form(who="  Durand \n", blank=" \t ")
    assert read.text("who") == "Durand"
    assert read.text("blank", default="x") == "x"
    assert read.text("nothing", default="") == ""
    assert read.has("who")
    assert not read.has("blank")
    assert not read.has("nothing")
    assert refused(lambda: read.text("blank")).code == "field_missing"
    assert refused(lambda: read.text("who", 5)).code == "field_too_long"
    assert read.text("who", 6) == "Durand"
    assert refused(lambda: form(who="a\nb").text("who")).code == "field_characters"


def test_a_text_as_it_was_typed() -> None:
    read = form(key=" a\r\nb ")
    assert read.exact("key", 5) == " a\nb "
    assert read.exact("nothing") == ""
    assert refused(lambda: read.exact("key", 4)).code == "field_too_long"


def test_a_field_that_is_there_twice_has_to_be_asked_for() -> None:
    read = decode_form(b"line=1&line=+2+&other=3")
    assert read.all("line") == ("1", "2")
    assert read.all("nothing") == ()
    for ask in (read.exact, read.text):
        error = refused(lambda ask=ask: ask("line"))  # type: ignore[misc]
        assert (error.code, error.field, error.status) == ("field_repeated", "line", 400)
    assert refused(lambda: read.all("other", 0)).code == "field_too_long"


def test_choices_and_boxes() -> None:
    read = form(state="granted", agreed="on", other="yes", blank="")
    assert read.choice("state", ("granted", "refused")) == "granted"
    assert refused(lambda: read.choice("state", ("refused",))).code == "choice_unknown"
    assert read.choice("blank", ("", "granted")) == ""
    assert read.choice("nothing", ("granted",), "granted") == "granted"
    assert refused(lambda: read.choice("blank", ("granted",))).code == "field_missing"
    assert read.is_on("agreed")
    assert not read.is_on("nothing")
    assert refused(lambda: read.is_on("other")).code == "choice_unknown"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-5", -5), ("1 000", 1000), ("007", 7)])
def test_whole_numbers(text: str, value: int) -> None:
    assert form(n=text).integer("n", -5, 1000) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [("1.5", "integer_invalid"), ("1e3", "integer_invalid"), ("+1", "integer_invalid"),
     ("٣", "integer_invalid"), ("0x1", "integer_invalid"), ("1" * 19, "integer_invalid"),
     ("11", "number_out_of_range"), ("-1", "number_out_of_range"), ("", "field_missing"),
     ("1" * 41, "field_too_long")],
)  # fmt: skip
def test_what_is_no_whole_number_in_range(text: str, code: str) -> None:
    assert refused(lambda: form(n=text).integer("n", 0, 10)).code == code


@pytest.mark.parametrize(
    ("text", "value"),
    [("12,50", 1250), ("12.5", 1250), ("12", 1200), ("0", 0), ("0,05", 5), ("1 234,50 €", 123450),
     ("1\u202f234,50\u00a0€", 123450), ("€12.50", 1250), ("100000", 10_000_000)],
)  # fmt: skip
def test_amounts(text: str, value: int) -> None:
    assert form(price=text).cents("price") == value


@pytest.mark.parametrize(
    ("text", "code"),
    [("12,505", "amount_invalid"), ("-1", "amount_invalid"), ("1,234.50", "amount_invalid"),
     (",50", "amount_invalid"), ("12,", "amount_invalid"), ("1e2", "amount_invalid"),
     ("١٢", "amount_invalid"), ("12 $", "amount_invalid"), ("€", "amount_invalid"),
     ("100000,01", "number_out_of_range"), ("9999999999", "amount_invalid")],
)  # fmt: skip
def test_what_is_no_amount(text: str, code: str) -> None:
    assert refused(lambda: form(price=text).cents("price")).code == code


@pytest.mark.parametrize("text", ["2026-11-05", "05/11/2026", "5/11/2026"])
def test_days(text: str) -> None:
    assert form(day=text).day("day") == date(2026, 11, 5)


@pytest.mark.parametrize("text", [
    "2026-13-01", "2026-02-30", "31/02/2026", "11/05", "2026-1-5", "0000-01-01", "20261105",
    "2026-11-05T00:00", "٢٠٢٦-11-05",
])  # fmt: skip
def test_what_is_no_day(text: str) -> None:
    assert refused(lambda: form(day=text).day("day")).code == "day_invalid"


def test_only_what_was_asked_for() -> None:
    read = form(a="1", b="2")
    read.require_only(("a", "b", "c"))
    error = refused(lambda: read.require_only(("a",)))
    assert (error.code, error.field) == ("field_unknown", None)


# -- errors -----------------------------------------------------------------------------------


def test_all_mistakes_at_once() -> None:
    read, mistakes = form(price="abc", day="2026-11-05"), Mistakes()
    assert mistakes.read(lambda: read.day("day"), date.min) == date(2026, 11, 5)
    assert not mistakes
    assert mistakes.read(lambda: read.cents("price"), 7) == 7
    assert mistakes.read(lambda: read.text("who"), "") == ""
    assert mistakes
    assert [(error.field, error.code) for error in mistakes.errors] == [
        ("price", "amount_invalid"),
        ("who", "field_missing"),
    ]
    assert set(mistakes.words("fr")) == {"price", "who"}
    assert "12,50" in mistakes.words("fr")["price"]


@pytest.mark.parametrize("code", FORM_CODES)
def test_every_code_has_words_in_both_languages(code: str) -> None:
    error = FormError(code, "name")
    assert len({error.words(language) for language in LANGUAGES}) == 2
    assert f"pages.form.{code}" in own_catalogue()
    assert str(error).startswith("name: ")


def test_every_text_of_forms_is_of_a_code() -> None:
    keys = own_catalogue().keys()
    known = {key.rpartition(".")[2] for key in keys if ".form." in key}
    assert known == set(FORM_CODES)


def test_no_error_and_no_repr_repeats_a_value() -> None:
    read = form(secret="hunter2hunter2")
    assert "hunter2" not in repr(read)
    for ask in (
        lambda: read.text("secret", 3),
        lambda: read.integer("secret", 0, 1),
        lambda: read.cents("secret"),
        lambda: read.day("secret"),
        lambda: read.choice("secret", ("a",)),
        lambda: decode_form(b"hunter2%"),
        lambda: decode_form(b"hunter2 hunter2=1"),
    ):
        error = refused(ask)
        assert "hunter2" not in f"{error!r} {error} {error.words('fr')} {error.__context__}"
