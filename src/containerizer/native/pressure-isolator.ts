/**
 * How long a container's processes waited for processors, memory and disks, as the kernel counts it
 * (PSI) for every cgroup. Kernels that do not measure it tell nothing. Source: DESIGN §7.
 */
import type { ContainerId } from "../../base/ids.ts";
import type {
  ContainerUsage,
  Preparation,
  PressureFigures,
  PressureLines,
} from "../containerizer.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

const KINDS = ["cpu", "memory", "io"] as const;

/** Measures only. */
export class PressureIsolator extends IsolatorBase {
  readonly name = "pressure";
  readonly #cgroups: CgroupTree;

  constructor(cgroups: CgroupTree) {
    super();
    this.#cgroups = cgroups;
  }

  prepare(): Promise<Preparation> {
    return Promise.resolve(NO_PREPARATION);
  }

  override usage(containerId: ContainerId): Promise<Partial<ContainerUsage>> {
    const measured = KINDS.flatMap((kind) => {
      const lines = pressureLines(this.#cgroups.read(containerId, `${kind}.pressure`));
      return lines === undefined ? [] : [[kind, lines] as const];
    });
    if (measured.length === 0) return Promise.resolve({});
    return Promise.resolve({ pressure: Object.fromEntries(measured) });
  }
}

/**
 * Reads `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full …`; undefined without the first,
 * while some kernels have no second one for processors.
 */
export function pressureLines(text: string | undefined): PressureLines | undefined {
  const some = lineOf(text ?? "", "some");
  if (some === undefined) return undefined;
  const full = lineOf(text ?? "", "full");
  return full === undefined ? { some } : { some, full };
}

function lineOf(text: string, name: string): PressureFigures | undefined {
  const pattern = new RegExp(
    `^${name} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`,
    "m",
  );
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [avg10 = 0, avg60 = 0, avg300 = 0, total = 0] = match.slice(1).map(Number);
  return { avg10, avg60, avg300, total_secs: total / 1e6 };
}
