"""Hostile requests to a server process, over sockets of our own.

Each starts from a request that is accepted (`Target.body`), and is answered with a documented
problem; where HTTP itself is broken, the connection is closed after it, or instead of it. Nothing
of a body comes back or is logged, the server's memory stays where it was, and a good claim is
granted afterwards.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from circuits.canonical import canonical_bytes
from circuits.claim import MAX_CLAIM_BYTES, encode_claim
from circuits.notices import MAX_NOTICE_BYTES, encode_cancellation, encode_invoice
from optician.notices import make_cancellation, make_invoice
from tests.support import claims as samples
from tests.support.insurer import Insurer, contract_bytes, contracts
from tests.support.server import fresh_store, start_server
from tests.support.sockets import Answer, Connection, chunked, connection_to, head
from verifier_api.web.claims import MAX_DECISION_BYTES
from verifier_api.web.protocol import MAX_HEAD_BYTES

MARKER = "zz-marker-7654321-zz"
"""Stands in every hostile body that can hold a text, and nowhere else."""

SECONDS = 1
"""In which a head, and a body, must have arrived."""

TOLERANCE = 3.0
"""Seconds that a loaded machine may be late."""

MEGABYTE = 10**6
MAX_GROWTH = 48 * 2**20
"""Of the server's memory over all of this file, in bytes; 21 MiB were measured, most of it for
tables that were parsed."""

MAX_GROWTH_AGAIN = 16 * 2**20
"""The same when all was sent before: half of what one round sends. Measured were -11 to 9 MiB."""

MAX_REST = 0.15
"""Of a second that the server may work for clients that have left; 0.02 were measured."""

MAX_REQUEST_BYTES = 256 * 2**10
MAX_CONTRACT_BYTES = 64 * 2**10

JSON = "application/json"
NDJSON = "application/x-ndjson"

Fields: TypeAlias = dict[str, str | int]


@dataclass(frozen=True)
class Target:
    """A route that takes a document, a token for it, and a document that it takes."""

    path: str
    token: str
    body: bytes
    max_bytes: int


@dataclass
class Victim:
    """A server, and what to send it."""

    insurer: Insurer
    targets: dict[str, Target]

    @property
    def url(self) -> str:
        return self.insurer.server.url

    @property
    def shop_token(self) -> str:
        return self.insurer.shop.token

    @property
    def admin_token(self) -> str:
        return self.insurer.server.admin_token

    def memory(self) -> int:
        """The server's resident memory in bytes, without its workers'."""
        status = Path(f"/proc/{self.insurer.server.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def processor_seconds(self) -> float:
        """What the server has used up so far, without its workers."""
        stat = Path(f"/proc/{self.insurer.server.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def logs(self) -> str:
        """All that it has told."""
        server = self.insurer.server
        return server.stdout.read_text() + server.stderr.read_text()

    def ask(self, request: bytes) -> Answer:
        """The answer to one request."""
        with connection_to(self.url) as connection:
            connection.send(request)
            answer = connection.answer()
            assert answer is not None, "closed without an answer"
            return answer

    def post(self, target: Target, body: bytes, **fields: str | int) -> Answer:
        """The answer to a document at a target."""
        named: Fields = {"Content_Type": JSON, "Content_Length": len(body)}
        named |= fields
        named = {name: value for name, value in named.items() if value != ""}
        return self.ask(head("POST", target.path, target.token, **named) + body)

    def require_well(self) -> None:
        """A good claim is granted."""
        verdict = self.insurer.client().submit_claim(self.insurer.claim("line"))
        assert verdict.verdict == "granted"


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    store = fresh_store("sqlite", tmp_path_factory.mktemp("victim"), None)
    server = start_server(store, header_seconds=SECONDS, body_seconds=SECONDS)
    try:
        insurer = Insurer(server)
        made = Victim(insurer, targets_of(insurer))
        for _ in range(20):
            made.require_well()
        before = made.memory()
        yield made
        made.require_well()
        growth = made.memory() - before
        assert growth < MAX_GROWTH, f"{growth} bytes more"
        assert MARKER not in made.logs()
        assert '"fault"' not in made.logs()
        server.stop()
        assert store.check()["problems"] == []
    finally:
        server.kill()


def targets_of(insurer: Insurer) -> dict[str, Target]:
    """Every route that takes a document, with claims in the states that it needs."""
    shop, admin = insurer.shop, insurer.server.admin_token
    client = insurer.client()
    person = insurer.new_beneficiary()
    ground = "change_of_vision"
    granted = insurer.claim("equipment", beneficiary=person)
    early = insurer.claim("equipment", beneficiary=person, early_renewal_ground=ground)
    cancelled, fresh = insurer.claim("line"), insurer.claim("line")
    for claim in (granted, early, cancelled):
        client.submit_claim(claim)
    invoice = encode_invoice(make_invoice(granted, shop.identity, samples.DAY))
    cancellation = encode_cancellation(make_cancellation(cancelled, shop.identity))
    key = samples.identity("another").public_entry()
    right = {"beneficiary": person, "contract_id": contracts()["responsable"].contract_id}
    added = right | {"beneficiary": f"{person}x", "age_group": "adult", "valid_from": "2020-01-01"}

    def of_admin(path: str, document: Any, max_bytes: int = MAX_REQUEST_BYTES) -> Target:
        return Target(path, admin, canonical_bytes(document), max_bytes)

    def of_shop(path: str, body: bytes, max_bytes: int) -> Target:
        return Target(path, shop.token, body, max_bytes)

    return {
        "claim": of_shop("/v1/claims", encode_claim(fresh), MAX_CLAIM_BYTES),
        "proof": of_shop("/v1/proofs/verify", encode_claim(fresh), MAX_CLAIM_BYTES),
        "invoice": of_shop(f"/v1/claims/{granted.claim_id}/invoice", invoice, MAX_NOTICE_BYTES),
        "cancellation": of_shop(
            f"/v1/claims/{cancelled.claim_id}/cancellation", cancellation, MAX_NOTICE_BYTES
        ),
        "decision": of_admin(
            f"/v1/claims/{early.claim_id}/decision", {"decision": "refuse"}, MAX_DECISION_BYTES
        ),
        "token": of_admin("/v1/tokens", {"scope": "reader", "label": "a label"}),
        "keys": of_admin("/v1/keys", {"keys": [key]}),
        "rights": of_admin("/v1/rights", {"rights": [added]}),
        "end": of_admin("/v1/rights/end", right | {"valid_to": "2029-12-31"}),
        "contract": Target(
            "/v1/contracts", admin, contract_bytes(contracts()["responsable"]), MAX_CONTRACT_BYTES
        ),
        "table": Target("/v1/nomenclatures", admin, samples.nomenclature().to_bytes(), 40 * 2**20),
    }


TARGETS = (
    *("claim", "proof", "invoice", "cancellation", "decision", "token", "keys", "rights", "end"),
    *("contract", "table"),
)


def require_discreet(answer: Answer) -> None:
    """What every answer has, and nothing of what was sent."""
    assert answer.status < 500
    assert MARKER.encode() not in answer.body
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", TARGETS)
def test_the_documents_that_are_mutated_are_accepted(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    answer = victim.post(target, target.body)
    assert answer.status == 200, answer.body


# -- bodies that are no document ----------------------------------------------------------------


def with_member(body: bytes, member: bytes) -> bytes:
    """Another member at the front of the object."""
    return b"{" + member + b"," + body[1:]


def quoted(text: str) -> bytes:
    return json.dumps(text).encode()


MARKED = b'"zz-marker":' + quoted(MARKER)
"""A member whose name has not the form of a field's."""

NO_DOCUMENT: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda body: b"",
    "blank": lambda body: b" \n",
    "cut in half": lambda body: with_member(body, MARKED)[: len(body) // 2],
    "cut by a byte": lambda body: with_member(body, MARKED)[:-1],
    "twice": lambda body: with_member(body, MARKED) * 2,
    "something after it": lambda body: body + quoted(MARKER),
    "a list": lambda body: b"[" + body + b"]",
    "a text": lambda body: quoted(MARKER),
    "a number": lambda body: b"7654321",
    "null": lambda body: b"null",
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "UTF-32": lambda body: body.decode().encode("utf-32"),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "Latin-1": lambda body: with_member(body, b'"zz-marker":"' + MARKER.encode() + b'\xe9"'),
    "overlong UTF-8": lambda body: with_member(body, b'"zz-marker":"\xc0\xaf"'),
    "a lone surrogate": lambda body: with_member(body, b'"zz-marker":"\\ud800"'),
    "a duplicate key": lambda body: with_member(with_member(body, MARKED), MARKED),
    "NaN": lambda body: with_member(body, b'"zz-marker":NaN'),
    "infinity": lambda body: with_member(body, b'"zz-marker":-Infinity'),
    "1e999": lambda body: with_member(body, b'"zz-marker":1e999'),
    "a float": lambda body: with_member(body, b'"zz-marker":1.5'),
    "minus zero": lambda body: with_member(body, b'"zz-marker":-0'),
    "a huge integer": lambda body: with_member(body, b'"zz-marker":' + b"9" * 2000),
    "deep lists": lambda body: with_member(body, b'"a":' + b"[" * 900 + b"]" * 900),
    "deep lists without end": lambda body: b"[" * 3000,
    "deep objects": lambda body: b'{"a":' * 500 + b"1" + b"}" * 500,
    "a comment": lambda body: b"/* " + MARKER.encode() + b" */" + body,
    "single quotes": lambda body: body.replace(b'"', b"'"),
    "a null byte": lambda body: body + b"\0",
    "a raw line end in a text": lambda body: with_member(body, b'"zz-marker":"\n"'),
}


@pytest.mark.parametrize("mutation", NO_DOCUMENT)
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_no_json_of_ours_is_malformed(victim: Victim, name: str, mutation: str) -> None:
    target = victim.targets[name]
    body = NO_DOCUMENT[mutation](target.body if name != "table" else b'{"a":1}')
    assert len(body) <= target.max_bytes
    answer = victim.post(target, body)
    require_discreet(answer)
    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "table"])
def test_unknown_members_are_refused_and_not_repeated(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    document = json.loads(target.body) | {"zz-marker": MARKER, "A1234567": MARKER}
    answer = victim.post(target, canonical_bytes(document))
    require_discreet(answer)
    assert (answer.status, answer.code) == (422, "fields_invalid")
    assert b"A1234567" not in answer.body


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "table"])
def test_wrong_types_everywhere_name_their_places(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    document = json.loads(target.body)
    wrongs: list[Any] = [{"zz-marker": MARKER}, [MARKER], [[]], True, -1, 2**53 - 1, "", "\0"]
    for field in document:
        for wrong in wrongs:
            if type(document[field]) is type(wrong) or (field, wrong) == ("label", ""):
                continue
            answer = victim.post(target, canonical_bytes(document | {field: wrong}))
            require_discreet(answer)
            is_other_version = field == "format_version" and type(wrong) is int
            expected = "version_unsupported" if is_other_version else "fields_invalid"
            assert (answer.status, answer.code) == (422, expected), (field, wrong)
            places = answer.json()["places"]
            assert any(place.split(".")[0] == field for place in places), (field, places)


MAY_BE_NULL = ("price_class", "price_limit_cents", "valid_to")


def test_tables_with_wrong_types_are_refused(victim: Victim) -> None:
    target = victim.targets["table"]
    document = json.loads(target.body)
    document = document | {
        "classes": document["classes"][:2],
        "groups": [group for group in document["groups"] if group["regroupement"] == "M01"][:1],
    }
    wrongs: tuple[Any, ...] = ({"zz-marker": MARKER}, [MARKER], [[]], None, True, -1, 2**53 - 1, "")
    for name in document:
        for wrong in wrongs:
            _expect_refused(victim, target, document | {name: wrong})
    for part in ("classes", "groups"):
        entry = document[part][0]
        for name in entry:
            for wrong in wrongs:
                if entry[name] == wrong or (wrong is None and name in MAY_BE_NULL):
                    continue
                changed = [entry | {name: wrong}, *document[part][1:]]
                _expect_refused(victim, target, document | {part: changed})


def _expect_refused(victim: Victim, target: Target, document: dict[str, Any]) -> None:
    answer = victim.post(target, json.dumps(document).encode())
    require_discreet(answer)
    assert answer.status in (400, 422), document
    assert answer.code in ("malformed", "fields_invalid", "reference_invalid")


# -- binary values ------------------------------------------------------------------------------

LAST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NOT_BASE64URL: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "=" * (-len(text) % 4 or 4),
    "bits beyond the last byte": lambda text: text[:-1] + LAST[LAST.index(text[-1]) + 1],
    "the other alphabet": lambda text: "+/" + text[2:],
    "a character too many": lambda text: text + "A",
    "an impossible length": lambda text: text[:-1] if len(text) % 4 == 2 else text[:-2],
    "blanks": lambda text: text[:4] + " " + text[5:],
    "a line end": lambda text: text + "\n",
    "nothing": lambda text: "",
    "not ASCII": lambda text: "é" + text[1:],
    "twice as long": lambda text: text[: len(text) // 4 * 4] * 2,
}

BINARY_FIELDS = {
    "claim": ("key_id", "contract_digest", "nomenclature_digest", "signature"),
    "invoice": ("key_id", "claim_digest", "signature"),
    "cancellation": ("key_id", "claim_digest", "signature"),
}


@pytest.mark.parametrize("mutation", NOT_BASE64URL)
@pytest.mark.parametrize("name", BINARY_FIELDS)
def test_wrong_base64url_names_the_field(victim: Victim, name: str, mutation: str) -> None:
    target = victim.targets[name]
    document = json.loads(target.body)
    for field in BINARY_FIELDS[name]:
        changed = document | {field: NOT_BASE64URL[mutation](document[field])}
        answer = victim.post(target, canonical_bytes(changed))
        require_discreet(answer)
        assert (answer.status, answer.code) == (422, "fields_invalid")
        assert answer.json()["places"] == [field]


@pytest.mark.parametrize("name", ["claim", "proof", "invoice", "cancellation"])
def test_signed_documents_have_one_form(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    document = json.loads(target.body)
    spaced = json.dumps(document, sort_keys=True).encode()
    turned = json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode()
    escaped = target.body.replace(b'"format_version"', b'"\\u0066ormat_version"')
    for body in (spaced, turned, escaped, target.body + b"\n"):
        answer = victim.post(target, body)
        require_discreet(answer)
        assert (answer.status, answer.code) == (400, "malformed")


# -- media types and encodings ------------------------------------------------------------------

MEDIA_TYPES = {
    "none": "",
    "text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "parts": "multipart/form-data; boundary=x",
    "XML": "application/xml",
    "lines": NDJSON,
    "UTF-16": "application/json; charset=utf-16",
    "something else in it": "application/json; version=1",
    "two": "application/json, text/plain",
    "like it": "application/jsonx",
    "bytes": "application/\xff",
}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("name", TARGETS)
def test_other_media_types_are_not_supported(victim: Victim, name: str, media_type: str) -> None:
    target = victim.targets[name]
    answer = victim.post(target, target.body, Content_Type=MEDIA_TYPES[media_type])
    require_discreet(answer)
    assert (answer.status, answer.code) == (415, "media_type_unsupported")


def bomb(name: str) -> bytes:
    """20 MB that fit in a small body."""
    plain = quoted(MARKER) + b" " * (20 * MEGABYTE)
    return gzip.compress(plain) if name == "gzip" else zlib.compress(plain)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
@pytest.mark.parametrize("name", ["claim", "invoice", "contract", "token"])
def test_compressed_bodies_are_not_opened(victim: Victim, name: str, encoding: str) -> None:
    target = victim.targets[name]
    data = bomb(encoding) if encoding in ("gzip", "deflate") else target.body
    answer = victim.post(target, data[: target.max_bytes], Content_Encoding=encoding)
    require_discreet(answer)
    assert (answer.status, answer.code) == (415, "content_encoding_unsupported")


# -- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", ["one too many", "10 MB"])
@pytest.mark.parametrize("name", [name for name in TARGETS if name != "table"])
def test_too_large_a_body_is_refused_and_the_connection_goes_on(
    victim: Victim, name: str, size: str, is_chunked: bool
) -> None:
    target = victim.targets[name]
    length = target.max_bytes + 1 if size == "one too many" else 10 * MEGABYTE
    filling = quoted(MARKER)
    body = filling + b" " * (length - len(filling))
    assert len(body) == length
    fields: Fields = {"Content_Type": JSON}
    if is_chunked:
        fields["Transfer_Encoding"] = "chunked"
        sent = chunked(*(body[at : at + 50_000] for at in range(0, length, 50_000)))
    else:
        fields["Content_Length"] = length
        sent = body
    with connection_to(victim.url) as connection:
        assert connection.send(head("POST", target.path, target.token, **fields) + sent)
        answer = connection.answer()
        assert answer is not None
        require_discreet(answer)
        assert (answer.status, answer.code) == (413, "body_too_large")
        connection.send(head("GET", "/healthz"))
        following = connection.answer()
        assert following is not None
        assert following.status == 200


def test_a_body_of_the_largest_size_is_read(victim: Victim) -> None:
    target = victim.targets["contract"]
    body = target.body + b" " * (target.max_bytes - len(target.body))
    assert victim.post(target, body).status == 200


def test_a_body_that_never_ends_is_cut_off(victim: Victim) -> None:
    target = victim.targets["claim"]
    fields: Fields = {"Content_Type": JSON, "Transfer_Encoding": "chunked"}
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connection_to(victim.url) as connection:
        connection.send(head("POST", target.path, target.token, **fields))
        start = time.monotonic()
        sender = threading.Thread(target=lambda: [connection.send(piece) for _ in range(600)])
        sender.start()
        answer = connection.answer()
        assert answer is not None
        require_discreet(answer)
        assert (answer.status, answer.code) == (413, "body_too_large")
        assert time.monotonic() - start < SECONDS + TOLERANCE
        sender.join()


@pytest.mark.parametrize("name", ["claim", "token", "table"])
def test_whoever_asks_before_a_large_body_is_told_not_to_send_it(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    fields: Fields = {
        "Content_Type": JSON,
        "Content_Length": 50 * MEGABYTE,
        "Expect": "100-continue",
    }
    with connection_to(victim.url) as connection:
        connection.send(head("POST", target.path, target.token, **fields))
        answer = connection.answer()
        assert answer is not None
        require_discreet(answer)
        assert (answer.status, answer.code) == (413, "body_too_large")
        assert connection.is_closed()


def test_whoever_asks_before_a_good_body_is_told_to_send_it(victim: Victim) -> None:
    target = victim.targets["claim"]
    fields: Fields = {
        "Content_Type": JSON,
        "Content_Length": len(target.body),
        "Expect": "100-continue",
    }
    answer = victim.ask(head("POST", target.path, target.token, **fields) + target.body)
    assert answer.status == 200


# -- slow senders, and lengths that lie ---------------------------------------------------------


def test_a_slow_head_is_cut_off(victim: Victim) -> None:
    text = head("GET", "/healthz")
    with connection_to(victim.url) as connection:
        start = time.monotonic()
        connection.send(*(text[at : at + 1] for at in range(len(text))), pause=0.1)
        assert connection.answer() is None
        assert time.monotonic() - start < len(text) * 0.1 + TOLERANCE


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x", b"\r\n\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(victim: Victim, sent: bytes) -> None:
    with connection_to(victim.url) as connection:
        start = time.monotonic()
        connection.send(sent)
        assert connection.answer() is None
        assert SECONDS / 2 < time.monotonic() - start < SECONDS + TOLERANCE


def test_line_ends_do_not_keep_a_connection(victim: Victim) -> None:
    with connection_to(victim.url) as connection:
        connection.send(head("GET", "/healthz"))
        assert connection.answer() is not None
        connection.send(b"\r\n")
        start = time.monotonic()
        assert connection.is_closed()
        assert time.monotonic() - start < SECONDS + TOLERANCE


@pytest.mark.parametrize("name", ["claim", "invoice", "token", "table"])
def test_a_length_that_promises_too_much_is_not_waited_for(victim: Victim, name: str) -> None:
    target = victim.targets[name]
    size = len(target.body)
    fields: Fields = {"Content_Type": JSON, "Content_Length": size + 1}
    with connection_to(victim.url) as connection:
        start = time.monotonic()
        connection.send(head("POST", target.path, target.token, **fields) + target.body)
        answer = connection.answer()
        assert answer is not None
        require_discreet(answer)
        assert (answer.status, answer.code) == (408, "body_timeout")
        assert time.monotonic() - start < SECONDS + TOLERANCE
        assert connection.is_closed()


def test_a_length_that_promises_too_little_cuts_the_body(victim: Victim) -> None:
    target = victim.targets["claim"]
    fields: Fields = {"Content_Type": JSON, "Content_Length": len(target.body) - 1}
    with connection_to(victim.url) as connection:
        connection.send(head("POST", target.path, target.token, **fields) + target.body)
        answer = connection.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (400, "malformed")
        assert connection.is_closed()  # "}" begins no request


def test_a_body_in_drops_is_cut_off(victim: Victim) -> None:
    target = victim.targets["claim"]
    fields: Fields = {"Content_Type": JSON, "Content_Length": len(target.body)}
    with connection_to(victim.url) as connection:
        start = time.monotonic()
        connection.send(head("POST", target.path, target.token, **fields))
        connection.send(*(target.body[at : at + 1] for at in range(30)), pause=0.1)
        answer = connection.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (408, "body_timeout")
        assert time.monotonic() - start < 3 + TOLERANCE


def test_the_rest_of_a_body_that_was_answered_is_not_waited_for(victim: Victim) -> None:
    with connection_to(victim.url) as connection:
        start = time.monotonic()
        connection.send(head("POST", "/v1/tokens", Content_Type=JSON, Content_Length=10))
        answer = connection.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (401, "token_missing")
        assert connection.is_closed()
        assert time.monotonic() - start < SECONDS + TOLERANCE


def test_a_client_that_leaves_harms_nobody(victim: Victim) -> None:
    target = victim.targets["claim"]
    for sent in range(0, len(target.body), 200):
        fields: Fields = {"Content_Type": JSON, "Content_Length": len(target.body)}
        with connection_to(victim.url) as connection:
            request = head("POST", target.path, target.token, **fields) + target.body
            connection.send(request[: len(request) - sent])
    victim.require_well()


# -- broken HTTP --------------------------------------------------------------------------------

SMUGGLED = b"GET /v1/tokens HTTP/1.1\r\nHost: x\r\n\r\n"


def posted(*lines: str, body: bytes = b"") -> bytes:
    text = "\r\n".join(["POST /v1/claims HTTP/1.1", "Host: x", *lines])
    return text.encode("latin-1") + b"\r\n\r\n" + body


BROKEN_HTTP = {
    "binary": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4 + b"\r\n\r\n",
    "words": MARKER.encode() + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET / HTTP/3.7\r\nHost: x\r\n\r\n",
    "no such method": b"GOT / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a proxy's method": b"CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a byte in the path": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a null byte in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a null byte in a field": b"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n",
    "a blank in a field's name": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "bare line ends": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "a folded field": posted("X: a", " b", "Content-Length: 0"),
    "length and chunks": posted(
        "Content-Length: 6", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "chunks and length": posted(
        "Transfer-Encoding: chunked", "Content-Length: 6", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "two lengths": posted("Content-Length: 0", "Content-Length: 38", body=SMUGGLED),
    "a list of lengths": posted("Content-Length: 0, 38", body=SMUGGLED),
    "a signed length": posted("Content-Length: +38", body=SMUGGLED),
    "a negative length": posted("Content-Length: -1", body=SMUGGLED),
    "a hexadecimal length": posted("Content-Length: 0x26", body=SMUGGLED),
    "a length beyond 64 bits": posted("Content-Length: 99999999999999999999", body=SMUGGLED),
    "another transfer coding": posted("Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunked, but not last": posted(
        "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "chunked by a hidden name": posted(
        "Transfer-Encoding\x0b: chunked", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "chunked by a blank before it": posted(
        "Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "a chunk's size that is none": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"zz\r\n"
    ),
    "a negative chunk": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"-1\r\n"
    ),
    "a chunk beyond 64 bits": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"F" * 17 + b"\r\n"
    ),
    "a chunk longer than it says": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"1\r\nab\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", BROKEN_HTTP)
def test_broken_http_gets_one_problem_and_no_more(victim: Victim, name: str) -> None:
    with connection_to(victim.url) as connection:
        connection.send(BROKEN_HTTP[name])
        answer = connection.answer()
        assert answer is not None
        require_discreet(answer)
        assert (answer.status, answer.code) == (400, "request_malformed")
        assert answer.headers["connection"] == "close"
        assert connection.is_closed()


LARGE_HEADS = {
    "a field": b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * MAX_HEAD_BYTES) + b"\r\n\r\n",
    "a field without end": b"GET / HTTP/1.1\r\nX: " + b"a" * MEGABYTE,
    "many fields": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES + b"\r\n",
    "a path": b"GET /" + b"a" * (2 * MAX_HEAD_BYTES) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without end": b"GET /" + b"a" * MEGABYTE,
    "a token": b"GET /v1/claims HTTP/1.1\r\nAuthorization: Bearer co_" + b"a" * MAX_HEAD_BYTES,
    "line ends": b"\r\n" * MAX_HEAD_BYTES * 20,
    "fields after the body": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n"
    )
    + b"X: y\r\n" * MAX_HEAD_BYTES,
    "extensions of a chunk": posted(
        f"Content-Type: {JSON}", "Transfer-Encoding: chunked", body=b"2;" + b"x" * MEGABYTE
    ),
}


@pytest.mark.parametrize("name", LARGE_HEADS)
def test_heads_without_end_are_refused(victim: Victim, name: str) -> None:
    """What the server did not read may cost the client the answer, never the refusal."""
    with connection_to(victim.url) as connection:
        connection.send(LARGE_HEADS[name])
        answer = connection.answer()
        if answer is not None:
            require_discreet(answer)
            assert (answer.status, answer.code) == (431, "head_too_large")
        assert connection.is_closed()


def test_a_head_below_the_limit_is_read(victim: Victim) -> None:
    assert victim.ask(head("GET", "/healthz", X="a" * (MAX_HEAD_BYTES - 200))).status == 200


def test_pipelined_requests_are_answered_in_order(victim: Victim) -> None:
    target = victim.targets["claim"]
    fields: Fields = {"Content_Type": JSON, "Content_Length": len(target.body)}
    claim = head("POST", target.path, target.token, **fields) + target.body
    listing = head("GET", "/v1/claims?limit=1", victim.shop_token)
    with connection_to(victim.url) as connection:
        connection.send((claim + head("GET", "/healthz") + listing) * 20)
        for _ in range(20):
            judged, health, page = (connection.answer() for _ in range(3))
            assert judged is not None
            assert health is not None
            assert page is not None
            assert judged.json()["verdict"] == "granted"
            assert health.json() == {"status": "ok"}
            assert list(page.json()) == ["claims", "next"]


@pytest.mark.parametrize("after", [b"\x00\x01 no HTTP\r\n\r\n", b"GET / HT"])
def test_what_came_whole_is_answered_before_what_did_not(victim: Victim, after: bytes) -> None:
    target = victim.targets["claim"]
    fields: Fields = {"Content_Type": JSON, "Content_Length": len(target.body)}
    claim = head("POST", target.path, target.token, **fields) + target.body
    with connection_to(victim.url) as connection:
        connection.send(claim * 3 + after)
        for _ in range(3):
            answer = connection.answer()
            assert answer is not None
            assert answer.json()["verdict"] == "granted"
        following = connection.answer()
        assert following is None or following.code == "request_malformed"
        assert connection.is_closed()


def test_an_upgrade_is_not_followed(victim: Victim) -> None:
    request = (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    with connection_to(victim.url) as connection:
        connection.send(request + SMUGGLED)
        answer = connection.answer()
        assert answer is not None
        assert answer.status == 200
        assert connection.is_closed()


# -- names in paths and queries -----------------------------------------------------------------

NAMES = {
    "a null byte": "%00",
    "a null byte within": "claim%00x",
    "not UTF-8": "%ff%fe",
    "Unicode": "%C3%A9%F0%9F%98%80",
    "a line end": "a%0d%0aX:%20y",
    "dots": "..",
    "dots and a slash": "..%2f..%2fetc",
    "a backslash": "a%5cb",
    "too long": "a" * 65,
    "very long": "a" * 20_000,
    "a quote": "a'%20OR%20'1'%3D'1",
    "the marker": f"%20{MARKER}",
}
PLACES = (
    *("/v1/claims/{}", "/v1/contracts/{}", "/v1/nomenclatures/{}", "/v1/circuits/{}"),
    *("/v1/nomenclatures/jbIg7o_yF2OEHpHb20V1oYwxoZiH0ALFNHyBW3m6GOY/classes/{}",),
    *("/v1/claims?optician_id={}", "/v1/claims?reason={}", "/v1/claims?cursor={}"),
    *("/v1/claims?received_from={}", "/v1/claims?limit={}", "/v1/rights?cursor={}"),
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_strange_names_are_refused_or_not_found(victim: Victim, name: str, place: str) -> None:
    answer = victim.ask(head("GET", place.format(NAMES[name]), victim.admin_token))
    require_discreet(answer)
    assert (answer.status, answer.code) in ((404, "not_found"), (422, "parameter_invalid"))


@pytest.mark.parametrize(
    "token",
    ["x", "co_", "co_0123456789abcdef_", "\xff" * 8, "a" * 5000, f"co_{MARKER}", "co_%00_x", "é"],
)
def test_strange_tokens_are_invalid(victim: Victim, token: str) -> None:
    answer = victim.ask(head("GET", "/v1/claims", token))
    require_discreet(answer)
    assert (answer.status, answer.code) == (401, "token_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"


# -- lines --------------------------------------------------------------------------------------


def lines_of(victim: Victim, *pieces: bytes, pause: float = 0) -> list[dict[str, Any]]:
    """The verdicts on a batch that is sent in chunks."""
    fields: Fields = {"Content_Type": NDJSON, "Transfer_Encoding": "chunked"}
    with connection_to(victim.url) as connection:
        sent = [chunked(piece)[: -len(b"0\r\n\r\n")] for piece in pieces]
        start = head("POST", "/v1/proofs/verify-batch", victim.shop_token, **fields)
        sender = threading.Thread(
            target=connection.send,
            args=(start + sent[0], *sent[1:], b"0\r\n\r\n"),
            kwargs={"pause": pause},
        )
        sender.start()
        answer = connection.answer()
        sender.join()
    assert answer is not None
    require_discreet(answer)
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.splitlines()]


def test_lines_that_are_no_claims_get_a_verdict_and_stop_nothing(victim: Victim) -> None:
    good = victim.targets["proof"].body
    bad = [mutate(good) for mutate in NO_DOCUMENT.values()]
    bad = [body.replace(b"\n", b" ") for body in bad if body.strip() and b"\n" not in body.strip()]
    told = lines_of(victim, b"\n".join([good, *bad, good]))
    assert [entry["line"] for entry in told] == list(range(1, len(bad) + 3))
    assert [told[0]["verdict"], told[-1]["verdict"]] == ["accepted", "accepted"]
    assert {entry["verdict"] for entry in told[1:-1]} == {"unreadable"}
    assert len(bad) > 25


def test_empty_lines_are_none(victim: Victim) -> None:
    good = victim.targets["proof"].body
    told = lines_of(victim, b"\n\r\n  \n" * 2000 + good + b"\n\n\r\n")
    assert [(entry["line"], entry["verdict"]) for entry in told] == [(1, "accepted")]
    assert lines_of(victim, b"\n") == []


def test_a_line_without_end_is_one_unreadable_line(victim: Victim) -> None:
    filling = quoted(MARKER) + b" " * 49_000
    good = victim.targets["proof"].body
    told = lines_of(victim, *[filling] * 400, b"\n" + good)
    assert [entry["verdict"] for entry in told] == ["unreadable", "accepted"]


def test_a_line_in_single_bytes_is_read(victim: Victim) -> None:
    good = victim.targets["proof"].body
    told = lines_of(victim, *(good[at : at + 1] for at in range(len(good))))
    assert [entry["verdict"] for entry in told] == ["accepted"]


def test_very_many_tiny_lines(victim: Victim) -> None:
    told = lines_of(victim, *[b"{}\n" * 10_000] * 10)
    assert len(told) == 100_000
    assert told[-1]["line"] == 100_000
    assert {entry["verdict"] for entry in told} == {"unreadable"}


def test_a_batch_that_stalls_ends_with_a_line_that_says_so(victim: Victim) -> None:
    good = victim.targets["proof"].body
    told = lines_of(victim, good + b"\n", good + b"\n", pause=SECONDS * 2.5)
    assert [entry["verdict"] for entry in told] == ["accepted", "unreadable"]
    assert told[-1]["detail"].startswith("body_timeout: ")


def test_a_batch_may_take_longer_than_a_body_as_long_as_it_comes(victim: Victim) -> None:
    good = victim.targets["proof"].body
    told = lines_of(victim, *[good + b"\n"] * 8, pause=SECONDS * 0.25)
    assert [entry["verdict"] for entry in told] == ["accepted"] * 8


def test_a_batch_nobody_reads_holds_no_memory_and_ends_with_its_client(victim: Victim) -> None:
    fields: Fields = {"Content_Type": NDJSON, "Transfer_Encoding": "chunked"}
    before = victim.memory()
    connections: list[Connection] = []
    for _ in range(8):
        connection = Connection(victim.url)
        connections.append(connection)
        piece = chunked(b"{}\n" * 10_000)[: -len(b"0\r\n\r\n")]
        start = head("POST", "/v1/proofs/verify-batch", victim.shop_token, **fields)
        threading.Thread(target=connection.send, args=(start, *[piece] * 100), daemon=True).start()
    time.sleep(SECONDS)
    victim.require_well()
    growth = victim.memory() - before
    for connection in connections:
        connection.close()
    assert growth < MAX_GROWTH
    victim.require_well()
    time.sleep(SECONDS)
    before_rest = victim.processor_seconds()
    time.sleep(SECONDS)
    assert victim.processor_seconds() - before_rest < SECONDS * MAX_REST


def test_memory_is_flat_when_hostile_requests_are_repeated(victim: Victim) -> None:
    def assault() -> int:
        for name in ("claim", "token", "contract"):
            target = victim.targets[name]
            for mutate in NO_DOCUMENT.values():
                require_discreet(victim.post(target, mutate(target.body)))
            for _ in range(4):
                require_discreet(victim.post(target, b" " * 3 * MEGABYTE))
        for sent in (*LARGE_HEADS.values(), *BROKEN_HTTP.values()):
            with connection_to(victim.url) as connection:
                connection.send(sent)
                connection.answer()
        lines_of(victim, *[b"{}\n" * 1000] * 5)
        lines_of(victim, *[b" " * 50_000] * 40)
        return victim.memory()

    assault()
    before = assault()
    after = min(assault() for _ in range(2))
    assert after - before < MAX_GROWTH_AGAIN
    victim.require_well()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_compressed_batches_are_not_opened(victim: Victim, encoding: str) -> None:
    body = bomb("gzip")
    fields: Fields = {
        "Content_Type": NDJSON,
        "Content_Length": len(body),
        "Content_Encoding": encoding,
    }
    answer = victim.ask(head("POST", "/v1/proofs/verify-batch", victim.shop_token, **fields) + body)
    require_discreet(answer)
    assert (answer.status, answer.code) == (415, "content_encoding_unsupported")
