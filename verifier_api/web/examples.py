"""Requests for the OpenAPI document: of the right form, about the sample contract.

Claim, invoice, cancellation and publication are those of the published vectors, but that the
claim's proof is cut short: it can be read, and is refused as `proof_malformed`.
"""

from __future__ import annotations

from typing import Any, Final

from circuits.audit import sealed_digest
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.contract import load_sample
from circuits.sealing import RECIPIENT_BYTES

_SIGNER: Final = {
    "insurer_id": "ocam-exemple",
    "key_id": "QVvg4D0L4393A9U8Np4aGt5sRYBDfTUhA6moKWrw7XA",
    "optician_id": "golden-optician",
}

DIGEST: Final = "QmiTvdq-mXdqCATHmUhEDMuTboMmBESx1sFfTyZBBSw"
NOMENCLATURE_DIGEST: Final = "jbIg7o_yF2OEHpHb20V1oYwxoZiH0ALFNHyBW3m6GOY"
CLAIM_ID: Final = "golden-line"
CASE_ID: Final = "golden-case"
TOKEN_ID: Final = "0123456789abcdef"
KEY_ID: Final = _SIGNER["key_id"]
CLASS: Final = "V04"
DAY: Final = "2020-10-05"
INSTANT: Final = "2020-10-06T09:30:00Z"

CLAIM: Final[dict[str, Any]] = {
    **_SIGNER,
    "amounts": None,
    "beneficiary": "benef_golden_3Jx0kQ",
    "claim_id": CLAIM_ID,
    "contract_digest": DIGEST,
    "contract_id": "responsable-2020",
    "date_of_service": DAY,
    "early_renewal_ground": None,
    "expires_at": "2020-11-05T09:30:00Z",
    "format_version": 1,
    "level": None,
    "lines": [
        {
            "code": None,
            "commitment": "A670VM-UMDhdtqk0sh8p0CMe8iFcPzjpCA3b1WFyDJmt",
            "regroupement": CLASS,
            "role": "item",
        }
    ],
    "nomenclature_digest": NOMENCLATURE_DIGEST,
    "price_class": None,
    "proof": "A7TfVo8h_ajo3BNc8do8W9KmMOn_gbEiBMOJkiM_fHdVAw1IBfhQDFSQMSaJfE3K",
    "signature": "ZVsIarmcScVpK7cCjj6rk4MTaIdd7yurzUWQSLzl5tk0PSvSDpR2olVMbo8etFtCAM0PndBW9jzyjv-"
    "XAYCjAA",
    "statement": "line",
}

INVOICE: Final[dict[str, Any]] = {
    **_SIGNER,
    "amounts": None,
    "claim_digest": "h-zMp-PjS5gW26pxyz0eWp6g5eSXwT7Qn-KuGr101vo",
    "claim_id": CLAIM_ID,
    "commitments": ["A670VM-UMDhdtqk0sh8p0CMe8iFcPzjpCA3b1WFyDJmt"],
    "date_of_delivery": "2020-10-12",
    "format_version": 1,
    "signature": "YWhE9N73GFfDcodlr8jxhf5QBSE9b6ubX7YtpPpjbSUAO-HQGCIqbHXcEnpn9pHdmS2hTCAWnGfkufyTx"
    "AZ9Aw",
}

CANCELLATION: Final[dict[str, Any]] = {
    **_SIGNER,
    "claim_digest": "whEZx0zZKQ1DdMopmrHUWUHb7anR0fN3GHF38wCOZjY",
    "claim_id": "golden-pair",
    "format_version": 1,
    "signature": "7I-ltzyzA5jKb7-quLI-QWz1QEF794vIo2dOHCDcfbVpUmb9zdiT1vVZUp0ObKLWG418y50HSemGQHvHH"
    "nW3DA",
}

ATTESTATION: Final[dict[str, Any]] = {
    "attested": ["code"],
    "attested_at": "2020-10-06T10:00:01Z",
    "attester_id": "golden-attester",
    "claim_digest": "mbj7oAl5Z5EvjvNUazo_TqL7oQ8guedumHhJGBi5M4s",
    "claim_id": "golden-equipment",
    "commitment": "AjRVyBr3XTFyAiiZRtWEKW2ouSbUwHVqbXYt5h7DpDB4",
    "expires_at": "2020-11-05T10:00:01Z",
    "format_version": 1,
    "key_id": "iBh3IopCHdaBJdkbFDFlB3ayUtKixx0MTNNMi1sfRls",
    "line": 1,
    "record": "uFnBbTONQR1wTjGTkZ2ykw",
    "signature": "jcyalE5_gc3W_3mfnVBcE9YOXBGmETl6ZLShQqbJNPTpTw3bPwRsGEgTG003QdgnX0bQ3qnp"
    "hk4oCzcDpUOEAA",
}

SUBMISSION: Final[dict[str, Any]] = {
    "attestations": [ATTESTATION],
    "claim": CLAIM,
    "format_version": 1,
}
"""The shape of one: the attestation is another claim's."""

DECISION: Final[dict[str, Any]] = {"decision": "grant", "note": "file 17"}

CONTRACT: Final[dict[str, Any]] = load_sample("responsable").model_dump(mode="json")

NOMENCLATURE: Final[dict[str, Any]] = {
    "classes": [
        {
            "code": "M01",
            "family": "frame",
            "label_fr": "MONTURE ADULTE DE CLASSE A",
            "legal_level": None,
            "price_class": "A",
        }
    ],
    "format": "clairobscur-nomenclature-1",
    "groups": [
        {
            "base_tariff_cents": None,
            "cell": None,
            "codes": [2222124],
            "kind": "frame",
            "lens_type": None,
            "max_age": None,
            "period_status": "stated",
            "price_class": "A",
            "price_limit_cents": 3000,
            "regroupement": "M01",
            "regroupement_status": "derived",
            "scope": "generic",
            "valid_from": "2020-01-01",
            "valid_to": "2021-06-30",
        }
    ],
    "source": "One row of the table that ships.",
    "version": "2020-07.one",
}
"""The shape of a table, not one to judge claims by."""

PUBLICATION: Final[dict[str, Any]] = {
    "digest": DIGEST,
    "format_version": 1,
    "in_force_from": "2020-07-01",
    "insurer_id": "ocam-exemple",
    "key_id": "bvfYsf17S8RC9OBLVLaL_PUw_r_RCn5CgXV6KYGcxQA",
    "kind": "contract",
    "name": "responsable-2020",
    "published_at": "2020-06-01T00:00:00Z",
    "publisher_id": "golden-publisher",
    "signature": "Rm5zcYghkNG3W-kqzEDAlKVcGBnMAJzwl1nNpT5tNnQIvR2KFd2h-43a7nLtB8JOR2TNDJTyf6Bhj5DEo"
    "IodBw",
}

_AUDITOR: Final = {
    "auditor_id": "golden-auditor",
    "format_version": 1,
    "key_id": "1B6YfZz6oWtpMFTjFpiT97drVpJuDx0QWRC7IZYNiDA",
}
_NO_SIGNATURE: Final = encode_base64url(bytes(64))
_SEALED: Final = encode_base64url(b"no seal, but of its form")

AUDIT_CASE: Final[dict[str, Any]] = {
    **_AUDITOR,
    "answer_by": "2020-11-16T09:00:00Z",
    "case_id": CASE_ID,
    "claim_digest": "mbj7oAl5Z5EvjvNUazo_TqL7oQ8guedumHhJGBi5M4s",
    "claim_id": "golden-equipment",
    "commitment": "AjRVyBr3XTFyAiiZRtWEKW2ouSbUwHVqbXYt5h7DpDB4",
    "erase_at": "2020-12-16T09:00:00Z",
    "ground": "fictitious_equipment",
    "insurer_id": "ocam-exemple",
    "line": 1,
    "opened_at": "2020-11-02T09:00:00Z",
    "recipient": encode_base64url(bytes(RECIPIENT_BYTES)),
    "signature": _NO_SIGNATURE,
    "slots": ["code", "price"],
}
"""As those two that follow it of the right form only: nothing is signed or sealed."""

AUDIT_REPLY: Final[dict[str, Any]] = {
    "answer": {
        "answer": "opening",
        "answered_at": "2020-11-09T09:00:00Z",
        "case_digest": "Dlj_49W-_ZOjDP2pysSbxqHoHjUVLB6wRLwgFAV6jw0",
        "case_id": CASE_ID,
        "format_version": 1,
        "key_id": _SIGNER["key_id"],
        "optician_id": "golden-optician",
        "reason": None,
        "sealed_digest": sealed_digest(_SEALED),
        "signature": _NO_SIGNATURE,
    },
    "format_version": 1,
    "sealed": _SEALED,
}

AUDIT_OUTCOME: Final[dict[str, Any]] = {
    **_AUDITOR,
    "answer_digest": "T4EiRHiSVd72Bd2uAP9nHI07XBDev3q81vP3fEzNZZA",
    "case_digest": "Dlj_49W-_ZOjDP2pysSbxqHoHjUVLB6wRLwgFAV6jw0",
    "case_id": CASE_ID,
    "cause": "as_recorded",
    "concluded_at": "2020-11-10T09:00:00Z",
    "finding_digest": "ldjMHe5nFCjLezU4EVtTCfD_yh7GHFnnE9D6beE-WtI",
    "outcome": "consistent",
    "signature": _NO_SIGNATURE,
}

TOKEN: Final[dict[str, Any]] = {
    "expires_at": "2027-12-31T23:59:59Z",
    "label": "till 2",
    "optician_id": "golden-optician",
    "scope": "optician",
}

KEYS: Final[dict[str, Any]] = {
    "format_version": 1,
    "keys": [
        {
            "optician_id": "golden-optician",
            "public_key": "iAW4fasdlqWUZ1clZxxdxgZqBTkCtTZDLU9EgKWPPX4",
            "valid_from": "2020-01-01",
            "valid_to": "2030-12-31",
        }
    ],
}

RIGHTS: Final[dict[str, Any]] = {
    "rights": [
        {
            "age_group": "adult",
            "beneficiary": "benef_golden_3Jx0kQ",
            "contract_id": "responsable-2020",
            "valid_from": "2020-01-01",
            "valid_to": None,
        }
    ]
}

RIGHT_END: Final[dict[str, Any]] = {
    "beneficiary": "benef_golden_3Jx0kQ",
    "contract_id": "responsable-2020",
    "valid_to": "2020-12-31",
}

CLAIM_LINES: Final = (canonical_bytes(CLAIM) + b"\n").decode() * 2
"""What a batch of two claims looks like."""
