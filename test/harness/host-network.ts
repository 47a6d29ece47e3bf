/**
 * A network of its own for an agent and its master, as if they were another host: a namespace whose
 * only way out is a pair of interfaces to this one. Whatever plugins do to a host's interfaces, rules
 * and routes they do in there, and all of it goes with the namespace.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mustRun, runProgram } from "./run-program.ts";

/** Where Debian puts the plugins of containernetworking-plugins. */
export const CNI_PLUGINS = "/usr/lib/cni";

/** Why there can be none here; undefined when there can. */
export const HOST_NETWORK_OBSTACLE: string | undefined = obstacle();

export interface HostNetwork {
  /** Its address, which this process reaches. */
  readonly ip: string;
  /** In front of a program that is to run in it. */
  readonly words: readonly [string, ...string[]];
  /** Output of a program in it. Errors: when that fails. */
  run(...words: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "this is not root";
  const missing = ["ip", "iptables-save"].find((name) => Bun.which(name) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  if (!existsSync(`${CNI_PLUGINS}/bridge`)) return "containernetworking-plugins is not installed";
  const probe = Bun.spawnSync(["unshare", "--net", "ip", "link", "add", "type", "veth"]);
  return probe.exitCode === 0 ? undefined : `no namespaces: ${String(probe.stderr).trim()}`;
}

export async function makeHostNetwork(): Promise<HostNetwork> {
  const bytes = randomBytes(3);
  const name = `allot-${bytes.toString("hex")}`;
  // Of the range for tests of networks (RFC 2544), four addresses each.
  const [third = 0, fourth = 0] = bytes;
  const address = (last: number): string => `198.18.${third}.${(fourth & 0xfc) + last}`;
  const ip = address(2);
  await mustRun("ip", "netns", "add", name);
  await mustRun("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
  await mustRun("ip", "address", "add", `${address(1)}/30`, "dev", name);
  await mustRun("ip", "link", "set", name, "up");
  const inside = ["ip", "-netns", name];
  await mustRun(...inside, "address", "add", `${ip}/30`, "dev", "eth0");
  for (const device of ["lo", "eth0"]) await mustRun(...inside, "link", "set", device, "up");
  const words = ["nsenter", `--net=/run/netns/${name}`, "--"] as const;
  return {
    ip,
    words: [...words],
    run: (...command) => mustRun(...words, ...command),
    remove: async () => {
      await mustRun("ip", "netns", "delete", name);
      // The other end goes with it a moment later, or at once when it is asked for.
      await runProgram("ip", ["link", "delete", name]);
    },
  };
}
