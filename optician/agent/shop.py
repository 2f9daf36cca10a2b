"""Everything that the local page, the loopback endpoint and the commands do; none of it knows HTTP
frameworks or terminals.

Each change is one write of the vault: it is there whole or not at all, whenever the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from optician.agent.records import (
    AttestationRecord,
    AuditRecord,
    AuditView,
    ClaimRecord,
    InsurerProfile,
    Preview,
    QueueEntry,
    ShopSettings,
)

if TYPE_CHECKING:
    from circuits.claim import ClaimAmounts
    from optician.client import ServiceClient
    from optician.identity import Identity
    from optician.order import SaleOrder
    from optician.vault import Vault


def _now() -> datetime:
    return datetime.now(UTC)


class Shop:
    """The shop on an open vault. Safe for several threads and processes: the vault is what they
    share. Every method raises `optician.vault.VaultError`, and `ShopError` where it says no."""

    def __init__(
        self,
        vault: Vault,
        clock: Callable[[], datetime] = _now,
        make_client: Callable[[InsurerProfile], ServiceClient] | None = None,
    ) -> None:
        """``clock`` tells the instant (UTC); ``make_client`` how to reach an insurer."""
        raise NotImplementedError

    # -- set-up -------------------------------------------------------------------------------

    def identity(self) -> Identity | None:
        """Who signs; None before there is a key."""
        raise NotImplementedError

    def make_identity(self, optician_id: str) -> Identity:
        """A fresh signing key. "key_exists", "argument_invalid"."""
        raise NotImplementedError

    def import_identity(self, data: bytes) -> Identity:
        """Take over the key file of `optician keygen`. "key_exists", "key_invalid"."""
        raise NotImplementedError

    def public_keys(self) -> bytes:
        """KEYS.json for the insurer. "key_missing"."""
        raise NotImplementedError

    def settings(self) -> ShopSettings:
        """What the shop has chosen."""
        raise NotImplementedError

    def change_settings(self, **changes: Any) -> ShopSettings:
        """Change some. "argument_invalid" with the places."""
        raise NotImplementedError

    def insurers(self) -> tuple[InsurerProfile, ...]:
        """By insurer_id."""
        raise NotImplementedError

    def insurer(self, insurer_id: str) -> InsurerProfile:
        """One. "insurer_unknown"."""
        raise NotImplementedError

    def put_insurer(
        self,
        insurer_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        token: str | None = None,
        trust: bytes | None = None,
    ) -> InsurerProfile:
        """Add an insurer (then url and token are needed) or change what is given of one.
        "argument_invalid", "document_invalid"."""
        raise NotImplementedError

    def remove_insurer(self, insurer_id: str) -> None:
        """Forget an insurer, its token and documents. "insurer_needed" while claims of it are
        pending, sent or granted."""
        raise NotImplementedError

    def fetch_insurer(self, insurer_id: str) -> InsurerProfile:
        """Get contracts, tables and publications from the insurer's service, and keep them.
        "unreachable", "answer_invalid", "service_refused"."""
        raise NotImplementedError

    # -- claims -------------------------------------------------------------------------------

    def preview(self, order: SaleOrder) -> Preview:
        """What would be sent and what would stay; writes nothing. Raises `ShopError` and
        `optician.order.OrderError`."""
        raise NotImplementedError

    def make(self, order: SaleOrder, *, again: bool = False) -> ClaimRecord:
        """Prove at once; sale, openings, claim and what is to be sent in one write.

        The same sale_id with the same content gives the record that is there; with other content
        "sale_conflict". With ``again`` a sale whose claim was refused, cancelled or has expired is
        proved anew.
        """
        raise NotImplementedError

    def claims(
        self, state: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[ClaimRecord]:
        """Newest first; ``before`` is the `sequence` of the last one of the page before."""
        raise NotImplementedError

    def claim(self, claim_id: str) -> ClaimRecord:
        """One. "claim_unknown"."""
        raise NotImplementedError

    def claim_of_sale(self, sale_id: str) -> ClaimRecord | None:
        """The claim of a sale number."""
        raise NotImplementedError

    def order(self, claim_id: str) -> SaleOrder | None:
        """The sale itself, secret: codes, prices, corrections. None once it is erased."""
        raise NotImplementedError

    def counts(self) -> Mapping[str, int]:
        """How many claims there are in each state."""
        raise NotImplementedError

    def queue(self) -> list[QueueEntry]:
        """What is to be sent, in the order in which it goes."""
        raise NotImplementedError

    def invoice(
        self, claim_id: str, date_of_delivery: date, amounts: ClaimAmounts | None = None
    ) -> ClaimRecord:
        """Sign the invoice of a granted claim, to be sent. "claim_state", "notice_refused"."""
        raise NotImplementedError

    def cancel(self, claim_id: str) -> ClaimRecord:
        """Sign that a claim is taken back, to be sent; a claim that has never been sent is
        cancelled here and now. "claim_state"."""
        raise NotImplementedError

    def attest(
        self,
        claim_id: str,
        line: int,
        record_id: str,
        attester_id: str,
        attester_url: str,
        reveal: Sequence[str] = ("code",),
    ) -> AttestationRecord:
        """Ask an attester now, keep what it gives, to be sent. "attester_refused",
        "attester_unreachable", "attestation_refused", "openings_erased", "argument_invalid"."""
        raise NotImplementedError

    def attestations(self, claim_id: str | None = None) -> list[AttestationRecord]:
        """Those of a claim, or all, newest first."""
        raise NotImplementedError

    def retry(self, claim_id: str) -> ClaimRecord:
        """Whatever of the claim is to be sent is due now."""
        raise NotImplementedError

    def erase_due(self, now: datetime | None = None) -> list[str]:
        """Erase the openings and sales whose time is over, unless an audit of the claim is open;
        their claim ids."""
        raise NotImplementedError

    # -- audits -------------------------------------------------------------------------------

    def audits(self) -> list[AuditRecord]:
        """As far as the sender has heard of them, those to answer first."""
        raise NotImplementedError

    def audit(self, case_id: str) -> AuditView:
        """Who asks what, and what an answer would reveal. Asks the insurer's service for the signed
        case if it is not here, which records that the optician has seen it."""
        raise NotImplementedError

    def answer_audit(self, case_id: str) -> AuditRecord:
        """Seal what is asked for to the auditor, to be sent. "audit_refused", "trust_missing",
        "openings_erased"."""
        raise NotImplementedError

    def refuse_audit(self, case_id: str, reason: str) -> AuditRecord:
        """Refuse over the shop's signature, to be sent. "audit_refused", "argument_invalid"."""
        raise NotImplementedError
