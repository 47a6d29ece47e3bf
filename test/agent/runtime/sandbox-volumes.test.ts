/** Volumes that are folders of a sandbox: where they lie, and what cannot be one. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  makeSandboxVolumes,
  splitSandboxVolumes,
} from "../../../src/agent/runtime/sandbox-volumes.ts";
import { giveVolume } from "../../../src/containerizer/posix/sandbox.ts";
import type { ContainerInfo, Volume } from "../../../src/protocol/v1/types.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "allot-volumes-"));
  folders.push(made);
  return made;
}

const volume = (type: "SELF" | "PARENT", path: string, container_path = "v"): Volume => ({
  mode: "RW",
  container_path,
  source: { type: "SANDBOX_PATH", sandbox_path: { type, path } },
});

const withVolumes = (...volumes: readonly Volume[]): ContainerInfo => ({ type: "MESOS", volumes });

test("SELF lies in the container's own sandbox, PARENT in its parent's [semantics 7.16]", () => {
  const host: Volume = { mode: "RO", container_path: "h", host_path: "/etc" };
  const readOnly: Volume = { ...volume("PARENT", "b/c"), mode: "RO" };
  const container = withVolumes(volume("SELF", "a"), readOnly, host);
  const split = splitSandboxVolumes(container, { directory: "/own", parentDirectory: "/parent" });
  expect(split.volumes).toEqual([
    { hostPath: "/own/a", containerPath: "v", within: "/own", isReadOnly: false },
    { hostPath: "/parent/b/c", containerPath: "v", within: "/parent", isReadOnly: true },
  ]);
  expect(split.container?.volumes).toEqual([host]);
});

test("a path that leads out, or a parent that is not there, is refused", () => {
  const sandboxes = { directory: "/own", parentDirectory: undefined };
  const split = (one: Volume) => (): unknown => splitSandboxVolumes(withVolumes(one), sandboxes);
  for (const path of ["..", "a/../../b", "/etc", ""]) {
    expect(split(volume("SELF", path))).toThrow("leads out of the sandbox");
  }
  expect(split(volume("PARENT", "a"))).toThrow("nested");
});

test("folders are made, and a link that a task has put in the way is not followed", () => {
  const within = folder();
  const outside = folder();
  makeSandboxVolumes([{ hostPath: join(within, "a/b"), containerPath: "v", within }]);
  expect(existsSync(join(within, "a/b"))).toBe(true);
  symlinkSync(outside, join(within, "a/link"));
  const led = { hostPath: join(within, "a/link/c"), containerPath: "v", within };
  expect(() => makeSandboxVolumes([led])).toThrow("leads through the link");
  expect(existsSync(join(outside, "c"))).toBe(false);
});

test.skipIf(process.getuid?.() !== 0)(
  "a folder that tasks share is whose it was first, and root needs none of its own [semantics 7.16]",
  () => {
    const within = folder();
    const shared = { hostPath: join(within, "shared"), containerPath: "v", within };
    makeSandboxVolumes([shared]);
    for (const [name, uid, owner] of [
      ["root", 0, 0],
      ["nobody", 65_534, 65_534],
      ["daemon", 1, 65_534],
      ["root", 0, 65_534],
    ] as const) {
      giveVolume(shared, { name, uid, gid: uid });
      expect(statSync(shared.hostPath).uid).toBe(owner);
    }
  },
);
