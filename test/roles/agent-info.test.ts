/** What an agent says it is, from its flags. */
import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { createCodec } from "../../src/protocol/codec.ts";
import { agentInfo } from "../../src/roles/agent-info.ts";
import { roleFlags } from "./role-flags.ts";

async function portOf(...argv: readonly string[]): Promise<number | undefined> {
  const context = { flags: roleFlags(argv), codec: createCodec(), workDir: tmpdir() };
  const address = { listenIp: "127.0.0.1", ip: "127.0.0.1", hostname: "localhost" };
  const info = await agentInfo(context, address, { port: 5051, gpus: undefined });
  return info.ok ? info.value.port : undefined;
}

test("the port that is told to others is the master's where both are one process", async () => {
  expect(await portOf("--role=both", "--advertise_port=8050")).toBe(5051);
  expect(await portOf("--role=agent", "--master=m:5050", "--advertise_port=8051")).toBe(8051);
  expect(await portOf("--role=agent", "--master=m:5050")).toBe(5051);
});
