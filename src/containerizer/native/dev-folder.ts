/** A small /dev, as lines of shell for the container's own mount namespace. */
import { posix as paths } from "node:path";
import { quote } from "../keeper/launch-plan.ts";
import { DEV_OPTIONS, type DevTemplate, PTS_OPTIONS } from "./dev-template.ts";
import { COMMON_NODES, type GrantedDevice } from "./device-rules.ts";

export interface DevFolder {
  /** Path of the program. */
  readonly mount: string;
  readonly template: DevTemplate;
  readonly devices: readonly GrantedDevice[];
}

/** In a root of its own, whose /dev is the folder at `path`; with a shm of its own. */
export function ownDevLines(dev: DevFolder, path: string): string[] {
  const { mount } = dev;
  const shm = quote(paths.join(path, "shm"));
  return [
    ...freshDevLines(dev, dev.template.nodes, path),
    `${mount} -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs ${shm}`,
  ];
}

/**
 * In the host's root, over its /dev, with the host's shm. Where none gets devices of its own one
 * folder serves all containers; it is read-only, as in a service of systemd with private devices.
 * `mayGrow`: devices may be added while the container runs.
 */
export function hostDevLines(dev: DevFolder, mayGrow: boolean): string[] {
  const { mount, template, devices } = dev;
  if (!mayGrow && devices.every(({ path }) => path === undefined || isCommon(path))) {
    return [`${mount} -a -T ${quote(template.table)}`];
  }
  const place = quote(template.place);
  return [
    ...freshDevLines(dev, template.hostNodes, template.place),
    `${mount} --rbind /dev/shm ${quote(paths.join(template.place, "shm"))}`,
    `${mount} --move -- ${place} /dev`,
  ];
}

/** At the path, which exists: those nodes, devices and terminals, in a file system that is nobody else's. */
function freshDevLines({ mount, devices }: DevFolder, nodes: string, path: string): string[] {
  const granted = new Set(devices.flatMap((device) => device.path ?? []));
  return [
    `${mount} -t tmpfs -o ${DEV_OPTIONS} tmpfs ${quote(path)}`,
    `cp -a -- ${quote(nodes)}/. ${quote(path)}`,
    ...[...granted].filter((node) => !isCommon(node)).flatMap((node) => grantLines(node, path)),
    `${mount} -t devpts -o ${PTS_OPTIONS} devpts ${quote(paths.join(path, "pts"))}`,
  ];
}

function isCommon(node: string): boolean {
  return COMMON_NODES.some((name) => node === `/dev/${name}`);
}

/** A link's device gets the link's name. */
function grantLines(node: string, dev: string): string[] {
  const place = paths.join(dev, paths.relative("/dev", node));
  const folder = paths.dirname(place);
  const made = folder === paths.normalize(dev) ? [] : [`mkdir -p ${quote(folder)}`];
  return [...made, `cp -aL -- ${quote(node)} ${quote(place)}`];
}
