#!/bin/sh
# The R1CS proofs of bulletproofs 5.0.0 do not compile with the curve25519-dalek that it asks for:
# three times it takes a CtOption for an Option. Its maintainers corrected that after the release
# (zkcrypto/bulletproofs, pull request 23); here the same is done to the source as released.
set -eu
library=target/repaired/bulletproofs
rm -rf target/repaired
cargo vendor --quiet --manifest-path released/Cargo.toml target/repaired >/dev/null
proof=$library/src/r1cs/proof.rs
sed -i 's/= Scalar::from_canonical_bytes(read32!())\.ok_or/= Option::from(Scalar::from_canonical_bytes(read32!())).ok_or/' "$proof"
changed=$(grep -c 'Option::from(Scalar::from_canonical_bytes' "$proof")
if [ "$changed" != 3 ]; then
    echo "error: bulletproofs 5.0.0 is not as expected" >&2
    exit 1
fi
