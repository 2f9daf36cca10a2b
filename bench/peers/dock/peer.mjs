// dock's crypto-wasm beside ours: a composite proof of Schnorr proofs over BLS12-381 that share responses.
//
//   node peer.mjs FOLDER
//
// Commitments: Pedersen in G1 to (code, price, blinding), bases hashed from labels.
// Membership: the KB universal accumulator (T. Karantaidou, F. Baldimtsi, Efficient constructions of pairing based
// accumulators, CSF 2021) with the public check by pairings; each code has a witness made by the set-up. Of the
// library's accumulators with a public check it is the faster. The library has no membership without a secret.
// Ranges: digits of base 16 that are signed by the set-up (J. Camenisch, R. Chaabouni, a. shelat, Efficient protocols
// for set membership and range proofs, Asiacrypt 2008; R. Chaabouni, H. Lipmaa, a. shelat, Additive combinatorics and
// discrete logarithm based range protocols, ACISP 2010). The library's Bulletproofs++ need no set-up, but run with
// digits of base 2 and 64 bits only and took ten times as long to prove; membership rests on a secret in any case.
// Sum: p1 + p2 + p3 + rest = total, as the opening of the public point G * total to bases G, G, G, G; rest has a range.
// Follows the documents of crypto-wasm and crypto-wasm-ts (https://github.com/docknetwork/crypto-wasm-ts).

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import dock from "@docknetwork/crypto-wasm";

import { indexOf, serve, timed } from "./protocol.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const POINT_BYTES = 48;
const DIGIT_BASE = 16;
const CONTEXT = Buffer.from("peer", "utf8");

const [folder] = process.argv.slice(2);
if (!folder) {
  process.stderr.write("use: node peer.mjs FOLDER\n");
  process.exit(2);
}
const file = (name) => path.join(folder, name);
const statement = JSON.parse(readFileSync(file("statement.json"), "utf8"));
const proofs = new Map();
let keys = null;

const number = (value) => dock.generateFieldElementFromNumber(value);
const label = (text) => Buffer.from(`peer ${text}`, "utf8");

/** Keys written as JSON: bytes in base64. */
const replacer = (_, value) =>
  value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value;
const reviver = (_, value) =>
  typeof value?.base64 === "string" ? new Uint8Array(Buffer.from(value.base64, "base64")) : value;

/** Three bases of commitments without known relations: code, price, blinding. */
function commitmentBases() {
  const [first, second] = ["bases 1", "bases 2"].map((text) => dock.generatePedersenCommKeyG1(label(text), false));
  return [first.slice(0, POINT_BYTES), first.slice(POINT_BYTES), second.slice(0, POINT_BYTES)];
}

/** What verifiers know, and the witnesses of all codes, for sets of codes; the accumulator's secret is dropped. */
function makeKeys(sets) {
  const accumulatorParameters = dock.generateAccumulatorParams(label("accumulator"));
  const { secret_key: secretKey, public_key: publicKey } = dock.generateAccumulatorKeyPair(accumulatorParameters);
  const accumulated = [];
  const witnesses = [];
  for (const set of sets) {
    const elements = set.map(number);
    const empty = dock.kbUniversalAccumulatorInitialise(elements, secretKey, accumulatorParameters);
    const full = dock.kbUniversalAccumulatorAddBatch(empty, elements, secretKey);
    accumulated.push(new Uint8Array(full.mem));
    const made = dock.kbUniversalAccumulatorMembershipWitnessesForBatch(full, elements, secretKey);
    witnesses.push(made.map((witness) => new Uint8Array(witness)));
  }
  return {
    verifying: {
      bases: commitmentBases(),
      accumulatorParameters,
      publicKey,
      accumulated,
      digits: dock.boundCheckSmcSetup(label("digits"), DIGIT_BASE, false),
    },
    proving: { witnesses },
  };
}

/** Parts of the statement that do not depend on a proof, once for the prover and once for the verifier. */
function prepare({ verifying, proving }, { caps, total, sets }) {
  const { bases, accumulatorParameters, publicKey, accumulated } = verifying;
  const digits = dock.decompressSmcParams(verifying.digits);
  const [price] = bases.slice(1);
  const parameters = [
    dock.generateSetupParamForPedersenCommitmentKeyG1(bases),
    dock.generateSetupParamForPedersenCommitmentKeyG1([price, price, price, price]),
    dock.generateSetupParamForSmcParams(digits, true),
    dock.generateSetupParamForVbAccumulatorParams(accumulatorParameters),
    dock.generateSetupParamForVbAccumulatorPublicKey(publicKey),
  ];
  // The upper bound is exclusive.
  const atMost = (cap) => dock.generateBoundCheckSmcStatementFromParamRefs(0, cap + 1, 2);
  const ranges = [
    ...caps.map(atMost),
    dock.generatePedersenCommitmentG1StatementFromParamRefs(1, dock.pedersenCommitmentG1([price], [number(total)])),
    atMost(total),
  ];
  const equal = (...places) => dock.generateWitnessEqualityMetaStatement(new Set(places));
  // Statements 0-2: commitments, 3-5: members, 6-8: prices, 9: sum, 10: rest.
  const equalities = [equal([9, 3], [10, 0])];
  for (let i = 0; i < 3; i++) {
    equalities.push(equal([i, 0], [3 + i, 0]), equal([i, 1], [6 + i, 0], [9, i]));
  }
  const toProve = dock.generateKBUniversalAccumulatorMembershipProverStatement;
  const toVerify = (value) => dock.generateKBUniversalAccumulatorMembershipVerifierStatementFromParamRefs(3, 4, value);
  return {
    bases,
    parameters,
    equalities,
    proverStatements: [...accumulated.map((value) => toProve(value)), ...ranges],
    verifierStatements: [...accumulated.map(toVerify), ...ranges],
    witnessOf: sets.map((set, i) => new Map(set.map((code, k) => [code, proving.witnesses[i][k]]))),
    total,
  };
}

const committed = (commitments, rest) => [
  ...commitments.map((point) => dock.generatePedersenCommitmentG1StatementFromParamRefs(0, point)),
  ...rest,
];

function makeProof(prepared, { codes, prices }) {
  const { bases, witnessOf, total } = prepared;
  const codeElements = codes.map(number);
  const priceElements = prices.map(number);
  const rest = number(total - prices.reduce((sum, price) => sum + price, 0));
  const openings = codeElements.map((code, i) => [code, priceElements[i], dock.generateRandomFieldElement()]);
  const commitments = openings.map((opening) => dock.pedersenCommitmentG1(bases, opening));
  const witnesses = [
    ...openings.map((opening) => dock.generatePedersenCommitmentWitness(opening)),
    ...codes.map((code, i) => {
      if (!witnessOf[i].has(code)) throw new Error("codes: not in the set");
      return dock.generateKBUniversalAccumulatorMembershipWitness(codeElements[i], witnessOf[i].get(code));
    }),
    ...priceElements.map((price) => dock.generateBoundCheckSmcWitness(price)),
    dock.generatePedersenCommitmentWitness([...priceElements, rest]),
    dock.generateBoundCheckSmcWitness(rest),
  ];
  const proof = dock.generateCompositeProofG1WithDeconstructedProofSpec(
    committed(commitments, prepared.proverStatements),
    prepared.equalities,
    prepared.parameters,
    witnesses,
    CONTEXT,
  );
  return { proof, commitments: Buffer.concat(commitments) };
}

function isAccepted(prepared, { proof, commitments }) {
  const points = [0, 1, 2].map((i) => new Uint8Array(commitments.subarray(i * POINT_BYTES, (i + 1) * POINT_BYTES)));
  const result = dock.verifyCompositeProofG1WithDeconstructedProofSpec(
    proof,
    committed(points, prepared.verifierStatements),
    prepared.equalities,
    prepared.parameters,
    CONTEXT,
  );
  return result.verified;
}

const byteCount = (value) =>
  value instanceof Uint8Array ? value.length : Object.values(value).reduce((sum, part) => sum + byteCount(part), 0);

async function setup() {
  const { seconds, result } = await timed(() => {
    const made = makeKeys(statement.sets);
    writeFileSync(file("verifying.json"), JSON.stringify(made.verifying, replacer));
    writeFileSync(file("proving.json"), JSON.stringify(made.proving, replacer));
    return { made, prepared: prepare(made, statement) };
  });
  keys = result.prepared;
  const { verifying, proving } = result.made;
  return {
    seconds,
    setup: "universal",
    forgeable: true,
    proving_key_bytes: byteCount(verifying) + byteCount(proving),
    verifying_key_bytes: byteCount(verifying),
    constraints: 0,
    notes:
      "No circuit: 11 joined statements. Membership by an accumulator: its secret key admits any code; a new list " +
      "needs it for new witnesses (here made for all codes, and part of the proving key). Ranges by signed digits " +
      `of base ${DIGIT_BASE}: the secret behind them admits any price. WebAssembly, one thread.`,
  };
}

async function load() {
  const { seconds } = await timed(() => {
    const read = (name) => JSON.parse(readFileSync(file(name), "utf8"), reviver);
    keys = prepare({ verifying: read("verifying.json"), proving: read("proving.json") }, statement);
    statement.witnesses.forEach((_, index) => {
      if (existsSync(file(`proof-${index}.bin`))) {
        const [proof, commitments] = ["proof", "public"].map((kind) => readFileSync(file(`${kind}-${index}.bin`)));
        proofs.set(index, { proof: new Uint8Array(proof), commitments });
      }
    });
  });
  return { seconds };
}

function needKeys() {
  if (keys === null) throw new Error("no keys: set up or load first");
}

function provedOf(index) {
  if (!proofs.has(index)) throw new Error("index: no proof with this index");
  return proofs.get(index);
}

async function prove(request) {
  needKeys();
  const index = indexOf(request, statement);
  const { seconds, result } = await timed(() => makeProof(keys, statement.witnesses[index]));
  proofs.set(index, result);
  writeFileSync(file(`proof-${index}.bin`), result.proof);
  writeFileSync(file(`public-${index}.bin`), result.commitments);
  return { seconds, proof_bytes: result.proof.length, public_bytes: result.commitments.length };
}

async function verify(request) {
  needKeys();
  const proved = provedOf(indexOf(request, statement));
  const { seconds, result } = await timed(() => isAccepted(keys, proved));
  return { seconds, accepted: result };
}

function reject(request) {
  needKeys();
  const proved = provedOf(indexOf(request, statement));
  const other = dock.pedersenCommitmentG1(keys.bases, [1, 2, 3].map(number));
  const commitments = Buffer.concat([other, proved.commitments.subarray(POINT_BYTES)]);
  return { rejected: !isAccepted(keys, { proof: proved.proof, commitments }) };
}

/** The least code of seven digits that is not in the set. */
function foreignCode(set) {
  const known = new Set(set);
  let code = 1000000;
  while (known.has(code)) code++;
  return code;
}

/**
 * True if a lie has no accepted proof, tried in two ways. The tool's own prover must fail or be refused. Then a twin,
 * a statement in which the lie is true, makes the proof; the twin must accept it and the real statement refuse it.
 */
function isRefused(twin, witness) {
  let refused = false;
  try {
    refused = !isAccepted(keys, makeProof(keys, witness));
  } catch {
    refused = true;
  }
  const proved = makeProof(twin, witness);
  if (!isAccepted(twin, proved)) throw new Error("the twin refuses its own proof");
  return refused && !isAccepted(keys, proved);
}

function dishonest(request) {
  needKeys();
  const honest = statement.witnesses[indexOf(request, statement)];
  const foreign = foreignCode(statement.sets[0]);
  const sets = [[foreign, ...statement.sets[0].slice(1)], ...statement.sets.slice(1)];
  const read = (name) => JSON.parse(readFileSync(file(name), "utf8"), reviver);
  const outside = isRefused(prepare(makeKeys(sets), { ...statement, sets }), {
    ...honest,
    codes: [foreign, ...honest.codes.slice(1)],
  });
  const caps = [statement.caps[0] + 1, ...statement.caps.slice(1)];
  const real = { verifying: read("verifying.json"), proving: read("proving.json") };
  const over = isRefused(prepare(real, { ...statement, caps }), { ...honest, prices: [caps[0], 0, 0] });
  const [first, second] = statement.caps;
  const prices = [first, second, statement.total + 1 - first - second];
  const sum = isRefused(prepare(real, { ...statement, total: statement.total + 1 }), { ...honest, prices });
  return { rejected: outside && over && sum };
}

function versions() {
  const { dependencies } = JSON.parse(readFileSync(path.join(HERE, "package.json"), "utf8"));
  return { versions: { ...dependencies, node: process.versions.node }, threads: 1 };
}

await dock.initializeWasm();
await serve(
  {
    versions,
    setup,
    load,
    prove,
    verify,
    batch: () => ({ missing: "crypto-wasm has no verification of several composite proofs at once" }),
    reject,
    dishonest,
  },
  () => undefined,
);
process.exit(0);
