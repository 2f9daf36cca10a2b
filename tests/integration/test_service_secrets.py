"""After everything that can happen to a claim, no database, log, metric or answer of the insurer's
holds what the optician hides, and no token stands anywhere in clear but where it is told once.

What is public and random (digests, proofs, commitments, ids) is taken out before the search for
short numbers, which it would hold by chance; keys, blindings and tokens are looked for in all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy
from pydantic import SecretStr

from circuits.canonical import decode_base64url
from circuits.claim import Claim, encode_claim
from circuits.notices import encode_cancellation, encode_invoice
from circuits.slots import pack_correction
from optician.claiming import Openings
from optician.notices import make_cancellation, make_invoice
from optician.sale import Sale
from tests.integration.conftest import MakeStore, StartServer
from tests.integration.test_service import DELIVERY
from tests.support import claims as samples
from tests.support.insurer import Insurer, Optician
from tests.support.remade import Draft, resigned
from tests.support.server import Kind, Reply, Server, Store
from tests.support.traces import forms_of, traces_in, views_of
from verifier_api.settings import Settings
from verifier_api.store.schema import metadata
from zk.field import encode_scalar

pytestmark = pytest.mark.integration

# Prices of which none is a round number, 5 digits in base 10 and in base 16, and so high that the
# amounts claimed are the ceilings and tell nothing of them.
PRICES = {"right_lens": 71_233, "left_lens": 72_347, "frame": 113_579}
LINE_PRICE = 78_487

Secrets = Mapping[str, int | bytes]


class Traffic:
    """Sends requests and keeps every answer, but those that tell a token."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.replies: list[Reply] = []
        self.telling: list[Reply] = []
        self.tokens: dict[str, str] = {"first": server.admin_token}

    def send(
        self, method: str, path: str, token: str | None, body: bytes | None = None, **more: str
    ) -> Reply:
        reply = self.server.ask(method, path, token, body, **more)
        self.replies.append(reply)
        assert reply.status < 500
        return reply

    def make_token(self, name: str, **request: str | None) -> str:
        """A fresh token."""
        body = json.dumps({"label": name, **request}).encode()
        reply = self.server.ask("POST", "/v1/tokens", self.tokens["first"], body)
        return self._told(name, reply)

    def rotate(self, name: str, token_id: str) -> str:
        """Another one in its place."""
        path = f"/v1/tokens/{token_id}/rotation"
        return self._told(name, self.server.ask("POST", path, self.tokens["first"]))

    def _told(self, name: str, reply: Reply) -> str:
        assert reply.status == 200
        self.telling.append(reply)
        token = self.tokens[name] = str(reply.json()["token"])
        return token


class Story:
    """Secret sales, and the claims for them."""

    def __init__(self, insurer: Insurer, shop: Optician) -> None:
        self.insurer, self.shop = insurer, shop
        self.sales: list[Sale] = []
        self.claims: list[Claim] = []
        self.openings: list[Openings] = []
        self._count = 0

    def claim(self, statement: str = "equipment", **choices: Any) -> Claim:
        self._count += 1
        if statement == "line":
            choices["price_cents"] = {"item": LINE_PRICE}
        else:
            choices |= {"price_cents": PRICES, "supplements": ["SV3"]}
        sale, claim, openings = self.insurer.sale_and_claim(
            statement,  # type: ignore[arg-type]
            by=self.shop,
            claim_id=f"secret-sale-{self._count}",
            **choices,
        )
        self.sales.append(sale)
        self.openings.append(openings)
        return self.keep(claim)

    def keep(self, claim: Claim) -> Claim:
        self.claims.append(claim)
        return claim

    def numbers(self) -> dict[str, int | bytes]:
        """Codes, prices and corrections."""
        found: dict[str, int | bytes] = {}
        for sale in self.sales:
            for item in sale.items():
                found[f"code {item.code}"] = item.code
                if item.price_cents >= 0x10000:
                    found[f"price {item.price_cents}"] = item.price_cents
                if packed := pack_correction(item.article().correction):
                    found[f"correction {packed}"] = packed
        return found

    def keys(self) -> dict[str, int | bytes]:
        """Blindings, and the optician's own."""
        identity = json.loads(self.shop.identity.encode())
        found: dict[str, int | bytes] = {
            name: decode_base64url(identity[name]) for name in ("private_key", "hedge_key")
        }
        for number, openings in enumerate(self.openings):
            for line, opening in enumerate(openings.openings):
                found[f"blinding {number}.{line}"] = encode_scalar(opening.r)
        return found


def live_through_everything(traffic: Traffic, insurer: Insurer, story: Story) -> None:
    """Claims of every fate, with their notices, and every kind of mistake."""
    shop, identity = story.shop, story.shop.identity
    admin = traffic.tokens["first"]
    submit = partial(traffic.send, "POST", "/v1/claims", shop.token)

    def verdict(claim: Claim) -> tuple[str, str | None]:
        told = submit(encode_claim(claim)).json()
        return told["verdict"], told["reason"]

    def notice(claim: Claim, kind: str, body: bytes) -> int:
        return traffic.send("POST", f"/v1/claims/{claim.claim_id}/{kind}", shop.token, body).status

    paid = story.claim()
    assert verdict(paid) == ("granted", None)
    assert paid.amounts is not None
    less = paid.amounts.model_copy(update={"lenses_cents": paid.amounts.lenses_cents - 1})
    invoice = make_invoice(paid, identity, DELIVERY, less)
    assert notice(paid, "invoice", encode_invoice(invoice)) == 200
    later = make_invoice(paid, identity, DELIVERY + timedelta(days=1))
    assert notice(paid, "invoice", encode_invoice(later)) == 409
    assert (
        notice(paid, "cancellation", encode_cancellation(make_cancellation(paid, identity))) == 409
    )

    person = paid.beneficiary
    assert verdict(story.claim(beneficiary=person)) == ("refused", "renewal_too_early")
    ground = "change_of_vision"
    for decision in ("grant", "refuse"):
        early = story.claim(beneficiary=person, early_renewal_ground=ground)
        assert verdict(early) == ("pending", "early_renewal")
        path, body = f"/v1/claims/{early.claim_id}/decision", {"decision": decision}
        assert traffic.send("POST", path, admin, json.dumps(body).encode()).status == 200

    taken_back = story.claim("pair")
    assert verdict(taken_back) == ("granted", None)
    cancellation = encode_cancellation(make_cancellation(taken_back, identity))
    assert notice(taken_back, "cancellation", cancellation) == 200

    line = story.claim("line")
    assert verdict(line) == ("granted", None)
    other = story.claim("line", beneficiary=line.beneficiary)
    changes: dict[str, dict[str, Any]] = {
        "proof_invalid": {"expires_at": other.expires_at + timedelta(seconds=1)},
        "contract_mismatch": {"insurer_id": "another-insurer"},
        "rights_unknown": {"beneficiary": "nobody_0123456789"},
        "commitment_reused": {"lines": line.lines},
    }
    for reason, change in changes.items():
        claim_id = f"{other.claim_id}-{reason}"
        changed = story.keep(resigned(other, identity, claim_id=claim_id, **change))
        assert verdict(changed) == ("refused", reason)
    draft = Draft(other, identity)
    draft.prove_as(draft.proof[:-1])
    assert verdict(story.keep(draft.claim())) == ("refused", "proof_malformed")
    # The same id again, with other bytes.
    assert submit(encode_claim(other)).status == 409

    send_by_mistake(traffic, story)
    ask_with_wrong_tokens(traffic, story)
    for token in (shop.token, admin):
        assert traffic.send("GET", "/v1/claims?limit=500", token).status == 200
        for claim in story.claims:
            assert traffic.send("GET", f"/v1/claims/{claim.claim_id}", token).status == 200
    for path in ("/v1/tokens", "/v1/keys", "/v1/rights", "/v1/contracts", "/metrics", "/readyz"):
        assert traffic.send("GET", path, admin).status == 200


def send_by_mistake(traffic: Traffic, story: Story) -> None:
    """The shop's own files, to wherever something can be sent."""
    shop, admin = story.shop, traffic.tokens["first"]
    claim = story.claims[0]
    sale = story.sales[0].model_dump_json().encode()
    openings, key = story.openings[0].encode(), shop.identity.encode()
    inside = encode_claim(claim)[:-1] + b',"sale":' + sale + b"}"
    for body in (sale, openings, key, inside, sale[:-9], sale + openings, b'"' + sale + b'"'):
        for path in (
            "/v1/claims",
            "/v1/proofs/verify",
            f"/v1/claims/{claim.claim_id}/invoice",
            f"/v1/claims/{claim.claim_id}/cancellation",
        ):
            assert traffic.send("POST", path, shop.token, body).status in (400, 413, 422)
        for path in ("/v1/contracts", "/v1/nomenclatures", "/v1/keys", "/v1/rights", "/v1/tokens"):
            assert traffic.send("POST", path, admin, body).status in (400, 422)
        batch = body.replace(b"\n", b" ") + b"\n"
        reply = traffic.send(
            *("POST", "/v1/proofs/verify-batch", shop.token, batch),
            media_type="application/x-ndjson",
        )
        assert reply.json()["verdict"] == "unreadable"
        code = story.sales[0].items()[0].code
        assert traffic.send("GET", f"/v1/claims/{code}", shop.token).status == 404
        assert traffic.send("GET", f"/v1/claims?reason={code}", shop.token).status == 422
        assert traffic.send("GET", f"/v1/claims?limit={PRICES['frame']}", admin).status == 422


def ask_with_wrong_tokens(traffic: Traffic, story: Story) -> None:
    """Tokens that are revoked, rotated, cut, in the wrong place, or not allowed this."""
    reader = traffic.make_token("reader", scope="reader")
    token_id = reader.split("_")[1]
    fresh = traffic.rotate("rotated", token_id)
    admin = traffic.tokens["first"]
    shop = story.shop.token
    for token in (reader, fresh[:-1], f"{fresh[:-1]}!", f"{fresh}{fresh}"):
        assert traffic.send("GET", "/v1/claims", token).status == 401
    assert traffic.send("GET", f"/v1/claims?token={fresh}", None).status == 401
    assert traffic.send("GET", f"/v1/claims/{fresh}", fresh).status in (404, 422)
    assert traffic.send("GET", f"/v1/{fresh}", fresh).status == 404
    assert traffic.send("DELETE", f"/v1/tokens/{fresh}", admin).status == 422
    assert traffic.send("GET", "/v1/tokens", shop).status == 403
    body = json.dumps({"scope": "reader", "nonsense": fresh}).encode()
    assert traffic.send("POST", "/v1/tokens", admin, body).status == 422
    assert traffic.send("DELETE", f"/v1/tokens/{fresh.split('_')[1]}", admin).status == 200
    assert traffic.send("GET", "/v1/claims", fresh).status == 401


# -- where to look ------------------------------------------------------------------------------


def rows_of(store: Store) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, but the public tables of codes: name and content."""
    database = store.database()
    with database.read() as connection:
        names = set(sqlalchemy.inspect(connection).get_table_names())
        assert names == {*metadata.tables, "alembic_version"}
        for table in metadata.sorted_tables:
            for number, row in enumerate(connection.execute(sqlalchemy.select(table))):
                parts = [
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for name, value in row._mapping.items()
                    if (table.name, name) != ("nomenclatures", "document")
                ]
                yield f"{table.name} {number}", b"\n".join(parts)
    database.dispose()


def log_lines(server: Server) -> Iterator[tuple[str, bytes]]:
    """Every line without its times and its random request id; each must be JSON."""
    for number, line in enumerate(server.stderr.read_text().splitlines()):
        event = json.loads(line)
        for name in ("timestamp", "milliseconds", "request_id"):
            event.pop(name, None)
        yield f"log {number}", json.dumps(event).encode()


def answers_of(replies: Iterable[Reply]) -> Iterator[tuple[str, bytes]]:
    """Every answer with its headers; of metrics, names and whole numbers."""
    for number, reply in enumerate(replies):
        content = reply.content
        request = reply.headers.get("x-request-id", "")
        if reply.headers["content-type"].startswith("text/plain"):
            content = b"\n".join(
                line
                if line.rpartition(b" ")[2].removesuffix(b".0").isdigit()
                else line.rpartition(b" ")[0]
                for line in content.splitlines()
            )
        headers = json.dumps(reply.headers).encode()
        data = (headers + b"\n" + content).replace(request.encode(), b"")
        yield f"answer {number}", data


def public_texts(story: Story, traffic: Traffic, store: Store) -> set[bytes]:
    """What is random and everybody's: long texts in claims, and digests."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for part in value.values():
                collect(part)
        elif isinstance(value, list):
            for part in value:
                collect(part)
        elif isinstance(value, str) and len(value) >= 16 and " " not in value:
            found.add(value)

    for claim in story.claims:
        collect(json.loads(encode_claim(claim)))
    for table, column in (
        ("claims", "claim_digest"),
        ("circuits", "digest"),
        ("contracts", "digest"),
        ("notices", "digest"),
        ("optician_keys", "key_id"),
        ("optician_keys", "public_key"),
        ("tokens", "secret_sha256"),
        ("tokens", "token_id"),
        ("rights", "beneficiary"),
    ):
        found |= {str(row[0]) for row in store.sql(f"SELECT {column} FROM {table}")}
    for row in store.sql("SELECT document FROM notices"):
        document = bytes(row[0])
        if b'"signature"' in document:
            collect(json.loads(document))
    return {text.encode() for text in found}


def without(data: bytes, texts: Iterable[bytes]) -> bytes:
    for text in sorted(texts, key=len, reverse=True):
        data = data.replace(text, b"")
    return data


def short_traces(
    places: Iterable[tuple[str, bytes]], secrets: Secrets, public: set[bytes]
) -> set[str]:
    return {
        f"{place}: {name}"
        for place, data in places
        for name in traces_in(without(data, public), secrets)
    }


def long_traces(places: Iterable[tuple[str, bytes]], secrets: Secrets) -> set[str]:
    """In all the bytes; all the forms are longer than chance."""
    forms = {name: forms_of(secret) for name, secret in secrets.items()}
    found = set()
    for place, data in places:
        whole = b"\0".join(views_of(data))
        found |= {
            f"{place}: {name}"
            for name, listed in forms.items()
            if any(form in whole for form in listed)
        }
    return found


def raw_files(store: Store, name: str) -> list[tuple[str, bytes]]:
    """The database as it lies on the disk, or as it is dumped, with binary values as they are."""
    if store.kind == "sqlite":
        return [
            (f"{name} {path.name}", path.read_bytes())
            for path in sorted(store.folder.glob("verifier.db*"))
        ]
    assert store.cluster is not None
    dump = store.cluster.run("pg_dump", "--inserts", store.name)
    dump = re.sub(rb"\\x([0-9a-f]+)", lambda found: bytes.fromhex(found[1].decode()), dump)
    return [(f"{name} dump", dump)]


def counts_of(files: list[tuple[str, bytes]], numbers: Secrets) -> dict[str, int]:
    """How often each number stands there, in forms that are too long for chance."""
    whole = b"\0".join(data for _, data in files)
    return {
        name: sum(whole.count(form) for form in forms_of(number) if len(form) >= 5)
        for name, number in numbers.items()
    }


# -- the tests ----------------------------------------------------------------------------------


def test_the_insurer_holds_no_secret_of_a_sale_and_no_token(
    kind: Kind, make_store: MakeStore, start: StartServer
) -> None:
    store = make_store()
    server = start(store)
    insurer = Insurer(server)
    shop, token = insurer.shop, server.admin_token
    server.stop()
    before = raw_files(store, "before")
    server = start(store, token)
    insurer.server = server
    traffic, story = Traffic(server), Story(insurer, shop)
    traffic.tokens["shop"] = shop.token
    live_through_everything(traffic, insurer, story)

    numbers, keys = story.numbers(), story.keys()
    tokens: dict[str, int | bytes] = {}
    for name, text in traffic.tokens.items():
        secret = text.split("_", 2)[2]
        tokens |= {f"token {name}": secret.encode(), f"secret {name}": decode_base64url(secret)}
    if kind == "postgresql":
        assert store.cluster is not None
        tokens["password"] = store.cluster.password.encode()
    assert len(numbers) >= 9
    assert len(tokens) >= 8

    # The search finds them where they are.
    told = list(answers_of(traffic.telling))
    assert {name.rpartition(": ")[2] for name in long_traces(told, tokens)} == {
        *("token reader", "secret reader", "token rotated", "secret rotated")
    }
    files = [("openings", b"\n".join(openings.encode() for openings in story.openings))]
    files.append(("key", shop.identity.encode()))
    assert {name.rpartition(": ")[2] for name in long_traces(files, keys)} == set(keys)
    assert len(short_traces(files, numbers, set())) == len(numbers)

    raw = raw_files(store, "raw")
    if kind == "sqlite":
        assert any(name.endswith("-wal") and data for name, data in raw)
    public = public_texts(story, traffic, store)
    commands = [
        (f"verifier {' '.join(arguments)}", done.stdout + done.stderr)
        for arguments in (("settings", "--json"), ("tokens", "list"), ("database", "check"))
        for done in [store.verifier(*arguments)]
    ]
    objects = [
        ("repr", repr(thing).encode())
        for thing in (
            insurer.admin,
            insurer.client(shop),
            store.database(),
            Settings(database=SecretStr(store.url)),
            shop.identity,
            story.openings,
            insurer.admin.create_token("reader"),
        )
    ]
    places = [*rows_of(store), *log_lines(server), *answers_of(traffic.replies), *commands]
    places += objects
    first_line = server.stdout.read_bytes()
    assert first_line.count(b"\n") == 1
    assert len(places) > 200
    assert short_traces(places, numbers, public) == set()
    assert long_traces([*places, *raw, ("stdout", first_line)], keys | tokens) == set()
    # In the raw files the public table of codes stands too, and with it some of these digits: it
    # may not have got any more.
    counted = counts_of(raw, numbers)
    assert counted == counts_of(before, numbers)
    assert any(count for name, count in counted.items() if name.startswith("code"))


def test_the_first_token_is_told_once_and_kept_as_a_hash(
    make_store: MakeStore, start: StartServer
) -> None:
    store = make_store()
    server = start(store)
    token = server.admin_token
    assert server.ask("GET", "/v1/tokens", token).status == 200
    assert server.stdout.read_text().count(token) == 1
    secret = token.split("_", 2)[2]
    secrets: Secrets = {"token": token.encode(), "secret": decode_base64url(secret)}
    assert long_traces([("stdout", server.stdout.read_bytes())], secrets)
    server.stop()
    again = start(store, token)
    places = [*rows_of(store), *raw_files(store, "raw")]
    places += [(path.name, path.read_bytes()) for path in (again.stdout, again.stderr)]
    places.append(("stderr", server.stderr.read_bytes()))
    assert long_traces(places, secrets) == set()
    assert samples.BENEFICIARY not in again.stderr.read_text()
