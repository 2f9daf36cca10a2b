"""Fiat–Shamir in the words of this protocol, on the sponge of `zk.sponge`.

A session is named by a tag that says application, protocol version, hash suite, group and both
generator tags: no two protocols, versions or groups share a challenge. Every message absorbed has a
length that the session and what was absorbed before determine, so that the concatenation is
unambiguous.
"""

from __future__ import annotations

from functools import cache

from zk.field import Scalar
from zk.generators import LINE_DST, PROOF_DST
from zk.group import Group
from zk.sponge import CHALLENGE_BYTES, DuplexSponge, decode_challenge, derive_session_id

PROOF = "clairobscur/proof/v1"
OPENING = "clairobscur/partial-opening/v1"
HASH_SUITE = "draft-irtf-cfrg-fiat-shamir@91cc933/SHAKE128"


def session_tag(group: Group, protocol: str) -> bytes:
    """``protocol | hash suite | group | LINE_DST | PROOF_DST``, joined by ``|``."""
    names = (protocol.encode(), HASH_SUITE.encode(), group.suite.encode(), LINE_DST, PROOF_DST)
    return b"|".join(names)


@cache
def _fresh_sponge(group: Group, protocol: str) -> DuplexSponge:
    return DuplexSponge(derive_session_id(session_tag(group, protocol)))


class Transcript:
    """One run of ``protocol``: absorb messages, draw challenges."""

    def __init__(self, group: Group, protocol: str = PROOF) -> None:
        self._order = group.order
        self._sponge = _fresh_sponge(group, protocol).copy()

    def absorb(self, *messages: bytes) -> None:
        """Bind the next challenge to ``messages``, in order."""
        self._sponge.absorb(b"".join(messages))

    def challenge(self) -> Scalar:
        """The next challenge: 48 bytes, little-endian, modulo the group order."""
        return decode_challenge(self._sponge.squeeze(CHALLENGE_BYTES), self._order)

    def copy(self) -> Transcript:
        """An independent transcript in the same state."""
        twin = Transcript.__new__(Transcript)
        twin._order, twin._sponge = self._order, self._sponge.copy()
        return twin
