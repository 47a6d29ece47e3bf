/** Persistent volumes inside sandboxes, without root. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { failureOf, newRoot, posixIn, removeRoots, specIn } from "../containers.ts";

afterAll(removeRoots);

test("a task finds its volume at the path it asked for, nested ones too [semantics 7.16]", async () => {
  const root = newRoot();
  const hostPath = join(root, "volume");
  mkdirSync(hostPath);
  const containerizer = posixIn(root);
  const volumes = [{ hostPath, containerPath: "a/data" }];
  const spec = specIn(root, "writer", "echo kept > a/data/file", { volumes });
  await containerizer.launch(spec);
  expect((await containerizer.wait(spec.containerId)).exit).toEqual({ kind: "exited", code: 0 });
  expect(readFileSync(join(hostPath, "file"), "utf8")).toBe("kept\n");
  await containerizer.close();
});

test("a path outside the sandbox, or a volume that is gone, is refused [semantics 7.16]", async () => {
  const root = newRoot();
  const hostPath = join(root, "volume");
  mkdirSync(hostPath);
  const containerizer = posixIn(root);
  for (const [name, volume] of [
    ["above", { hostPath, containerPath: "../elsewhere" }],
    ["absolute", { hostPath, containerPath: join(root, "elsewhere") }],
    ["itself", { hostPath, containerPath: "." }],
    ["taken", { hostPath, containerPath: "stdout" }],
    ["gone", { hostPath: join(root, "nothing"), containerPath: "data" }],
  ] as const) {
    const spec = specIn(root, name, "true", { volumes: [volume] });
    expect(await failureOf(containerizer.launch(spec))).not.toBe("");
  }
  expect(existsSync(join(root, "elsewhere"))).toBe(false);
  await containerizer.close();
});
