/**
 * What CNI plugins answer, in the forms of every version of the specification. Source: CNI
 * specification 0.2.0 and 1.0, section 5.
 */
import { isIP } from "node:net";
import { isObject, type JsonObject } from "../../../base/json.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import { excerpt } from "../../../base/text.ts";
import type { NetworkInfoIPAddress } from "../../../protocol/v1/types.ts";
import { Answer } from "../../docker/answer.ts";
import { WORDS_LENGTH_MAX } from "../../limits.ts";

export interface CniDns {
  readonly nameservers: readonly string[];
  readonly domain: string | undefined;
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads an answer to ADD. Errors: invalid, what is wrong with it. */
export function parseResult(text: string): Result<JsonObject> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("invalid", `answered no JSON: ${excerpt(text.trim(), WORDS_LENGTH_MAX)}`);
  }
  return isObject(value) ? ok(value) : refuse("invalid", "answered no JSON object");
}

/** Addresses without the length of their prefix, those of IPv4 first. */
export function addressesIn(result: JsonObject): NetworkInfoIPAddress[] {
  const answer = new Answer(result);
  const texts = [
    answer.at("ip4", "ip").text(),
    answer.at("ip6", "ip").text(),
    ...answer
      .at("ips")
      .list()
      .map((ip) => ip.at("address").text()),
  ].map((text) => text?.split("/")[0] ?? "");
  const of = (family: 4 | 6): NetworkInfoIPAddress[] =>
    texts
      .filter((text) => isIP(text) === family)
      .map((text) => ({ protocol: family === 4 ? "IPv4" : "IPv6", ip_address: text }));
  return [...of(4), ...of(6)];
}

export function dnsIn(result: JsonObject): CniDns {
  const dns = new Answer(result).at("dns");
  const texts = (key: string): string[] =>
    dns
      .at(key)
      .list()
      .flatMap((item) => item.text() ?? [])
      .filter((text) => /^\S+$/.test(text));
  const domain = dns.at("domain").text();
  return {
    nameservers: texts("nameservers").filter((text) => isIP(text) !== 0),
    domain: domain !== undefined && /^\S+$/.test(domain) ? domain : undefined,
    search: texts("search"),
    options: texts("options"),
  };
}

/** What a plugin that failed says of it: an object in its output, or words in either stream. */
export function complaintIn(stdout: string, stderr: string): string {
  const parsed = parseResult(stdout);
  const error = new Answer(parsed.ok ? parsed.value : undefined);
  const parts = [error.at("msg").text(), error.at("details").text()].filter(
    (part) => part !== undefined && part !== "",
  );
  const words = parts.length > 0 ? parts.join("; ") : `${stderr.trim()} ${stdout.trim()}`.trim();
  return words === "" ? "it said nothing" : excerpt(words, WORDS_LENGTH_MAX);
}
