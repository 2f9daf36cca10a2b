//! The aggregated range proof of the crate `bulletproofs`.

use std::path::Path;

use bulletproofs::{BulletproofGens, PedersenGens, RangeProof};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use merlin::Transcript;
use rand::rngs::OsRng;

use crate::protocol::{Parameters, Proof, System};
use crate::statement::{read_range, Range};

pub struct Dalek {
    commitment_generators: PedersenGens,
    generators: BulletproofGens,
    statement: Range,
}

impl Dalek {
    fn of(statement: Range) -> Self {
        Dalek {
            commitment_generators: PedersenGens::default(),
            generators: BulletproofGens::new(statement.bits, statement.count),
            statement,
        }
    }

    fn prove_values(&self, values: &[u64]) -> Result<Proof, String> {
        let blindings: Vec<Scalar> = values.iter().map(|_| Scalar::random(&mut OsRng)).collect();
        let (proof, commitments) = RangeProof::prove_multiple(
            &self.generators,
            &self.commitment_generators,
            &mut Transcript::new(b"range"),
            values,
            &blindings,
            self.statement.bits,
        )
        .map_err(|error| error.to_string())?;
        let commitments = commitments
            .iter()
            .flat_map(|point| *point.as_bytes())
            .collect();
        Ok(Proof {
            bytes: proof.to_bytes(),
            commitments,
        })
    }
}

impl System for Dalek {
    fn set_up(folder: &Path) -> Result<(Self, Parameters), String> {
        let system = Self::of(read_range(folder)?);
        let parameters = Parameters {
            key: Vec::new(),
            constraints: system.statement.bits * system.statement.count,
            notes: "bits; generators only, nothing secret; curve25519-dalek 4 with AVX2 where the \
                    CPU has it"
                .into(),
        };
        Ok((system, parameters))
    }

    fn load(folder: &Path, _: &[u8]) -> Result<Self, String> {
        Ok(Self::of(read_range(folder)?))
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
        let Ok(decoded) = RangeProof::from_bytes(&proof.bytes) else {
            return false;
        };
        let commitments = proof
            .commitments
            .chunks(32)
            .map(CompressedRistretto::from_slice);
        let Ok(commitments) = commitments.collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        let verified = decoded.verify_multiple(
            &self.generators,
            &self.commitment_generators,
            &mut Transcript::new(b"range"),
            &commitments,
            self.statement.bits,
        );
        commitments.len() == self.statement.count && verified.is_ok()
    }

    fn verify_batch(&self, _: &[&Proof]) -> Result<bool, String> {
        Err("the range proof of bulletproofs 5.0.0 verifies one proof at a time".into())
    }

    fn with_other_commitment(&self, proof: &Proof) -> Result<Vec<u8>, String> {
        let first = CompressedRistretto::from_slice(&proof.commitments[..32]);
        let point = first
            .ok()
            .and_then(|point| point.decompress())
            .ok_or("no commitment")?;
        let mut commitments = proof.commitments.clone();
        let other = point + self.commitment_generators.B;
        commitments[..32].copy_from_slice(other.compress().as_bytes());
        Ok(commitments)
    }

    fn scalar_position(&self, proof: &Proof) -> usize {
        // The last of the inner-product argument.
        proof.bytes.len() - 32
    }

    /// Each value in turn one too large for its bits.
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
