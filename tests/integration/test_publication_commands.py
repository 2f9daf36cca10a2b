"""The commands around publications: a publisher's, the insurer's, the optician's."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import decode_claim
from circuits.contract import load_sample
from circuits.publication import Publication, parse_publications
from circuits.signed import decode_signed, verify_signed
from circuits.trust import PARTY_ROLES, PartyRole, parse_trust
from optician import asking
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.canned_service import Canned, CannedService, serving
from tests.support.commands import EXAMPLES, ROOT, Console, Done, run_process
from tests.support.publishing import party, publication, trust_bytes
from tests.support.service_answers import TOKEN
from verifier_api.parties import Party

pytestmark = pytest.mark.integration

CONTRACT = EXAMPLES / "contracts" / "responsable.json"
TABLE = ROOT / "circuits" / "data" / "nomenclature-2020-07.json"
SALE = EXAMPLES / "sales" / "single-vision.json"
DAYS = {"contract": "2020-07-01", "nomenclature": "2020-01-01"}
FILES = {"contract": CONTRACT, "nomenclature": TABLE}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's."""
    for name in list(os.environ):
        if name.startswith("CLAIROBSCUR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def publisher(console: Console) -> Console:
    """A console in a folder with a publisher's key and the trust list that names him."""
    done = console.verifier(
        *("keygen", "publisher", "association-1"),
        *("--out", "publisher.key", "--public", "trust.json"),
    )
    assert (done.code, done.err) == (0, "")
    return console


def publish(console: Console, kind: str, *more: str | Path, out: str = "") -> Done:
    return console.verifier(
        *("publish", kind, FILES[kind], "--key", "publisher.key"),
        *("--in-force-from", DAYS[kind], "--out", out or f"{kind}.json", *more),
    )


def refusal(done: Done) -> dict[str, str]:
    """The error of a command that did nothing."""
    assert (done.code, done.out) == (2, ""), done
    told: dict[str, str] = json.loads(done.err)
    return told


# -- keygen -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", PARTY_ROLES)
def test_a_party_gets_a_secret_file_and_an_entry(console: Console, role: PartyRole) -> None:
    done = console.verifier(
        "keygen", role, "party-1", "--out", "party.key", "--public", "entry.json", "--json"
    )
    assert (done.code, done.err) == (0, "")
    made = Party.parse((console.folder / "party.key").read_bytes())
    assert json.loads(done.out) == {
        "role": role,
        "party_id": "party-1",
        "key_id": made.key_id,
        "key_file": "party.key",
        "public_file": "entry.json",
    }
    assert stat.S_IMODE((console.folder / "party.key").stat().st_mode) == 0o600
    entry = (console.folder / "entry.json").read_bytes()
    assert set(parse_trust(entry).keys) == {made.key_id}
    secret = json.loads(made.encode())["private_key"]
    assert secret not in done.out + entry.decode()


def test_a_secret_file_is_never_replaced(publisher: Console) -> None:
    before = (publisher.folder / "publisher.key").read_bytes()
    again = ("keygen", "publisher", "association-1", "--json")
    done = publisher.verifier(*again, "--out", "publisher.key", "--public", "other.json")
    assert "never replaced" in refusal(done)["detail"]
    done = publisher.verifier(*again, "--out", "other.key", "--public", "trust.json")
    assert refusal(done)["error"] == "file"
    assert (publisher.folder / "publisher.key").read_bytes() == before
    assert not (publisher.folder / "other.key").exists()


def test_the_entry_may_go_to_output(console: Console) -> None:
    done = console.verifier("keygen", "auditor", "auditor-1", "--out", "auditor.key")
    assert done.code == 0
    assert len(parse_trust(done.stdout).keys) == 1
    assert "keep it secret" in done.err


def test_an_entry_says_what_is_asked(console: Console) -> None:
    done = console.verifier(
        *("keygen", "publisher", "association-1", "--out", "k", "--publishes", "contract"),
        *("--insurer", "ocam-exemple", "--valid-from", "2020-01-01T00:00:00Z"),
        *("--valid-to", "2021-01-01T00:00:00Z"),
    )
    (entry,) = json.loads(done.out)["keys"]
    del entry["public_key"]
    assert entry == {
        "role": "publisher",
        "party_id": "association-1",
        "valid_from": "2020-01-01T00:00:00Z",
        "valid_to": "2021-01-01T00:00:00Z",
        "publishes": ["contract"],
        "insurer_id": "ocam-exemple",
    }


@pytest.mark.parametrize(
    ("arguments", "kind", "problem"),
    [
        (("optician", "shop-1"), "usage", "ROLE: "),
        (("auditor", "a b"), "argument", "party_id: "),
        (("auditor", "a", "--publishes", "contract"), "argument", "publishes goes with role"),
        (("publisher", "a", "--publishes", "prices"), "argument", "publishes"),
        (("publisher", "a", "--publishes", ""), "argument", "publishes"),
        (("attester", "a", "--insurer", "b"), "argument", "insurer_id goes with role"),
        (("attester", "a", "--valid-from", "2020-01-01"), "usage", "--valid-from: not an instant"),
        (("attester", "a", "--valid-to", "soon"), "usage", "--valid-to: not an instant"),
        (
            (
                *("attester", "a", "--valid-from", "2020-01-02T00:00:00Z"),
                *("--valid-to", "2020-01-01T00:00:00Z"),
            ),
            "argument",
            "valid_to is before valid_from",
        ),
    ],
)
def test_what_keygen_refuses(
    console: Console, arguments: tuple[str, ...], kind: str, problem: str
) -> None:
    told = refusal(console.verifier("keygen", *arguments, "--out", "k", "--json"))
    assert told["error"] == kind
    assert problem in told["detail"]
    assert list(console.folder.iterdir()) == []


# -- publish ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_a_document_is_published(publisher: Console, kind: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    done = publish(publisher, kind, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    made = decode_signed(Publication, (publisher.folder / f"{kind}.json").read_bytes())
    trust = parse_trust((publisher.folder / "trust.json").read_bytes())
    verify_signed(made, trust.public_key(made.key_id))
    assert before <= made.published_at <= datetime.now(UTC)
    assert told == {
        "kind": kind,
        "digest": made.digest,
        "name": {"contract": "responsable-2020", "nomenclature": "2020-07"}[kind],
        "insurer_id": {"contract": "ocam-exemple", "nomenclature": None}[kind],
        "in_force_from": DAYS[kind],
        "publisher_id": "association-1",
        "key_id": made.key_id,
        "file": f"{kind}.json",
    }
    assert {name: getattr(made, name) for name in ("kind", "name", "insurer_id")}.items() <= (
        told.items()
    )


def test_a_publication_is_replaced_by_force_only(publisher: Console) -> None:
    assert publish(publisher, "contract").code == 0
    assert "exists already" in refusal(publish(publisher, "contract", "--json"))["detail"]
    assert publish(publisher, "contract", "--force").code == 0
    done = publish(publisher, "contract", out="-")
    assert decode_signed(Publication, done.stdout).name == "responsable-2020"


def test_what_is_not_published(publisher: Console) -> None:
    publisher.verifier("keygen", "auditor", "a", "--out", "auditor.key", "--public", "a.json")
    cases = [
        (("prices", CONTRACT), "publisher.key", "2020-07-01", "usage", "KIND: "),
        (("contract", TABLE), "publisher.key", "2020-07-01", "unreadable", "contract: "),
        (("nomenclature", CONTRACT), "publisher.key", "2020-07-01", "unreadable", "nomencl"),
        (("contract", CONTRACT), "publisher.key", "2020-06-30", "usage", "not within"),
        (("contract", CONTRACT), "publisher.key", "1/7/2020", "usage", "not a date"),
        (("contract", CONTRACT), "auditor.key", "2020-07-01", "key", "not of role publisher"),
        (("contract", CONTRACT), "trust.json", "2020-07-01", "unreadable", "`verifier keygen`"),
        (("contract", CONTRACT), "missing.key", "2020-07-01", "file", "missing.key"),
    ]
    for document, key, day, kind, problem in cases:
        done = publisher.verifier(
            *("publish", *document, "--key", key, "--in-force-from", day),
            *("--out", "made.json", "--json"),
        )
        told = refusal(done)
        assert (told["error"], problem in told["detail"]) == (kind, True), told
    assert not (publisher.folder / "made.json").exists()


def test_a_key_that_others_can_read_is_told(publisher: Console) -> None:
    (publisher.folder / "publisher.key").chmod(0o644)
    done = publish(publisher, "contract")
    assert done.code == 0
    assert done.err == "warning: the key file can be read by others on this machine\n"


# -- publications add, list ---------------------------------------------------------------------


@pytest.fixture
def insurer(publisher: Console) -> Console:
    """The same folder with both publications, and a service's database with both documents."""
    for kind in FILES:
        assert publish(publisher, kind).code == 0
    assert publisher.verifier("nomenclature", "add").code == 0
    assert publisher.verifier("contracts", "add", CONTRACT).code == 0
    return publisher


def test_publications_are_recorded_and_listed(
    insurer: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ("publications", "list", "--json")
    assert json.loads(insurer.verifier(*listing).out) == {"publications": []}
    assert insurer.verifier("publications", "list").out == "none\n"
    # By the next list, which the service does not use yet: so nothing is ever unpublished.
    files = ("contract.json", "nomenclature.json")
    done = insurer.verifier("publications", "add", *files, "--trust", "trust.json", "--json")
    assert (done.code, done.err) == (0, "")
    made = [parse_publications((insurer.folder / name).read_bytes())[0] for name in files]
    assert json.loads(done.out) == {
        "publications": [
            {
                "digest": one.digest,
                "kind": one.kind,
                "name": one.name,
                "publisher_id": "association-1",
                "key_id": one.key_id,
            }
            for one in made
        ]
    }
    listed = json.loads(insurer.verifier(*listing).out)["publications"]
    found = {entry["publication"]["kind"]: entry["publication"] for entry in listed}
    assert found == {one.kind: one.model_dump(mode="json") for one in made}
    assert all(entry.keys() == {"recorded_at", "publication"} for entry in listed)
    monkeypatch.setenv("CLAIROBSCUR_TRUST", "trust.json")
    listed = json.loads(insurer.verifier(*listing).out)["publications"]
    assert [entry["refusal"] for entry in listed] == [None, None]
    assert insurer.verifier("publications", "list").out.count("  counts\n") == 2
    (insurer.folder / "none.json").write_text('{"format_version": 1, "keys": []}')
    done = insurer.verifier("publications", "list", "--trust", "none.json")
    assert done.out.count("  does not count: key_unknown\n") == 2


def test_all_or_none_are_recorded(insurer: Console) -> None:
    (insurer.folder / "bad.json").write_bytes(
        (insurer.folder / "nomenclature.json").read_bytes().replace(b'"2020-07"', b'"2020-08"')
    )
    done = insurer.verifier(
        "publications", "add", "contract.json", "bad.json", "--trust", "trust.json", "--json"
    )
    assert refusal(done)["error"] == "publication_refused"
    assert insurer.verifier("publications", "list").out == "none\n"


def test_what_is_not_recorded(insurer: Console) -> None:
    add = ("publications", "add", "contract.json", "--json")
    assert "--trust: needed" in refusal(insurer.verifier(*add))["detail"]
    told = refusal(insurer.verifier(*add, "--trust", "missing.json"))
    assert (told["error"], "missing.json" in told["detail"]) == ("file", True)
    told = refusal(insurer.verifier(*add, "--trust", "contract.json"))
    assert "trust list: " in told["detail"]
    told = refusal(insurer.verifier("publications", "add", "trust.json", "--json"))
    assert "publications: 0: publication: " in told["detail"]
    network = EXAMPLES / "contracts" / "reseau.json"
    insurer.verifier(
        *("publish", "contract", network, "--key", "publisher.key"),
        *("--in-force-from", "2020-07-01", "--out", "network.json"),
    )
    done = insurer.verifier(
        "publications", "add", "network.json", "--trust", "trust.json", "--json"
    )
    assert refusal(done)["error"] == "not_found"


def test_no_service_starts_with_a_bad_trust_list(insurer: Console) -> None:
    bad = insurer.folder / "bad.json"
    bad.write_text('{"format_version": 1, "keys": [{"role": "publisher"}]}')
    for name, kind, problem in (
        (bad.name, "unreadable", "trust list: keys.0.party_id: Field required"),
        ("missing.json", "file", "missing.json: No such file or directory"),
    ):
        done = run_process(
            *("verifier_api", "serve", "--port", "0", "--json"),
            cwd=insurer.folder,
            environment={"CLAIROBSCUR_TRUST": name},
        )
        told = refusal(done)
        assert told["error"] == kind
        assert problem in told["detail"]


# -- the optician's -----------------------------------------------------------------------------


@pytest.fixture
def service() -> Iterator[CannedService]:
    with serving() as started:
        yield started


def test_publications_are_fetched_with_a_document(
    console: Console, service: CannedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(asking.TOKEN_VARIABLE, TOKEN)
    told = canned.contract_answer()
    made = publication(load_sample("responsable"))
    entry = {"recorded_at": canned.JUDGED_AT, "publication": made.model_dump(mode="json")}
    service.tell(Canned.of(told), Canned.of({"publications": [entry]}))
    fetch = ("fetch", "contract", "--digest", told["digest"], "--to", service.url)
    outputs = ("--out", "contract.json", "--publications", "publications.json")
    done = console.optician(*fetch, *outputs, "--json")
    assert (done.code, done.err) == (0, "")
    facts = json.loads(done.out)
    assert (facts["publications_file"], facts["publications"]) == ("publications.json", 1)
    assert [seen.line for seen in service.seen] == [
        f"GET /v1/contracts/{told['digest']}",
        f"GET /v1/publications?digest={told['digest']}",
    ]
    data = (console.folder / "publications.json").read_bytes()
    assert parse_publications(data) == (made,)
    service.tell(Canned.of(told), Canned.of({"publications": [entry]}))
    done = console.optician(*fetch, *outputs, "--force", "--lang", "fr")
    assert "publications : 1" in done.out.splitlines()
    done = console.optician(*fetch, "--out", "x.json", "--publications", "x.json")
    assert "a file that is written is named twice" in done.err


@pytest.fixture
def shop(console: Console) -> Console:
    """A shop with a key, a trust list and publications of contract and table."""
    files = {
        "shop.key": samples.identity().encode(),
        "trust.json": trust_bytes(),
        "contract.pub": b"[%s]" % _encoded(publication(load_sample("responsable"))),
        "table.pub": _encoded(publication(samples.nomenclature())),
    }
    for name, data in files.items():
        (console.folder / name).write_bytes(data)
        (console.folder / name).chmod(0o600)
    return console


def _encoded(made: Publication) -> bytes:
    return json.dumps(made.model_dump(mode="json"), indent=1).encode()


PUBLISHED = ("--publications", "contract.pub", "--publications", "table.pub")


def prove(shop: Console, *more: str, **options: Any) -> Done:
    return shop.optician(
        *("prove", options.get("sale", SALE), "--contract", CONTRACT, "--key", "shop.key"),
        *("--out", "claim.json", "--openings", "openings.json", "--json", *more),
    )


def test_a_sale_is_proved_by_what_is_published(shop: Console) -> None:
    done = prove(shop, "--trust", "trust.json", *PUBLISHED)
    assert (done.code, done.err) == (0, "")
    claim = decode_claim((shop.folder / "claim.json").read_bytes())
    assert claim.contract_digest == publication(load_sample("responsable")).digest


@pytest.mark.parametrize(
    ("trusted", "given", "problem"),
    [
        ((), (), "contract: there is no publication of it"),
        ((), PUBLISHED[2:], "contract: there is no publication of it"),
        ((), PUBLISHED[:2], "nomenclature: there is no publication of it"),
        (("publisher-2",), PUBLISHED, "contract: the key that signed is not in the trust list"),
    ],
)
def test_nothing_unpublished_is_proved_by(
    shop: Console, trusted: tuple[str, ...], given: tuple[str, ...], problem: str
) -> None:
    entries = [party(name).public_entry() for name in trusted]
    (shop.folder / "trust.json").write_bytes(trust_bytes(*entries))
    told = refusal(prove(shop, "--trust", "trust.json", *given))
    assert told["error"] == "unpublished"
    assert problem in told["detail"]
    assert not (shop.folder / "claim.json").exists()
    assert not (shop.folder / "openings.json").exists()


def test_a_publisher_whose_key_was_revoked_is_not_relied_upon(shop: Console) -> None:
    revoked = party().public_entry(revoked_at=datetime.now(UTC) - timedelta(days=1))
    (shop.folder / "trust.json").write_bytes(trust_bytes(revoked))
    told = refusal(prove(shop, "--trust", "trust.json", *PUBLISHED))
    assert told == {
        "error": "unpublished",
        "detail": "contract: the key that signed had been revoked by then",
    }
    done = shop.optician(
        *("prove", SALE, "--contract", CONTRACT, "--key", "shop.key", "--out", "c"),
        *("--openings", "o", "--trust", "trust.json", *PUBLISHED, "--lang", "fr"),
    )
    assert done.err.startswith("erreur : personne sur votre liste de confiance ne l'a publié")


def test_publications_alone_are_a_mistake(shop: Console) -> None:
    told = refusal(prove(shop, *PUBLISHED))
    assert told["error"] == "usage"
    assert "--publications: needs --trust" in told["detail"]


def test_files_of_another_form_are_named(shop: Console) -> None:
    for options, problem in (
        (("--trust", "table.pub"), "trust list: "),
        (("--trust", "trust.json", "--publications", "trust.json"), "publications: 0: "),
    ):
        told = refusal(prove(shop, *options))
        assert told["error"] == "unreadable"
        assert problem in told["detail"]
