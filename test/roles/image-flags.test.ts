/** When an agent's flags have images removed. */
import { expect, test } from "bun:test";
import { AGENT_FLAGS } from "../../src/cli/flags/agent-flags.ts";
import { parseFlags } from "../../src/cli/flags/parse-flags.ts";
import { garbageFlag } from "../../src/roles/image-flags.ts";

function read(...argv: readonly string[]): ReturnType<typeof garbageFlag> {
  const flags = parseFlags(
    { flags: AGENT_FLAGS, environment: [], isConfigRead: false, areArgumentsAllowed: false },
    { argv, environment: {}, readFile: () => ({ ok: true, value: "" }) },
  );
  if (!flags.ok) throw new Error(flags.error.message);
  return garbageFlag(flags.value);
}

test("images stay until a share of the disk, an age or a size is asked for [flags.md]", () => {
  expect(read()).toEqual({ ok: true, value: { garbage: undefined, excluded: [] } });
  expect(read("--image_gc_delay=2days", "--disk_watch_interval=5secs")).toMatchObject({
    ok: true,
    value: { garbage: { intervalMs: 5_000, maxAgeMs: 172_800_000 } },
  });
  const excluded_images = [{ type: "DOCKER", docker: { name: "kept:1" } }];
  const config = `--image_gc_config=${JSON.stringify({ excluded_images })}`;
  expect(read(config, "--image_store_size=1GB")).toEqual({
    ok: true,
    value: {
      garbage: { headroom: 0.1, intervalMs: 3_600_000, maxAgeMs: undefined, maxBytes: 2 ** 30 },
      excluded: ["kept:1"],
    },
  });
});

test("what is no name of an image cannot be excluded [flags.md]", () => {
  const excluded_images = [{ type: "DOCKER", docker: { name: "no such: name" } }];
  expect(read(`--image_gc_config=${JSON.stringify({ excluded_images })}`)).toMatchObject({
    ok: false,
    error: { field: "image_gc_config", message: expect.stringContaining("is no name of an image") },
  });
});
