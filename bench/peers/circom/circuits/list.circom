pragma circom 2.1.6;

// Membership in a public list: the code is a root of the polynomial that vanishes on the list. Its coefficients are
// constants, sums of multiples cost nothing, so that about 2 sqrt(N) multiplications are left: the powers of the
// code up to a step, then Horner's rule over blocks of that step (M. S. Paterson, L. J. Stockmeyer,
// On the number of nonscalar multiplications necessary to evaluate polynomials, SIAM J. Comput. 2, 1973).

include "ranges.circom";

// code^(blocks * step) + sum of coefficients[k] code^k = 0, with step + blocks - 2 multiplications.
template Root(step, blocks, coefficients) {
    signal input code;
    signal powers[step + 1];
    signal partial[blocks];

    powers[0] <== 1;
    powers[1] <== code;
    for (var i = 2; i <= step; i++) {
        powers[i] <== powers[i - 1] * code;
    }
    for (var j = blocks - 1; j >= 0; j--) {
        var block = 0;
        for (var i = 0; i < step; i++) {
            block += coefficients[j * step + i] * powers[i];
        }
        if (j == blocks - 1) {
            partial[j] <== powers[step] + block;
        } else {
            partial[j] <== partial[j + 1] * powers[step] + block;
        }
    }
    partial[0] === 0;
}

template ListClaim(steps, blocks, first, second, third, caps, total) {
    signal input codes[3];
    signal input prices[3];
    signal input blindings[3];
    signal output commitments[3];

    component lines = Lines(caps, total);
    lines.codes <== codes;
    lines.prices <== prices;
    lines.blindings <== blindings;
    commitments <== lines.commitments;

    component root0 = Root(steps[0], blocks[0], first);
    component root1 = Root(steps[1], blocks[1], second);
    component root2 = Root(steps[2], blocks[2], third);
    root0.code <== codes[0];
    root1.code <== codes[1];
    root2.code <== codes[2];
}
