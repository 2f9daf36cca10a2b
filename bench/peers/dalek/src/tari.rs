//! The aggregated range proof of the crate `tari_bulletproofs_plus`, and its batches.

use std::path::Path;

use tari_bulletproofs_plus::commitment_opening::CommitmentOpening;
use tari_bulletproofs_plus::generators::pedersen_gens::ExtensionDegree;
use tari_bulletproofs_plus::range_parameters::RangeParameters;
use tari_bulletproofs_plus::range_proof::VerifyAction;
use tari_bulletproofs_plus::range_statement::RangeStatement;
use tari_bulletproofs_plus::range_witness::RangeWitness;
use tari_bulletproofs_plus::ristretto::{
    create_pedersen_gens_with_extension_degree, RistrettoRangeProof,
};
use tari_curve25519::ristretto::{CompressedRistretto, RistrettoPoint};
use tari_curve25519::scalar::Scalar;
use tari_merlin::Transcript;

use crate::protocol::{Parameters, Proof, System};
use crate::statement::{read_range, Range};

pub struct Tari {
    parameters: RangeParameters<RistrettoPoint>,
    statement: Range,
}

fn random_scalar() -> Scalar {
    let mut bytes = [0; 64];
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut bytes);
    Scalar::from_bytes_mod_order_wide(&bytes)
}

fn decompress(commitments: &[u8]) -> Option<Vec<RistrettoPoint>> {
    let point = |bytes| CompressedRistretto::from_slice(bytes).ok()?.decompress();
    commitments.chunks(32).map(point).collect()
}

impl Tari {
    fn of(statement: Range) -> Result<Self, String> {
        let commitment_generators =
            create_pedersen_gens_with_extension_degree(ExtensionDegree::DefaultPedersen);
        let made = RangeParameters::init(statement.bits, statement.count, commitment_generators);
        let parameters = made.map_err(|error| error.to_string())?;
        Ok(Tari {
            parameters,
            statement,
        })
    }

    fn of_points(
        &self,
        commitments: Vec<RistrettoPoint>,
    ) -> Result<RangeStatement<RistrettoPoint>, String> {
        let promises = vec![None; commitments.len()];
        RangeStatement::init(self.parameters.clone(), commitments, promises, None)
            .map_err(|error| error.to_string())
    }

    fn prove_values(&self, values: &[u64]) -> Result<Proof, String> {
        let (mut commitments, mut openings) = (Vec::new(), Vec::new());
        for &value in values {
            let blinding = vec![random_scalar()];
            let commitment = self
                .parameters
                .pc_gens()
                .commit(&Scalar::from(value), &blinding);
            commitments.push(commitment.map_err(|error| error.to_string())?);
            openings.push(CommitmentOpening::new(value, blinding));
        }
        let statement = self.of_points(commitments)?;
        let witness = RangeWitness::init(openings).map_err(|error| error.to_string())?;
        let mut transcript = Transcript::new(b"range");
        let proof = RistrettoRangeProof::prove(&mut transcript, &statement, &witness)
            .map_err(|error| error.to_string())?;
        let points = statement.commitments_compressed.iter();
        let commitments = points.flat_map(|point| *point.as_bytes()).collect();
        Ok(Proof {
            bytes: proof.to_bytes(),
            commitments,
        })
    }

    fn decode(
        &self,
        proof: &Proof,
    ) -> Option<(RangeStatement<RistrettoPoint>, RistrettoRangeProof)> {
        let commitments = decompress(&proof.commitments)?;
        if commitments.len() != self.statement.count {
            return None;
        }
        let decoded = RistrettoRangeProof::from_bytes(&proof.bytes).ok()?;
        Some((self.of_points(commitments).ok()?, decoded))
    }

    fn verify_all(&self, proofs: &[&Proof]) -> bool {
        let decoded: Option<Vec<_>> = proofs.iter().map(|proof| self.decode(proof)).collect();
        let Some(decoded) = decoded else { return false };
        let (statements, proofs): (Vec<_>, Vec<_>) = decoded.into_iter().unzip();
        let mut transcripts = vec![Transcript::new(b"range"); proofs.len()];
        let action = VerifyAction::VerifyOnly;
        RistrettoRangeProof::verify_batch(&mut transcripts, &statements, &proofs, action).is_ok()
    }
}

impl System for Tari {
    fn set_up(folder: &Path) -> Result<(Self, Parameters), String> {
        let system = Self::of(read_range(folder)?)?;
        let parameters = Parameters {
            key: Vec::new(),
            constraints: system.statement.bits * system.statement.count,
            notes:
                "bits; generators and the verifier's tables of their multiples, nothing secret; \
                    curve25519-dalek 5 with AVX-512 IFMA or AVX2 where the CPU has it"
                    .into(),
        };
        Ok((system, parameters))
    }

    fn load(folder: &Path, _: &[u8]) -> Result<Self, String> {
        Self::of(read_range(folder)?)
    }

    fn read_witnesses(&mut self, _: &Path) -> Result<(), String> {
        Ok(())
    }

    fn prove(&self, index: usize) -> Result<Proof, String> {
        let witness = self
            .statement
            .witnesses
            .get(index)
            .ok_or("no such witness")?;
        self.prove_values(&witness.values)
    }

    fn verify(&self, proof: &Proof) -> bool {
        self.verify_all(&[proof])
    }

    fn verify_batch(&self, proofs: &[&Proof]) -> Result<bool, String> {
        Ok(self.verify_all(proofs))
    }

    fn with_other_commitment(&self, proof: &Proof) -> Result<Vec<u8>, String> {
        let points = decompress(&proof.commitments[..32]).ok_or("no commitment")?;
        let other = points[0] + self.parameters.h_base();
        let mut commitments = proof.commitments.clone();
        commitments[..32].copy_from_slice(other.compress().as_bytes());
        Ok(commitments)
    }

    fn scalar_position(&self, _: &Proof) -> usize {
        // r1: after the degree (one byte), one scalar d1 and three points.
        1 + 4 * 32
    }

    /// Each value in turn one too large for its bits. The library's prover refuses by itself.
    fn is_dishonest_rejected(&self, index: usize) -> Result<bool, String> {
        let witness = self
            .statement
            .witnesses
            .get(index)
            .ok_or("no such witness")?;
        for position in 0..self.statement.count {
            let mut values = witness.values.clone();
            values[position] = 1 << self.statement.bits;
            if self
                .prove_values(&values)
                .is_ok_and(|proof| self.verify(&proof))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
