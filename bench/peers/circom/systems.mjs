// The two circuits: what each is made of for a statement, and its inputs for a witness.

import { poseidon4 } from "poseidon-lite";

/** The order of the scalars of BN254, over which the circuits are. */
export const ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** Coefficients modulo ORDER, constant first and without the leading 1, of the product of (x - root) over the roots. */
export function vanishing(roots) {
  const coefficients = [1n];
  for (const root of roots) {
    const minus = ORDER - BigInt(root);
    coefficients.push(1n);
    for (let k = coefficients.length - 2; k > 0; k--) {
      coefficients[k] = (coefficients[k - 1] + minus * coefficients[k]) % ORDER;
    }
    coefficients[0] = (minus * coefficients[0]) % ORDER;
  }
  coefficients.pop();
  return coefficients;
}

/** Levels of a Poseidon tree of arity 4, the leaves first, the root last. The count of leaves is a power of 4. */
export function treeOf(leaves) {
  const levels = [leaves.map((leaf) => BigInt(leaf))];
  while (levels.at(-1).length > 1) {
    const below = levels.at(-1);
    if (below.length % 4 !== 0) throw new Error("sets: the count of codes is not a power of 4");
    levels.push(Array.from({ length: below.length / 4 }, (_, i) => poseidon4(below.slice(4 * i, 4 * i + 4))));
  }
  return levels;
}

/** The children and the places (two bits, low first) on the way from a leaf to the root. */
function pathOf(levels, code) {
  let place = levels[0].indexOf(BigInt(code));
  if (place < 0) throw new Error("codes: not in the set");
  const children = [];
  const places = [];
  for (const level of levels.slice(0, -1)) {
    const first = place - (place % 4);
    children.push(level.slice(first, first + 4));
    places.push([place & 1, (place >> 1) & 1]);
    place = first / 4;
  }
  return { children, places };
}

const limits = (statement) => `[${statement.caps}], ${statement.total}`;

const lines = (witness, blindings) => ({ codes: witness.codes, prices: witness.prices, blindings });

const list = {
  source(statement) {
    const steps = statement.sets.map((set) => Math.ceil(Math.sqrt(set.length)));
    const blocks = statement.sets.map((set, i) => set.length / steps[i]);
    if (!blocks.every(Number.isInteger)) throw new Error("sets: the count of codes is not a square");
    const tables = statement.sets.map((set) => `[${vanishing(set)}]`);
    return `include "list.circom";
component main = ListClaim([${steps}], [${blocks}], ${tables.join(",\n")}, ${limits(statement)});`;
  },
  tables: () => ({}),
  inputs: (witness, blindings) => lines(witness, blindings),
  publicInputs: () => [],
  technique: "Coefficients are constants: a new list needs a new set-up",
};

const merkle = {
  source(statement) {
    const depths = statement.sets.map((set) => Math.round(Math.log2(set.length) / 2));
    return `include "merkle.circom";
component main {public [roots]} = MerkleClaim([${depths}], ${limits(statement)});`;
  },
  tables: (statement) => ({ trees: statement.sets.map(treeOf) }),
  inputs(witness, blindings, { trees }) {
    const inputs = { ...lines(witness, blindings), roots: trees.map((levels) => levels.at(-1)[0]) };
    trees.forEach((levels, i) => {
      const path = pathOf(levels, witness.codes[i]);
      inputs[`children${i}`] = path.children;
      inputs[`places${i}`] = path.places;
    });
    return inputs;
  },
  publicInputs: ({ trees }) => trees.map((levels) => levels.at(-1)[0].toString()),
  technique: "Poseidon trees of arity 4, roots public: a new list needs no new set-up",
};

export const systems = { list, merkle };
