"""Signed documents in general: one strict model, one byte form, one tag each.

A class names its tag and what it is called; signing, encoding, decoding, digest and signature check
are the same for all. The tag stands before what is signed and before what is digested, so no
document of one kind is one of another (`circuits.signing`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError

from circuits.canonical import canonical_bytes, encode_base64url, tagged_digest
from circuits.claim import SIGNATURE_BYTES, Digest, Signature
from circuits.document import (
    MAX_CANONICAL_COMMAS,
    StrictDocument,
    describe_problems,
    parse_document,
)
from circuits.signing import key_id_of, sign_document, verify_document_signature
from zk.errors import StatementError

_NO_SIGNATURE = encode_base64url(bytes(SIGNATURE_BYTES))


class SignedDocument(StrictDocument):
    """A document with a signature over everything else.

    ``key_id`` is the base64url SHA-256 of the Ed25519 public key that signs. A class sets ``TAG``,
    ``WHAT`` (its name in messages) and ``MAX_BYTES``; ``MAX_COMMAS`` where it can have more members
    than `circuits.document.MAX_CANONICAL_COMMAS` allows.
    """

    TAG: ClassVar[bytes]
    WHAT: ClassVar[str]
    MAX_BYTES: ClassVar[int]
    MAX_COMMAS: ClassVar[int] = MAX_CANONICAL_COMMAS

    format_version: Annotated[int, Field(ge=1, le=1)]
    key_id: Digest
    signature: Signature

    def unsigned(self) -> dict[str, Any]:
        """All fields but the signature, as JSON."""
        return self.model_dump(mode="json", exclude={"signature"})


Signed = TypeVar("Signed", bound=SignedDocument)


def make_signed(model: type[Signed], key: Ed25519PrivateKey, **fields: Any) -> Signed:
    """The document of type ``model`` with these fields, signed with ``key``.

    Version and key id are filled in. Raises `StatementError` naming the fields at fault, without
    their values.
    """
    whole = {
        "format_version": 1,
        "key_id": key_id_of(key.public_key()),
        "signature": _NO_SIGNATURE,
        **fields,
    }
    try:
        draft = model.model_validate(whole)
    except ValidationError as error:
        problems = describe_problems(error)
    else:
        signature = sign_document(model.TAG, draft.unsigned(), key, what=model.WHAT)
        return draft.model_copy(update={"signature": signature})
    # Raised out here, the refusal has no context: pydantic's error holds the whole input.
    raise StatementError(f"{model.WHAT}: {problems}")


def encode_signed(document: SignedDocument) -> bytes:
    """The one byte form (RFC 8785)."""
    return canonical_bytes(document.model_dump(mode="json"))


def decode_signed(model: type[Signed], data: bytes) -> Signed:
    """Strict inverse of `encode_signed`.

    Raises `EncodingError` for what is no strict, canonical JSON or too large, `StatementError`
    naming every field at fault otherwise. The signature is not looked at.
    """
    return parse_document(
        model,
        data,
        max_bytes=model.MAX_BYTES,
        what=model.WHAT,
        is_canonical=True,
        max_commas=model.MAX_COMMAS,
    )


def signed_digest(document: SignedDocument) -> str:
    """base64url of 32 bytes that name this document, signature included."""
    return encode_base64url(tagged_digest(document.TAG, encode_signed(document)))


def verify_signed(document: SignedDocument, public_key: Ed25519PublicKey) -> None:
    """Raise `ProofRejected` ("signature_invalid") unless ``public_key`` is the one that the
    document names and signed it. Whose key it is, the caller has to know."""
    verify_document_signature(
        document.TAG, document.unsigned(), document.signature, public_key, what=document.WHAT
    )
