/** What end-to-end tests of native containers share: an agent's flags, and its cgroups. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { HIERARCHY } from "../containerizer/native/native.ts";
import type { AllotProcess } from "../harness/allot-process.ts";
import type { Offer, TestFramework } from "../harness/test-framework.ts";

const MANY = "--resources=cpus:100;mem:10000;disk:10000;ports:[31000-32000]";

/** Of an agent of this master with containers in cgroups below the root. */
export function nativeFlags(master: AllotProcess, cgroupRoot: string): readonly string[] {
  return [
    `--master=${new URL(master.url).host}`,
    MANY,
    "--launcher=linux",
    `--cgroups_hierarchy=${HIERARCHY}`,
    `--cgroups_root=${cgroupRoot}`,
  ];
}

/**
 * An offer with a gigabyte that has not been withdrawn, as those of the agent's earlier life are; what
 * single tasks leave behind is passed over.
 */
export async function roomyOffer(framework: TestFramework): Promise<Offer> {
  for (;;) {
    const offer = await framework.offer();
    const withdrawn = framework.events.flatMap((event) => {
      const { rescind } = event as { rescind?: { offer_id: { value: string } } };
      return rescind?.offer_id.value ?? [];
    });
    const mem = offer.resources.find(({ name }) => name === "mem")?.scalar?.value ?? 0;
    if (mem >= 1000 && !withdrawn.includes(offer.id.value)) return offer;
  }
}

/** Cgroups of containers below the root. */
export function cgroupsIn(cgroupRoot: string): string[] {
  return foldersIn(join(HIERARCHY, cgroupRoot))
    .flatMap((mark) => foldersIn(mark))
    .filter((path) => !path.endsWith("/-keepers"));
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}
