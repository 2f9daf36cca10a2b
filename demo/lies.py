"""Ten lies, each told twice: to the honest software, which refuses, and by changed software, which
does not and is caught by the insurer.

A lie is *constructed*: the changed software of `demo.liar` makes the claim an attacker would send,
and the insurer of `demo.cases` judges it like any other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from circuits.canonical import encode_base64url
from circuits.claim import Claim, sign_claim
from circuits.compiled import Amounts
from circuits.contract import Contract, contract_digest
from circuits.items import Article
from circuits.slots import Slot
from demo.cases import FRAME_CLASS_A, SIMPLE_LENS, Case, World, fresh_name
from demo.liar import Liar, balance, body_of, broken_equations, raise_price
from verifier_api.judge import Verdict
from zk.errors import StatementError, WitnessError

FLIPPED_BITS = 100


@dataclass(frozen=True)
class Attempt:
    """One lie: what the honest software said, what the insurer said."""

    name: str  # key of the catalogue: "lie.<name>", "lie.<name>.how"
    verdict: Verdict
    expected: str
    refusal: str = ""  # of the honest software, in its words
    altered: Verdict | None = None  # on the claim changed, or sent again, with its old signature
    expected_altered: str = ""
    false_equations: int = 0
    equations: int = 0
    cents: dict[str, int] = field(default_factory=dict)  # amounts that the text names
    facts: dict[str, str | int] = field(default_factory=dict)  # whatever else it names

    @property
    def is_as_told(self) -> bool:
        """Whether both softwares met with the refusal they should."""
        told = self.verdict.reason == self.expected
        if self.altered is not None:
            return told and self.altered.reason == self.expected_altered
        return told and bool(self.refusal)


def refusal_of(action: Callable[[], object]) -> str:
    """The words with which the honest software refuses, empty if it does not."""
    try:
        action()
    except (StatementError, WitnessError) as error:
        return str(error)
    return ""


class Liars:
    """The liars of the story and the claims they start from."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.main = world.case(world.example("equipment"))
        caps = world.network.price_caps_cents
        classes = [line.regroupement or "" for line in self.main.claim.lines]
        self.network_prices = (caps[classes[0]], caps[classes[1]], caps[classes[2]])
        self.network = world.case(world.sale(self.network_prices), world.network)
        self.liar = Liar(world.shop, world.generators)
        self.rival = Liar(world.rival, world.generators)

    def all(self) -> list[Callable[[], Attempt]]:
        """The lies in the order of the story."""
        return [
            self.other_class,
            self.over_the_cap,
            self.over_the_price,
            self.swapped_lines,
            self.over_the_ceiling,
            self.other_contract,
            self.other_optician,
            self.flipped_bit,
            self.mixed_basket,
            self.other_beneficiary,
        ]

    def control(self) -> Verdict:
        """The changed software told the truth: what it makes is accepted."""
        case = self.main
        openings = case.openings.openings
        return self.world.judge(
            self.liar.forge(case.claim, case.statement, case.publics, case.wires, openings)
        )

    # -- false from the start ----------------------------------------------------------------------

    def other_class(self) -> Attempt:
        """A simple lens sold, a very complex one declared; the proof points at another row."""
        case = self.main
        code = self.world.row(SIMPLE_LENS).code
        declared = str(case.claim.lines[0].regroupement)
        level = str(self.world.table.legal_level(declared))
        articles = [item.article() for item in case.sale.items()]
        articles[0] = Article(code, articles[0].price_cents, articles[0].correction)
        openings = list(case.openings.openings)
        openings[0] = self.liar.reopen(openings[0], {Slot.CODE: code})
        claim = self.liar.forge(case.claim, case.statement, case.publics, case.wires, openings)
        return Attempt(
            "class",
            self.world.judge(claim),
            "proof_invalid",
            refusal_of(lambda: case.statement.wires(articles, case.claim.claimed())),
            facts={"sold": SIMPLE_LENS, "declared": declared, "level": level},
        )

    def over_the_cap(self) -> Attempt:
        """The right lens a cent over the network's cap; the surplus cent is claimed too."""
        case, world = self.network, self.world
        right, left, frame = self.network_prices
        wires = raise_price(case.statement.circuit, case.wires, 0, 1)
        sale = world.sale((right + 1, left, frame))
        return self._false_sums(
            "cap",
            case,
            wires,
            case.publics,
            refusal_of(lambda: world.case(sale, world.network)),
            {"cap": right, "price": right + 1},
        )

    def over_the_price(self) -> Attempt:
        """A cent more for the lenses than they cost."""
        case, world = self.network, self.world
        day, lenses, frame = case.publics
        sale = world.sale(self.network_prices, amounts_cents=(lenses + 1, frame))
        return self._false_sums(
            "price",
            case,
            case.wires,
            (day, lenses + 1, frame),
            refusal_of(lambda: world.case(sale, world.network)),
            {"price": lenses, "claimed": lenses + 1},
        )

    def over_the_ceiling(self) -> Attempt:
        """Each amount within its prices, the sum over what the contract reimburses."""
        case, world = self.main, self.world
        day, lenses, frame = case.publics
        publics = day, lenses + 1, frame
        amounts = Amounts(lenses + 1, frame)
        articles = [item.article() for item in case.sale.items()]
        wires = case.statement.wires(articles, amounts)
        sale = world.sale(world.prices_cents, amounts_cents=(lenses + 1, frame))
        return self._false_sums(
            "ceiling",
            case,
            wires,
            publics,
            refusal_of(lambda: world.case(sale)),
            {"claimed": amounts.total_cents, "ceiling": case.ceiling_cents},
            expected="ceiling_exceeded",
        )

    def mixed_basket(self) -> Attempt:
        """A class A frame beside class B lenses: its hidden price lowers what is left for them."""
        world = self.world
        limit = world.row(FRAME_CLASS_A).price_limit_cents or 0
        # Lenses that cost more than is left, so that the ceiling alone stops the claim.
        prices = self.main.ceiling_cents, self.main.ceiling_cents, limit - 100
        rows = (*world.rows[:2], world.row(FRAME_CLASS_A))
        case = world.case(world.sale(prices, rows=rows))
        day, lenses, frame = case.publics
        publics = day, lenses + 1, frame - 1  # the total stays within the ceiling
        sale = world.sale(prices, rows=rows, amounts_cents=(lenses + 1, frame - 1))
        return self._false_sums(
            "mixed",
            case,
            case.wires,
            publics,
            refusal_of(lambda: world.case(sale)),
            {"frame": prices[2], "claimed": lenses + 1, "left": lenses},
        )

    def _false_sums(
        self,
        name: str,
        case: Case,
        wires: Sequence[int],
        publics: tuple[int, ...],
        refusal: str,
        cents: dict[str, int],
        expected: str = "proof_invalid",
    ) -> Attempt:
        claim, false_equations = self._balanced(case, wires, publics)
        return Attempt(
            name,
            self.world.judge(claim, case.contract),
            expected,
            refusal,
            false_equations=false_equations,
            equations=len(case.statement.circuit.equations),
            cents=cents,
        )

    def _balanced(
        self, case: Case, wires: Sequence[int], publics: tuple[int, ...]
    ) -> tuple[Claim, int]:
        """A claim of these amounts and wires, all sums balanced, sealed over what they say.

        Second, how many equations remain false.
        """
        circuit = case.statement.circuit
        balanced = balance(circuit, wires, publics)
        values = circuit.line_values(balanced, publics)
        openings = [
            self.liar.reopen(opening, dict(zip(Slot, line, strict=True)))
            for opening, line in zip(case.openings.openings, values, strict=True)
        ]
        _, lenses, frame = publics
        body = body_of(case.claim, amounts={"lenses_cents": lenses, "frame_cents": frame})
        claim = self.liar.forge(body, case.statement, publics, balanced, openings)
        return claim, broken_equations(circuit, balanced, publics)

    def greedy_claim(self) -> Claim:
        """A claim under the main contract for a cent more than its lenses cost, for the batch."""
        case = self.world.case(self.world.sale(self.network_prices))
        day, lenses, frame = case.publics
        claim, _ = self._balanced(case, case.wires, (day, lenses + 1, frame))
        return claim

    # -- true, then changed ------------------------------------------------------------------------

    def swapped_lines(self) -> Attempt:
        """The frame's commitment in the place of a lens, with a fresh proof over the swap."""
        case = self.main
        right, left, frame = case.openings.openings
        swapped = [frame, left, right]
        texts = [case.openings.commitments[i] for i in (2, 1, 0)]
        lines = [
            line.model_copy(update={"commitment": text})
            for line, text in zip(case.claim.lines, texts, strict=True)
        ]
        claim = self.liar.forge(case.claim, case.statement, case.publics, case.wires, swapped)
        return self._changed("swap", case.claim, {"lines": tuple(lines)}, claim)

    def other_contract(self) -> Attempt:
        """The same file sent a second time, to a contract with the very same figures."""
        case = self.main
        other = Contract.model_validate(
            case.contract.model_dump() | {"contract_id": f"{case.contract.contract_id}-bis"}
        )
        changes = {
            "contract_id": other.contract_id,
            "contract_digest": encode_base64url(contract_digest(other)),
        }
        claim = self.liar.resign(body_of(case.claim, **changes), case.claim.proof_bytes())
        return self._changed(
            "contract", case.claim, {}, claim, "contract_mismatch", judged_under=other
        )

    def other_optician(self) -> Attempt:
        """Somebody else's claim under the liar's own name."""
        case, name = self.main, self.world.rival.optician_id
        body = body_of(case.claim, optician_id=name)
        claim = self.rival.resign(body, case.claim.proof_bytes())
        return self._changed(
            "optician", case.claim, {"optician_id": name}, claim, "optician_unknown"
        )

    def flipped_bit(self) -> Attempt:
        """One bit of the proof, in many places drawn at random, each signed anew."""
        claim = self.main.claim
        proof = claim.proof_bytes()
        places = random.SystemRandom().sample(range(8 * len(proof)), FLIPPED_BITS)
        verdicts = []
        for place in places:
            flipped = bytearray(proof)
            flipped[place // 8] ^= 1 << place % 8
            verdicts.append(self.world.judge(self.liar.resign(claim, bytes(flipped))))
        flipped_text = encode_base64url(bytes(flipped))
        # The one to show: any that was accepted, else one that could at least be read.
        shown = min(verdicts, key=lambda v: (v.reason is not None, v.reason != "proof_invalid"))
        attempt = self._changed("bit", claim, {"proof": flipped_text}, shown=shown)
        attempt.facts.update(
            bits=8 * len(proof),
            tries=len(verdicts),
            refused=sum(not verdict.is_accepted for verdict in verdicts),
        )
        return attempt

    def other_beneficiary(self) -> Attempt:
        """The same equipment claimed once more, for somebody else of the family."""
        case = self.main
        changes = {"beneficiary": fresh_name("b"), "claim_id": fresh_name("claim")}
        claim = self.liar.resign(body_of(case.claim, **changes), case.claim.proof_bytes())
        return self._changed("beneficiary", case.claim, changes, claim)

    def _changed(
        self,
        name: str,
        original: Claim,
        changes: Mapping[str, object],
        signed: Claim | None = None,
        expected_altered: str = "signature_invalid",
        *,
        judged_under: Contract | None = None,
        shown: Verdict | None = None,
    ) -> Attempt:
        """The claim with ``changes`` under its old signature, and ``signed``, a new claim."""
        altered = Claim.model_validate(original.model_dump() | dict(changes))
        verdict = shown or self.world.judge(signed or altered, judged_under)
        return Attempt(
            name,
            verdict,
            "proof_invalid",
            altered=self.world.judge(altered, judged_under),
            expected_altered=expected_altered,
        )


def spoil(world: World, claim: Claim) -> Claim:
    """The claim with the lowest bit of its proof flipped, signed again by its own optician."""
    proof = bytearray(claim.proof_bytes())
    proof[-1] ^= 1
    return sign_claim(body_of(claim), bytes(proof), world.shop.signing_key)
