/** Seccomp profiles of native containers. Needs root, cgroups v2, perl and a kernel with seccomp. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Containerizer, ContainerSpec } from "../../../../src/containerizer/containerizer.ts";
import {
  type Isolation,
  NATIVE_ISOLATION,
} from "../../../../src/containerizer/native/isolation.ts";
import {
  readProfile,
  seccompObstacle,
} from "../../../../src/containerizer/native/seccomp/seccomp-isolator.ts";
import type { SeccompInfo } from "../../../../src/protocol/v1/types.ts";
import { BUSYBOX_OBSTACLE, BUSYBOX_PATH } from "../../../harness/static-busybox.ts";
import { PATIENCE_MS } from "../../../harness/wait.ts";
import { failureOf, newRoot, outputOf, removeRoots, specIn } from "../../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "../native.ts";

setDefaultTimeout(PATIENCE_MS);

const opened: Containerizer[] = [];

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

const HERE = OBSTACLE ?? seccompObstacle();
const reason = HERE === undefined ? "" : ` (skipped: ${HERE})`;

/** No folder can be made, whatever else may be done. */
const NO_FOLDERS = {
  defaultAction: "SCMP_ACT_ALLOW",
  archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 30 }],
};
const TRY =
  "mkdir made 2>&1; grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '";

describe.skipIf(HERE !== undefined)(`seccomp of native containers${reason}`, () => {
  test("a profile holds for the command, for other users and for what is run beside it [semantics 7.16]", async () => {
    const { containerizer, root, run } = open();
    const asked = await run("asked", TRY, { profile_name: "strict.json" });
    expect(outputOf(asked)).toContain("Read-only file system");
    expect(outputOf(asked)).toContain("NoNewPrivs:0 Seccomp:2");
    const user = await run("user", TRY, { profile_name: "strict.json" }, { user: "nobody" });
    expect(outputOf(user)).toContain("Read-only file system");
    const free = await run("free", TRY);
    expect(outputOf(free)).toBe("NoNewPrivs:0 Seccomp:0 ");
    const spec = withProfile(specIn(root, "beside", "exec sleep 1000"), {
      profile_name: "strict.json",
    });
    await containerizer.launch(spec);
    const command = {
      value: "mkdir made; test ! -e made && grep -q 'Seccomp:.2' /proc/self/status",
    };
    const end = await containerizer.runInside({ ...spec, command, timeoutMs: 20_000 });
    expect(end).toEqual({ kind: "exited", code: 0 });
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
  });

  test("the agent's profile is everybody's who does not ask to be unconfined [semantics 7.16]", async () => {
    const { run } = open({ defaultName: "strict.json", isolation: ["linux/nnp"] });
    expect(outputOf(await run("plain", TRY))).toContain("NoNewPrivs:1 Seccomp:2");
    const free = await run("free", TRY, { unconfined: true });
    expect(outputOf(free)).toBe("NoNewPrivs:1 Seccomp:0 ");
  });

  test.skipIf(BUSYBOX_OBSTACLE !== undefined)(
    "a container with a root of its own has it too, without chroot being allowed for it",
    async () => {
      const { root, run } = open();
      const rootfs = join(root, "rootfs");
      mkdirSync(join(rootfs, "bin"), { recursive: true });
      copyFileSync(BUSYBOX_PATH, join(rootfs, "bin/busybox"));
      for (const name of ["sh", "mkdir", "pwd", "chroot"])
        symlinkSync("busybox", join(rootfs, "bin", name));
      const spec = await run(
        "rooted",
        "pwd; mkdir made 2>&1; chroot / /bin/pwd 2>&1",
        { profile_name: "no-chroot.json" },
        {
          environment: { PATH: "/bin" },
          rootfs: { path: rootfs, sandboxPath: "/mnt/mesos/sandbox" },
        },
      );
      const lines = outputOf(spec).split("\n");
      expect(lines[0]).toBe("/mnt/mesos/sandbox");
      expect(lines[1]).toContain("Read-only file system");
      expect(lines[2]).toContain("Operation not permitted");
    },
  );

  test("a profile that is not there or cannot be meant fails the launch by its name [issue 4]", async () => {
    const { containerizer, root } = open();
    const cases: readonly (readonly [SeccompInfo, string])[] = [
      [{ profile_name: "none.json" }, "the profile none.json cannot be read: ENOENT"],
      [{ profile_name: "../etc/passwd" }, "is no name of a file in"],
      [{ profile_name: "broken.json" }, "the profile broken.json cannot be read"],
      [{ profile_name: "odd.json" }, "the profile odd.json: defaultAction is no action"],
      [
        { profile_name: "strict.json", unconfined: true },
        "is both unconfined and has a profile_name",
      ],
    ];
    for (const [index, [seccomp, message]] of cases.entries()) {
      const spec = withProfile(specIn(root, `case-${index}`, "true"), seccomp);
      expect(await failureOf(containerizer.launch(spec))).toContain(message);
    }
    const none = readProfile(undefined, "strict.json", undefined);
    expect(none.ok ? "" : none.error.message).toContain("start it with --seccomp_config_dir");
  });
});

function withProfile(spec: ContainerSpec, seccomp: SeccompInfo | undefined): ContainerSpec {
  if (seccomp === undefined) return spec;
  return { ...spec, container: { type: "MESOS", linux_info: { seccomp } } };
}

function open({
  defaultName,
  isolation = [],
}: {
  defaultName?: string;
  isolation?: readonly Isolation[];
} = {}): {
  containerizer: Containerizer;
  root: string;
  run: (
    name: string,
    command: string,
    seccomp?: SeccompInfo,
    more?: Partial<ContainerSpec>,
  ) => Promise<ContainerSpec>;
} {
  const root = newRoot();
  chmodSync(root, 0o755);
  const folder = join(root, "profiles");
  mkdirSync(folder);
  const chroot = { names: ["chroot"], action: "SCMP_ACT_ERRNO" };
  const noChroot = { ...NO_FOLDERS, syscalls: [...NO_FOLDERS.syscalls, chroot] };
  writeFileSync(join(folder, "strict.json"), JSON.stringify(NO_FOLDERS));
  writeFileSync(join(folder, "no-chroot.json"), JSON.stringify(noChroot));
  writeFileSync(join(folder, "broken.json"), "{");
  writeFileSync(join(folder, "odd.json"), "{}");
  const containerizer = nativeIn(root, {
    isolation: new Set<Isolation>([...NATIVE_ISOLATION, "linux/seccomp", ...isolation]),
    seccomp: { folder, defaultName },
    cgroups: { root: newCgroupRoot() },
  });
  opened.push(containerizer);
  const run = async (
    name: string,
    command: string,
    seccomp?: SeccompInfo,
    more: Partial<ContainerSpec> = {},
  ): Promise<ContainerSpec> => {
    const spec = withProfile(specIn(root, name, command, more), seccomp);
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    await containerizer.cleanup(spec.containerId);
    return spec;
  };
  return { containerizer, root, run };
}
