/**
 * Goal: whatever a task's user puts in a sandbox while a container is being started, nothing is
 * mounted, opened or given away elsewhere. Method: a link in place of a folder at the last moment at
 * which it can be put there, when all was looked at and the sandbox is the user's. Needs root and
 * cgroups v2, with or without controllers.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Containerizer } from "../../../src/containerizer/containerizer.ts";
import { INIT_SCRIPT } from "../../../src/containerizer/keeper/keeper-script.ts";
import { readOnlyBindLines } from "../../../src/containerizer/native/held-bind.ts";
import { IsolatorBase, NO_PREPARATION } from "../../../src/containerizer/native/isolator-base.ts";
import type { Volume } from "../../../src/protocol/v1/types.ts";
import { failureOf, newRoot, outputOf, removeRoots, specIn } from "../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "./native.ts";

const opened: Containerizer[] = [];

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;

describe.skipIf(OBSTACLE !== undefined)(`folders swapped in a sandbox${reason}`, () => {
  for (const [what, volume, swapped] of [
    ["the place of a volume", { container_path: "place" }, "place"],
    ["a folder on the way to it", { container_path: "way/place" }, "way"],
    ["the content of a volume", { container_path: "place", content: "content" }, "content"],
  ] as const) {
    test(`a link in place of ${what} is not followed [issue 4]`, async () => {
      const { spec, victim, failure } = await launched("swapped", volume, ({ directory, victim }) =>
        swap(join(directory, swapped), victim),
      );
      expect(failure).toContain("leads elsewhere");
      expect(outputOf(spec)).toBe("");
      expect(statSync(victim).uid).toBe(0);
    });
  }

  test("nor one on the way to the sandbox, whose parents may be others' [issue 4]", async () => {
    const volume = { container_path: "place" };
    const { spec, victim, failure } = await launched("nested/x", volume, (scene) => {
      mkdirSync(join(scene.victim, "x/place"), { recursive: true });
      swap(dirname(scene.directory), scene.victim);
    });
    expect(failure).toContain("leads elsewhere");
    expect(outputOf(spec)).toBe("");
    expect(statSync(join(victim, "x")).uid).toBe(0);
    expect(existsSync(join(victim, "x/stdout"))).toBe(false);
  });
});

const ODD = "a  b;touch hacked;$(touch hacked)`touch hacked`*[a]'\"\\ #&";

describe.skipIf(OBSTACLE !== undefined)(`names in a sandbox${reason}`, () => {
  test("is no command, whatever it is: volumes are mounted from and at what is called so", async () => {
    const root = newRoot();
    const containerizer = nativeIn(root, { cgroups: { root: newCgroupRoot() } });
    opened.push(containerizer);
    await containerizer.recover([]);
    const persistent = join(root, "volumes", ODD);
    mkdirSync(persistent, { recursive: true });
    const path = `content/of ${ODD}`;
    const volume: Volume = {
      mode: "RW",
      container_path: `at ${ODD}/in`,
      source: { type: "SANDBOX_PATH", sandbox_path: { type: "SELF", path } },
    };
    const command = "(cd at*/in; touch x); (cd kept*; touch y); ls content/*; ls";
    const spec = specIn(root, "odd", command, {
      container: { type: "MESOS", volumes: [volume] },
      volumes: [{ hostPath: persistent, containerPath: `kept ${ODD}` }],
    });
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe(`x\nat ${ODD}\ncontent\nkept ${ODD}\nstderr\nstdout\n`);
    expect(readdirSync(persistent)).toEqual(["y"]);
  });

  for (const [what, volume, file] of [
    ["the content of a volume", { container_path: "place", content: "content" }, "content"],
    ["the place of one", { container_path: "place", content: "content" }, "place"],
  ] as const) {
    test(`a pipe as ${what} holds up no launch`, async () => {
      const startMs = performance.now();
      const { failure } = await launched("pipe", volume, ({ directory }) => {
        rmSync(join(directory, file), { recursive: true });
        spawnSync("mkfifo", [join(directory, file)]);
      });
      expect(failure).toContain("is a pipe, which cannot be mounted");
      expect(performance.now() - startMs).toBeLessThan(10_000);
    });
  }
});

describe.skipIf(process.getuid?.() !== 0)(
  "lines that mount, as the keeper's init runs them",
  () => {
    const hold = /^hold\(\) \{.*?^\}$/ms.exec(INIT_SCRIPT)?.[0] ?? "";
    const scene = (mount: string): { run: (before: string) => string; source: string } => {
      const root = newRoot();
      const [source, target] = [join(root, "source"), join(root, "target")];
      for (const folder of [join(source, "inner"), target]) mkdirSync(folder, { recursive: true });
      const lines = readOnlyBindLines(
        { source, target, kind: "folder", field: "container.volumes[0]" },
        { mount, perl: undefined, stage: join(root, "stage") },
      );
      const run = (before: string): string => {
        const script = [before, hold, ...lines, `touch ${target}/x`].join("\n");
        const { stdout, stderr } = spawnSync("unshare", ["--mount", "sh", "-ec", script]);
        return `${stdout}${stderr}`;
      };
      return { run, source };
    };

    test("without perl a read-only volume is refused when something is mounted in it [semantics 7.16]", () => {
      const { run, source } = scene("mount");
      expect(run("")).toContain("Read-only file system");
      const refused = run(`mount -t tmpfs tmpfs ${source}/inner`);
      expect(refused).toContain("container.volumes[0]: something is mounted in it");
    });

    test("mount keeps to the calls that follow a path to what is open, whatever its version", () => {
      const program = join(newRoot(), "mount");
      writeFileSync(program, '#!/bin/sh\necho "$1 $LIBMOUNT_FORCE_MOUNT2"\n', { mode: 0o755 });
      expect(
        scene(program)
          .run("")
          .match(/^--no-canonicalize .*$/gm),
      ).toEqual(["--no-canonicalize always", "--no-canonicalize always"]);
    });
  },
);

interface Scene {
  readonly directory: string;
  readonly victim: string;
}

/** A launch in which the user acts as soon as the sandbox is given away. */
async function launched(
  name: string,
  { container_path, content }: { readonly container_path: string; readonly content?: string },
  act: (scene: Scene) => void,
): Promise<{ spec: ReturnType<typeof specIn>; victim: string; failure: string }> {
  const root = newRoot();
  const [host, victim] = [join(root, "host"), join(root, "victim")];
  for (const folder of [host, victim, join(victim, "place")]) mkdirSync(folder);
  writeFileSync(join(victim, "secret"), "");
  const directory = join(root, "work/sandboxes", name);
  const containerizer = nativeIn(root, {
    cgroups: { root: newCgroupRoot() },
    isolators: [new Meddler(() => act({ directory, victim }))],
  });
  opened.push(containerizer);
  await containerizer.recover([]);
  const volume: Volume =
    content === undefined
      ? { mode: "RW", container_path, host_path: host }
      : {
          mode: "RW",
          container_path,
          source: { type: "SANDBOX_PATH", sandbox_path: { type: "SELF", path: content } },
        };
  const container = { type: "MESOS", volumes: [volume] } as const;
  const command = `ls ${victim} ${container_path}`;
  const spec = specIn(root, "swapped", command, { directory, user: "nobody", container });
  const failure = await failureOf(containerizer.launch(spec));
  return { spec, victim, failure };
}

function swap(path: string, victim: string): void {
  renameSync(path, `${path}.old`);
  symlinkSync(victim, path);
}

/** Does what a process of the sandbox's owner could do meanwhile. */
class Meddler extends IsolatorBase {
  readonly name = "meddler";
  readonly #act: () => void;

  constructor(act: () => void) {
    super();
    this.#act = act;
  }

  prepare(): Promise<typeof NO_PREPARATION> {
    return Promise.resolve(NO_PREPARATION);
  }

  override isolate(): Promise<void> {
    this.#act();
    return Promise.resolve();
  }
}
