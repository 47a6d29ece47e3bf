/** Which namespaces a container gets for itself. Pure. Source: semantics 7.16 (namespaces/*). */
import { ContainerizerError, type ContainerSpec } from "../containerizer.ts";
import type { Isolation } from "./isolation.ts";

/** Which namespaces a container has for itself. */
export interface Namespaces {
  readonly isMountOwn: boolean;
  readonly isPidOwn: boolean;
  readonly isIpcOwn: boolean;
}

export interface NamespaceSettings {
  /** `--disallow_sharing_agent_pid_namespace` */
  readonly isPidSharingForbidden: boolean;
  /** `--disallow_sharing_agent_ipc_namespace` */
  readonly isIpcSharingForbidden: boolean;
  /** `--default_container_shm_size`; undefined for the kernel's own default. */
  readonly shmBytes: number | undefined;
}

/** Errors: `ContainerizerError` for sharing that the agent forbids. */
export function namespacesOf(
  { container }: ContainerSpec,
  isolation: ReadonlySet<Isolation>,
  settings: NamespaceSettings,
): Namespaces {
  const linux = container?.linux_info;
  const isPidShared = linux?.share_pid_namespace === true;
  const isIpcShared = linux?.ipc_mode === "SHARE_PARENT";
  if (isPidShared && settings.isPidSharingForbidden) {
    throw new ContainerizerError("The agent's pid namespace may not be shared on this agent");
  }
  if (isIpcShared && settings.isIpcSharingForbidden) {
    throw new ContainerizerError("The agent's ipc namespace may not be shared on this agent");
  }
  const isPidOwn = isolation.has("namespaces/pid") && !isPidShared;
  const isIpcOwn = isolation.has("namespaces/ipc") && !isIpcShared;
  return {
    isPidOwn,
    isIpcOwn,
    isMountOwn: isPidOwn || isIpcOwn || isolation.has("filesystem/linux"),
  };
}
