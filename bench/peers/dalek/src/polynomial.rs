//! Polynomials over the scalar field, lowest coefficient first.

use curve25519_dalek::scalar::Scalar;

/// Below this many coefficients, schoolbook multiplication is faster.
const SHORT: usize = 32;

fn add_to(sum: &mut [Scalar], terms: &[Scalar]) {
    for (s, t) in sum.iter_mut().zip(terms) {
        *s += t;
    }
}

/// The product, by Karatsuba's method.
fn multiply(a: &[Scalar], b: &[Scalar]) -> Vec<Scalar> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let mut product = vec![Scalar::ZERO; a.len() + b.len() - 1];
    let half = a.len().max(b.len()).div_ceil(2);
    if a.len().min(b.len()) < SHORT || half >= a.len().min(b.len()) {
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                product[i + j] += x * y;
            }
        }
        return product;
    }
    let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
    let (low, high) = (multiply(a0, b0), multiply(a1, b1));
    let (mut a01, mut b01) = (a0.to_vec(), b0.to_vec());
    add_to(&mut a01, a1);
    add_to(&mut b01, b1);
    let mut middle = multiply(&a01, &b01);
    for part in [&low, &high] {
        for (m, p) in middle.iter_mut().zip(part) {
            *m -= p;
        }
    }
    add_to(&mut product, &low);
    add_to(&mut product[half..], &middle);
    add_to(&mut product[2 * half..], &high);
    product
}

/// The monic polynomial with these roots, each as often as it stands there.
pub fn with_roots(roots: &[Scalar]) -> Vec<Scalar> {
    match roots {
        [] => vec![Scalar::ONE],
        [root] => vec![-root, Scalar::ONE],
        _ => {
            let (left, right) = roots.split_at(roots.len() / 2);
            multiply(&with_roots(left), &with_roots(right))
        }
    }
}

/// Quotient and remainder of `dividend` by `divisor`, which is monic.
pub fn divide(dividend: &[Scalar], divisor: &[Scalar]) -> (Vec<Scalar>, Vec<Scalar>) {
    let degree = divisor.len() - 1;
    let mut rest = dividend.to_vec();
    let mut quotient = vec![Scalar::ZERO; rest.len().saturating_sub(degree)];
    for i in (0..quotient.len()).rev() {
        let leading = rest[i + degree];
        quotient[i] = leading;
        for (r, d) in rest[i..].iter_mut().zip(divisor) {
            *r -= leading * d;
        }
    }
    rest.truncate(degree);
    (quotient, rest)
}

/// 1, x, x², … without end.
pub fn powers(x: Scalar) -> impl Iterator<Item = Scalar> {
    std::iter::successors(Some(Scalar::ONE), move |power| Some(power * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(polynomial: &[Scalar], x: Scalar) -> Scalar {
        polynomial
            .iter()
            .zip(powers(x))
            .map(|(c, power)| c * power)
            .sum()
    }

    #[test]
    fn has_the_roots_and_no_other() {
        for n in [1u64, 2, 63, 64, 65, 300] {
            let roots: Vec<Scalar> = (0..n).map(|i| Scalar::from(i * i + 7)).collect();
            let polynomial = with_roots(&roots);
            assert_eq!(polynomial.len(), roots.len() + 1);
            assert_eq!(polynomial.last(), Some(&Scalar::ONE));
            assert!(roots
                .iter()
                .all(|&root| value(&polynomial, root) == Scalar::ZERO));
            let point = Scalar::from(1_000_000u64);
            let expected: Scalar = roots.iter().map(|root| point - root).product();
            assert_eq!(value(&polynomial, point), expected);
        }
    }

    #[test]
    fn quotient_and_remainder_make_the_dividend() {
        let dividend: Vec<Scalar> = (0..100u64).map(|i| Scalar::from(i * i + 1)).collect();
        let divisor = with_roots(&[3u64, 5, 11].map(Scalar::from));
        let (quotient, remainder) = divide(&dividend, &divisor);
        assert_eq!(remainder.len(), 3);
        let mut again = multiply(&quotient, &divisor);
        add_to(&mut again, &remainder);
        assert_eq!(again, dividend);
    }
}
