pragma circom 2.1.6;

// Membership by a path in a Poseidon tree whose root is public (L. Grassi et al., Poseidon: a new hash function for
// zero-knowledge proof systems, USENIX Security 2021). Each node has four children: one Poseidon of four inputs has
// fewer constraints than the two levels of two inputs that it stands for. The leaves are the codes themselves; all
// paths have one length, so that a node never passes for a leaf.

include "ranges.circom";

// The child that two bits name is the value of the level below.
template Level() {
    signal input below;
    signal input children[4];
    signal input place[2];
    signal output above;

    place[0] * (place[0] - 1) === 0;
    place[1] * (place[1] - 1) === 0;
    signal low <== children[0] + place[0] * (children[1] - children[0]);
    signal high <== children[2] + place[0] * (children[3] - children[2]);
    below === low + place[1] * (high - low);

    component hash = Poseidon(4);
    hash.inputs <== children;
    above <== hash.out;
}

template Path(depth) {
    signal input code;
    signal input root;
    signal input children[depth][4];
    signal input places[depth][2];

    component levels[depth];
    for (var i = 0; i < depth; i++) {
        levels[i] = Level();
        levels[i].children <== children[i];
        levels[i].place <== places[i];
        if (i == 0) {
            levels[i].below <== code;
        } else {
            levels[i].below <== levels[i - 1].above;
        }
    }
    root === levels[depth - 1].above;
}

template MerkleClaim(depths, caps, total) {
    signal input roots[3];
    signal input codes[3];
    signal input prices[3];
    signal input blindings[3];
    signal input children0[depths[0]][4];
    signal input children1[depths[1]][4];
    signal input children2[depths[2]][4];
    signal input places0[depths[0]][2];
    signal input places1[depths[1]][2];
    signal input places2[depths[2]][2];
    signal output commitments[3];

    component lines = Lines(caps, total);
    lines.codes <== codes;
    lines.prices <== prices;
    lines.blindings <== blindings;
    commitments <== lines.commitments;

    component path0 = Path(depths[0]);
    component path1 = Path(depths[1]);
    component path2 = Path(depths[2]);
    path0.code <== codes[0];
    path1.code <== codes[1];
    path2.code <== codes[2];
    path0.root <== roots[0];
    path1.root <== roots[1];
    path2.root <== roots[2];
    path0.children <== children0;
    path1.children <== children1;
    path2.children <== children2;
    path0.places <== places0;
    path1.places <== places1;
    path2.places <== places2;
}
