"""docs/integration.md is true: its example is claimed, by the endpoint and by the command, on one
vault and with an insurer's service behind it; and what it lists is what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest
import typer.main

from optician.agent import commands
from optician.agent.records import STATES
from optician.agent.shop import Shop
from optician.cli import app
from optician.order import parse_order, to_sale
from optician.vault import Vault
from optician.web.endpoint import DEFAULT_WAIT_SECONDS, MOST_WAIT_SECONDS
from optician.web.problems import PROBLEMS
from optician.web.tokens import make_endpoint_token
from scripts.make_schemas import schema_of
from tests.support import claims as samples
from tests.support.commands import ROOT, Console
from tests.support.storefront import PASSPHRASE, Clock, Storefront, office, storefront

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs/integration.md").read_text(encoding="utf-8")
VARYING = ("claim_id", "made_at", "granted_until")


def block(name: str) -> Any:
    """The JSON of the page after ``<!-- name -->``."""
    found = re.search(rf"^<!-- {name} -->\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, name
    return json.loads(found[1])


def section(title: str) -> str:
    """The text under a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


@dataclass(frozen=True)
class Till:
    """Software at the shop's till: it knows where the agent is, and the agent's token."""

    front: Storefront
    folder: Path
    token: str = field(repr=False)

    def post(self, order: Any) -> Any:
        """One call of the endpoint."""
        return httpx2.post(
            f"{self.front.url}/v1/claims", json=order, headers=self.headers, timeout=30
        )

    def get(self, path: str) -> Any:
        """What the endpoint tells."""
        return httpx2.get(f"{self.front.url}{path}", headers=self.headers, timeout=30)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    """A shop whose agent runs, and an insurer."""
    folder = tmp_path_factory.mktemp("till")
    clock = Clock()
    with ExitStack() as stack:
        at = stack.enter_context(office(folder, clock))
        front = stack.enter_context(storefront(folder, at, clock))
        yield Till(front, folder, make_endpoint_token(front.keeper.vault()))


@pytest.fixture
def answer(till: Till) -> dict[str, Any]:
    """The answer to the page's order: of the first call or of any later one."""
    done = till.post(block("order"))
    assert done.status_code == 200, done.text
    told: dict[str, Any] = done.json()
    return told


def test_the_order_of_the_page_is_granted_as_the_page_says(answer: dict[str, Any]) -> None:
    assert jsonschema_rs.validator_for(schema_of("sale-order")).is_valid(block("order"))
    assert jsonschema_rs.validator_for(schema_of("claim-answer")).is_valid(answer)
    shown = block("answer")
    assert shown.keys() == answer.keys()
    assert {name: value for name, value in answer.items() if name not in VARYING} == {
        name: value for name, value in shown.items() if name not in VARYING
    }
    assert all(answer[name] for name in VARYING)


def test_no_secret_of_the_order_is_in_the_answer(till: Till, answer: dict[str, Any]) -> None:
    text = json.dumps(answer)
    sale = to_sale(parse_order(json.dumps(block("order")).encode()), *known())
    for item in sale.items():
        assert str(item.code) not in text
        assert str(item.price_cents) not in text
    for power in ("-4.25", "-2.50"):
        assert power not in text


def known() -> tuple[Any, Any]:
    """Table and contract that the page's order names."""
    return samples.nomenclature(), samples.contract()


def test_the_same_again_is_the_same_claim(till: Till, answer: dict[str, Any]) -> None:
    again = till.post(block("order"))
    assert again.json() == answer
    assert till.get(f"/v1/claims/{answer['claim_id']}").json() == answer
    status = till.get("/v1/status").json()
    assert status["states"] == {"granted": 1}
    assert (status["status"], status["waiting"]) == ("ready", 0)


def test_the_command_answers_as_the_endpoint_does(
    till: Till, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def shop_on(vault: Vault) -> Shop:
        return Shop(vault, till.front.clock)

    monkeypatch.setattr(commands, "shop_on", shop_on)
    console = Console(monkeypatch, tmp_path)
    (tmp_path / "passphrase.txt").write_text(f"{PASSPHRASE}\n", encoding="utf-8")

    def claim(order: Any) -> Any:
        return console.optician(
            *("claim", "--json", "--passphrase-file", "passphrase.txt"),
            *("--vault", till.front.vault_file),
            stdin=json.dumps(order).encode(),
        )

    done = claim(block("order"))
    assert done.code == 0, done.err
    assert json.loads(done.out) == answer
    changed = claim(block("order") | {"date_of_service": "2020-10-04"})
    assert (changed.code, json.loads(changed.err)["code"]) == (2, "sale_conflict")
    refused = claim(block("order") | {"sale_id": "2020-000418", "frame": {"price_cents": 1}})
    told = json.loads(refused.err)
    problem = block("problem")
    assert (refused.code, told["code"]) == (2, problem["detail"])
    assert (told["places"], told["titles"]) == (problem["places"], problem["titles"])


def test_a_refusal_looks_as_the_page_says(till: Till, answer: dict[str, Any]) -> None:
    wrong = {"sale_id": "2020-000418", "frame": {"price_cents": 16_500}}
    refused = till.post(block("order") | wrong)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() == block("problem")
    conflict = till.post(block("order") | {"date_of_service": "2020-10-04"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "sale_conflict")
    assert till.get("/v1/status").json()["states"] == {"granted": 1}


def test_the_articles_of_the_page_are_a_sale() -> None:
    document = block("order") | block("articles")
    sale = to_sale(parse_order(json.dumps(document).encode()), *known())
    assert [item.code for item in sale.items()] == [7237538, 7237538, 7220957]


def table(text: str) -> list[list[str]]:
    """The rows of the first table, without its heading."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return rows[2:]


def test_the_states_and_exit_codes_are_those_of_the_program() -> None:
    told = {row[0].strip("`"): int(row[2]) for row in table(section("What comes back"))}
    assert set(told) == set(STATES)
    assert told == commands.EXIT_CODES


def test_the_problems_are_those_of_the_endpoint() -> None:
    told = {row[0].strip("`"): int(row[1]) for row in table(section("Refusals"))}
    assert told == {code: kind.status for code, kind in PROBLEMS.items()}


def test_the_seconds_of_waiting_are_those_of_the_program() -> None:
    text = " ".join(section("Repeat as you like").split())
    assert f"`?wait=SECONDS`, 0 to {MOST_WAIT_SECONDS})" in text
    assert f"{DEFAULT_WAIT_SECONDS} by default" in text
    assert DEFAULT_WAIT_SECONDS == commands.DEFAULT_WAIT


def test_every_command_of_the_page_exists_with_its_options() -> None:
    named = re.findall(r"optician ([a-z][a-z -]*?)(?= [^a-z]|[`\n]|$)", PAGE)
    lines = re.findall(r"^    optician (.*(?:\\\n.*)*)", PAGE, re.MULTILINE)
    assert len(lines) >= 5
    root: Any = typer.main.get_command(app)
    for text in {*named, *lines}:
        command, words = root, text.replace("\\\n", " ").split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), text
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, text
