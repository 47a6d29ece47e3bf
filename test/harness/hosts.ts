/**
 * Hosts that are network namespaces of this machine, joined by a bridge that this process reaches
 * too. Between any two of them what one sends can be dropped, and a host can be made slow. All of it
 * is removed in the end; nothing else of the machine's network is touched.
 */
import { randomBytes } from "node:crypto";
import { mustRun, runProgram } from "./run-program.ts";

/** Where a program can run. */
export interface Host {
  readonly ip: string;
  /** In front of a program that is to run there. */
  readonly words: readonly string[];
}

/** This machine by itself. */
export const LOOPBACK: Host = { ip: "127.0.0.1", words: [] };

/** Of the range for tests of networks (RFC 2544); the next number tells nets apart. */
const NET = "198.18.";
const NETS = 256;

/** What a slow host may send; not enough for what masters, agents and ZooKeeper say to each other. */
const SLOW = ["rate", "48kbit", "burst", "4k", "latency", "1s"];

/** Why there can be no such hosts here; undefined when there can. */
export const HOSTS_OBSTACLE: string | undefined = obstacle();

export class Hosts {
  readonly all: readonly Host[];
  readonly #bridge: string;
  readonly #namespaces: readonly string[];
  readonly #slowed = new Set<Host>();

  private constructor(bridge: string, all: readonly Host[], namespaces: readonly string[]) {
    this.#bridge = bridge;
    this.all = all;
    this.#namespaces = namespaces;
  }

  static async make(count: number): Promise<Hosts> {
    const third = await freeNet();
    const bridge = `allot${randomBytes(3).toString("hex")}`;
    const names = Array.from({ length: count }, (_, index) => `${bridge}-${index}`);
    const address = (last: number): string => `${NET}${third}.${last}`;
    const all = names.map((name, index) => ({
      ip: address(index + 2),
      words: ["nsenter", `--net=/run/netns/${name}`, "--"],
    }));
    const hosts = new Hosts(bridge, all, names);
    try {
      await mustRun("ip", "link", "add", bridge, "type", "bridge");
      await mustRun("ip", "address", "add", `${address(1)}/24`, "dev", bridge);
      await mustRun("ip", "link", "set", bridge, "up");
      for (const [index, { ip }] of all.entries()) await hosts.#plug(index, ip);
    } catch (error) {
      await hosts.remove();
      throw error;
    }
    return hosts;
  }

  /** Nothing that `from` sends reaches `to` any more; what `to` sends still reaches `from`. */
  async cut(from: Host, to: Host): Promise<void> {
    await mustRun(...to.words, "iptables", "--wait", "-A", "INPUT", "-s", from.ip, "-j", "DROP");
  }

  async join(from: Host, to: Host): Promise<void> {
    await mustRun(...to.words, "iptables", "--wait", "-D", "INPUT", "-s", from.ip, "-j", "DROP");
  }

  /** What the host sends is late, and lost where too much of it waits; once is enough. */
  async slow(host: Host): Promise<void> {
    if (this.#slowed.has(host)) return;
    this.#slowed.add(host);
    await mustRun(...host.words, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", ...SLOW);
  }

  async quicken(host: Host): Promise<void> {
    if (!this.#slowed.delete(host)) return;
    await mustRun(...host.words, "tc", "qdisc", "del", "dev", "eth0", "root");
  }

  /** Programs on the hosts have been ended before. */
  async remove(): Promise<void> {
    for (const [index, name] of this.#namespaces.entries()) {
      await runProgram("ip", ["link", "delete", this.#portOf(index)]);
      await runProgram("ip", ["netns", "delete", name]);
    }
    await runProgram("ip", ["link", "delete", this.#bridge]);
  }

  #portOf(index: number): string {
    return `${this.#bridge}.${index}`;
  }

  async #plug(index: number, ip: string): Promise<void> {
    const name = this.#namespaces[index] ?? "";
    const port = this.#portOf(index);
    await mustRun("ip", "netns", "add", name);
    await mustRun("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name);
    await mustRun("ip", "link", "set", port, "master", this.#bridge, "up");
    const inside = ["ip", "-netns", name];
    await mustRun(...inside, "address", "add", `${ip}/24`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) await mustRun(...inside, "link", "set", device, "up");
  }
}

/** The number of a net that this machine has nothing in. */
async function freeNet(): Promise<number> {
  const taken = await mustRun("ip", "-brief", "address");
  const [start = 0] = randomBytes(1);
  for (let count = 0; count < NETS; count++) {
    const net = (start + count) % NETS;
    if (!taken.includes(` ${NET}${net}.`)) return net;
  }
  throw new Error(`all nets of ${NET}0.0/16 are in use`);
}

function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "this is not root";
  const missing = ["ip", "tc", "iptables", "nsenter"].find((name) => Bun.which(name) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  for (const words of [
    ["ip", "link", "add", "type", "veth"],
    ["ip", "link", "add", "type", "bridge"],
    ["iptables", "--wait", "-A", "INPUT", "-s", "198.18.0.1", "-j", "DROP"],
    ["tc", "qdisc", "add", "dev", "lo", "root", "tbf", ...SLOW],
  ]) {
    const probe = Bun.spawnSync(["unshare", "--net", ...words]);
    if (probe.exitCode !== 0) return `no namespaces: ${String(probe.stderr).trim()}`;
  }
  return undefined;
}
