//! The claim: membership of three codes, prices under caps, their sum under a total.
//!
//! A price, and what the prices leave of the total, is Σ wᵢ·bᵢ over bits with weights 1, 2, 4, …
//! whose last is chosen so that all together make the limit: the sums are 0 to the limit exactly, and
//! one decomposition bounds both sides. One multiplier a bit, which is the least: m products have at
//! most 2ᵐ solutions.

use std::path::Path;
use std::sync::Arc;

use bulletproofs::r1cs::{
    ConstraintSystem, LinearCombination, Prover, R1CSError, R1CSProof,
    RandomizableConstraintSystem, Variable, Verifier,
};
use bulletproofs::{BulletproofGens, PedersenGens};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use merlin::Transcript;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};

use crate::membership::{Horner, Membership, Trees};
use crate::protocol::{Parameters, Proof, System};
use crate::statement::{read_claim, Claim, Sale};

pub type OnePhase = Claims<Trees>;
pub type TwoPhases = Claims<Horner>;

/// What proofs share. `key` files hold it as a line of JSON, then the coefficients.
#[derive(Serialize, Deserialize)]
struct Public<M> {
    caps: [u64; 3],
    total: u64,
    /// Of caps, total and sets; begins every transcript.
    digest: [u8; 32],
    membership: Arc<M>,
}

pub struct Claims<M> {
    public: Public<M>,
    multipliers: usize,
    commitment_generators: PedersenGens,
    generators: BulletproofGens,
    statement: Option<Claim>,
}

fn digest(claim: &Claim) -> [u8; 32] {
    let mut state = Sha3_256::new();
    let limits = claim.caps.iter().chain([&claim.total]);
    let sets = claim
        .sets
        .iter()
        .flat_map(|set| [set.len() as u64].into_iter().chain(set.clone()));
    for number in limits.copied().chain(sets) {
        state.update(number.to_le_bytes());
    }
    state.finalize().into()
}

fn weights(limit: u64) -> Vec<u64> {
    let last = limit.ilog2();
    let mut weights: Vec<u64> = (0..last).map(|i| 1 << i).collect();
    weights.push(limit - ((1 << last) - 1));
    weights
}

/// Constrain 0 ≤ value ≤ limit; `assigned` is the value, for the prover. A value that is out of
/// range makes a proof that is wrong.
fn constrain_range<CS: ConstraintSystem>(
    cs: &mut CS,
    value: LinearCombination,
    limit: u64,
    assigned: Option<u64>,
) -> Result<(), R1CSError> {
    let (mut sum, mut rest) = (value, assigned);
    for weight in weights(limit).into_iter().rev() {
        let bit = rest.map(|rest| u64::from(rest >= weight));
        rest = rest.zip(bit).map(|(rest, bit)| rest - bit * weight);
        let wires = bit.map(|bit| (Scalar::from(bit), Scalar::from(1 - bit)));
        let (left, right, product) = cs.allocate_multiplier(wires)?;
        cs.constrain(product.into());
        cs.constrain(left + right - Scalar::ONE);
        sum = sum - left * weight;
    }
    cs.constrain(sum);
    Ok(())
}

impl<M: Membership> Public<M> {
    fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::new(b"optical claim");
        transcript.append_message(b"statement", &self.digest);
        transcript
    }

    /// `wires`: code and price of each line, as committed.
    fn constrain<CS: RandomizableConstraintSystem>(
        &self,
        cs: &mut CS,
        wires: &[Variable],
        sale: Option<&Sale>,
    ) -> Result<(), R1CSError> {
        let codes = [wires[0], wires[2], wires[4]];
        M::constrain(&self.membership, cs, codes, sale.map(|sale| sale.codes))?;
        let mut left_over = LinearCombination::from(self.total);
        for line in 0..3 {
            let (price, assigned) = (wires[2 * line + 1], sale.map(|sale| sale.prices[line]));
            constrain_range(cs, price.into(), self.caps[line], assigned)?;
            left_over = left_over - price;
        }
        let assigned = sale.map(|sale| self.total.saturating_sub(sale.prices.iter().sum()));
        constrain_range(cs, left_over, self.total, assigned)
    }

    fn multipliers(&self) -> Result<usize, R1CSError> {
        let mut verifier = Verifier::new(self.transcript());
        let wires: Vec<_> = (0..6)
            .map(|_| verifier.commit(CompressedRistretto::default()))
            .collect();
        self.constrain(&mut verifier, &wires, None)?;
        Ok(verifier.metrics().multipliers + M::IN_SECOND_PHASE)
    }
}

fn encode<M: Membership>(public: &mut Public<M>) -> Result<Vec<u8>, String> {
    let mut key = serde_json::to_vec(public).map_err(|_| "the set-up has no JSON form")?;
    key.push(b'\n');
    let membership = Arc::get_mut(&mut public.membership).ok_or("the set-up is in use")?;
    for coefficient in membership
        .coefficients()
        .into_iter()
        .flat_map(|part| part.iter())
    {
        key.extend(coefficient.as_bytes());
    }
    Ok(key)
}

fn decode<M: Membership>(key: &[u8]) -> Result<Public<M>, String> {
    let wrong = |what: &str| format!("the set-up read is wrong: {what}");
    let end = key
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or_else(|| wrong("one line"))?;
    let mut public: Public<M> =
        serde_json::from_slice(&key[..end]).map_err(|_| wrong("its first line"))?;
    if public
        .caps
        .iter()
        .chain([&public.total])
        .any(|limit| !(1..1 << 32).contains(limit))
    {
        return Err(wrong("its limits"));
    }
    let counts = public
        .membership
        .counts()
        .ok_or_else(|| wrong("its shapes"))?;
    let mut scalars = key[end + 1..].chunks(32);
    if key.len() - end - 1 != 32 * counts.iter().sum::<usize>() {
        return Err(wrong("its length"));
    }
    let membership = Arc::get_mut(&mut public.membership).ok_or_else(|| wrong("in use"))?;
    for (count, coefficients) in counts.into_iter().zip(membership.coefficients()) {
        let scalar = |bytes: &[u8]| Scalar::from_canonical_bytes(bytes.try_into().ok()?).into();
        let read: Option<Vec<Scalar>> = scalars.by_ref().take(count).map(scalar).collect();
        *coefficients = read.ok_or_else(|| wrong("a coefficient"))?;
    }
    Ok(public)
}

impl<M: Membership> Claims<M> {
    fn with(public: Public<M>) -> Result<Self, String> {
        let multipliers = public.multipliers().map_err(|error| error.to_string())?;
        let capacity = multipliers.next_power_of_two();
        Ok(Claims {
            public,
            multipliers,
            commitment_generators: PedersenGens::default(),
            generators: BulletproofGens::new(capacity, 1),
            statement: None,
        })
    }

    fn of_claim(claim: Claim) -> Result<(Self, Vec<u8>), String> {
        let mut public = Public {
            caps: claim.caps,
            total: claim.total,
            digest: digest(&claim),
            membership: Arc::new(M::of_sets(&claim.sets)),
        };
        let key = encode(&mut public)?;
        let mut system = Self::with(public)?;
        system.statement = Some(claim);
        Ok((system, key))
    }

    /// Proof about the codes and prices of `sale`, its other wires as for those of `assigned`: the
    /// same if the prover is honest.
    fn prove_sale(&self, sale: &Sale, assigned: &Sale) -> Result<Proof, String> {
        let mut prover = Prover::new(&self.commitment_generators, self.public.transcript());
        let mut commitments = Vec::with_capacity(6 * 32);
        let mut wires = Vec::with_capacity(6);
        for value in sale
            .codes
            .iter()
            .zip(sale.prices)
            .flat_map(|(&code, price)| [code, price])
        {
            let (commitment, wire) = prover.commit(Scalar::from(value), Scalar::random(&mut OsRng));
            commitments.extend(commitment.as_bytes());
            wires.push(wire);
        }
        let constrained = self.public.constrain(&mut prover, &wires, Some(assigned));
        let proof = constrained.and_then(|()| prover.prove(&self.generators));
        let bytes = proof.map_err(|error| error.to_string())?.to_bytes();
        Ok(Proof { bytes, commitments })
    }

    fn sale(&self, index: usize) -> Result<(&Claim, &Sale), String> {
        let claim = self
            .statement
            .as_ref()
            .ok_or("the witnesses were not read")?;
        let sale = claim.witnesses.get(index).ok_or("no such witness")?;
        Ok((claim, sale))
    }
}

impl<M: Membership> System for Claims<M> {
    fn set_up(folder: &Path) -> Result<(Self, Parameters), String> {
        let (system, key) = Self::of_claim(read_claim(folder)?)?;
        let multipliers = system.multipliers;
        let padded = multipliers.next_power_of_two();
        let notes = format!(
            "{multipliers} multipliers, padded to {padded}; generators and coefficients of the \
             sets' polynomials, nothing secret; curve25519-dalek 4 with AVX2 where the CPU has it"
        );
        Ok((
            system,
            Parameters {
                key,
                constraints: multipliers,
                notes,
            },
        ))
    }

    fn load(_: &Path, key: &[u8]) -> Result<Self, String> {
        Self::with(decode(key)?)
    }

    fn read_witnesses(&mut self, folder: &Path) -> Result<(), String> {
        if self.statement.is_none() {
            let claim = read_claim(folder)?;
            if digest(&claim) != self.public.digest {
                return Err("the set-up is of another statement".into());
            }
            self.statement = Some(claim);
        }
        Ok(())
    }

    fn prove(&self, index: usize) -> Result<Proof, String> {
        let (_, sale) = self.sale(index)?;
        self.prove_sale(sale, sale)
    }

    fn verify(&self, proof: &Proof) -> bool {
        let Ok(decoded) = R1CSProof::from_bytes(&proof.bytes) else {
            return false;
        };
        let mut verifier = Verifier::new(self.public.transcript());
        let commitments = proof
            .commitments
            .chunks(32)
            .map(CompressedRistretto::from_slice);
        let Ok(commitments) = commitments.collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        if commitments.len() != 6 {
            return false;
        }
        let wires: Vec<_> = commitments
            .into_iter()
            .map(|point| verifier.commit(point))
            .collect();
        self.public.constrain(&mut verifier, &wires, None).is_ok()
            && verifier
                .verify(&decoded, &self.commitment_generators, &self.generators)
                .is_ok()
    }

    fn verify_batch(&self, _: &[&Proof]) -> Result<bool, String> {
        Err("the R1CS verifier of bulletproofs 5.0.0 takes one proof at a time".into())
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

    /// Each code outside its set, each price one cent over its cap, the sum over the total: each
    /// lie alone, proved by the honest program, and with the wires of the honest sale.
    fn is_dishonest_rejected(&self, index: usize) -> Result<bool, String> {
        let (claim, sale) = self.sale(index)?;
        let mut lies = Vec::new();
        for line in 0..3 {
            let outside = (0..).find(|code| !claim.sets[line].contains(code));
            let mut lie = sale.clone();
            lie.codes[line] = outside.ok_or("a set has every number")?;
            lies.push(lie);
            let mut lie = Sale {
                codes: sale.codes,
                prices: [0; 3],
            };
            lie.prices[line] = claim.caps[line] + 1;
            lies.push(lie);
        }
        if claim.caps.iter().sum::<u64>() > claim.total {
            lies.push(Sale {
                codes: sale.codes,
                prices: claim.caps,
            });
        }
        for lie in &lies {
            // A prover that refuses makes no proof either.
            for assigned in [lie, sale] {
                if self
                    .prove_sale(lie, assigned)
                    .is_ok_and(|proof| self.verify(&proof))
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets of these sizes, one sale of every first code and one of every last.
    fn claim(sizes: [u64; 3]) -> Claim {
        let sets = sizes.map(|n| (0..n).map(|i| 1_000_000 + 37 * i * i).collect::<Vec<_>>());
        let first = [0, 1, 2].map(|i| sets[i][0]);
        let last = [0, 1, 2].map(|i| sets[i][sets[i].len() - 1]);
        let statement = serde_json::json!({
            "version": 1, "kind": "claim", "n": sizes[0], "caps": [40000, 40000, 10000],
            "total": 80000, "sets": sets, "witnesses": [
                {"codes": first, "prices": [0, 0, 0]},
                {"codes": last, "prices": [40000, 30000, 10000]},
            ],
        });
        serde_json::from_value(statement).unwrap()
    }

    fn holds<M: Membership>(sizes: [u64; 3]) {
        let (system, key) = Claims::<M>::of_claim(claim(sizes)).unwrap();
        let again = Claims::<M>::load(Path::new("none"), &key).unwrap();
        for index in 0..2 {
            let proof = system.prove(index).unwrap();
            assert!(system.verify(&proof) && again.verify(&proof));
            assert_eq!(system.is_dishonest_rejected(index), Ok(true));
        }
        assert!(Claims::<M>::load(Path::new("none"), &key[..key.len() - 1]).is_err());
        let mut changed = key;
        *changed.last_mut().unwrap() = 255;
        assert!(Claims::<M>::load(Path::new("none"), &changed).is_err());
    }

    #[test]
    fn holds_for_sets_of_any_size() {
        for sizes in [[1, 2, 3], [4, 5, 6], [7, 33, 64], [100, 256, 64]] {
            holds::<Trees>(sizes);
            holds::<Horner>(sizes);
        }
    }

    /// Whether a range proof is accepted that holds the bits of `bits`, highest weight first.
    fn is_range_accepted(value: u64, limit: u64, bits: &[u64]) -> bool {
        fn constrain<CS: ConstraintSystem>(cs: &mut CS, value: Variable, limit: u64, bits: &[u64]) {
            let mut forger = Forger {
                system: cs,
                bits: bits.iter(),
            };
            constrain_range(&mut forger, value.into(), limit, Some(0)).unwrap();
        }
        let (bases, generators) = (PedersenGens::default(), BulletproofGens::new(8, 1));
        let mut prover = Prover::new(&bases, Transcript::new(b"test"));
        let (commitment, wire) = prover.commit(value.into(), Scalar::random(&mut OsRng));
        constrain(&mut prover, wire, limit, bits);
        let proof = prover.prove(&generators).unwrap();
        let mut verifier = Verifier::new(Transcript::new(b"test"));
        let wire = verifier.commit(commitment);
        constrain_range(&mut verifier, wire.into(), limit, None).unwrap();
        verifier.verify(&proof, &bases, &generators).is_ok()
    }

    /// Puts bits of its own in place of the right ones.
    struct Forger<'a, CS> {
        system: &'a mut CS,
        bits: std::slice::Iter<'a, u64>,
    }

    impl<CS: ConstraintSystem> ConstraintSystem for Forger<'_, CS> {
        fn transcript(&mut self) -> &mut Transcript {
            self.system.transcript()
        }

        fn multiply(
            &mut self,
            left: LinearCombination,
            right: LinearCombination,
        ) -> (Variable, Variable, Variable) {
            self.system.multiply(left, right)
        }

        fn allocate(&mut self, assignment: Option<Scalar>) -> Result<Variable, R1CSError> {
            self.system.allocate(assignment)
        }

        fn allocate_multiplier(
            &mut self,
            _: Option<(Scalar, Scalar)>,
        ) -> Result<(Variable, Variable, Variable), R1CSError> {
            // The complement that makes the product 0, where there is one.
            let bit = *self.bits.next().unwrap();
            let complement = u64::from(bit == 0);
            self.system
                .allocate_multiplier(Some((bit.into(), complement.into())))
        }

        fn metrics(&self) -> bulletproofs::r1cs::Metrics {
            self.system.metrics()
        }

        fn constrain(&mut self, lc: LinearCombination) {
            self.system.constrain(lc);
        }
    }

    #[test]
    fn multipliers_fit_the_power_of_two_that_they_are_to() {
        let one_phase = |n| {
            Claims::<Trees>::of_claim(claim([n, n, 64]))
                .unwrap()
                .0
                .multipliers
        };
        let two_phases = |n| {
            Claims::<Horner>::of_claim(claim([n, n, 64]))
                .unwrap()
                .0
                .multipliers
        };
        assert!(one_phase(256) <= 128);
        assert!(one_phase(1024) <= 256);
        assert!(two_phases(1024) <= 128);
    }

    #[test]
    fn bits_that_are_none_are_refused() {
        // The weights of 10 are 3, 4, 2, 1.
        assert!(is_range_accepted(10, 10, &[1, 1, 1, 1]));
        assert!(!is_range_accepted(11, 10, &[1, 1, 1, 1]));
        assert!(!is_range_accepted(11, 10, &[1, 1, 1, 2]));
    }

    #[test]
    fn a_proof_of_other_sets_is_refused() {
        let (here, _) = Claims::<Horner>::of_claim(claim([5, 5, 5])).unwrap();
        let (there, _) = Claims::<Horner>::of_claim(claim([5, 5, 6])).unwrap();
        assert!(!there.verify(&here.prove(0).unwrap()));
    }

    #[test]
    fn weights_make_every_sum_up_to_the_limit() {
        for limit in [1, 2, 3, 10, 1000, 1023, 1024] {
            let mut sums = std::collections::BTreeSet::from([0]);
            for weight in weights(limit) {
                sums.extend(sums.clone().into_iter().map(|sum| sum + weight));
            }
            assert!(sums.into_iter().eq(0..=limit));
        }
    }
}
