pragma circom 2.1.6;

// What both systems share: the commitment of a line and the limits of prices.
// Poseidon, Num2Bits: circomlib, https://github.com/iden3/circomlib

include "poseidon.circom";
include "bitify.circom";

function bit_length(value) {
    var bits = 0;
    while (value > 0) {
        value = value >> 1;
        bits++;
    }
    return bits;
}

// 0 <= value <= cap, exactly: value and cap - value both have the bits of cap.
template AtMost(cap) {
    signal input value;
    component low = Num2Bits(bit_length(cap));
    component high = Num2Bits(bit_length(cap));
    low.in <== value;
    high.in <== cap - value;
}

// Public commitments to (code, price) with a blinding uniform in the field; each price within its cap,
// the sum of the prices within the total.
template Lines(caps, total) {
    signal input codes[3];
    signal input prices[3];
    signal input blindings[3];
    signal output commitments[3];

    component hashes[3];
    component limits[3];
    for (var i = 0; i < 3; i++) {
        hashes[i] = Poseidon(3);
        hashes[i].inputs[0] <== codes[i];
        hashes[i].inputs[1] <== prices[i];
        hashes[i].inputs[2] <== blindings[i];
        commitments[i] <== hashes[i].out;
        limits[i] = AtMost(caps[i]);
        limits[i].value <== prices[i];
    }

    // No price is negative, so that the sum is not: one decomposition is enough.
    component rest = Num2Bits(bit_length(total));
    rest.in <== total - prices[0] - prices[1] - prices[2];
}
