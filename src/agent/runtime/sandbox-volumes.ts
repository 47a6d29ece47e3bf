/**
 * Volumes that are folders of a sandbox: the container's own (SELF), or that which tasks of one
 * default executor share (PARENT). Source: semantics 7.16 (volume/sandbox_path).
 */
import { posix as paths } from "node:path";
import type { ContainerVolume } from "../../containerizer/containerizer.ts";
import { HeldFolder } from "../../containerizer/posix/held-folder.ts";
import { targetInside } from "../../containerizer/posix/safe-path.ts";
import type { ContainerInfo, Volume } from "../../protocol/v1/types.ts";

export interface Sandboxes {
  readonly directory: string;
  /** Undefined for a container that is nested in none. */
  readonly parentDirectory: string | undefined;
}

export interface SplitVolumes {
  readonly volumes: readonly ContainerVolume[];
  /** Without those volumes: the rest is its containerizer's business. */
  readonly container: ContainerInfo | undefined;
}

const OPTIONS = { field: "the volume's path", kind: "folder", user: undefined } as const;

/** Takes such volumes out of what a container asks for. Errors: says what about one is wrong. */
export function splitSandboxVolumes(
  container: ContainerInfo | undefined,
  sandboxes: Sandboxes,
): SplitVolumes {
  const all = container?.volumes ?? [];
  const own = all.filter(isSandboxVolume);
  if (container === undefined || own.length === 0) return { volumes: [], container };
  const volumes = own.map((volume) => containerVolume(volume, sandboxes));
  return { volumes, container: { ...container, volumes: all.filter((one) => !own.includes(one)) } };
}

/** Makes the folders, and follows none of the links that tasks may put there. Throws as above. */
export function makeSandboxVolumes(volumes: readonly ContainerVolume[]): void {
  for (const { hostPath, within } of volumes) {
    if (within === undefined) continue;
    HeldFolder.open(within, { isMade: true }).use((sandbox) =>
      targetInside(sandbox, paths.relative(within, hostPath), OPTIONS),
    );
  }
}

/** An absolute place needs a root of its own or a mount, which not every containerizer has. */
function isSandboxVolume({ source, container_path: path }: Volume): boolean {
  return (
    source?.type === "SANDBOX_PATH" && source.sandbox_path !== undefined && !path.startsWith("/")
  );
}

function containerVolume(volume: Volume, sandboxes: Sandboxes): ContainerVolume {
  const { type, path = "" } = volume.source?.sandbox_path ?? {};
  const within = type === "PARENT" ? sandboxes.parentDirectory : sandboxes.directory;
  if (within === undefined) {
    throw new Error("a SANDBOX_PATH volume of type PARENT needs a container that is nested in one");
  }
  const clean = paths.normalize(path);
  if (path === "" || paths.isAbsolute(clean) || clean === ".." || clean.startsWith("../")) {
    throw new Error(`the volume's path '${path}' leads out of the sandbox; give a relative one`);
  }
  const { container_path: containerPath, mode } = volume;
  return { hostPath: paths.join(within, clean), containerPath, within, isReadOnly: mode === "RO" };
}
