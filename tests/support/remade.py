"""Claims made again from claims that are accepted: changed and signed anew, or proved anew."""

from __future__ import annotations

from typing import Any

from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimBody, build_instance, encode_claim, sign_claim
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from optician.claiming import Openings
from optician.identity import Identity
from optician.sale import Sale
from tests.support import claims as samples
from zk.encoding import encode_proof
from zk.prove import prove


class Draft:
    """A claim that is being changed. Its optician signs what came of it, with his key."""

    def __init__(self, claim: Claim, signer: Identity) -> None:
        self.signer = signer
        self.fields = claim.model_dump(exclude={"proof", "signature"})
        self.proof = claim.proof_bytes()
        self.is_forged = False
        self.touched: set[str] = set()

    def change(self, **fields: Any) -> None:
        """Other values of fields of the body."""
        self.fields |= fields
        self.touched |= fields.keys()

    def signed_by(self, signer: Identity) -> None:
        """Another key."""
        self.signer = signer
        self.fields["key_id"] = signer.key_id
        self.touched.add("key_id")

    def prove_as(self, proof: bytes) -> None:
        """Another proof."""
        self.proof = proof
        self.touched.add("proof")

    def forge(self) -> None:
        """A good signature of something else."""
        self.is_forged = True
        self.touched.add("signature")

    def claim(self) -> Claim:
        """What it says now, signed."""
        body = ClaimBody.model_validate(self.fields)
        signed = sign_claim(body, self.proof, self.signer.signing_key)
        if not self.is_forged:
            return signed
        other = ClaimBody.model_validate(self.fields | {"claim_id": "something-else"})
        forged = sign_claim(other, self.proof, self.signer.signing_key).signature
        return signed.model_copy(update={"signature": forged})


def resigned(claim: Claim, signer: Identity, **fields: Any) -> Claim:
    """The claim with other fields, signed again; its proof is what it was."""
    draft = Draft(claim, signer)
    draft.change(**fields)
    return draft.claim()


def reproved(
    sale: Sale,
    claim: Claim,
    openings: Openings,
    signer: Identity,
    of_contract: Contract | None = None,
    table: Nomenclature | None = None,
    **fields: Any,
) -> Claim:
    """An honest claim for the same sale, on the same commitments, with other fields."""
    g = samples.generators()
    body = ClaimBody.model_validate(claim.model_dump(exclude={"proof", "signature"}) | fields)
    statement, instance = build_instance(
        body, of_contract or samples.contract(), table or samples.nomenclature(), g.group
    )
    wires = statement.wires([item.article() for item in sale.items()], body.claimed())
    proof = prove(g, instance, wires, openings.openings, secret=signer.hedge_key)
    return sign_claim(body, encode_proof(proof, g.group), signer.signing_key)


def with_other_proof(claim: Claim, proof: bytes) -> bytes:
    """The claim's bytes with another proof under the old signature."""
    return encode_claim(claim.model_copy(update={"proof": encode_base64url(proof)}))
