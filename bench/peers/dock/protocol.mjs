// The runner's protocol: one JSON object a line in, one out. See bench/peers.

import readline from "node:readline";

/** Seconds since `start`, a value of process.hrtime.bigint(). */
export function secondsSince(start) {
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** What work() resolves to, and the seconds it took. */
export async function timed(work) {
  const start = process.hrtime.bigint();
  const result = await work();
  return { seconds: secondsSince(start), result };
}

/** The index of a request: which witness of the statement, from 0. */
export function indexOf(request, statement) {
  const index = request.index;
  if (!Number.isInteger(index) || index < 0 || index >= statement.witnesses.length) {
    throw new Error("index: not one of the statement's witnesses");
  }
  return index;
}

/** Answers requests with verbs[request.do](request) until "stop" or the end of the input, then calls close(). */
export async function serve(verbs, close) {
  const output = process.stdout.write.bind(process.stdout);
  // Answers alone belong on the standard output, whatever a library prints.
  process.stdout.write = process.stderr.write.bind(process.stderr);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    let answer;
    try {
      const request = JSON.parse(line);
      if (request.do === "stop") break;
      if (!Object.hasOwn(verbs, request.do)) throw new Error("do: no such verb");
      answer = await verbs[request.do](request);
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    output(JSON.stringify(answer) + "\n");
  }
  await close();
}
