/** `namespaces/ipc`: a /dev/shm of its own for a container that asks for it. Source: semantics 7.16. */
import type { ContainerSpec, Preparation } from "../containerizer.ts";
import { ContainerizerError } from "../containerizer.ts";
import { quote } from "../keeper/launch-plan.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export class ShmIsolator extends IsolatorBase {
  readonly name = "namespaces/ipc";
  readonly #mount: string;
  readonly #defaultBytes: number | undefined;

  /** `mount`: path of the program; `defaultBytes`: size where none is asked for. */
  constructor(mount: string, defaultBytes: number | undefined) {
    super();
    this.#mount = mount;
    this.#defaultBytes = defaultBytes;
  }

  prepare({ container, rootfs }: ContainerSpec): Promise<Preparation> {
    const linux = container?.linux_info;
    const isShared = linux?.ipc_mode !== "PRIVATE";
    if (isShared && linux?.shm_size !== undefined) {
      throw new ContainerizerError("container.linux_info.shm_size needs ipc_mode PRIVATE");
    }
    if (isShared) return Promise.resolve(NO_PREPARATION);
    const megabytes = linux?.shm_size;
    const bytes = megabytes === undefined ? this.#defaultBytes : megabytes * 1024 * 1024;
    const size = bytes === undefined ? "" : `,size=${bytes}`;
    const line = `${this.#mount} -t tmpfs -o nosuid,nodev,noexec,mode=1777${size} tmpfs ${quote(`${rootfs?.path ?? ""}/dev/shm`)}`;
    return Promise.resolve({ environment: {}, setup: [line] });
  }
}
