/**
 * Volumes of native containers: folders of the host and of sandboxes, images, secrets, persistent
 * volumes, all mounted in the container's own mount namespace, so that they end with it. The isolators
 * `volume/host_path`, `volume/sandbox_path`, `volume/image` and `volume/secret`. Source: semantics
 * 7.14, 7.16.
 */
import { existsSync } from "node:fs";
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
import { findPerl } from "../keeper/perl.ts";
import { SECRET_BYTES_MAX } from "../limits.ts";
import { HeldFolder } from "../posix/held-folder.ts";
import { pathInRoot } from "../posix/path-in-root.ts";
import { existingInside, kindOf, type Place, targetInside } from "../posix/safe-path.ts";
import { giveVolume } from "../posix/sandbox.ts";
import { heldBindLines, readOnlyBindLines } from "./held-bind.ts";
import type { Isolation } from "./isolation.ts";
import { IsolatorBase } from "./isolator-base.ts";
import { checkTargetInRoot, isWithin, targetOnHost } from "./volume-targets.ts";

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
  readonly sandbox: HeldFolder;
  readonly field: string;
}

/** What a volume holds, on the host. */
interface Content extends Place {
  /** Links that lead to it, or in it, are the framework's own choice. */
  readonly isTrusted: boolean;
  /** What is mounted in it on the host later is asked for too. */
  readonly isFollowing?: boolean;
}

interface BindOptions {
  readonly stage: string | undefined;
  readonly field: string;
}

export class VolumeIsolator extends IsolatorBase {
  readonly name = "volume";
  readonly #options: VolumeIsolatorOptions;

  constructor(options: VolumeIsolatorOptions) {
    super();
    this.#options = options;
  }

  prepare(
    spec: ContainerSpec,
    user: HostUser | undefined,
    sandbox: HeldFolder,
  ): Promise<Preparation> {
    const where = { spec, user, sandbox };
    const persistent = (spec.volumes ?? []).map((volume, index) =>
      this.#persistent(volume, index, { ...where, field: "the volume's container_path" }),
    );
    const others = (spec.container?.volumes ?? []).map((volume, index) =>
      this.#volume(volume, index, { ...where, field: `container.volumes[${index}]` }),
    );
    return Promise.resolve({ environment: {}, setup: [...persistent, ...others].flat() });
  }

  #persistent(volume: ContainerVolume, index: number, where: Where): string[] {
    const { spec, user, sandbox, field } = where;
    const { containerPath, isReadOnly } = volume;
    giveVolume(volume, user);
    const content = { path: folderOf(volume), kind: "folder", isTrusted: false } as const;
    const target = targetInside(sandbox, containerPath, { field, kind: "folder", user });
    const stage = isReadOnly === true ? this.#stage(spec, `persistent-${index}`) : undefined;
    return this.#bind(content, target, { stage, field });
  }

  #volume(volume: Volume, index: number, where: Where): string[] {
    const { source } = volume;
    const { field } = where;
    const stage = volume.mode === "RO" ? this.#stage(where.spec, String(index)) : undefined;
    if (volume.image !== undefined) {
      this.#need("volume/image", field);
      const image = where.spec.imageVolumes?.get(index);
      if (image === undefined) {
        throw new ContainerizerError(`${field}.image: this agent provides no images`);
      }
      const target = this.#targetOf(volume, "folder", where);
      const content = { path: image.path, kind: "folder", isTrusted: true } as const;
      return [...(image.setup ?? []), ...this.#bind(content, target, { stage, field })];
    }
    if (source?.type === "SECRET") return this.#secret(volume, index, where);
    const content = this.#contentOf(volume, where);
    const target = this.#targetOf(volume, content.kind, where);
    return this.#bind(content, target, { stage, field });
  }

  /** Where on the host the content of a volume is. */
  #contentOf(volume: Volume, where: Where): Content {
    const { source } = volume;
    const { field } = where;
    const type = source?.type ?? (volume.host_path === undefined ? undefined : "HOST_PATH");
    if (type === "HOST_PATH") {
      const path = volume.host_path ?? source?.host_path?.path;
      const propagation = source?.host_path?.mount_propagation?.mode;
      if (propagation === "BIDIRECTIONAL") {
        throw new ContainerizerError(`${field}: mounts of a task cannot be shared with the host`);
      }
      if (path === undefined) throw new ContainerizerError(`${field} has no host_path`);
      // As in Mesos, a relative path is one of the sandbox.
      if (!isAbsolute(path)) return inSandbox(path, where);
      this.#need("volume/host_path", field);
      const content = this.#onHost(normalize(path), `${field}.host_path`);
      return { ...content, isFollowing: propagation === "HOST_TO_CONTAINER" };
    }
    if (type === "SANDBOX_PATH") {
      this.#need("volume/sandbox_path", field);
      const path = source?.sandbox_path?.path ?? "";
      if (source?.sandbox_path?.type === "PARENT") {
        throw new ContainerizerError(
          `${field}: this container has no parent to share a folder with`,
        );
      }
      return inSandbox(path, where);
    }
    throw new ContainerizerError(`${field}: this agent has no volumes of type ${type ?? "none"}`);
  }

  #onHost(path: string, field: string): Content {
    const isMade = this.#options.madeBelow.some((folder) => `${path}/`.startsWith(`${folder}/`));
    if (isMade && !existsSync(path)) makeFolders(path, field);
    return { path, kind: kindOf(path, field), isTrusted: true };
  }

  /**
   * A relative place is in the sandbox, an absolute one in the container's root, where the links of
   * that root lead; where it is the host's, it must be there already.
   */
  #targetOf(volume: Volume, kind: Place["kind"], where: Where): string {
    const { spec, user, sandbox, field } = where;
    const path = normalize(volume.container_path);
    const options = { field: `${field}.container_path`, kind, user };
    if (!isAbsolute(path)) return targetInside(sandbox, path, options);
    const { rootfs } = spec;
    if (rootfs === undefined) {
      if (kindOf(path, options.field) !== kind) {
        throw new ContainerizerError(
          `${options.field} ${path} is no ${kind} to mount a ${kind} at`,
        );
      }
      return targetOnHost(path, [this.#options.folderOf(spec)], options.field);
    }
    const { sandboxPath } = rootfs;
    const real = isWithin(path, sandboxPath) ? path : pathInRoot(rootfs.path, path);
    if (isWithin(real, sandboxPath)) {
      return targetInside(sandbox, relative(sandboxPath, real), options);
    }
    checkTargetInRoot(real, options.field);
    return HeldFolder.open(rootfs.path).use((root) => targetInside(root, `.${real}`, options));
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
      ...this.#bind({ path: `${folder}/${index}`, kind: "file", isTrusted: true }, target, {
        stage: this.#stage(spec, `secret-${index}`),
        field,
      }),
    ];
  }

  /** Where what is to be read-only is made so, among the records of its container. */
  #stage(spec: ContainerSpec, name: string): string {
    return `${this.#options.folderOf(spec)}/volume-${name}`;
  }

  /** Read-only where there is a stage. */
  #bind({ path, ...content }: Content, target: string, { stage, field }: BindOptions): string[] {
    const bind = { ...content, source: path, target, field };
    const { mount } = this.#options;
    if (stage === undefined) return heldBindLines(mount, bind);
    return readOnlyBindLines(bind, { mount, perl: findPerl(), stage });
  }

  #need(isolation: Isolation, field: string): void {
    if (this.#options.isolation.has(isolation)) return;
    throw new ContainerizerError(`${field}: the agent's --isolation does not list ${isolation}`);
  }
}

/** The folder of a persistent volume, or one of a sandbox, in which no link of a task is followed. */
function folderOf({ hostPath, within }: ContainerVolume): string {
  if (within === undefined) return HeldFolder.open(hostPath).use((folder) => folder.realPath);
  const place = HeldFolder.open(within).use((folder) =>
    existingInside(folder, relative(within, hostPath), "the volume's path"),
  );
  if (place?.kind === "folder") return place.path;
  throw new ContainerizerError(`The volume ${hostPath} is no folder`);
}

/**
 * Made with the agent's rights, in folders that a task may write to among others: so no link is
 * followed that someone else could have put on the way.
 */
function makeFolders(path: string, field: string): void {
  try {
    HeldFolder.open(path, { isMade: true }).close();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerizerError(`${field} ${path} cannot be made: ${reason}`, { cause });
  }
}

/** A folder of a sandbox is made where it is missing, so that whoever comes first finds it. */
function inSandbox(path: string, { sandbox, field, user }: Where): Content {
  const place = existingInside(sandbox, path, field) ?? {
    path: targetInside(sandbox, path, { field, kind: "folder", user }),
    kind: "folder",
  };
  return { ...place, isTrusted: false };
}

/** Bytes as a shell's printf writes them, whatever they are. */
function octal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
