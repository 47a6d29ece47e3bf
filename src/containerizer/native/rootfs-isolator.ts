/**
 * A root of its own for a container: the kernel's file systems, a small /dev, the host's names and
 * resolvers, our few programs, and the sandbox. Links in the root lead anywhere, so none is followed
 * by what acts with the agent's rights. Root in such a container is not confined by it as long as it
 * has the capabilities to leave (SYS_CHROOT, SYS_ADMIN, MKNOD). Source: semantics 7.12, 7.16.
 */
import { closeSync, existsSync, lstatSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ContainerRootfs, ContainerSpec, Preparation } from "../containerizer.ts";
import { INNER_FOLDER } from "../keeper/inner-tools.ts";
import { quote } from "../keeper/launch-plan.ts";
import { targetInside } from "../posix/safe-path.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

/** What every program may expect in /dev. */
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
/** What is the host's, as the network is. */
const HOST_FILES = ["hosts", "hostname", "resolv.conf"];

export class RootfsIsolator extends IsolatorBase {
  readonly name = "filesystem/linux";
  readonly #mount: string;
  readonly #toolsFolder: () => Promise<string>;
  #tools: Promise<string> | undefined;

  /** `mount`: path of the program; `toolsFolder`: where the copies for inside are. */
  constructor(mount: string, toolsFolder: () => Promise<string>) {
    super();
    this.#mount = mount;
    this.#toolsFolder = toolsFolder;
  }

  async prepare({ rootfs }: ContainerSpec): Promise<Preparation> {
    if (rootfs === undefined) return NO_PREPARATION;
    this.#tools ??= this.#toolsFolder();
    const tools = await this.#tools;
    const { path } = rootfs;
    const folder = (name: string): string => quote(folderIn(path, name));
    const mount = this.#mount;
    const dev = folder("dev");
    const inner = folder(INNER_FOLDER.slice(1));
    return {
      environment: {},
      setup: [
        ...placement(mount, rootfs),
        `${mount} -t proc -o nosuid,nodev,noexec proc ${folder("proc")}`,
        `${mount} -t sysfs -o ro,nosuid,nodev,noexec sysfs ${folder("sys")}`,
        `${mount} -t cgroup2 -o ro,nosuid,nodev,noexec cgroup2 ${quote(join(path, "sys/fs/cgroup"))}`,
        `${mount} -t tmpfs -o nosuid,noexec,mode=0755,size=64k tmpfs ${dev}`,
        `cp -a ${DEVICES.map((name) => `/dev/${name}`).join(" ")} ${dev}/`,
        `mkdir ${dev}/pts ${dev}/shm`,
        `ln -s pts/ptmx /proc/self/fd ${dev}/`,
        ...["stdin", "stdout", "stderr"].map(
          (name, number) => `ln -s /proc/self/fd/${number} ${dev}/${name}`,
        ),
        `${mount} -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts ${dev}/pts`,
        `${mount} -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs ${dev}/shm`,
        ...readOnly(mount, tools, inner),
        ...HOST_FILES.filter((name) => existsSync(`/etc/${name}`)).flatMap((name) =>
          readOnly(mount, `/etc/${name}`, quote(fileIn(path, name))),
        ),
      ],
    };
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

  prepare({ rootfs, directory }: ContainerSpec): Promise<Preparation> {
    if (rootfs === undefined) return Promise.resolve(NO_PREPARATION);
    const target = quote(folderIn(rootfs.path, rootfs.sandboxPath.slice(1)));
    const line = `${this.#mount} --rbind -- ${quote(directory)} ${target}`;
    return Promise.resolve({ environment: {}, setup: [line] });
  }
}

/** It has to be a mount of its own. */
function placement(mount: string, { path, setup = [] }: ContainerRootfs): readonly string[] {
  return setup.length > 0 ? setup : [`${mount} --rbind -- ${quote(path)} ${quote(path)}`];
}

function folderIn(root: string, path: string): string {
  return targetInside(root, path, { field: "the image's", kind: "folder", user: undefined });
}

/** A file in /etc to mount another one at; a link in its place is taken away. */
function fileIn(root: string, name: string): string {
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
