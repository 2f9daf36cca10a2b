"""What the shop hands out. None of it holds a code, a price, a blinding, a key or a token, but for
what says so; those show nothing in their repr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from circuits.contract import Contract
    from circuits.nomenclature import Nomenclature
    from optician.disclosure import Disclosure
    from optician.order import OrderWarning
    from optician.sale import Sale

Language: TypeAlias = Literal["en", "fr"]
Texts: TypeAlias = Mapping[str, str]
"""One text by language: "en" and "fr"."""

STATES: Final = (
    "pending",
    "sent",
    "granted",
    "refused",
    "payable",
    "cancelled",
    "expired",
    "attestation_overdue",
)
"""pending: proved, and the insurer's verdict is not here. sent: the insurer has it and decides. The
others are the insurer's. A newer service may have more."""

KEEP_DAYS = 1096
"""Days after the date of service for which openings are kept unless the shop says otherwise. A
setting of this program, not a rule of law."""


@dataclass(frozen=True)
class ShopSettings:
    """What the shop has chosen. Days, minutes, rows."""

    language: Language = "fr"
    keep_days: int = KEEP_DAYS
    lock_minutes: int = 15
    poll_minutes: int = 10
    page_size: int = 25


@dataclass(frozen=True)
class DocumentEntry:
    """A contract version or a table that is kept: from which day the insurer judges by it."""

    digest: str
    name: str
    """Its contract_id; of a table its version."""
    in_force_from: date
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True)
class InsurerProfile:
    """An insurer that the shop sends claims to. ``token`` is a secret."""

    insurer_id: str
    name: str
    url: str
    token: str = field(repr=False)
    contracts: tuple[DocumentEntry, ...] = ()
    nomenclatures: tuple[DocumentEntry, ...] = ()
    trust: bytes | None = field(default=None, repr=False)
    """The shop's own trust list: whose audits it answers, by whose documents it proves."""
    publications: int = 0
    fetched_at: datetime | None = None


@dataclass(frozen=True)
class Preview:
    """What a sale would become; nothing was written. Its `sale` is secret."""

    sale: Sale = field(repr=False)
    disclosure: Disclosure = field(repr=False)
    warnings: tuple[OrderWarning, ...]
    """Where the order does not go with its codes; `disclosure.warnings` has the others."""
    insurer: InsurerProfile
    contract: Contract
    nomenclature: Nomenclature = field(repr=False)


@dataclass(frozen=True)
class Problem:
    """Why the last attempt to send did not work. ``titles`` are for people; ``is_passing``: the
    next attempt may work, and it is made by itself."""

    code: str
    titles: Texts
    detail: str = ""
    is_passing: bool = True
    at: datetime | None = None
    places: tuple[str, ...] = ()
    request_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a claim."""

    at: datetime
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LineFacts:
    """A line as the insurer sees it; ``regroupement`` None where its class is hidden."""

    role: str
    regroupement: str | None
    is_clear: bool = False


@dataclass(frozen=True)
class Hiding:
    """What one hidden code hides among: possible corrections (cells) and codes.

    ``place`` is the article's field of the order, or "lenses" where both lenses hide together;
    ``regroupement`` None there.
    """

    place: str
    regroupement: str | None
    cells: int
    codes: int


@dataclass(frozen=True)
class Warned:
    """Where a claim shelters the patient less than it could, or looks wrong: a key of
    `optician.messages.MESSAGES`, and the article's field."""

    warning: str
    place: str = ""
    regroupement: str | None = None


@dataclass(frozen=True)
class Duty:
    """What is still to be attested: a line (from 1), by any one of the attesters."""

    line: int
    attesters: tuple[str, ...]
    slots: tuple[str, ...]
    due_at: datetime | None
    is_met: bool = False


@dataclass(frozen=True)
class AmountsFacts:
    """Cents."""

    lenses_cents: int
    frame_cents: int


@dataclass(frozen=True)
class ClaimRecord:
    """A claim as the shop has it."""

    claim_id: str
    sale_id: str
    insurer_id: str
    contract_id: str
    state: str
    statement: str
    date_of_service: date
    beneficiary: str
    made_at: datetime
    lines: tuple[LineFacts, ...]
    level: str | None = None
    price_class: str | None = None
    amounts: AmountsFacts | None = None
    invoiced: AmountsFacts | None = None
    early_renewal_ground: str | None = None
    hides_among: tuple[Hiding, ...] = ()
    warnings: tuple[Warned, ...] = ()
    expires_at: datetime | None = None
    verdict: str | None = None
    reason: str | None = None
    reason_titles: Texts | None = None
    detail: str = ""
    granted_until: datetime | None = None
    attest_by: datetime | None = None
    duties: tuple[Duty, ...] = ()
    problem: Problem | None = None
    next_step: Texts | None = None
    """What the optician does next, in words; None if nothing."""
    waiting: tuple[QueueEntry, ...] = ()
    """What of it is still to be sent."""
    history: tuple[Event, ...] = ()
    openings_until: date | None = None
    """The last day for which what it hides is kept."""
    has_openings: bool = True
    sequence: int = 0
    """Place in the listing: `Shop.claims(before=…)` takes it."""


@dataclass(frozen=True)
class QueueEntry:
    """Something that is to be sent. ``due_at`` None: not before somebody asks for it (`retry`)."""

    claim_id: str
    kind: Literal["claim", "invoice", "cancellation", "attestation", "audit_reply"]
    attempts: int
    due_at: datetime | None
    is_being_sent: bool
    problem: Problem | None = None
    case_id: str | None = None


@dataclass(frozen=True)
class AuditRecord:
    """An audit of one of the shop's claims, as the insurer's service lists it. ``state`` is open,
    answered, refused, lapsed or concluded; ``waiting`` what answer is still to be sent."""

    case_id: str
    claim_id: str
    line: int
    slots: tuple[str, ...]
    ground: str
    auditor_id: str
    state: str
    opened_at: datetime
    answer_by: datetime
    erase_at: datetime
    outcome: str | None = None
    cause: str | None = None
    waiting: Literal["opening", "refusal"] | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class AuditView:
    """An audit with what an answer would reveal: the values themselves, for the optician's eyes
    alone, by slot ("code", "price" in cents, "date", "correction"), and which slots stay hidden.

    ``revealed`` is None where the openings are erased or not here; ``obstacle`` says why no
    answer can be given now, None if it can.
    """

    record: AuditRecord
    role: str | None
    revealed: Mapping[str, Any] | None = field(repr=False)
    hidden: tuple[str, ...]
    obstacle: Texts | None
    obstacle_detail: str
    """English, from the library; may be empty."""
    is_auditor_trusted: bool | None
    """None until the auditor's signed case is here."""


@dataclass(frozen=True)
class AttestationRecord:
    """An attestation that the shop got. ``is_sent``: the insurer has taken it."""

    digest: str
    claim_id: str
    line: int
    attester_id: str
    attested: tuple[str, ...]
    expires_at: datetime
    got_at: datetime
    is_sent: bool
    warnings: tuple[str, ...] = ()
