/** `allot quota` as a program. */
import { expect, test } from "bun:test";
import { runVerb } from "../harness/played-master.ts";

test("an amount that is named twice is refused, as one of the two would be lost", async () => {
  const words = ["quota", "web", "--guarantee=cpus:1", "--limit=cpus:4;mem:64;cpus:2"];
  const { code, stderr, sent } = await runVerb(words, (one) =>
    typeof one === "object" && one.type === "GET_QUOTA"
      ? { type: one.type, get_quota: { status: {} } }
      : undefined,
  );
  expect(stderr).toContain("--limit: cpus is named twice");
  expect(code).toBe(2);
  expect(sent).toHaveLength(1);
}, 60_000);
