/** A probe that this program makes from another network, of servers that answer strangely. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import process from "node:process";
import { type ProbeHelper, probeInNetworkOf } from "../../../src/agent/runtime/probe-helper.ts";
import type { ProbeResult } from "../../../src/executor/task-checks.ts";
import { serve } from "../../fetcher/fetching.ts";

const PROGRAM: ProbeHelper = [
  process.execPath,
  join(import.meta.dir, "../../../src/main.ts"),
  "probe-helper",
];

async function probe(url: string, helper: ProbeHelper): Promise<ProbeResult | string> {
  const asked = {
    kind: "http",
    scheme: "http",
    ip: "127.0.0.1",
    port: Number(new URL(url).port),
    path: "/",
  } as const;
  const { signal } = new AbortController();
  return await Promise.race([
    probeInNetworkOf(process.pid, helper, asked, signal).catch((error: Error) => error.message),
    Bun.sleep(20_000).then(() => "no result"),
  ]);
}

test.skipIf(process.getuid?.() !== 0)(
  "has a result, however much a redirect or the helper says",
  async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(302, { Location: `${"a".repeat(6000)}:x` }).end();
    });
    expect(await probe(server.url, PROGRAM)).toEqual({
      kind: "failed",
      message: expect.stringMatching(/^redirected to the scheme a+…?/),
    });
    const strange: ProbeHelper = ["/bin/sh", "-c", "echo warned >&2; head -c 9000 /dev/zero"];
    expect(await probe(server.url, strange)).toContain("cannot be entered");
    const warned = 'echo warned >&2; echo \'{"kind":"connected"}\'';
    expect(await probe(server.url, ["/bin/sh", "-c", warned])).toEqual({ kind: "connected" });
  },
  60_000,
);
