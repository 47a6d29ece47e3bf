/** Which launcher and isolators an agent's flags and host come to. */
import { expect, test } from "bun:test";
import { NATIVE_ISOLATION } from "../../src/containerizer/native/isolation.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import {
  capabilitiesFlag,
  checkCapabilities,
  chooseLauncher,
  madeBelowFlag,
} from "../../src/roles/native-flags.ts";
import { checkSandboxDirectory } from "../../src/roles/sandbox-flag.ts";

const none = { launcher: undefined, isolation: undefined, obstacle: undefined };

test("a host that can isolate does, and one that cannot says why it does not [DESIGN 7]", () => {
  const native = chooseLauncher(none);
  expect(native).toEqual({
    ok: true,
    value: { launcher: "linux", isolation: NATIVE_ISOLATION, degradation: undefined },
  });
  const posix = chooseLauncher({ ...none, obstacle: "the agent is not root" });
  expect(posix).toMatchObject({
    ok: true,
    value: { launcher: "posix", degradation: "the agent is not root" },
  });
});

test("what is asked for and cannot be had is refused with the reason [semantics 7.10]", () => {
  const obstacle = "the agent is not root";
  const linux = chooseLauncher({ ...none, obstacle, launcher: "linux" });
  expect(linux).toMatchObject({ ok: false, error: { field: "launcher" } });
  const cgroups = chooseLauncher({ ...none, obstacle, isolation: "cgroups/all" });
  expect(cgroups).toMatchObject({ ok: false, error: { field: "isolation" } });
  const both = chooseLauncher({ ...none, launcher: "posix", isolation: "cgroups/cpu,posix/mem" });
  expect(both).toMatchObject({ ok: false, error: { field: "launcher" } });
  const unknown = chooseLauncher({ ...none, isolation: "cgroups/cpu,gpu/amd" });
  expect(unknown.ok ? "" : unknown.error.message).toContain("no isolator gpu/amd");
});

test("a capability that there is not is refused, and takes no other with it [semantics 7.16]", () => {
  const flag = (...capabilities: string[]) =>
    capabilitiesFlag({ capabilities }, createCodec(), "bounding_capabilities");
  expect(flag("CHOWN", "NET_RAW")).toMatchObject({
    ok: true,
    value: { capabilities: ["CHOWN", "NET_RAW"] },
  });
  expect(flag()).toMatchObject({ ok: true });
  expect(flag("CHOWN", "CAP_NET_RAW")).toMatchObject({
    ok: false,
    error: { field: "bounding_capabilities", message: expect.stringContaining("CAP_NET_RAW") },
  });
});

test("no more capabilities are given by default than can be had [flags.md]", () => {
  const bounding = { capabilities: ["CHOWN", "KILL"] } as const;
  expect(checkCapabilities({ capabilities: ["KILL"] }, bounding).ok).toBe(true);
  expect(checkCapabilities({ capabilities: ["KILL"] }, undefined).ok).toBe(true);
  expect(checkCapabilities({ capabilities: ["KILL", "NET_RAW"] }, bounding)).toMatchObject({
    ok: false,
    error: {
      field: "effective_capabilities",
      message: "--effective_capabilities: NET_RAW not among --bounding_capabilities",
    },
  });
});

test("a sandbox covers nothing that containers need [flags.md]", () => {
  expect(checkSandboxDirectory("/mnt/mesos/sandbox/")).toEqual({
    ok: true,
    value: "/mnt/mesos/sandbox",
  });
  for (const [path, reason] of [
    ["/", "would cover /.allot"],
    ["/mnt/..", "would cover /.allot"],
    ["/proc/self", "would cover /proc"],
    ["/etc", "would cover /etc/ld.so.preload"],
    ["sandbox", "is no absolute path"],
  ] as const) {
    expect(checkSandboxDirectory(path)).toMatchObject({
      ok: false,
      error: { field: "sandbox_directory", message: expect.stringContaining(reason) },
    });
  }
});

test("the posix launcher can be asked for, without a warning [semantics 7.10]", () => {
  const choice = chooseLauncher({ ...none, launcher: "posix", obstacle: "whatever" });
  expect(choice).toMatchObject({
    ok: true,
    value: { launcher: "posix", degradation: undefined },
  });
});

test("folders where host paths may be made are absolute ones, with or without a slash at the end [flags.md]", () => {
  const flag = (text: string | undefined) => madeBelowFlag({ string: () => text });
  expect(flag(undefined)).toEqual({ ok: true, value: [] });
  expect(flag("/srv/data/:/opt//x")).toEqual({ ok: true, value: ["/srv/data", "/opt/x"] });
  expect(flag("/srv/data:data")).toMatchObject({
    ok: false,
    error: { field: "host_path_volume_force_creation", message: expect.stringContaining("'data'") },
  });
});
