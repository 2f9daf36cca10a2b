"""Which tests judge a mutant of which module: its unit tests, and what else looks closely at it.

Only tests that take seconds. A module ``zk/x.py`` has ``tests/unit/test_x.py`` unless `TESTS` says
otherwise; `MORE` adds to that.
"""

from __future__ import annotations

from pathlib import Path

PACKAGES = ("zk", "circuits")

LEFT_OUT = {
    "zk/__init__.py": "empty",
    "circuits/__init__.py": "empty",
    "zk/errors.py": "names of errors, nothing to compute",
}
"""Modules that are not mutated, and why."""

TESTS: dict[str, tuple[str, ...]] = {
    "zk/backends/__init__.py": ("unit/test_group.py",),
    "zk/backends/libsecp256k1.py": ("unit/test_group.py",),
    "zk/backends/native.py": ("unit/test_public_sum.py", "unit/test_group.py"),
    "zk/backends/py_ecc.py": ("unit/test_group.py",),
    "circuits/document.py": ("unit/test_contract.py", "unit/test_claim.py", "unit/test_sale.py"),
}

_LIMITS = "vectors/test_protocol_page.py::test_the_pages_limits_are_the_codes"

MORE: dict[str, tuple[str, ...]] = {
    "zk/commitment.py": ("adversarial/test_commitments.py",),
    "zk/encoding.py": ("adversarial/test_mutations.py",),
    "zk/evaluate.py": (
        "unit/test_program.py",
        "properties/test_zk_evaluate.py",
    ),
    "zk/field.py": ("unit/test_program.py", "unit/test_commitment.py"),
    "zk/generators.py": ("unit/test_verify.py",),
    "zk/group.py": ("unit/test_public_sum.py",),
    "zk/hash_to_curve.py": ("vectors/test_rfc9380.py",),
    "zk/instance.py": ("adversarial/test_transcript.py",),
    "zk/program.py": ("unit/test_evaluate.py", "properties/test_zk_evaluate.py"),
    "zk/prove.py": ("properties/test_zk_proofs.py",),
    "zk/relation.py": ("adversarial/test_circuits.py", "vectors/test_protocol_page.py"),
    "zk/sponge.py": ("vectors/test_fiat_shamir_draft.py",),
    "zk/transcript.py": ("vectors/test_sigma_proofs_draft.py", "adversarial/test_transcript.py"),
    "zk/verify.py": (
        "unit/test_program.py",
        "adversarial/test_weights.py",
        "adversarial/test_weak_verifier.py",
    ),
    "circuits/attestation.py": (_LIMITS,),
    "circuits/audit.py": (_LIMITS,),
    "circuits/canonical.py": (_LIMITS, "properties/test_canonical.py"),
    "circuits/claim.py": (
        _LIMITS,
        "adversarial/test_claim_envelope.py",
    ),
    "circuits/compiled.py": ("unit/test_line.py", "unit/test_equipment.py"),
    "circuits/contract.py": (_LIMITS,),
    "circuits/declaration.py": (_LIMITS, "unit/test_statements.py"),
    "circuits/document.py": ("unit/test_canonical.py", "unit/test_keys.py"),
    "circuits/equipment.py": ("adversarial/test_claim_lies.py",),
    "circuits/gadgets.py": ("properties/test_ranges.py",),
    "circuits/items.py": ("unit/test_equipment.py",),
    "circuits/line.py": ("adversarial/test_claim_lies.py",),
    "circuits/nomenclature.py": (
        _LIMITS,
        "properties/test_nomenclature.py",
    ),
    "circuits/notices.py": (
        _LIMITS,
        "adversarial/test_notices.py",
    ),
    "circuits/opening.py": (
        _LIMITS,
        "unit/test_judge.py",
    ),
    "circuits/publication.py": (_LIMITS, "unit/test_published.py"),
    "circuits/sealing.py": (_LIMITS,),
    "circuits/signed.py": ("vectors/test_golden_signed.py",),
    "circuits/signing.py": ("unit/test_claim.py", "unit/test_signed.py"),
    "circuits/trust.py": (_LIMITS, "unit/test_trust_file.py"),
}


def judges_of(module: str) -> tuple[str, ...]:
    """The tests for ``module`` ("zk/prove.py"), quick ones first, as pytest takes them at the
    root."""
    own = TESTS.get(module, (f"unit/test_{Path(module).stem}.py",))
    return tuple(f"tests/{name}" for name in (*own, *MORE.get(module, ())))


def modules(root: Path) -> list[str]:
    """Every module that is mutated, in order."""
    paths = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    names = {path.relative_to(root).as_posix() for path in paths}
    return sorted(names - LEFT_OUT.keys())
