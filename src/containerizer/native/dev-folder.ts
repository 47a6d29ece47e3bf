/** A small /dev, as lines of shell for the container's own mount namespace. */
import { posix as paths } from "node:path";
import { quote } from "../keeper/launch-plan.ts";
import { DEV_OPTIONS, type DevTemplate, hostLog, PTS_OPTIONS } from "./dev-template.ts";
import { COMMON_NODES, type GrantedDevice } from "./device-rules.ts";

export interface DevFolder {
  /** Path of the program. */
  readonly mount: string;
  readonly template: DevTemplate;
  readonly devices: readonly GrantedDevice[];
}

/** In a root of its own, whose /dev is the folder at `path`; with a shm of its own. */
export function ownDevLines({ mount, template, devices }: DevFolder, path: string): string[] {
  const inner = (name: string): string => quote(paths.join(path, name));
  return [
    `${mount} -t tmpfs -o ${DEV_OPTIONS} tmpfs ${quote(path)}`,
    ...copyLines(template, devices, path),
    `${mount} -t devpts -o ${PTS_OPTIONS} devpts ${inner("pts")}`,
    `${mount} -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs ${inner("shm")}`,
  ];
}

/** In the host's root, over its /dev, with the host's shm. */
export function hostDevLines({ mount, template, devices }: DevFolder): string[] {
  const { table, place } = template;
  return [
    `${mount} -a -T ${quote(table)}`,
    ...copyLines(template, devices, place, hostLog()),
    `${mount} --move -- ${quote(place)} /dev`,
  ];
}

/** `log`: a link to be brought along. */
function copyLines(
  { nodes }: DevTemplate,
  devices: readonly GrantedDevice[],
  dev: string,
  log?: string,
): string[] {
  const granted = new Set(devices.flatMap((device) => device.path ?? []));
  for (const name of COMMON_NODES) granted.delete(`/dev/${name}`);
  const others = log === undefined ? "" : `${quote(log)} `;
  return [
    `cp -a -- ${quote(nodes)}/. ${others}${quote(dev)}`,
    ...[...granted].flatMap((node) => grantLines(node, dev)),
  ];
}

/** A link's device gets the link's name. */
function grantLines(node: string, dev: string): string[] {
  const place = paths.join(dev, paths.relative("/dev", node));
  const folder = paths.dirname(place);
  const made = folder === paths.normalize(dev) ? [] : [`mkdir -p ${quote(folder)}`];
  return [...made, `cp -aL -- ${quote(node)} ${quote(place)}`];
}
