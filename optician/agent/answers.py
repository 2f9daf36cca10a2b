"""What point-of-sale software gets back for a sale: the claim answer, format 1.

The command `optician claim` and the loopback endpoint answer with the same document. It holds no
code, no price but the amounts that the insurer sees too, no correction, key or token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from circuits.claim import Beneficiary, Instant, encode_instant
from circuits.document import Cents, ClassCode, Identifier, IsoDate, StrictDocument
from optician.agent.records import ClaimRecord, Problem, QueueEntry, Texts
from optician.messages import MESSAGES

FORMAT_VERSION = 1

Code: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
Text: TypeAlias = Annotated[str, Field(max_length=2000)]


class TextPair(StrictDocument):
    """A text for people, in English and French."""

    en: Text
    fr: Text


class AnsweredAmounts(StrictDocument):
    """Cents for the lenses with supplements, and for the frame."""

    lenses_cents: Cents
    frame_cents: Cents


class AnsweredLine(StrictDocument):
    """An article as the insurer sees it: ``regroupement`` is its class, null where that is hidden
    too; ``is_clear`` says that the code itself is declared, since its class has one code only."""

    role: Literal["item", "right_lens", "left_lens", "frame", "supplement"]
    regroupement: ClassCode | None
    is_clear: bool


class AnsweredHiding(StrictDocument):
    """Among what one hidden code hides: ``cells`` counts possible corrections (0 for what has
    none), ``codes`` codes. ``place`` is the article's field in the order, or "lenses" for both."""

    place: Code
    regroupement: ClassCode | None
    cells: Annotated[int, Field(ge=0)]
    codes: Annotated[int, Field(ge=0)]


class AnsweredWarning(StrictDocument):
    """Where the claim shelters the patient less than it could, or the order looks wrong."""

    warning: Code
    place: Code | None
    titles: TextPair


class AnsweredProblem(StrictDocument):
    """Why the claim is not with the insurer yet. ``is_passing``: it is sent again by itself."""

    code: Code
    titles: TextPair
    detail: Text
    is_passing: bool
    at: Instant | None


class ClaimAnswer(StrictDocument):
    """What has become of a sale.

    ``state`` is pending (proved, not with the insurer yet), sent (the insurer decides), granted,
    refused, payable, cancelled, expired or attestation_overdue; a newer insurer may have more.
    ``reason`` says why a claim is refused, or sent and not granted. ``next_step`` is what the
    optician does next, null if nothing. ``waiting`` names what is still to be sent.
    """

    format_version: Annotated[int, Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
    claim_id: Identifier
    sale_id: Identifier
    insurer_id: Identifier
    contract_id: Identifier
    beneficiary: Beneficiary
    date_of_service: IsoDate
    made_at: Instant
    state: Code
    statement: Literal["equipment", "pair", "line"]
    lines: tuple[AnsweredLine, ...]
    level: Code | None
    price_class: Code | None
    amounts: AnsweredAmounts | None
    invoiced_amounts: AnsweredAmounts | None
    hides_among: tuple[AnsweredHiding, ...]
    warnings: tuple[AnsweredWarning, ...]
    granted_until: Instant | None
    attest_by: Instant | None
    reason: Code | None
    reason_titles: TextPair | None
    detail: Text
    next_step: TextPair | None
    problem: AnsweredProblem | None
    waiting: tuple[Literal["claim", "invoice", "cancellation", "attestation", "audit_reply"], ...]


def claim_answer(record: ClaimRecord) -> ClaimAnswer:
    """The answer about a claim."""
    return ClaimAnswer(
        format_version=FORMAT_VERSION,
        claim_id=record.claim_id,
        sale_id=record.sale_id,
        insurer_id=record.insurer_id,
        contract_id=record.contract_id,
        beneficiary=record.beneficiary,
        date_of_service=record.date_of_service,
        made_at=record.made_at,
        state=record.state,
        statement=record.statement,  # type: ignore[arg-type]
        lines=tuple(
            AnsweredLine(
                role=line.role,  # type: ignore[arg-type]
                regroupement=line.regroupement,
                is_clear=line.is_clear,
            )
            for line in record.lines
        ),
        level=record.level,
        price_class=record.price_class,
        amounts=None if record.amounts is None else AnsweredAmounts(**vars(record.amounts)),
        invoiced_amounts=None
        if record.invoiced is None
        else AnsweredAmounts(**vars(record.invoiced)),
        hides_among=tuple(AnsweredHiding(**vars(hiding)) for hiding in record.hides_among),
        warnings=tuple(
            AnsweredWarning(
                warning=each.warning,
                place=each.place or None,
                titles=_pair(MESSAGES[each.warning]),
            )
            for each in record.warnings
        ),
        granted_until=record.granted_until,
        attest_by=record.attest_by,
        reason=record.reason,
        reason_titles=_texts(record.reason_titles),
        detail=record.detail,
        next_step=_texts(record.next_step),
        problem=_problem(record.problem),
        waiting=tuple(entry.kind for entry in record.waiting),
    )


def queue_facts(entry: QueueEntry) -> dict[str, Any]:
    """Something that is to be sent, as JSON data."""
    problem = _problem(entry.problem)
    return {
        "claim_id": entry.claim_id,
        "kind": entry.kind,
        "case_id": entry.case_id,
        "attempts": entry.attempts,
        "due_at": None if entry.due_at is None else encode_instant(entry.due_at),
        "is_being_sent": entry.is_being_sent,
        "problem": None if problem is None else problem.model_dump(mode="json"),
    }


def encode_answer(answer: StrictDocument) -> bytes:
    """The document as JSON."""
    return answer.model_dump_json().encode()


def _problem(problem: Problem | None) -> AnsweredProblem | None:
    if problem is None:
        return None
    titles = _texts(problem.titles)
    assert titles is not None
    return AnsweredProblem(
        code=problem.code,
        titles=titles,
        detail=problem.detail,
        is_passing=problem.is_passing,
        at=problem.at,
    )


def _texts(texts: Texts | None) -> TextPair | None:
    return None if texts is None else TextPair(en=texts["en"], fr=texts["fr"])


def _pair(words: tuple[str, str]) -> TextPair:
    return TextPair(en=words[0], fr=words[1])
