/**
 * Volumes of native containers: folders of the host and of sandboxes, images, secrets, persistent
 * volumes, all mounted in the container's own mount namespace, so that they end with it. The isolators
 * `volume/host_path`, `volume/sandbox_path`, `volume/image` and `volume/secret`. Source: semantics
 * 7.14, 7.16.
 */
import { mkdirSync } from "node:fs";
import { isAbsolute, normalize, relative } from "node:path";
import { decodeBase64 } from "../../protocol/base64.ts";
import type { Volume } from "../../protocol/v1/types.ts";
import {
  ContainerizerError,
  type ContainerSpec,
  type ContainerVolume,
  type HostUser,
  type Preparation,
} from "../containerizer.ts";
import { quote } from "../keeper/launch-plan.ts";
import { SECRET_BYTES_MAX } from "../limits.ts";
import { existingInside, kindOf, targetInside } from "../posix/safe-path.ts";
import { giveVolume } from "../posix/sandbox.ts";
import type { Isolation } from "./isolation.ts";
import { IsolatorBase } from "./isolator-base.ts";
import { checkTargetInRoot, targetOnHost } from "./volume-targets.ts";

export interface VolumeIsolatorOptions {
  readonly isolation: ReadonlySet<Isolation>;
  /** Path of the program. */
  readonly mount: string;
  /** Folder of a container's records, where nobody but the agent reads. */
  readonly folderOf: (spec: ContainerSpec) => string;
  /** `--host_path_volume_force_creation`: absolute folders in which host paths may be made. */
  readonly madeBelow: readonly string[];
}

interface Where {
  readonly spec: ContainerSpec;
  readonly user: HostUser | undefined;
  readonly field: string;
}

export class VolumeIsolator extends IsolatorBase {
  readonly name = "volume";
  readonly #options: VolumeIsolatorOptions;

  constructor(options: VolumeIsolatorOptions) {
    super();
    this.#options = options;
  }

  prepare(spec: ContainerSpec, user: HostUser | undefined): Promise<Preparation> {
    const persistent = (spec.volumes ?? []).map((volume) =>
      this.#persistent(volume, { spec, user, field: "the volume's container_path" }),
    );
    const others = (spec.container?.volumes ?? []).map((volume, index) =>
      this.#volume(volume, index, { spec, user, field: `container.volumes[${index}]` }),
    );
    return Promise.resolve({ environment: {}, setup: [...persistent, ...others].flat() });
  }

  #persistent(volume: ContainerVolume, where: Where): string[] {
    const { spec, user, field } = where;
    const { containerPath, isReadOnly, within } = volume;
    // Where tasks may have put links, none is followed.
    const hostPath =
      within === undefined
        ? volume.hostPath
        : existingInside(within, relative(within, volume.hostPath), "the volume's path");
    if (kindOf(hostPath, "the volume") !== "folder") {
      throw new ContainerizerError(`The volume ${hostPath} is no folder`);
    }
    giveVolume(volume, user);
    const target = targetInside(spec.directory, containerPath, { field, kind: "folder", user });
    return this.#bind(hostPath, target, isReadOnly === true);
  }

  #volume(volume: Volume, index: number, where: Where): string[] {
    const { source } = volume;
    const isReadOnly = volume.mode === "RO";
    if (volume.image !== undefined) {
      this.#need("volume/image", where.field);
      const image = where.spec.imageVolumes?.get(index);
      if (image === undefined) {
        throw new ContainerizerError(`${where.field}.image: this agent provides no images`);
      }
      const target = this.#targetOf(volume, "folder", where);
      return [...(image.setup ?? []), ...this.#bind(image.path, target, isReadOnly)];
    }
    if (source?.type === "SECRET") return this.#secret(volume, index, where);
    const path = this.#sourceOf(volume, where);
    const target = this.#targetOf(volume, kindOf(path, `${where.field}.host_path`), where);
    return this.#bind(path, target, isReadOnly);
  }

  /** Where on the host the content of a volume is. */
  #sourceOf(volume: Volume, where: Where): string {
    const { source } = volume;
    const { field, spec } = where;
    const type = source?.type ?? (volume.host_path === undefined ? undefined : "HOST_PATH");
    if (type === "HOST_PATH") {
      const path = volume.host_path ?? source?.host_path?.path;
      if (source?.host_path?.mount_propagation?.mode === "BIDIRECTIONAL") {
        throw new ContainerizerError(`${field}: mounts of a task cannot be shared with the host`);
      }
      if (path === undefined) throw new ContainerizerError(`${field} has no host_path`);
      // As in Mesos, a relative path is one of the sandbox.
      if (!isAbsolute(path)) return this.#inSandbox(spec.directory, path, where);
      this.#need("volume/host_path", field);
      return this.#hostPath(normalize(path));
    }
    if (type === "SANDBOX_PATH") {
      this.#need("volume/sandbox_path", field);
      const path = source?.sandbox_path?.path ?? "";
      if (source?.sandbox_path?.type === "PARENT") {
        throw new ContainerizerError(
          `${field}: this container has no parent to share a folder with`,
        );
      }
      return this.#inSandbox(spec.directory, path, where);
    }
    throw new ContainerizerError(`${field}: this agent has no volumes of type ${type ?? "none"}`);
  }

  #hostPath(path: string): string {
    const isMade = this.#options.madeBelow.some((folder) => `${path}/`.startsWith(`${folder}/`));
    if (isMade) mkdirSync(path, { recursive: true });
    return path;
  }

  /** A folder of a sandbox is made where it is missing, so that whoever comes first finds it. */
  #inSandbox(sandbox: string, path: string, { field, user }: Where): string {
    try {
      return existingInside(sandbox, path, field);
    } catch (error) {
      if (!(error instanceof ContainerizerError && error.message.endsWith("does not exist"))) {
        throw error;
      }
      return targetInside(sandbox, path, { field, kind: "folder", user });
    }
  }

  /**
   * A relative place is in the sandbox, an absolute one in the container's root; where that is the
   * host's, it must be there already.
   */
  #targetOf(volume: Volume, kind: "folder" | "file", { spec, user, field }: Where): string {
    const path = normalize(volume.container_path);
    const options = { field: `${field}.container_path`, kind, user };
    if (!isAbsolute(path)) return targetInside(spec.directory, path, options);
    const { rootfs } = spec;
    if (rootfs === undefined) {
      if (kindOf(path, options.field) !== kind) {
        throw new ContainerizerError(
          `${options.field} ${path} is no ${kind} to mount a ${kind} at`,
        );
      }
      return targetOnHost(path, [this.#options.folderOf(spec)], options.field);
    }
    const inSandbox = relative(rootfs.sandboxPath, path);
    if (inSandbox.startsWith("..")) {
      checkTargetInRoot(path, options.field);
      return targetInside(rootfs.path, `.${path}`, options);
    }
    return targetInside(spec.directory, inSandbox, options);
  }

  /** The file exists in memory alone, and only for this container. */
  #secret(volume: Volume, index: number, where: Where): string[] {
    const { spec, user, field } = where;
    this.#need("volume/secret", field);
    const secret = volume.source?.secret;
    if (secret?.type === "REFERENCE") {
      throw new ContainerizerError(`${field}: this agent resolves no references to secrets`);
    }
    const bytes = decodeBase64(secret?.value?.data ?? "");
    if (secret?.value === undefined || bytes === undefined) {
      throw new ContainerizerError(`${field}.source.secret has no value`);
    }
    if (bytes.length > SECRET_BYTES_MAX) {
      throw new ContainerizerError(`${field}: a secret has at most ${SECRET_BYTES_MAX} bytes`);
    }
    const target = this.#targetOf(volume, "file", where);
    const folder = `${this.#options.folderOf(spec)}/secrets`;
    const file = quote(`${folder}/${index}`);
    const { mount } = this.#options;
    return [
      `[ -d ${quote(folder)} ] || { mkdir ${quote(folder)}; ${mount} -t tmpfs -o mode=0700 tmpfs ${quote(folder)}; }`,
      `printf '${octal(bytes)}' >${file}`,
      `chmod 0400 ${file}`,
      ...(user === undefined ? [] : [`chown ${user.uid}:${user.gid} ${file}`]),
      ...this.#bind(`${folder}/${index}`, target, true),
    ];
  }

  #bind(source: string, target: string, isReadOnly: boolean): string[] {
    const { mount } = this.#options;
    const lines = [`${mount} --rbind -- ${quote(source)} ${quote(target)}`];
    if (isReadOnly) lines.push(`${mount} -o remount,bind,ro -- ${quote(target)}`);
    return lines;
  }

  #need(isolation: Isolation, field: string): void {
    if (this.#options.isolation.has(isolation)) return;
    throw new ContainerizerError(`${field}: the agent's --isolation does not list ${isolation}`);
  }
}

/** Bytes as a shell's printf writes them, whatever they are. */
function octal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
