/**
 * What a test needs of the machine it runs on. `testNeeding("root", "cgroups2")` is bun's `test`
 * where all of it is there, else it skips with one visible line. Files that import this one are
 * those that `npm run appliance` carries out in the test machine, which has what it promises: there
 * an unmet promise is an error, so that a broken machine cannot pass as a row of skips.
 */
import { type Test, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mountXfs } from "./xfs.ts";

interface Requirement {
  /** Completes "skipped: needs …". */
  readonly text: string;
  readonly isMet: () => boolean;
  /** True for what test/appliance always has. */
  readonly isPromised: boolean;
}

/** In the test machine, where nothing else runs; set by test/appliance. */
export const isAppliance: boolean = process.env["IN_APPLIANCE"] !== undefined;

export type Need =
  | "appliance"
  | "root"
  | "systemd"
  | "cgroups2"
  | "docker"
  | "overlay"
  | "pressure"
  | "xfs";

const REQUIREMENTS: Readonly<Record<Need, Requirement>> = {
  appliance: {
    text: "a machine that may be changed",
    isMet: () => isAppliance,
    isPromised: true,
  },
  root: { text: "root", isMet: () => process.getuid?.() === 0, isPromised: true },
  systemd: {
    text: "systemd as process 1",
    isMet: () => existsSync("/run/systemd/system"),
    isPromised: true,
  },
  cgroups2: {
    text: "cgroups v2 with cpu, memory, pids and io at /sys/fs/cgroup",
    isMet: () => {
      const controllers = textOf("/sys/fs/cgroup/cgroup.controllers").trim().split(" ");
      return ["cpu", "memory", "pids", "io"].every((name) => controllers.includes(name));
    },
    isPromised: true,
  },
  docker: {
    text: "a Docker Engine at /run/docker.sock",
    isMet: () => statSync("/run/docker.sock", { throwIfNoEntry: false })?.isSocket() === true,
    isPromised: true,
  },
  overlay: {
    text: "overlayfs",
    isMet: () => textOf("/proc/filesystems").includes("\toverlay\n"),
    isPromised: false,
  },
  pressure: {
    text: "a kernel that measures pressure (PSI)",
    isMet: () => existsSync("/proc/pressure/cpu"),
    isPromised: false,
  },
  xfs: {
    text: "root, xfsprogs and a kernel with project quotas of XFS",
    isMet: canMountXfs,
    isPromised: true,
  },
};

/** Bun's `test`, or its skipping form with a line that says why. */
export function testNeeding(...needs: readonly Need[]): Test<[]> {
  const lacking = needs.map((need) => REQUIREMENTS[need]).filter(({ isMet }) => !isMet());
  const broken = lacking.find(({ isPromised }) => isPromised);
  if (isAppliance && broken !== undefined) {
    throw new Error(`the test machine promises ${broken.text} and does not have it`);
  }
  const [first] = lacking;
  if (first === undefined) return test;
  console.log(`skipped: needs ${first.text}; npm run appliance has a machine for it`);
  return test.skip;
}

/** Only the attempt tells. */
function canMountXfs(): boolean {
  try {
    mountXfs().remove();
    return true;
  } catch {
    return false;
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
