/**
 * What a container sees and may do: volumes, capabilities, limits of its processes, disk, ports.
 * Needs root and cgroups v2, with or without controllers.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  makeSandboxVolumes,
  splitSandboxVolumes,
} from "../../../src/agent/runtime/sandbox-volumes.ts";
import type {
  Containerizer,
  ContainerSpec,
  Limitation,
} from "../../../src/containerizer/containerizer.ts";
import { DiskIsolator } from "../../../src/containerizer/native/disk-isolator.ts";
import { type Isolation, NATIVE_ISOLATION } from "../../../src/containerizer/native/isolation.ts";
import { listeningPorts } from "../../../src/containerizer/native/port-isolator.ts";
import { systemClock } from "../../../src/platform/system.ts";
import type { ContainerInfo, Volume } from "../../../src/protocol/v1/types.ts";
import { freePort } from "../../harness/free-port.ts";
import {
  failureOf,
  newRoot,
  outputOf,
  removeRoots,
  silentLog,
  specIn,
  until,
} from "../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "./native.ts";

const opened: Containerizer[] = [];

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;

describe.skipIf(OBSTACLE !== undefined)(`volumes of native containers${reason}`, () => {
  test("folders of the host and of the sandbox are seen where they were asked for [semantics 7.16]", async () => {
    const { root, run } = open();
    const host = join(root, "host");
    mkdirSync(host);
    writeFileSync(join(host, "given"), "from the host\n");
    const volumes: Volume[] = [
      { mode: "RW", container_path: "a/rw", host_path: host },
      {
        mode: "RO",
        container_path: "ro",
        source: { type: "HOST_PATH", host_path: { path: host } },
      },
      { mode: "RO", container_path: "file", host_path: join(host, "given") },
      sandboxVolume("own/folder", "other"),
      { mode: "RW", container_path: "/mnt", host_path: host },
    ];
    const command =
      "cat ro/given file; echo x >a/rw/new; echo y >ro/new2; echo z >other/z; cat own/folder/z /mnt/new";
    const spec = await run("volumes", command, { type: "MESOS", volumes });
    expect(outputOf(spec)).toBe("from the host\nfrom the host\nz\nx\n");
    expect(outputOf(spec, "stderr")).toContain("Read-only file system");
    expect(readFileSync(join(host, "new"), "utf8")).toBe("x\n");
    expect(existsSync("/mnt/new")).toBe(false);
  });

  test("a host path that is missing is made where the agent may, through no link of a task [flags.md]", async () => {
    const [shared, other] = [newRoot(), newRoot()];
    chmodSync(shared, 0o1777);
    symlinkSync(other, join(shared, "link"));
    const { containerizer, root, run } = open({ volumes: { madeBelow: [shared] } });
    const volumesAt = (host_path: string): ContainerInfo => ({
      type: "MESOS",
      volumes: [{ mode: "RW", container_path: "data", host_path }],
    });
    await run("made", "echo x >data/file", volumesAt(join(shared, "a/b")));
    expect(readFileSync(join(shared, "a/b/file"), "utf8")).toBe("x\n");
    const launched = (name: string, host_path: string): Promise<string> =>
      failureOf(
        containerizer.launch(specIn(root, name, "true", { container: volumesAt(host_path) })),
      );
    expect(await launched("led", join(shared, "link/c"))).toContain("is not followed");
    expect(existsSync(join(other, "c"))).toBe(false);
    expect(await launched("outside", join(other, "d"))).toContain("does not exist");
    expect(existsSync(join(other, "d"))).toBe(false);
  });

  test("what is mounted in a read-only volume is read-only too, now and later [semantics 7.16]", async () => {
    const { containerizer, root } = open();
    const host = join(root, "ho st");
    for (const name of ["inner/deep", "later"]) mkdirSync(join(host, name), { recursive: true });
    const mount = (name: string): void => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "nosuid,nodev", "tmpfs", join(host, name)]);
    };
    // As on hosts with systemd, whose mounts containers see.
    execFileSync("mount", ["--bind", host, host]);
    execFileSync("mount", ["--make-shared", host]);
    mount("inner");
    try {
      mkdirSync(join(host, "inner/deep"));
      mount("inner/deep");
      const volumes: Volume[] = [
        { mode: "RO", container_path: "ro", host_path: host },
        { mode: "RW", container_path: "rw", host_path: host },
      ];
      const command = [
        "for f in ro/x ro/inner/x ro/inner/deep/x; do touch $f 2>/dev/null || echo refused; done",
        "grep -c '/ro/.* ro,nosuid,nodev' /proc/self/mountinfo",
        "touch rw/inner/deep/y && echo >ready",
        "until test -e go; do sleep 0.02; done",
        "touch ro/later/x || ls rw/later",
      ].join("; ");
      const spec = specIn(root, "inner", command, { container: { type: "MESOS", volumes } });
      await containerizer.launch(spec);
      await until("it waits", () => existsSync(join(spec.directory, "ready")));
      mount("later");
      writeFileSync(join(host, "later/seen"), "");
      writeFileSync(join(spec.directory, "go"), "");
      await containerizer.wait(spec.containerId);
      expect(outputOf(spec)).toBe("refused\nrefused\nrefused\n2\nseen\n");
      expect(existsSync(join(host, "inner/deep/y"))).toBe(true);
    } finally {
      spawnSync("umount", ["--recursive", host]);
    }
  });

  test("a link that others put in another volume leads no mount elsewhere [issue 4]", async () => {
    const { containerizer, root, run } = open();
    const [shared, own] = [join(root, "shared"), join(root, "own")];
    for (const folder of [join(shared, "real"), own]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(own, "file"), "mine\n");
    for (const [name, target] of [
      ["link", "/usr/lib"],
      ["linked-file", "/etc/passwd"],
    ] as const) {
      symlinkSync(target, join(shared, name));
    }
    const outer = { mode: "RW", container_path: "outer", host_path: shared } as const;
    const within = (name: string, host_path: string): ContainerInfo => ({
      type: "MESOS",
      volumes: [outer, { mode: "RW", container_path: `outer/${name}`, host_path }],
    });
    const spec = await run("real", "cat outer/real/file", within("real", own));
    expect(outputOf(spec)).toBe("mine\n");
    for (const [name, host_path] of [
      ["link", own],
      ["linked-file", join(own, "file")],
    ] as const) {
      const container = within(name, host_path);
      const launch = containerizer.launch(specIn(root, name, "true", { container }));
      expect(await failureOf(launch)).toContain("leads elsewhere");
    }
  });

  test("persistent volumes are mounted into the sandbox, read-only where asked [semantics 7.14]", async () => {
    const { root, run } = open();
    const hostPath = join(root, "volume");
    mkdirSync(hostPath);
    const volumes = [
      { hostPath, containerPath: "data/here" },
      { hostPath, containerPath: "again", isReadOnly: true },
    ];
    const command = "id -un >data/here/who; cat again/who; touch again/x || echo refused";
    const spec = await run("persistent", command, undefined, { volumes, user: "nobody" });
    expect(outputOf(spec)).toBe("nobody\nrefused\n");
    expect(readFileSync(join(hostPath, "who"), "utf8")).toBe("nobody\n");
  });

  test("so are folders of a sandbox at places in it [semantics 7.16]", async () => {
    const { root, run } = open();
    const directory = join(root, "work/sandboxes/shared");
    const at = (container_path: string, mode: Volume["mode"]): Volume => {
      const sandbox_path = { type: "SELF", path: "folder" } as const;
      return { mode, container_path, source: { type: "SANDBOX_PATH", sandbox_path } };
    };
    const asked = { type: "MESOS", volumes: [at("open", "RW"), at("closed", "RO")] } as const;
    const { volumes } = splitSandboxVolumes(asked, { directory, parentDirectory: undefined });
    makeSandboxVolumes(volumes);
    const command = "touch open/x; ls closed; touch closed/y || echo refused";
    const spec = await run("shared", command, undefined, { directory, volumes });
    expect(outputOf(spec)).toBe("x\nrefused\n");
  });

  test("a secret is a file in memory that only the task's user reads [semantics 7.16]", async () => {
    const { root, run } = open();
    const bytes = Uint8Array.from([0, 1, 39, 92, 37, 10, 255, 128]);
    const volumes: Volume[] = [secretVolume("keys/one", bytes), secretVolume("two", bytes)];
    const command =
      "od -An -tu1 keys/one; stat -c '%U %a' two; stat -f -c %T two; grep -c secrets /proc/self/mounts";
    const spec = await run("secret", command, { type: "MESOS", volumes }, { user: "nobody" });
    const [dump, owner, kind] = outputOf(spec).trim().split("\n");
    expect(dump?.trim().split(/\s+/).map(Number)).toEqual([...bytes]);
    expect([owner, kind]).toEqual(["nobody 400", "tmpfs"]);
    expect(readFileSync(join(spec.directory, "two"), "utf8")).toBe("");
    expect(existsSync(join(root, "run/containers/secret/setup"))).toBe(false);
  });

  test("volumes that lead elsewhere are refused with the reason, and nothing is made there [issue 4]", async () => {
    const { containerizer, root } = open();
    const outside = join(root, "outside");
    mkdirSync(outside);
    const cases: readonly (readonly [string, Volume, string])[] = [
      [
        "climb",
        { mode: "RW", container_path: "../x", host_path: outside },
        "not inside the sandbox",
      ],
      ["from", sandboxVolume("../..", "x"), "not inside the sandbox"],
      ["link", { mode: "RW", container_path: "link/x", host_path: outside }, "through the link"],
      ["source", sandboxVolume("link/x", "y"), "through the link"],
      ["gone", { mode: "RW", container_path: "x", host_path: "/no/such" }, "does not exist"],
      ["place", { mode: "RW", container_path: "/no/such", host_path: outside }, "does not exist"],
      ["taken", { mode: "RW", container_path: "stdout", host_path: outside }, "is no folder"],
      [
        "reference",
        {
          mode: "RO",
          container_path: "x",
          source: { type: "SECRET", secret: { type: "REFERENCE", reference: { name: "n" } } },
        },
        "resolves no references",
      ],
      ["none", { mode: "RO", container_path: "x" }, "no volumes of type none"],
      // What starts the container with the agent's rights would come from the volume.
      ["programs", { mode: "RW", container_path: "/usr/bin", host_path: outside }, "would cover"],
      ["linked", { mode: "RW", container_path: "/bin", host_path: outside }, "would cover /usr"],
      ["above", { mode: "RW", container_path: "/", host_path: outside }, "would cover"],
      ["preload", { mode: "RW", container_path: "/etc", host_path: outside }, "would cover /etc"],
      ["kernel", { mode: "RW", container_path: "/proc/sys", host_path: outside }, "/proc"],
      ["others", { mode: "RW", container_path: outside, host_path: outside }, "others than root"],
    ];
    for (const [name, volume, message] of cases) {
      const spec = specIn(root, name, "true", { container: { type: "MESOS", volumes: [volume] } });
      mkdirSync(spec.directory, { recursive: true });
      symlinkSync(outside, join(spec.directory, "link"));
      expect(await failureOf(containerizer.launch(spec))).toContain(message);
    }
    expect(existsSync(join(outside, "x"))).toBe(false);
    expect(existsSync("/no/such")).toBe(false);
  });
});

describe.skipIf(OBSTACLE !== undefined)(`privileges of native containers${reason}`, () => {
  const caps =
    "grep -E '^Cap(Prm|Eff|Bnd|Amb)|NoNew' /proc/self/status | tr -d '\\t' | tr '\\n' ' '";

  test("capabilities are those asked for, for root and for others [semantics 7.16]", async () => {
    const { run } = open();
    const linux = (more: object): ContainerInfo => ({ type: "MESOS", linux_info: more });
    const bind = { capabilities: ["NET_BIND_SERVICE"] as const };
    const two = { capabilities: ["NET_BIND_SERVICE", "CHOWN"] as const };
    const narrow = linux({ effective_capabilities: bind, bounding_capabilities: two });
    const user = await run("user", caps, narrow, { user: "nobody" });
    expect(outputOf(user)).toBe(
      "CapPrm:0000000000000400 CapEff:0000000000000400 CapBnd:0000000000000401 CapAmb:0000000000000400 NoNewPrivs:0 ",
    );
    const root = await run("root", caps, narrow);
    expect(outputOf(root)).toContain("CapEff:0000000000000400 CapBnd:0000000000000401");
    const none = await run("none", caps, linux({ effective_capabilities: { capabilities: [] } }));
    expect(outputOf(none)).toContain("CapEff:0000000000000000 CapBnd:0000000000000000");
  });

  test("what the agent's ceiling leaves out cannot be had [semantics 7.16]", async () => {
    const bounding = { capabilities: ["CHOWN"] as const };
    const { containerizer, root, run } = open({ capabilities: { effective: undefined, bounding } });
    const container: ContainerInfo = {
      type: "MESOS",
      linux_info: { effective_capabilities: { capabilities: ["SYS_ADMIN"] } },
    };
    const launch = containerizer.launch(specIn(root, "admin", "true", { container }));
    expect(await failureOf(launch)).toContain("SYS_ADMIN are not among the agent's");
    const plain = await run("plain", caps);
    expect(outputOf(plain)).toContain("CapBnd:0000000000000001");
  });

  test("limits of processes and no_new_privs hold, users leak neither groups nor files [semantics 7.16]", async () => {
    const { run } = open({ isolation: "nnp" });
    const container: ContainerInfo = {
      type: "MESOS",
      rlimit_info: {
        rlimits: [{ type: "RLMT_NOFILE", soft: 100, hard: 200 }, { type: "RLMT_CORE" }],
      },
    };
    const command = `ulimit -Sn; ulimit -Hn; ulimit -c; id -G; ls /proc/self/fd | wc -l; ${caps}`;
    const spec = await run("limited", command, container, { user: "nobody" });
    const lines = outputOf(spec).split("\n");
    // Three standard streams, and what ls itself has open on the folder.
    expect(lines.slice(0, 5)).toEqual(["100", "200", "unlimited", "65534", "4"]);
    expect(lines[5]).toContain("NoNewPrivs:1");
  });

  test("wishes that nobody can grant are refused with the reason [issue 4]", async () => {
    const { containerizer, root } = open();
    const cases: readonly (readonly [string, ContainerInfo, string])[] = [
      [
        "seccomp",
        { type: "MESOS", linux_info: { seccomp: { profile_name: "x" } } },
        "needs the isolator linux/seccomp",
      ],
      ["shm", { type: "MESOS", linux_info: { shm_size: 5 } }, "ipc_mode PRIVATE"],
      [
        "half",
        { type: "MESOS", rlimit_info: { rlimits: [{ type: "RLMT_CPU", soft: 5 }] } },
        "both soft and hard",
      ],
      [
        "image",
        { type: "MESOS", mesos: { image: { type: "DOCKER", docker: { name: "x" } } } },
        "no container images",
      ],
    ];
    for (const [name, container, message] of cases) {
      const launch = containerizer.launch(specIn(root, name, "true", { container }));
      expect(await failureOf(launch)).toContain(message);
    }
  });

  test("a private /dev/shm has the size asked for and is seen by nobody else [semantics 7.16]", async () => {
    const { run } = open();
    const container: ContainerInfo = {
      type: "MESOS",
      linux_info: { ipc_mode: "PRIVATE", shm_size: 3 },
    };
    const spec = await run(
      "shm",
      "df -k --output=size /dev/shm | tail -1; touch /dev/shm/allot-x",
      container,
    );
    expect(outputOf(spec).trim()).toBe(String(3 * 1024));
    expect(existsSync("/dev/shm/allot-x")).toBe(false);
  });
});

describe.skipIf(OBSTACLE !== undefined)(`watches over native containers${reason}`, () => {
  const disk = [{ name: "disk", type: "SCALAR", scalar: { value: 2 } }] as const;
  const fill = "head -c 5000000 /dev/zero >big; exec sleep 100";

  test("a task that holds more disk than it asked for is ended where that is enforced [semantics 7.14]", async () => {
    const { containerizer, root } = open({
      isolators: [
        new DiskIsolator({
          workDir: "/none",
          intervalMs: 50,
          isEnforced: true,
          clock: systemClock,
          log: silentLog,
        }),
      ],
    });
    const spec = specIn(root, "full", fill, { resources: disk });
    await containerizer.launch(spec);
    const { limitation, exit } = await containerizer.wait(spec.containerId);
    expect(exit).toEqual({ kind: "signaled", signal: 9 });
    expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
    expect(limitation?.message).toMatch(/^Disk usage \([\d.]+MB\) exceeds quota \(2MB\)$/);
    await containerizer.cleanup(spec.containerId);
  });

  test("what a container writes in its own root counts, after a restart too [semantics 7.14]", async () => {
    const root = newRoot();
    const [directory, path] = [join(root, "sandbox"), join(root, "upper")];
    for (const folder of [directory, path]) mkdirSync(folder);
    writeFileSync(join(path, "big"), new Uint8Array(5_000_000));
    const written = [{ path, imageBytes: 0 }];
    const common = { intervalMs: 10, isEnforced: true, clock: systemClock, log: silentLog };
    const options = { ...common, workDir: root };
    const spec = { ...specIn(root, "x", "true"), directory, resources: disk };
    const known = { containerId: spec.containerId, directory, written };
    const started = new DiskIsolator(options);
    await started.prepare({ ...spec, written });
    const recovered = new DiskIsolator(options);
    await recovered.recover([known]);
    await recovered.update(spec.containerId, disk, {});
    for (const isolator of [started, recovered]) {
      const { promise, resolve } = Promise.withResolvers<Limitation>();
      const stop = isolator.watch(spec.containerId, resolve);
      expect((await promise).reason).toBe("REASON_CONTAINER_LIMITATION_DISK");
      stop();
    }
  });

  test("a task that listens on ports it was not given is ended where that is enforced [semantics 7.16]", async () => {
    const { containerizer, root } = open({
      ports: { intervalMs: 50, isEnforced: true, looked: undefined },
    });
    const server = join(import.meta.dir, "listener.ts");
    // Told beforehand: the task may be ended before it has said where it listens.
    const port = await freePort();
    const command = `exec ${process.execPath} ${server} ${port}`;
    const spec = specIn(root, "listener", command);
    await containerizer.launch(spec);
    const { limitation } = await containerizer.wait(spec.containerId);
    expect(limitation).toEqual({
      reason: "REASON_CONTAINER_LIMITATION",
      message: `Container is listening on ports it was not given: ${port}`,
      resources: [
        { name: "ports", type: "RANGES", ranges: { range: [{ begin: port, end: port }] } },
      ],
    });
    await containerizer.cleanup(spec.containerId);
  });
});

test("ports are read from the kernel's table, listening ones alone", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 0 10 -1
`;
  expect([...listeningPorts(table)]).toEqual([[4711, 8080]]);
});

function open(
  options: Omit<NonNullable<Parameters<typeof nativeIn>[1]>, "isolation"> & {
    readonly isolation?: "nnp";
  } = {},
): {
  containerizer: Containerizer;
  root: string;
  run: (
    name: string,
    command: string,
    container?: ContainerInfo,
    more?: Partial<ContainerSpec>,
  ) => Promise<ContainerSpec>;
} {
  const root = newRoot();
  chmodSync(root, 0o755);
  const { isolation, ...others } = options;
  const containerizer = nativeIn(root, {
    ...others,
    ...(isolation === "nnp"
      ? { isolation: new Set<Isolation>([...NATIVE_ISOLATION, "linux/nnp"]) }
      : {}),
    cgroups: { root: newCgroupRoot() },
  });
  opened.push(containerizer);
  return {
    containerizer,
    root,
    /** Runs a command to its end; its output is in the sandbox. */
    run: async (
      name: string,
      command: string,
      container?: ContainerInfo,
      more: Partial<ContainerSpec> = {},
    ): Promise<ContainerSpec> => {
      const spec = specIn(root, name, command, { container, ...more });
      await containerizer.launch(spec);
      await until("it has ended", () => existsSync(join(root, "run/exits", name)));
      await containerizer.wait(spec.containerId);
      return spec;
    },
  };
}

function sandboxVolume(path: string, container_path: string): Volume {
  return {
    mode: "RW",
    container_path,
    source: { type: "SANDBOX_PATH", sandbox_path: { type: "SELF", path } },
  };
}

function secretVolume(container_path: string, bytes: Uint8Array): Volume {
  const data = Buffer.from(bytes).toString("base64");
  return {
    mode: "RO",
    container_path,
    source: { type: "SECRET", secret: { type: "VALUE", value: { data } } },
  };
}
