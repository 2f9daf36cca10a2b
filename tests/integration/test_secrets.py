"""Nothing but the openings holds what a sale hides, and nothing published lets it be guessed."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

import optician.claiming
import optician.identity
from circuits.canonical import decode_base64url
from circuits.claim import Claim, build_instance
from circuits.slots import pack_correction
from optician.claiming import Openings
from optician.identity import Identity
from optician.opening_file import open_line
from optician.sale import Sale, parse_sale
from tests.support.brute_force import Attacker, hashed_blinding
from tests.support.claims import (
    claim_of,
    contract,
    generators,
    identity,
    judge,
    nomenclature,
    row_of,
    sale_document,
    sample_sale,
)
from tests.support.commands import EXAMPLES, Console, Done, run_process
from tests.support.traces import forms_of, traces_in
from zk.commitment import Opening
from zk.encoding import decode_proof
from zk.errors import ZkError
from zk.field import Scalar, encode_scalar
from zk.prove import Masks
from zk.relation import Circuit

pytestmark = pytest.mark.integration

# Five digits in base 10 and in base 16: no chance hits. Together over the ceiling of 800 €, so that
# no amount claimed follows from them.
PRICES = {"right_lens": 71_233, "left_lens": 72_347, "frame": 113_579}
OWN_FILES = {"sale.json", "key.json", "openings.json"}


def secret_sale() -> dict[str, Any]:
    return sale_document(price_cents=PRICES, supplements=["SV3"])


def secrets_of_sale(document: Mapping[str, Any]) -> dict[str, int | bytes]:
    """Every code, price and packed correction of a sale."""
    sale = parse_sale(json.dumps(document).encode())
    found: dict[str, int | bytes] = {}
    for number, item in enumerate(sale.items(), start=1):
        found[f"code {number}"] = item.code
        if item.price_cents >= 0x10000:
            found[f"price {number}"] = item.price_cents
        if packed := pack_correction(item.article().correction):
            found[f"correction {number}"] = packed
    return found


def secrets_of_openings(data: bytes) -> dict[str, int | bytes]:
    lines = json.loads(data)["lines"]
    return {
        f"blinding {number}": decode_base64url(line["blinding"])
        for number, line in enumerate(lines, start=1)
    }


def secrets_of_key(data: bytes) -> dict[str, int | bytes]:
    document = json.loads(data)
    return {name: decode_base64url(document[name]) for name in ("private_key", "hedge_key")}


class Shop:
    """A home, a folder for temporary files and a working folder, all of them searched."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name in ("home", "temporary", "work"):
            (root / name).mkdir()
        self.work = root / "work"
        self.printed: list[bytes] = []
        self.is_process = False  # whether each command is a process of its own; slow
        self.environment = {
            "HOME": str(root / "home"),
            "USERPROFILE": str(root / "home"),
            "TMPDIR": str(root / "temporary"),
            "XDG_CACHE_HOME": str(root / "home" / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        self.console = Console(monkeypatch, self.work)

    def run(self, module: str, *arguments: str | Path) -> Done:
        """A command that knows no other home and no other temporary folder."""
        if self.is_process:
            done = run_process(module, *arguments, cwd=self.work, environment=self.environment)
        else:
            done = self.console.run(module, *arguments)
        self.printed += [done.stdout, done.stderr]
        return done

    def prove(self, sale: str = "sale.json", *more: str) -> Done:
        return self.run(
            *("optician", "prove", sale, "--contract", EXAMPLES / "contracts" / "responsable.json"),
            *("--key", "key.json", "--out", "claim.json", "--openings", "openings.json", *more),
        )

    def files(self) -> dict[str, bytes]:
        """Every file below, by name."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def leaks(self, secrets: Mapping[str, int | bytes], own: set[str] = OWN_FILES) -> set[str]:
        """Where a secret stands that should not: "file: secret"."""
        places = {
            name: data
            for name, data in self.files().items()
            if name.removeprefix("work/") not in own
        }
        places |= {f"output {number}": data for number, data in enumerate(self.printed)}
        return {
            f"{place}: {name}"
            for place, data in places.items()
            for name in traces_in(data, secrets)
        }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path, monkeypatch)
    done = made.run("optician", "keygen", "shop-1", "--out", "key.json", "--public", "keys.json")
    assert done.code == 0, done.err
    return made


# -- the search finds what there is -----------------------------------------------------------


@pytest.mark.parametrize("secret", [7_233_865, 71_233, 820_069_535_829, bytes(range(200, 232))])
def test_the_search_finds_a_secret_in_every_form(secret: int | bytes) -> None:
    for form in forms_of(secret):
        for prefix in (b"", b"x", b"xy", b"xyz"):
            planted = prefix + form + b"tail"
            for encoded in (
                planted,
                base64.b64encode(planted),
                base64.urlsafe_b64encode(planted).rstrip(b"="),
                planted.hex().encode(),
                planted.hex().upper().encode(),
            ):
                assert traces_in(b'{"a":"' + encoded + b'"}', {"it": secret}) == {"it"}
    assert traces_in(b"nothing of the kind " * 50, {"it": secret}) == set()


def test_the_search_finds_everything_in_the_owner_s_files(shop: Shop) -> None:
    document = secret_sale()
    (shop.work / "sale.json").write_text(json.dumps(document))
    assert shop.prove().code == 0
    files = shop.files()
    openings, key = files["work/openings.json"], files["work/key.json"]
    held = secrets_of_sale(document) | secrets_of_openings(openings)
    assert len(held) == 4 + 3 + 2 + 4
    assert traces_in(openings, held) == set(held)
    assert traces_in(key, secrets_of_key(key)) == {"private_key", "hedge_key"}
    assert shop.leaks(held, own=set()) >= {f"work/openings.json: {name}" for name in held}


# -- files and output -------------------------------------------------------------------------


def test_after_proving_only_the_owner_s_files_hold_secrets(shop: Shop) -> None:
    shop.is_process = True
    document = secret_sale()
    (shop.work / "sale.json").write_text(json.dumps(document))
    assert shop.prove().code == 0
    openings = (shop.work / "openings.json").read_bytes()
    secrets = secrets_of_sale(document) | secrets_of_openings(openings)
    secrets |= secrets_of_key((shop.work / "key.json").read_bytes())
    for more in (("--json",), ("--lang", "fr"), ()):
        (shop.work / "openings.json").unlink()
        (shop.work / "claim.json").unlink()
        assert shop.prove("sale.json", *more).code == 0
        openings = (shop.work / "openings.json").read_bytes()
        blindings = secrets_of_openings(openings)
        secrets |= {f"{name} {len(secrets)}": value for name, value in blindings.items()}
    check = ("--contract", EXAMPLES / "contracts" / "responsable.json")
    done = shop.run("verifier_api", "check", "claim.json", *check, "--optician-keys", "keys.json")
    assert done.code == 0, done.err
    assert {name.removeprefix("work/") for name in shop.files()} == {
        *OWN_FILES,
        "keys.json",
        "claim.json",
    }
    assert shop.leaks(secrets) == set()


def test_an_opening_holds_what_it_reveals_and_no_more(shop: Shop) -> None:
    document = secret_sale()
    (shop.work / "sale.json").write_text(json.dumps(document))
    assert shop.prove().code == 0
    done = shop.run(
        *("optician", "open", "openings.json", "--line", "1", "--reveal", "code"),
        *("--purpose", "audit", "--out", "opening.json"),
    )
    assert done.code == 0, done.err
    secrets = secrets_of_sale(document)
    secrets |= secrets_of_openings((shop.work / "openings.json").read_bytes())
    secrets |= secrets_of_key((shop.work / "key.json").read_bytes())
    assert shop.leaks(secrets) == {"work/opening.json: code 1"}


def broken(document: dict[str, Any], **lens: Any) -> bytes:
    return json.dumps(document | {"right_lens": document["right_lens"] | lens}).encode()


UNKNOWN_CODE = 9_876_544  # the check digit is right, the code in no table
BROKEN_SALES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "code of no table": lambda sale: broken(sale, code=UNKNOWN_CODE),
    "wrong check digit": lambda sale: broken(sale, code=sale["right_lens"]["code"] + 1),
    "code of a frame": lambda sale: broken(sale, code=sale["frame"]["code"]),
    "price over the largest": lambda sale: broken(sale, price_cents=PRICES["right_lens"] * 5),
    "price over every limit": lambda sale: broken(sale, price_cents=PRICES["right_lens"] * 1000),
    "price as text": lambda sale: broken(sale, price_cents=str(PRICES["right_lens"])),
    "price with a fraction": lambda sale: json.dumps(sale).replace("71233", "71233.5").encode(),
    "code as a field": lambda sale: broken(sale, **{str(sale["frame"]["code"]): 1}),
    "correction not a power": lambda sale: broken(sale, correction={"sphere": "71233"}),
    "supplements are no list": lambda sale: json.dumps(sale | {"supplements": sale}).encode(),
    "claimed more than sold": lambda sale: json.dumps(
        sale | {"amounts": {"lenses_cents": 0, "frame_cents": 113_580}}
    ).encode(),
    "cut off": lambda sale: json.dumps(sale).encode()[:-40],
    "duplicate key": lambda sale: json.dumps(sale).replace('"frame"', '"left_lens"').encode(),
    "no UTF-8": lambda sale: json.dumps(sale).encode() + b"\xff",
}


@pytest.mark.parametrize("name", BROKEN_SALES)
def test_no_error_about_a_sale_repeats_it(shop: Shop, name: str) -> None:
    document = secret_sale()
    data = BROKEN_SALES[name](document)
    (shop.work / "sale.json").write_bytes(data)
    for more in ((), ("--json",), ("--lang", "fr")):
        done = shop.prove("sale.json", *more)
        assert done.code == 2, name
        assert len(done.err.splitlines()) == 1
    secrets = secrets_of_sale(document) | {"unknown code": UNKNOWN_CODE}
    assert traces_in(data, secrets)  # the file does hold them
    secrets |= {"wrong code": document["right_lens"]["code"] + 1}
    secrets |= {f"price × {k}": PRICES["right_lens"] * k for k in (5, 1000)}
    secrets |= secrets_of_key((shop.work / "key.json").read_bytes())
    assert shop.leaks(secrets) == set()


@pytest.mark.parametrize("file", ["key.json", "openings.json"])
@pytest.mark.parametrize("damage", ["cut off", "changed name", "wrong type", "too large", "text"])
def test_no_error_about_keys_or_openings_repeats_them(shop: Shop, file: str, damage: str) -> None:
    document = secret_sale()
    (shop.work / "sale.json").write_text(json.dumps(document))
    assert shop.prove().code == 0
    data = (shop.work / file).read_bytes()
    secrets = secrets_of_sale(document)
    secrets |= secrets_of_openings((shop.work / "openings.json").read_bytes())
    secrets |= secrets_of_key((shop.work / "key.json").read_bytes())
    content = json.loads(data)
    last = content["lines"][0] if file == "openings.json" else content
    name = "blinding" if file == "openings.json" else "private_key"
    if damage == "cut off":
        data = data[:-10]
    elif damage == "changed name":
        value = last.pop(name)
        last[value] = value
        data = json.dumps(content).encode()
    elif damage == "wrong type":
        last[name] = [last[name]]
        data = json.dumps(content).encode()
    elif damage == "too large":
        last[name] = encode_scalar(mpz(2**256 - 1)).hex() + last[name]
        data = json.dumps(content).encode()
    else:
        data = last[name].encode()
    (shop.work / file).write_bytes(data)
    if file == "key.json":
        done = shop.prove("sale.json", "--force")
    else:
        done = shop.run(
            *("optician", "open", file, "--line", "1", "--reveal", "code", "--purpose", "audit")
        )
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert shop.leaks(secrets) == set()


# -- objects, logs, tracebacks ----------------------------------------------------------------


def test_no_repr_and_no_log_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    document = secret_sale()
    sale = parse_sale(json.dumps(document).encode())
    with caplog.at_level(logging.DEBUG):
        claim, openings = claim_of(sale)
        opening = open_line(openings, 1, ["code", "price"], "audit", generators())
        verdict = judge().judge(claim)
    assert verdict.is_accepted
    secrets = secrets_of_sale(document) | secrets_of_openings(openings.encode())
    secrets |= secrets_of_key(identity().encode())
    shown: list[Any] = [sale, claim, openings, opening, verdict, identity(), *sale.items()]
    shown += [item.article() for item in sale.items()]
    shown += [item.correction for item in sale.items()]
    shown += [*openings.openings, opening.partial_opening()]
    texts = [form(value) for value in shown for form in (repr, str, lambda v: f"{v}")]
    texts += [record.getMessage() for record in caplog.records]
    assert traces_in("\n".join(texts).encode(), secrets) == set()


def test_documents_with_secrets_show_nothing_but_their_type() -> None:
    sale = parse_sale(json.dumps(secret_sale()).encode())
    _, openings = claim_of(sale)
    documents = [
        *sale.items(),
        *(item.correction for item in sale.items() if item.correction is not None),
        optician.identity._IdentityFile.model_validate_json(identity().encode()),
        optician.claiming._OpeningsFile.model_validate_json(openings.encode()),
        *optician.claiming._OpeningsFile.model_validate_json(openings.encode()).lines,
    ]
    assert len(documents) >= 9
    for document in documents:
        assert repr(document) == f"{type(document).__name__}()"
        assert str(document) == ""


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (Identity.parse, identity().encode()),
        (lambda data: Openings.parse(data, generators()), claim_of(sample_sale())[1].encode()),
        (parse_sale, json.dumps(secret_sale()).encode()),
    ],
)
def test_no_refusal_carries_the_document_it_refuses(
    read: Callable[[bytes], object], document: bytes
) -> None:
    read(document)
    broken = json.loads(document)
    broken["format_version"] = 2
    for data in (json.dumps(broken).encode(), document[:-1], document + b"]"):
        with pytest.raises(ZkError) as refusal:
            read(data)
        error: BaseException | None = refusal.value
        while error is not None:  # what a logger that follows the chain of causes would print
            assert len(str(error)) < 200
            assert error.__cause__ is None
            error = error.__context__


@pytest.mark.parametrize("name", BROKEN_SALES)
def test_no_traceback_holds_a_secret(name: str) -> None:
    """The whole chain of exceptions, for whoever uses the library and prints it."""
    document = secret_sale()
    data = BROKEN_SALES[name](document)
    with pytest.raises(ZkError) as caught:
        claim_of(parse_sale(data))
    text = "".join(traceback.format_exception(caught.value))
    secrets = secrets_of_sale(document) | {
        "unknown code": UNKNOWN_CODE,
        "wrong code": document["right_lens"]["code"] + 1,
    }
    secrets |= {f"price × {k}": PRICES["right_lens"] * k for k in (5, 1000)}
    assert traces_in(text.encode(), secrets) == set()


# -- brute force ------------------------------------------------------------------------------

GUESSED_PRICES = [*range(20_000, 55_000, 5_000), 36_790]
SOLD = (row_of("V04", 640).code, 36_790)


def guessable_sale(**changes: Any) -> Sale:
    """A lens of V04 without a correction: 901 codes and eight prices are all there is."""
    item = {"code": SOLD[0], "price_cents": SOLD[1]}
    return parse_sale(json.dumps(sale_document("line") | {"item": item} | changes).encode())


def results(claim: Claim) -> dict[str, set[tuple[int, int]]]:
    """What every attack finds."""
    attacker = Attacker(claim, contract(), nomenclature(), generators(), GUESSED_PRICES)
    assert len(attacker.codes) == 901
    assert len(attacker.wires) == 901 * len(GUESSED_PRICES)
    assert SOLD in attacker.wires  # the truth is among the guesses
    return {name: attack() for name, attack in attacker.attacks().items()}


ATTACKS = (
    "small_blinding",
    "derived_blinding",
    "leaked_blinding",
    "small_announcement_mask",
    "leaked_announcement_mask",
    "small_masks",
    "published_digest",
)


def test_a_claim_survives_every_guess() -> None:
    claim, _ = claim_of(guessable_sale(claim_id="guess-me"))
    assert results(claim) == {attack: set() for attack in ATTACKS}


def weak_blinding(
    monkeypatch: pytest.MonkeyPatch, blinding: Callable[[tuple[int, ...]], int]
) -> None:
    def opening(_: object, values: Any, **__: object) -> Opening:
        return Opening(tuple(values), mpz(blinding(tuple(values))) % generators().group.order)

    monkeypatch.setattr(optician.claiming, "fresh_opening", opening)


def weak_masks(monkeypatch: pytest.MonkeyPatch, **changes: Callable[[Masks], Any]) -> None:
    honest = Masks.of

    def of(circuit: Circuit, scalars: list[Scalar]) -> Masks:
        masks = honest(circuit, scalars)
        return replace(masks, **{name: change(masks) for name, change in changes.items()})

    monkeypatch.setattr(Masks, "of", of)


WEAKENINGS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "no blinding": ("small_blinding", lambda patch: weak_blinding(patch, lambda _: 0)),
    "a counter for a blinding": ("small_blinding", lambda patch: weak_blinding(patch, lambda _: 7)),
    "a hash for a blinding": (
        "derived_blinding",
        lambda patch: weak_blinding(patch, lambda values: hashed_blinding(*values[:2])),
    ),
    "no ρ": ("leaked_blinding", lambda p: weak_masks(p, rho=lambda m: [mpz(0)] * len(m.rho))),
    "no r_B": ("small_announcement_mask", lambda p: weak_masks(p, r_B=lambda _: mpz(0))),
    "no r_A": ("leaked_announcement_mask", lambda p: weak_masks(p, r_A=lambda _: mpz(0))),
    "short a": ("small_masks", lambda p: weak_masks(p, a=lambda m: [a % 500 for a in m.a])),
}


@pytest.mark.parametrize("name", WEAKENINGS)
def test_a_weakened_claim_is_guessed_by_the_attack_on_its_weakness(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attack, weaken = WEAKENINGS[name]
    weaken(monkeypatch)
    claim, _ = claim_of(guessable_sale(claim_id="guess-me"))
    assert judge().judge(claim).is_accepted  # nothing of it shows to a verifier
    assert results(claim) == {other: {SOLD} if other == attack else set() for other in ATTACKS}


def test_a_digest_for_an_identifier_is_guessed() -> None:
    digest = hashlib.sha256(b"%d,%d" % SOLD).hexdigest()
    claim, _ = claim_of(guessable_sale(claim_id=digest[:32]))
    found = results(claim)
    assert found.pop("published_digest") == {SOLD}
    assert not any(found.values())


def test_two_claims_of_one_sale_have_no_point_and_no_scalar_in_common() -> None:
    sale = parse_sale(json.dumps(secret_sale()).encode())
    made = [claim_of(sale)[0] for _ in range(2)]
    parts = []
    for claim in made:
        _, instance = build_instance(claim, contract(), nomenclature(), generators().group)
        proof = decode_proof(claim.proof_bytes(), instance.circuit, generators().group)
        listed: list[bytes] = [*instance.commitments, proof.B, proof.A, *proof.T]
        listed += [encode_scalar(scalar) for scalar in (*proof.f, proof.z_1, proof.z_2)]
        assert len(set(listed)) == len(listed)
        parts.append(set(listed))
    assert parts[0] & parts[1] == set()
