//! Three hidden codes, each in a public set of its own: P(x) = 0 for P = ∏(x − s) over the set.
//!
//! Linear combinations are free in R1CS, so polynomials of degree k cost nothing once x², …, xᵏ are
//! wires. Sets of other sizes than a shape has places for are filled up with a root they have.
//!
//! * `Trees`: P in one phase. Paterson and Stockmeyer, "On the number of nonscalar multiplications
//!   necessary to evaluate polynomials", SIAM J. Comput. 2 (1973), second algorithm: a monic
//!   polynomial of degree (2^q − 1)k is (x^(2^(q−1)k) + C)·Q + R with C of degree below k, and Q, R
//!   monic of degree (2^(q−1) − 1)k. P is a product of such factors. About √(2N) + log N multipliers
//!   instead of the 2√N of baby steps and giant steps by Horner's rule.
//! * `Horner`: P in the library's two phases, where a challenge follows the wires of the first. Wires
//!   are then cheaper than products: a multiplier holds xᵃ, xᵇ and their product xᵃ⁺ᵇ, or any two
//!   wires. P(x) = W(xᵏ) for W(T) = Σ Wⱼ(x)·Tʲ, and W(xᵏ) = 0 if and only if W(T) = (T − xᵏ)·H(T).
//!   The challenge α checks that the powers are powers, x·Σ αⁱxⁱ = Σ αⁱxⁱ⁺¹, and W(α) = (α − xᵏ)·H(α):
//!   one multiplier each. About 0.82√N + 2 multipliers.

use std::iter;
use std::sync::Arc;

use bulletproofs::r1cs::{
    ConstraintSystem, LinearCombination, R1CSError, RandomizableConstraintSystem,
    RandomizedConstraintSystem, Variable,
};
use curve25519_dalek::scalar::Scalar;
use serde::{de::DeserializeOwned, Deserialize, Serialize};

use crate::polynomial::{divide, powers, with_roots};

/// A way to prove membership in three sets: shapes, which JSON holds, and coefficients.
pub trait Membership: Serialize + DeserializeOwned + Sized + 'static {
    fn of_sets(sets: &[Vec<u64>; 3]) -> Self;

    /// The coefficients of each set, which JSON does not hold.
    fn coefficients(&mut self) -> [&mut Vec<Scalar>; 3];

    /// How many coefficients each set has; None if the shapes are none that `of_sets` makes.
    fn counts(&self) -> Option<[usize; 3]>;

    /// Multipliers that the second phase adds.
    const IN_SECOND_PHASE: usize;

    /// Constrain the codes; `values` are theirs, for the prover.
    fn constrain<CS: RandomizableConstraintSystem>(
        shared: &Arc<Self>,
        cs: &mut CS,
        codes: [Variable; 3],
        values: Option<[u64; 3]>,
    ) -> Result<(), R1CSError>;
}

fn combination(coefficients: &[Scalar], wires: &[Variable]) -> LinearCombination {
    wires
        .iter()
        .copied()
        .zip(coefficients.iter().copied())
        .collect()
}

fn roots(set: &[u64], places: usize) -> Vec<Scalar> {
    let last = set[set.len() - 1];
    let filled = set.iter().copied().chain(iter::repeat(last));
    filled.take(places).map(Scalar::from).collect()
}

/// P as a product of factors, the i-th of degree (2^depths\[i\] − 1)·k.
#[derive(Serialize, Deserialize)]
struct Tree {
    k: usize,
    depths: Vec<u32>,
    /// k for each C and each polynomial of degree k, parents before children, Q before R.
    #[serde(skip)]
    coefficients: Vec<Scalar>,
}

/// Depths with Σ 2^(depth − 1) = `products`, the first of them `deepest` where possible.
fn depths(mut products: usize, deepest: u32) -> Vec<u32> {
    let mut depths = Vec::new();
    while products > 0 {
        let depth = deepest.min(products.ilog2() + 1);
        products -= 1 << (depth - 1);
        depths.push(depth);
    }
    depths
}

/// Coefficients of the combinations that `Tree::evaluate` takes, of a monic polynomial.
fn decompose(polynomial: &[Scalar], k: usize, depth: u32, coefficients: &mut Vec<Scalar>) {
    if depth == 1 {
        coefficients.extend(&polynomial[..k]);
        return;
    }
    let giant = k << (depth - 1);
    let (rest, quotient) = polynomial.split_at(giant);
    let mut rest = rest.to_vec();
    // What remains of the rest becomes monic by adding its leading term afterwards.
    rest[giant - k] -= Scalar::ONE;
    let (correction, mut remainder) = divide(&rest, quotient);
    remainder.push(Scalar::ONE);
    coefficients.extend(correction);
    decompose(quotient, k, depth - 1, coefficients);
    decompose(&remainder, k, depth - 1, coefficients);
}

impl Tree {
    fn of_set(set: &[u64]) -> Self {
        let n = set.len();
        let (mut least, mut k, mut shape) = (usize::MAX, 0, Vec::new());
        for some_k in 1..=2 * n.isqrt() + 1 {
            for deepest in 1..=n.ilog2() + 1 {
                let of = |products| depths(products, deepest);
                let places = |of: &[u32]| of.iter().map(|d| ((1 << d) - 1) * some_k).sum::<usize>();
                let Some(products) = (1..=n).find(|&products| places(&of(products)) >= n) else {
                    continue;
                };
                let some_shape = of(products);
                let cost = products + some_k + some_shape[0] as usize - 3;
                if cost < least {
                    (least, k, shape) = (cost, some_k, some_shape);
                }
            }
        }
        let sizes = shape.iter().map(|depth| ((1usize << depth) - 1) * k);
        let roots = roots(set, sizes.clone().sum());
        let (mut coefficients, mut rest) = (Vec::new(), &roots[..]);
        for (depth, size) in shape.iter().zip(sizes) {
            let (of_factor, others) = rest.split_at(size);
            decompose(&with_roots(of_factor), k, *depth, &mut coefficients);
            rest = others;
        }
        Tree {
            k,
            depths: shape,
            coefficients,
        }
    }

    fn count(&self) -> Option<usize> {
        let sound = (1..=1 << 16).contains(&self.k)
            && (1..=1 << 16).contains(&self.depths.len())
            && self.depths.iter().all(|depth| (1..=16).contains(depth));
        sound.then(|| self.depths.iter().map(|d| ((1 << d) - 1) * self.k).sum())
    }

    /// A factor, or Q or R of one: `powers` are x⁰ to x^k, `giants` x^k, x^2k, x^4k, …
    fn evaluate<CS: ConstraintSystem>(
        &self,
        cs: &mut CS,
        depth: u32,
        powers: &[Variable],
        giants: &[Variable],
        coefficients: &mut std::slice::Chunks<'_, Scalar>,
    ) -> LinearCombination {
        let low = combination(coefficients.next().unwrap_or(&[]), &powers[..self.k]);
        let polynomial = low + giants[depth as usize - 1];
        if depth == 1 {
            return polynomial;
        }
        let quotient = self.evaluate(cs, depth - 1, powers, giants, coefficients);
        let remainder = self.evaluate(cs, depth - 1, powers, giants, coefficients);
        let (_, _, product) = cs.multiply(polynomial, quotient);
        remainder + product
    }

    fn constrain<CS: ConstraintSystem>(&self, cs: &mut CS, code: Variable) {
        let mut powers = vec![Variable::One(), code];
        for exponent in 2..=self.k {
            let half = exponent / 2;
            let (_, _, power) = cs.multiply(powers[half].into(), powers[exponent - half].into());
            powers.push(power);
        }
        let mut giants = vec![powers[self.k]];
        for i in 1..self.depths[0] as usize {
            let (_, _, square) = cs.multiply(giants[i - 1].into(), giants[i - 1].into());
            giants.push(square);
        }
        let mut coefficients = self.coefficients.chunks(self.k);
        let mut product = LinearCombination::default();
        for (i, &depth) in self.depths.iter().enumerate() {
            let factor = self.evaluate(cs, depth, &powers, &giants, &mut coefficients);
            product = if i == 0 {
                factor
            } else {
                cs.multiply(product, factor).2.into()
            };
        }
        cs.constrain(product);
    }
}

/// One phase.
#[derive(Serialize, Deserialize)]
pub struct Trees([Tree; 3]);

impl Membership for Trees {
    fn of_sets(sets: &[Vec<u64>; 3]) -> Self {
        Trees([0, 1, 2].map(|i| Tree::of_set(&sets[i])))
    }

    fn coefficients(&mut self) -> [&mut Vec<Scalar>; 3] {
        self.0.each_mut().map(|tree| &mut tree.coefficients)
    }

    fn counts(&self) -> Option<[usize; 3]> {
        let [a, b, c] = self.0.each_ref().map(Tree::count);
        // The first factor is the deepest: its giant powers are the ones there are.
        let sound = self
            .0
            .iter()
            .all(|tree| tree.depths.is_sorted_by(|a, b| a >= b));
        sound.then_some([a?, b?, c?])
    }

    const IN_SECOND_PHASE: usize = 0;

    fn constrain<CS: RandomizableConstraintSystem>(
        shared: &Arc<Self>,
        cs: &mut CS,
        codes: [Variable; 3],
        _: Option<[u64; 3]>,
    ) -> Result<(), R1CSError> {
        for (tree, code) in shared.0.iter().zip(codes) {
            tree.constrain(cs, code);
        }
        Ok(())
    }
}

/// P of degree k·g as W(xᵏ), W monic of degree g with coefficients of degree below k in x.
#[derive(Serialize, Deserialize)]
struct Steps {
    k: usize,
    g: usize,
    /// Exponents a, b, a + b that share a multiplier.
    triples: Vec<[usize; 3]>,
    /// The exponents from 2 to k that are in no triple.
    singles: Vec<usize>,
    /// Of x⁰ to x^(kg − 1).
    #[serde(skip)]
    coefficients: Vec<Scalar>,
}

/// Search for disjoint triples a + b = c, from the largest exponent that is left downwards.
struct Packing {
    free: Vec<bool>,
    triples: Vec<[usize; 3]>,
    tries: usize,
}

/// After so many steps a packing is sought that leaves more exponents over.
const MOST_TRIES: usize = 20_000;

impl Packing {
    fn find(&mut self, largest: usize, spare: usize) -> bool {
        let Some(c) = (2..=largest).rev().find(|&c| self.free[c]) else {
            return true;
        };
        self.tries += 1;
        if self.tries > MOST_TRIES {
            return false;
        }
        for a in 2..c.div_ceil(2) {
            let triple = [a, c - a, c];
            if triple.iter().all(|&exponent| self.free[exponent]) {
                triple
                    .iter()
                    .for_each(|&exponent| self.free[exponent] = false);
                self.triples.push(triple);
                if self.find(c - 1, spare) {
                    return true;
                }
                self.triples.pop();
                triple
                    .iter()
                    .for_each(|&exponent| self.free[exponent] = true);
            }
        }
        spare > 0 && self.find(c - 1, spare - 1)
    }
}

/// Triples and singles of the exponents from 2 to k, with as few singles as are found.
fn pack(k: usize) -> (Vec<[usize; 3]>, Vec<usize>) {
    let mut spare = (k - 1) % 3;
    loop {
        let mut packing = Packing {
            free: vec![true; k + 1],
            triples: Vec::new(),
            tries: 0,
        };
        if packing.find(k, spare) {
            let mut single = vec![true; k + 1];
            packing
                .triples
                .iter()
                .flatten()
                .for_each(|&exponent| single[exponent] = false);
            return (
                packing.triples,
                (2..=k).filter(|&exponent| single[exponent]).collect(),
            );
        }
        spare += 3;
    }
}

impl Steps {
    fn of_set(set: &[u64]) -> Self {
        let n = set.len();
        let shapes = (1..=2 * n.isqrt() + 1).map(|k| {
            let ((triples, singles), g) = (pack(k), n.div_ceil(k));
            Steps {
                k,
                g,
                triples,
                singles,
                coefficients: Vec::new(),
            }
        });
        // In halves of a multiplier.
        let cost = |s: &Steps| 2 * s.triples.len() + s.singles.len() + s.g.saturating_sub(2);
        let mut steps = shapes.min_by_key(cost).expect("there is a shape for k = 1");
        let mut coefficients = with_roots(&roots(set, steps.k * steps.g));
        coefficients.pop();
        steps.coefficients = coefficients;
        steps
    }

    fn count(&self) -> Option<usize> {
        let range = 1..=1 << 16;
        if !range.contains(&self.k) || !range.contains(&self.g) {
            return None;
        }
        let sums = self
            .triples
            .iter()
            .all(|&[a, b, c]| a.checked_add(b) == Some(c));
        let mut exponents: Vec<_> = self.triples.iter().flatten().collect();
        exponents.extend(&self.singles);
        exponents.sort_unstable();
        let each_once = exponents.into_iter().copied().eq(2..=self.k);
        (sums && each_once).then_some(self.k * self.g)
    }

    /// The Wⱼ(x).
    fn low_polynomials(&self, powers: &[Scalar]) -> Vec<Scalar> {
        let inner = |part: &[Scalar]| part.iter().zip(powers).map(|(c, p)| c * p).sum();
        self.coefficients.chunks(self.k).map(inner).collect()
    }

    /// Wires of the first phase: x⁰ to xᵏ, and the coefficients of H up to T^(g − 3). The two
    /// highest are linear in the powers. `values` are those of x⁰ to xᵏ, for the prover.
    fn allocate<CS: ConstraintSystem>(
        &self,
        cs: &mut CS,
        code: Variable,
        values: Option<&[Scalar]>,
    ) -> Result<(Vec<Variable>, Vec<Variable>), R1CSError> {
        let of = |exponent: usize| values.map(|values| values[exponent]);
        let mut wires = vec![Variable::One(); self.k + 1];
        wires[1] = code;
        for &[a, b, c] in &self.triples {
            (wires[a], wires[b], wires[c]) = cs.allocate_multiplier(of(a).zip(of(b)))?;
        }
        for &exponent in &self.singles {
            wires[exponent] = cs.allocate(of(exponent))?;
        }
        let length = self.g.saturating_sub(2);
        let mut quotients: Vec<Option<Scalar>> = vec![None; length];
        if let Some(values) = values {
            let low = self.low_polynomials(values);
            let mut quotient = Scalar::ONE;
            for j in (1..self.g).rev() {
                quotient = low[j] + values[self.k] * quotient;
                if j <= length {
                    quotients[j - 1] = Some(quotient);
                }
            }
        }
        let quotients = quotients.into_iter().map(|quotient| cs.allocate(quotient));
        Ok((wires, quotients.collect::<Result<_, _>>()?))
    }

    fn check<CS: ConstraintSystem>(
        &self,
        cs: &mut CS,
        challenge: Scalar,
        wires: &[Variable],
        quotients: &[Variable],
    ) {
        let (k, g) = (self.k, self.g);
        let alphas: Vec<Scalar> = powers(challenge).take(k.max(g + 1)).collect();
        let (_, _, product) = cs.multiply(wires[1].into(), combination(&alphas, &wires[..k]));
        cs.constrain(combination(&alphas, &wires[1..]) - product);

        let mut quotient = combination(&alphas, quotients) + alphas[g - 1];
        if g > 1 {
            let scaled = |c: &Scalar| c * alphas[g - 2];
            let top: Vec<Scalar> = self.coefficients[(g - 1) * k..]
                .iter()
                .map(scaled)
                .collect();
            quotient = quotient + combination(&top, wires) + wires[k] * alphas[g - 2];
        }
        let mut low = vec![Scalar::ZERO; k];
        for (part, alpha) in self.coefficients.chunks(k).zip(&alphas) {
            for (sum, coefficient) in low.iter_mut().zip(part) {
                *sum += alpha * coefficient;
            }
        }
        let (_, _, product) = cs.multiply(challenge - wires[k], quotient);
        cs.constrain(combination(&low, wires) + alphas[g] - product);
    }
}

/// Two phases.
#[derive(Serialize, Deserialize)]
pub struct Horner([Steps; 3]);

impl Membership for Horner {
    fn of_sets(sets: &[Vec<u64>; 3]) -> Self {
        Horner([0, 1, 2].map(|i| Steps::of_set(&sets[i])))
    }

    fn coefficients(&mut self) -> [&mut Vec<Scalar>; 3] {
        self.0.each_mut().map(|steps| &mut steps.coefficients)
    }

    fn counts(&self) -> Option<[usize; 3]> {
        let [a, b, c] = self.0.each_ref().map(Steps::count);
        Some([a?, b?, c?])
    }

    const IN_SECOND_PHASE: usize = 6;

    fn constrain<CS: RandomizableConstraintSystem>(
        shared: &Arc<Self>,
        cs: &mut CS,
        codes: [Variable; 3],
        values: Option<[u64; 3]>,
    ) -> Result<(), R1CSError> {
        let mut wires = Vec::new();
        for (i, steps) in shared.0.iter().enumerate() {
            let of_code = |values: [u64; 3]| powers(Scalar::from(values[i])).take(steps.k + 1);
            let values: Option<Vec<Scalar>> = values.map(of_code).map(Iterator::collect);
            wires.push(steps.allocate(cs, codes[i], values.as_deref())?);
        }
        let shared = Arc::clone(shared);
        cs.specify_randomized_constraints(move |cs| {
            let challenge = cs.challenge_scalar(b"membership");
            for (steps, (powers, quotients)) in shared.0.iter().zip(&wires) {
                steps.check(cs, challenge, powers, quotients);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use bulletproofs::r1cs::{Prover, Verifier};
    use bulletproofs::{BulletproofGens, PedersenGens};
    use merlin::Transcript;
    use rand::rngs::OsRng;

    #[test]
    fn exponents_are_packed_once_each() {
        for k in 1..60 {
            let (triples, singles) = pack(k);
            let count = 3 * triples.len() + singles.len();
            let steps = Steps {
                k,
                g: 1,
                triples,
                singles,
                coefficients: Vec::new(),
            };
            assert_eq!(count, k - 1);
            assert_eq!(steps.count(), Some(k));
        }
    }

    /// Eight codes without triples, so that a forger may choose every power.
    fn steps() -> Arc<Steps> {
        let set: Vec<u64> = (0..8).map(|i| 100 + i * i).collect();
        let mut coefficients = with_roots(&roots(&set, 8));
        coefficients.pop();
        Arc::new(Steps {
            k: 4,
            g: 2,
            triples: Vec::new(),
            singles: vec![2, 3, 4],
            coefficients,
        })
    }

    /// Whether a proof is accepted whose wires are `values`, committed to the first of them.
    fn is_accepted(values: &[Scalar]) -> bool {
        fn constrain<CS: RandomizableConstraintSystem>(
            cs: &mut CS,
            code: Variable,
            values: Option<&[Scalar]>,
        ) {
            let steps = steps();
            let (powers, quotients) = steps.allocate(cs, code, values).unwrap();
            let check = move |cs: &mut CS::RandomizedCS| {
                let challenge = cs.challenge_scalar(b"membership");
                steps.check(cs, challenge, &powers, &quotients);
                Ok(())
            };
            cs.specify_randomized_constraints(check).unwrap();
        }
        let (bases, generators) = (PedersenGens::default(), BulletproofGens::new(8, 1));
        let mut prover = Prover::new(&bases, Transcript::new(b"test"));
        let (commitment, code) = prover.commit(values[1], Scalar::random(&mut OsRng));
        constrain(&mut prover, code, Some(values));
        let proof = prover.prove(&generators).unwrap();
        let mut verifier = Verifier::new(Transcript::new(b"test"));
        let code = verifier.commit(commitment);
        constrain(&mut verifier, code, None);
        verifier.verify(&proof, &bases, &generators).is_ok()
    }

    #[test]
    fn powers_that_are_none_are_refused() {
        let of = |code: u64| powers(Scalar::from(code)).take(5).collect::<Vec<_>>();
        assert!(is_accepted(&of(104)));
        assert!(!is_accepted(&of(105)));
        // A second power that makes W(x⁴) = 0 all the same.
        let steps = steps();
        let mut values = of(105);
        let at = |values: &[Scalar]| {
            let low = steps.low_polynomials(values);
            low[0] + values[4] * (low[1] + values[4])
        };
        let slope = steps.coefficients[2] + values[4] * steps.coefficients[6];
        let error = at(&values);
        values[2] -= error * slope.invert();
        assert_eq!(at(&values), Scalar::ZERO);
        assert!(!is_accepted(&values));
    }
}
