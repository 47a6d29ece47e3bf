/**
 * The files by which a container with a network of its own finds itself and others: /etc/hosts,
 * /etc/hostname and /etc/resolv.conf. Source: Mesos docs/cni.md; resolv.conf(5).
 */
import type { NetworkInfoIPAddress } from "../../../protocol/v1/types.ts";
import type { CniDns } from "./cni-result.ts";

/** Names of the files, in /etc and in the folder of a network. */
export const NETWORK_FILES = ["hosts", "hostname", "resolv.conf"] as const;

/** The container's own name is at the first address of each kind. */
export function hostsText(hostname: string, addresses: readonly NetworkInfoIPAddress[]): string {
  const own = (["IPv4", "IPv6"] as const).flatMap((kind) => {
    const first = addresses.find(({ protocol }) => protocol === kind)?.ip_address;
    return first === undefined ? [] : [`${first} ${hostname}`];
  });
  return ["127.0.0.1 localhost", "::1 localhost", ...own, ""].join("\n");
}

/**
 * What the networks say, or else what the host has. `hostTexts`: the host's files, the first of them
 * used that names a resolver which is not the host itself, for that could not be reached.
 */
export function resolverText(networks: readonly CniDns[], hostTexts: readonly string[]): string {
  const nameservers = networks.flatMap((dns) => dns.nameservers);
  if (nameservers.length === 0) {
    return hostTexts.find((text) => hasDistantServer(text)) ?? hostTexts[0] ?? "";
  }
  const domain = networks.findLast((dns) => dns.domain !== undefined)?.domain;
  const search = networks.flatMap((dns) => dns.search);
  const options = networks.flatMap((dns) => dns.options);
  return [
    ...(domain === undefined ? [] : [`domain ${domain}`]),
    ...(search.length === 0 ? [] : [`search ${search.join(" ")}`]),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length === 0 ? [] : [`options ${options.join(" ")}`]),
    "",
  ].join("\n");
}

function hasDistantServer(text: string): boolean {
  return text.split("\n").some((line) => /^\s*nameserver\s+(?!127\.|::1)\S/.test(line));
}
