/** Under which address a role listens, and which one it tells others. */
import { hostname, networkInterfaces } from "node:os";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";

export interface RoleAddress {
  /** Listened on; 0.0.0.0 means every interface. */
  readonly listenIp: string;
  /** Told to frameworks, agents and tools. */
  readonly ip: string;
  readonly hostname: string;
}

/** From `--ip`, `--advertise_ip` and `--hostname`; loopback unless told otherwise in role both. */
export function roleAddress(flags: ParsedFlags): RoleAddress {
  const isBoth = flags.string("role") === "both";
  const listenIp = flags.string("ip") ?? (isBoth ? "127.0.0.1" : "0.0.0.0");
  const ip = flags.string("advertise_ip") ?? (listenIp === "0.0.0.0" ? outwardIp() : listenIp);
  const isLoopback = ip.startsWith("127.") || ip === "::1";
  return {
    listenIp,
    ip,
    hostname: flags.string("hostname") ?? (isLoopback ? "localhost" : hostname()),
  };
}

/** IPv4 in network byte order read as a little-endian integer, as Mesos writes it (semantics 1.1). */
export function ipNumber(ip: string): number {
  const parts = ip.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return 0;
  return parts.reduceRight((sum, part) => sum * 256 + part, 0);
}

function outwardIp(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === "IPv4") return address.address;
    }
  }
  return "127.0.0.1";
}
