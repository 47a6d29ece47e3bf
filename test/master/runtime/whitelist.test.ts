/** The whitelist's file: read at the start, again every 5 s, and kept when it cannot be read. */
import { expect, test } from "bun:test";
import { watchWhitelist } from "../../../src/master/runtime/whitelist.ts";
import { FakeClock } from "../../base/fake-clock.ts";

test("the file is read again every 5 s and told when it has changed [flags whitelist]", async () => {
  const clock = new FakeClock();
  const lists: string[][] = [];
  const warnings: string[] = [];
  let text: string | undefined = "a\n b \n\n";
  const watching = await watchWhitelist({
    path: "list",
    readFile: async () => {
      if (text === undefined) throw new Error("it is gone");
      return text;
    },
    clock,
    log: { write: (_level, message) => warnings.push(message) },
    onList: (hostnames) => lists.push([...hostnames]),
  });
  const after5Seconds = async (): Promise<void> => {
    clock.advance(5000);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  expect(watching.ok).toBe(true);
  expect(lists).toEqual([["a", "b"]]);
  await after5Seconds();
  expect(lists).toHaveLength(1);
  text = undefined;
  await after5Seconds();
  expect(warnings).toEqual(["cannot read the whitelist"]);
  text = "";
  await after5Seconds();
  expect(lists).toEqual([["a", "b"], []]);
  if (watching.ok) watching.value();
  expect(clock.pending).toBe(0);
});

test("a file that cannot be read at the start is a bad flag", async () => {
  const watching = await watchWhitelist({
    path: "list",
    readFile: () => Promise.reject(new Error("no such file")),
    clock: new FakeClock(),
    log: { write: () => undefined },
    onList: () => undefined,
  });
  expect(watching).toMatchObject({ ok: false, error: { message: "--whitelist: no such file" } });
});
