"""What the judgement of a claim consisted of: every step with its outcome and its time.

Times are wall clock, in microseconds, of the process that did the step: the envelope's steps in the
service, statement to proof in a worker, the others within the writing transaction. The proof's is
its share of the batch that it was verified in. What a claim waited for is told apart from them, and
what comes after its row is made, the commit and the answer, is in none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, Final, Literal, TypeAlias, get_args

from verifier_api.service.proofs import PROOF_STEPS, ProofVerdict

Outcome: TypeAlias = Literal["passed", "failed", "pending", "not_reached"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

ENVELOPE_STEPS: Final = ("key", "signature", "contract", "nomenclature", "expiry")
RECORD_STEPS: Final = ("uniqueness", "rights", "renewal")
STEPS: Final = (*ENVELOPE_STEPS, *RECORD_STEPS, *PROOF_STEPS, "attestations")
"""In the documented order: the first that fails is the reason. Statement to proof are looked at
before the records are, so they may have an outcome although a step before them failed."""

STEP_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "key": ("the optician's key is registered and valid", "la clé de l'opticien est connue"),
    "signature": ("the signature covers the whole claim", "la signature couvre toute la demande"),
    "contract": ("the contract is ours and in force", "le contrat est le nôtre et en vigueur"),
    "nomenclature": ("the nomenclature is in force", "la nomenclature est en vigueur"),
    "expiry": ("the claim has not expired", "la demande n'a pas expiré"),
    "uniqueness": (
        "no line stands in another claim",
        "aucune ligne ne figure dans une autre demande",
    ),
    "rights": ("the beneficiary is covered", "le bénéficiaire est couvert"),
    "renewal": ("the renewal period is over", "la période de renouvellement est écoulée"),
    "statement": (
        "the contract allows the statement and its amounts",
        "le contrat admet l'énoncé et ses montants",
    ),
    "decoding": ("the proof is well-formed", "la preuve est bien formée"),
    "proof": ("the proof is valid", "la preuve est valable"),
    "attestations": (
        "the attestations that must come with it are there",
        "les attestations à joindre sont là",
    ),
}
"""What each step makes sure of, in English and French."""


@dataclass
class Judging:
    """A stopwatch that goes with one claim. ``envelope`` has the milliseconds of
    `verifier_api.judge.check_envelope`."""

    started: int = field(default_factory=perf_counter_ns)
    envelope: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    answered: int = 0

    def ask(self) -> None:
        """The envelope is in order: its proof is given to the workers now."""
        self.asked = perf_counter_ns()

    def answer(self) -> None:
        """Everything that needs no records has been looked at."""
        self.answered = perf_counter_ns()


_NOT_REACHED: Final[tuple[Outcome, int | None]] = ("not_reached", None)


def judging_columns(
    judging: Judging | None,
    refusal: tuple[str, str] | None,
    proof: ProofVerdict | None,
    recorded: Mapping[str, tuple[Outcome, int]],
) -> dict[str, Any]:
    """The columns ``judging`` (JSON), ``latency_us`` and ``batch_size`` of a claim's row, None
    where nothing was measured; the row is made now."""
    if judging is None:
        return {"judging": None, "latency_us": None, "batch_size": None}
    now = perf_counter_ns()
    found: dict[str, tuple[Outcome, int | None]] = dict(recorded)
    for step, milliseconds in judging.envelope.items():
        found[step] = "passed", round(milliseconds * 1000)
    if refusal is not None and judging.envelope:
        step, milliseconds = list(judging.envelope.items())[-1]
        found[step] = "failed", round(milliseconds * 1000)
    spent = 0
    if proof is not None:
        for step, microseconds in zip(PROOF_STEPS, proof.took, strict=False):
            found[step] = "passed", microseconds
            spent += microseconds
        if proof.reason is not None and proof.took:
            step = PROOF_STEPS[len(proof.took) - 1]
            found[step] = "failed", proof.took[-1]
    waited = (judging.answered - judging.asked) // 1000 - spent if judging.asked else 0
    recording = (now - judging.answered) // 1000 if judging.answered else 0
    # Put together by hand: a claim is judged in few microseconds more than this takes otherwise.
    steps = ",".join(
        f'{{"step":"{step}","outcome":"{outcome}","us":{"null" if us is None else us}}}'
        for step in STEPS
        for outcome, us in (found.get(step, _NOT_REACHED),)
    )
    return {
        "judging": f'{{"steps":[{steps}],"waited_us":{max(0, waited)},"recording_us":{recording}}}',
        "latency_us": (now - judging.started) // 1000,
        "batch_size": proof.together or None if proof is not None else None,
    }


def judging_facts(text: str | None, latency_us: int | None, batch_size: int | None) -> Any:
    """What is told of a recorded judgement: all `STEPS` in order, with their titles."""
    read = json.loads(text) if text else {"steps": []}
    known = {entry["step"]: entry for entry in read["steps"]}
    nothing = {"outcome": "not_reached", "us": None}
    steps = []
    for step in STEPS:
        english, french = STEP_TITLES[step]
        entry = known.get(step, nothing)
        steps.append(
            {
                "step": step,
                "titles": {"en": english, "fr": french},
                "outcome": entry["outcome"],
                "us": entry["us"],
            }
        )
    return {
        "is_measured": bool(text),
        "latency_us": latency_us,
        "waited_us": read.get("waited_us"),
        "recording_us": read.get("recording_us"),
        "batch_size": batch_size,
        "steps": steps,
    }
