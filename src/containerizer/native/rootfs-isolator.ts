/**
 * A root of its own for a container: the kernel's file systems, a small /dev, the host's names and
 * resolvers, our few programs, and the sandbox. Links in the root lead anywhere, so none is followed
 * by what acts with the agent's rights. Root in such a container is not confined by it as long as it
 * has the capabilities to leave (SYS_CHROOT, SYS_ADMIN, MKNOD). Source: semantics 7.12, 7.16.
 */
import { closeSync, existsSync, lstatSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ContainerRootfs, ContainerSpec, HostUser, Preparation } from "../containerizer.ts";
import { INNER_FOLDER, NOTHING } from "../keeper/inner-tools.ts";
import { quote } from "../keeper/launch-plan.ts";
import { HeldFolder } from "../posix/held-folder.ts";
import { targetInside } from "../posix/safe-path.ts";
import { ownDevLines } from "./dev-folder.ts";
import type { DevTemplate } from "./dev-template.ts";
import type { DeviceGrants } from "./device-grants.ts";
import { heldBindLines } from "./held-bind.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";
import type { ContainerNetworks } from "./network/container-networks.ts";
import { NETWORK_FILES } from "./network/network-files.ts";

export interface RootfsIsolatorOptions {
  /** Path of the program. */
  readonly mount: string;
  /** Where the copies for inside are. */
  readonly toolsFolder: () => Promise<string>;
  readonly template: () => Promise<DevTemplate>;
  readonly grants: DeviceGrants;
  /** Whose files a container has that is not on the host's network. */
  readonly networks: Pick<ContainerNetworks, "fileFor">;
}

export class RootfsIsolator extends IsolatorBase {
  readonly name = "filesystem/linux";
  readonly #options: RootfsIsolatorOptions;
  #parts: Promise<readonly [tools: string, template: DevTemplate]> | undefined;

  constructor(options: RootfsIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    const { rootfs } = spec;
    if (rootfs === undefined) return NO_PREPARATION;
    const { mount, toolsFolder, template: makeTemplate, grants, networks } = this.#options;
    this.#parts ??= Promise.all([toolsFolder(), makeTemplate()]).catch((error: unknown) => {
      // The next launch tries again.
      this.#parts = undefined;
      throw error;
    });
    const [tools, template] = await this.#parts;
    const devices = grants.of(spec);
    const setup = HeldFolder.open(rootfs.path).use((root) => {
      const folder = (name: string): string => quote(folderIn(root, name));
      const inner = folder(INNER_FOLDER.slice(1));
      const cgroups = quote(join(root.realPath, "sys/fs/cgroup"));
      const etc = folder("etc");
      return [
        ...placement(mount, rootfs),
        `${mount} -t proc -o nosuid,nodev,noexec proc ${folder("proc")}`,
        `${mount} -t sysfs -o ro,nosuid,nodev,noexec sysfs ${folder("sys")}`,
        `${mount} -t cgroup2 -o ro,nosuid,nodev,noexec cgroup2 ${cgroups}`,
        ...ownDevLines({ mount, template, devices }, folderIn(root, "dev")),
        ...readOnly(mount, tools, inner),
        // A mount itself, or whoever may write to the root could put another folder in its place.
        `${mount} --bind -- ${etc} ${etc}`,
        // Our programs in there run before the user is switched; nothing of the image may join them.
        ...readOnly(mount, join(tools, NOTHING), quote(fileIn(root, "ld.so.preload"))),
        ...NETWORK_FILES.flatMap((name) => {
          const target = (): string => quote(fileIn(root, name));
          const own = networks.fileFor(spec, name);
          if (own !== undefined) return [`${mount} --bind -- ${quote(own)} ${target()}`];
          return existsSync(`/etc/${name}`) ? readOnly(mount, `/etc/${name}`, target()) : [];
        }),
      ];
    });
    return { environment: {}, setup };
  }
}

/** The sandbox with all that was mounted in it, where the task looks for it. */
export class SandboxIsolator extends IsolatorBase {
  readonly name = "filesystem/linux";
  readonly #mount: string;

  constructor(mount: string) {
    super();
    this.#mount = mount;
  }

  prepare(
    { rootfs }: ContainerSpec,
    _user: HostUser | undefined,
    sandbox: HeldFolder,
  ): Promise<Preparation> {
    if (rootfs === undefined) return Promise.resolve(NO_PREPARATION);
    const target = HeldFolder.open(rootfs.path).use((root) =>
      folderIn(root, rootfs.sandboxPath.slice(1)),
    );
    const setup = heldBindLines(this.#mount, { source: sandbox.realPath, target });
    return Promise.resolve({ environment: {}, setup });
  }
}

/** It has to be a mount of its own. */
function placement(mount: string, { path, setup = [] }: ContainerRootfs): readonly string[] {
  return setup.length > 0 ? setup : [`${mount} --rbind -- ${quote(path)} ${quote(path)}`];
}

function folderIn(root: HeldFolder, path: string): string {
  return targetInside(root, path, { field: "the image's", kind: "folder", user: undefined });
}

/** A file in /etc to mount another one at; a link in its place is taken away. */
function fileIn(root: HeldFolder, name: string): string {
  const path = join(folderIn(root, "etc"), name);
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  rmSync(path, { force: true });
  closeSync(openSync(path, "wx", 0o644));
  return path;
}

function readOnly(mount: string, source: string, quotedTarget: string): string[] {
  return [
    `${mount} --bind -- ${quote(source)} ${quotedTarget}`,
    `${mount} -o remount,bind,ro -- ${quotedTarget}`,
  ];
}
