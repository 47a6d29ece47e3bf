/** A master for verbs run as programs: answers each call of the v1 API as a test says. */
import { resolve } from "node:path";
import process from "node:process";
import { serve } from "../fetcher/fetching.ts";
import { type RunResult, runProgram } from "./run-program.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

/** What a verb sent, in order: a body as JSON, or the path of a GET. */
export type Sent = string | { readonly type?: string; readonly [field: string]: unknown };

/** Runs `allot VERB …` against it. `answer` gives the body of an answer; undefined is 202 without. */
export async function runVerb(
  words: readonly string[],
  answer: (sent: Sent) => object | undefined,
): Promise<RunResult & { readonly sent: readonly Sent[] }> {
  const sent: Sent[] = [];
  await using server = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const one: Sent = text === "" ? (request.url ?? "") : JSON.parse(text);
      sent.push(one);
      const body = answer(one);
      response.writeHead(body === undefined ? 202 : 200, { "Content-Type": "application/json" });
      response.end(body === undefined ? "" : JSON.stringify(body));
    });
  });
  const master = `--master=${new URL(server.url).host}`;
  const result = await runProgram(process.execPath, [MAIN, ...words, master]);
  return { ...result, sent };
}
