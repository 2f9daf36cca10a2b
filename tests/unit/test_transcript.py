"""Sessions and challenges: what separates them, and what binds them."""

from __future__ import annotations

from gmpy2 import mpz

from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.generators import LINE_DST, PROOF_DST
from zk.sponge import CHALLENGE_BYTES, DuplexSponge, derive_session_id
from zk.transcript import HASH_SUITE, OPENING, PROOF, Transcript, session_tag

FAST, REFERENCE = load_group(), load_group("py_ecc")


def test_the_session_tag_names_everything_that_could_differ() -> None:
    tag = session_tag(FAST, PROOF)
    assert tag == b"|".join(
        [PROOF.encode(), HASH_SUITE.encode(), b"secp256k1", LINE_DST, PROOF_DST]
    )
    assert tag == session_tag(REFERENCE, PROOF)
    assert len({tag, session_tag(FAST, OPENING), session_tag(ToyGroup(17), PROOF)}) == 3


def test_a_challenge_is_the_sponges_output_modulo_the_order() -> None:
    transcript = Transcript(FAST)
    transcript.absorb(b"one", b"two")
    sponge = DuplexSponge(derive_session_id(session_tag(FAST, PROOF)))
    sponge.absorb(b"onetwo")
    expected = int.from_bytes(sponge.squeeze(CHALLENGE_BYTES), "little") % FAST.order
    assert transcript.challenge() == expected


def test_both_backends_draw_the_same_challenge() -> None:
    drawn = []
    for group in (FAST, REFERENCE):
        transcript = Transcript(group)
        transcript.absorb(b"message")
        drawn.append(transcript.challenge())
    assert drawn[0] == drawn[1]


def test_protocols_groups_and_messages_have_challenges_of_their_own() -> None:
    drawn = set()
    for group, protocol in ((FAST, PROOF), (FAST, OPENING), (ToyGroup(251), PROOF)):
        for message in (b"", b"a", b"b"):
            transcript = Transcript(group, protocol)
            transcript.absorb(message)
            drawn.add((group.suite, transcript.challenge()))
    # Challenges of the toy group might coincide by accident: these do not.
    assert len(drawn) == 9


def test_later_challenges_depend_on_all_messages_before() -> None:
    def second(first_message: bytes) -> mpz:
        transcript = Transcript(FAST)
        transcript.absorb(first_message)
        transcript.challenge()
        transcript.absorb(b"second")
        return transcript.challenge()

    assert second(b"one") == second(b"one") != second(b"two")


def test_a_fresh_transcript_is_fresh() -> None:
    used = Transcript(FAST)
    used.absorb(b"something")
    first = used.challenge()
    again = Transcript(FAST)
    again.absorb(b"something")
    assert again.challenge() == first


def test_a_copy_goes_its_own_way() -> None:
    transcript = Transcript(FAST)
    transcript.absorb(b"common")
    twin = transcript.copy()
    twin.absorb(b"more")
    diverged, untouched = twin.challenge(), transcript.challenge()
    assert diverged != untouched
    expected = Transcript(FAST)
    expected.absorb(b"common")
    assert untouched == expected.challenge()


def test_challenges_stay_below_a_small_order() -> None:
    transcript = Transcript(ToyGroup(17))
    assert {int(transcript.challenge()) for _ in range(300)} == set(range(17))
