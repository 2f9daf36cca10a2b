// circom and snarkjs beside ours: Groth16 over BN254 (J. Groth, On the size of pairing-based non-interactive arguments,
// Eurocrypt 2016), with a set-up made here: powers of tau, then a key with one contribution.
//
//   node peer.mjs list|merkle FOLDER
//
// list: membership by the polynomial of the list (circuits/list.circom). merkle: by a path in a Poseidon tree
// (circuits/merkle.circom). Commitments: Poseidon(code, price, blinding), public. Ranges: by bits.
// Follows the documents of circom (https://docs.circom.io) and snarkjs (https://github.com/iden3/snarkjs).

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as snarkjs from "snarkjs";

import { indexOf, serve, timed } from "./protocol.mjs";
import { ORDER, systems } from "./systems.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const FIELD_BYTES = 32;

const [name, folder] = process.argv.slice(2);
if (!Object.hasOwn(systems, name) || !folder) {
  process.stderr.write("use: node peer.mjs list|merkle FOLDER\n");
  process.exit(2);
}
const system = systems[name];
const file = (...parts) => path.join(folder, ...parts);
const statement = JSON.parse(readFileSync(file("statement.json"), "utf8"));
const proofs = new Map();
let keys = null;
let curve = null;

/** A uniform element of the field: 256 random bits, drawn again until below its order. */
function randomScalar() {
  for (;;) {
    const drawn = BigInt(`0x${randomBytes(FIELD_BYTES).toString("hex")}`) & ((1n << 254n) - 1n);
    if (drawn < ORDER) return drawn;
  }
}

/** Compiles the circuit of a statement into a folder: claim.r1cs, claim.sym, claim_js/claim.wasm. */
function compile(of, into) {
  mkdirSync(into, { recursive: true });
  writeFileSync(path.join(into, "claim.circom"), `pragma circom 2.1.6;\n${system.source(of)}\n`);
  const compiler = createRequire(import.meta.url).resolve("circom2/cli.js");
  const libraries = [path.join(HERE, "circuits"), path.join(HERE, "node_modules", "circomlib", "circuits")];
  const options = ["--r1cs", "--wasm", "--sym", "--O2", ...libraries.flatMap((library) => ["-l", library])];
  // The compiler sees paths relative to where it runs.
  const run = spawnSync(process.execPath, [compiler, path.join(into, "claim.circom"), ...options, "-o", into], {
    cwd: HERE,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  const wasm = path.join(into, "claim_js", "claim.wasm");
  if (run.status !== 0 || !existsSync(wasm)) throw new Error("the circuit does not compile");
  return { r1cs: path.join(into, "claim.r1cs"), sym: path.join(into, "claim.sym"), wasm: readFileSync(wasm) };
}

/** A proving key with powers of tau just large enough and one contribution to each of the two phases; part() times. */
async function ceremony(r1cs, power, part) {
  const entropy = () => randomBytes(64).toString("hex");
  const [empty, powers, prepared, initial, final] = Array.from({ length: 5 }, () => ({ type: "mem" }));
  await part("powers of tau", async () => {
    await snarkjs.powersOfTau.newAccumulator(curve, power, empty);
    await snarkjs.powersOfTau.contribute(empty, powers, "first", entropy());
    await snarkjs.powersOfTau.preparePhase2(powers, prepared);
  });
  await part("proving key", async () => {
    await snarkjs.zKey.newZKey(r1cs, prepared, initial);
    await snarkjs.zKey.contribute(initial, final, "first", entropy());
  });
  return { provingKey: final.data, verifyingKey: await snarkjs.zKey.exportVerificationKey(final) };
}

/** The circuit's public values in the order of snarkjs: outputs, then public inputs. */
const publicSignals = (commitments, tables) => [...commitments, ...system.publicInputs(tables)];

async function isAccepted({ proof, commitments }) {
  const signals = publicSignals(JSON.parse(commitments), keys.tables);
  return await snarkjs.groth16.verify(keys.verifyingKey, signals, JSON.parse(proof));
}

const encode = (value) => Buffer.from(JSON.stringify(value), "utf8");

/** Proof and commitments as bytes, both JSON texts of snarkjs, for a witness in the form of snarkjs. */
async function proveFrom(inputs, wasm) {
  const memory = { type: "mem", data: keys.provingKey };
  const result = await snarkjs.groth16.fullProve(inputs, { type: "mem", data: wasm }, memory);
  return { proof: encode(result.proof), commitments: encode(result.publicSignals.slice(0, 3)) };
}

const blindings = () => statement.caps.map(randomScalar);

function provedOf(index) {
  if (!proofs.has(index)) throw new Error("index: no proof with this index");
  return proofs.get(index);
}

const reviver = (_, value) => (typeof value === "string" && /^\d+$/.test(value) ? BigInt(value) : value);
const replacer = (_, value) => (typeof value === "bigint" ? value.toString() : value);

async function start() {
  curve ??= await snarkjs.curves.getCurveFromName("bn128");
}

async function setup() {
  const parts = {};
  const part = async (label, work) => {
    const { seconds, result } = await timed(work);
    parts[label] = seconds;
    return result;
  };
  const { seconds, result } = await timed(async () => {
    await start();
    const tables = await part("trees", () => system.tables(statement));
    const circuit = await part("compiler", () => compile(statement, folder));
    const r1cs = await snarkjs.r1cs.info(circuit.r1cs);
    // The domain holds the constraints, one row for each public value and one for the constant 1.
    const rows = r1cs.nConstraints + r1cs.nPubInputs + r1cs.nOutputs + 1;
    const power = Math.ceil(Math.log2(rows));
    const made = await ceremony(circuit.r1cs, power, part);
    writeFileSync(file("proving.zkey"), made.provingKey);
    writeFileSync(file("verifying.json"), JSON.stringify(made.verifyingKey));
    writeFileSync(file("tables.json"), JSON.stringify(tables, replacer));
    return { ...made, tables, wasm: circuit.wasm, circuit, r1cs, power };
  });
  keys = result;
  const points = result.verifyingKey.IC.length + 1;
  const shares = Object.entries(parts).map(([label, value]) => `${label} ${value.toFixed(1)} s`);
  return {
    seconds,
    setup: "circuit",
    forgeable: true,
    proving_key_bytes: result.provingKey.length,
    // alpha and the public values' points in G1, beta, gamma, delta in G2, compressed.
    verifying_key_bytes: (points + 3 * 2) * FIELD_BYTES,
    constraints: result.r1cs.nConstraints,
    notes:
      `${system.technique}. Domain 2^${result.power}. Set-up: ${shares.join(", ")}. ` +
      `Powers of tau can be reused. Who keeps the randomness of either phase forges proofs. ` +
      `Sizes: compressed points; in snarkjs's JSON the verifying key has ` +
      `${JSON.stringify(result.verifyingKey).length} bytes, a proof at most 730.`,
  };
}

async function load() {
  const { seconds } = await timed(async () => {
    await start();
    keys = {
      provingKey: new Uint8Array(readFileSync(file("proving.zkey"))),
      verifyingKey: JSON.parse(readFileSync(file("verifying.json"), "utf8")),
      tables: JSON.parse(readFileSync(file("tables.json"), "utf8"), reviver),
      wasm: readFileSync(file("claim_js", "claim.wasm")),
    };
    statement.witnesses.forEach((_, index) => {
      if (existsSync(file(`proof-${index}.json`))) {
        const [proof, commitments] = ["proof", "public"].map((kind) => readFileSync(file(`${kind}-${index}.json`)));
        proofs.set(index, { proof, commitments });
      }
    });
  });
  return { seconds };
}

function needKeys() {
  if (keys === null) throw new Error("no keys: set up or load first");
}

async function prove(request) {
  needKeys();
  const index = indexOf(request, statement);
  const witness = statement.witnesses[index];
  const { seconds, result } = await timed(() =>
    proveFrom(system.inputs(witness, blindings(), keys.tables), keys.wasm),
  );
  proofs.set(index, result);
  writeFileSync(file(`proof-${index}.json`), result.proof);
  writeFileSync(file(`public-${index}.json`), result.commitments);
  // Two points of G1, one of G2, compressed; three elements of the field.
  return { seconds, proof_bytes: (2 + 2) * FIELD_BYTES, public_bytes: 3 * FIELD_BYTES };
}

async function verify(request) {
  needKeys();
  const proved = provedOf(indexOf(request, statement));
  const { seconds, result } = await timed(() => isAccepted(proved));
  return { seconds, accepted: result };
}

async function reject(request) {
  needKeys();
  const proved = provedOf(indexOf(request, statement));
  const commitments = JSON.parse(proved.commitments);
  commitments[0] = ((BigInt(commitments[0]) + 1n) % ORDER).toString();
  const accepted = await isAccepted({ ...proved, commitments: encode(commitments) });
  return { rejected: !accepted };
}

/** The least code of seven digits that is not in the set. */
function foreignCode(set) {
  const known = new Set(set);
  let code = 1000000;
  while (known.has(code)) code++;
  return code;
}

/** Wires and names of a circuit, without the numbers of its templates, which may differ between twins. */
function wiresOf(sym) {
  const rows = readFileSync(sym, "utf8").trim().split("\n");
  return rows.map((row) => row.split(",").filter((_, column) => column !== 2).join()).join();
}

/**
 * True if a lie has no accepted proof, tried in two ways. The tool's own prover must refuse it. Then a twin of the
 * circuit in which the lie is true makes the witness; it must satisfy the twin and, put into the same wires of the real
 * circuit, give a proof that is refused.
 */
async function isRefused(label, twinStatement, witness) {
  let refused = false;
  try {
    await proveFrom(system.inputs(witness, blindings(), keys.tables), keys.wasm);
  } catch {
    refused = true;
  }
  const twin = compile(twinStatement, file(label));
  if (wiresOf(twin.sym) !== wiresOf(file("claim.sym"))) throw new Error("the twin has other wires");
  const inputs = system.inputs(witness, blindings(), system.tables(twinStatement));
  const made = { type: "mem" };
  await snarkjs.wtns.calculate(inputs, { type: "mem", data: twin.wasm }, made);
  if (!(await snarkjs.wtns.check(twin.r1cs, made))) throw new Error("the twin's witness is not one");
  const result = await snarkjs.groth16.prove({ type: "mem", data: keys.provingKey }, made);
  const accepted = await isAccepted({
    proof: encode(result.proof),
    commitments: encode(result.publicSignals.slice(0, 3)),
  });
  return refused && !accepted;
}

async function dishonest(request) {
  needKeys();
  const honest = statement.witnesses[indexOf(request, statement)];
  const foreign = foreignCode(statement.sets[0]);
  const outside = await isRefused(
    "twin-code",
    { ...statement, sets: [[foreign, ...statement.sets[0].slice(1)], ...statement.sets.slice(1)] },
    { ...honest, codes: [foreign, ...honest.codes.slice(1)] },
  );
  const caps = [statement.caps[0] + 1, ...statement.caps.slice(1)];
  const over = await isRefused("twin-price", { ...statement, caps }, { ...honest, prices: [caps[0], 0, 0] });
  const [first, second] = statement.caps;
  const prices = [first, second, statement.total + 1 - first - second];
  const sum = await isRefused("twin-sum", { ...statement, total: statement.total + 1 }, { ...honest, prices });
  return { rejected: outside && over && sum };
}

function versions() {
  const { dependencies } = JSON.parse(readFileSync(path.join(HERE, "package.json"), "utf8"));
  return { versions: { ...dependencies, node: process.versions.node }, threads: curve.tm.concurrency };
}

await start();
await serve(
  {
    versions,
    setup,
    load,
    prove,
    verify,
    batch: () => ({ missing: "snarkjs has no verification of several Groth16 proofs at once" }),
    reject,
    dishonest,
  },
  () => curve.terminate(),
);
process.exit(0);
