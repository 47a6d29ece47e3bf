/** Which namespaces a container gets for itself. Pure. Source: semantics 7.16 (namespaces/*). */
import { ContainerizerError, type ContainerSpec } from "../containerizer.ts";
import type { Isolation } from "./isolation.ts";

/** `shared` is the agent's, or the parent's of a nested container. */
export type Sharing = "own" | "shared";

/** Which namespaces a container has for itself. */
export interface Namespaces {
  readonly mount: Sharing;
  readonly pid: Sharing;
  readonly ipc: Sharing;
}

export interface NamespaceSettings {
  /** `--disallow_sharing_agent_pid_namespace` */
  readonly isPidSharingForbidden: boolean;
  /** `--disallow_sharing_agent_ipc_namespace` */
  readonly isIpcSharingForbidden: boolean;
  /** `--default_container_shm_size`; undefined for the kernel's own default. */
  readonly shmBytes: number | undefined;
}

/** Isolators that do something in a container's own mount namespace. */
const MOUNTING: readonly Isolation[] = ["filesystem/linux", "linux/devices", "cgroups/devices"];

/**
 * Which the container gets. What a nested one shares is its parent's, which is no business of the
 * agent's. Errors: `ContainerizerError` for sharing that the agent forbids.
 */
export function namespacesOf(
  { container, parentId }: ContainerSpec,
  isolation: ReadonlySet<Isolation>,
  settings: NamespaceSettings,
): Namespaces {
  const linux = container?.linux_info;
  const isPidShared = linux?.share_pid_namespace === true;
  const isIpcShared = linux?.ipc_mode === "SHARE_PARENT";
  if (parentId === undefined && isPidShared && settings.isPidSharingForbidden) {
    throw new ContainerizerError("The agent's pid namespace may not be shared on this agent");
  }
  if (parentId === undefined && isIpcShared && settings.isIpcSharingForbidden) {
    throw new ContainerizerError("The agent's ipc namespace may not be shared on this agent");
  }
  const pid = isolation.has("namespaces/pid") && !isPidShared ? "own" : "shared";
  const ipc = isolation.has("namespaces/ipc") && !isIpcShared ? "own" : "shared";
  const isMountOwn = pid === "own" || ipc === "own" || MOUNTING.some((name) => isolation.has(name));
  return { pid, ipc, mount: isMountOwn ? "own" : "shared" };
}
