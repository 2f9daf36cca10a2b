"""The four ways in which this package says no.

Bad input is either accepted or raises one of these; nothing else escapes. No message ever holds a
witness value, an opening or a mask.
"""

from __future__ import annotations


class ZkError(Exception):
    """Common ancestor, so that a caller can catch everything this package refuses."""


class EncodingError(ZkError):
    """Bytes or text that are not the canonical encoding of anything."""


class StatementError(ZkError):
    """A statement (circuit, contract, claim) that is malformed or contradicts itself."""


class WitnessError(ZkError):
    """The prover's secret values do not satisfy the statement; no proof exists to be made."""


class ProofRejected(ZkError):
    """A proof, signature or claim was judged and refused.

    ``reason`` is a stable machine-readable code; ``detail`` says in words what was wrong and where.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
