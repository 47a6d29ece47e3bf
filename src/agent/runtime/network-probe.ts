/**
 * One probe over HTTP or TCP, from the network that this process is in. Source: semantics 6.8.
 *
 * Differs from Mesos: of an HTTP answer only the head is waited for, where curl reads all of it.
 */
import { type ClientRequest, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect } from "node:net";
import { excerpt } from "../../base/text.ts";
import type { Probe, ProbeResult } from "../../executor/task-checks.ts";
import { PROBE_REDIRECTS_MAX } from "./limits.ts";

export type NetworkProbe = Exclude<Probe, { readonly kind: "command" }>;

/** Rejects with what the network says; `signal` lets go of it. */
export async function probeNetwork(probe: NetworkProbe, signal: AbortSignal): Promise<ProbeResult> {
  return probe.kind === "tcp" ? await tryConnecting(probe, signal) : await ask(probe, signal);
}

function tryConnecting(
  { ip, port }: Extract<NetworkProbe, { readonly kind: "tcp" }>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port });
    socket.once("connect", () => resolve({ kind: "connected" }));
    socket.once("error", (error) => resolve({ kind: "refused", message: error.message }));
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
  });
}

/** Follows redirects, and takes any certificate, as `curl -L -k` does. */
async function ask(
  { scheme, ip, port, path }: Extract<NetworkProbe, { readonly kind: "http" }>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  let url = new URL(`${scheme}://${ip.includes(":") ? `[${ip}]` : ip}:${port}${path}`);
  for (let redirects = 0; redirects <= PROBE_REDIRECTS_MAX; redirects += 1) {
    const { statusCode, location } = await headOf(url, signal);
    const isRedirect = statusCode >= 300 && statusCode < 400 && statusCode !== 304;
    if (!isRedirect || location === undefined) return { kind: "answered", statusCode };
    url = new URL(location, url);
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      return { kind: "failed", message: `redirected to the scheme ${excerpt(url.protocol)}` };
    }
  }
  return { kind: "failed", message: `redirected more than ${PROBE_REDIRECTS_MAX} times` };
}

interface Head {
  readonly statusCode: number;
  readonly location: string | undefined;
}

function headOf(url: URL, signal: AbortSignal): Promise<Head> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false, headers: { Connection: "close" } };
    const request: ClientRequest =
      url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
    request.once("response", (response) => {
      resolve({ statusCode: response.statusCode ?? 0, location: response.headers.location });
      request.destroy();
    });
    // After the answer an error is only the end of what nobody reads.
    request.on("error", reject);
    signal.addEventListener("abort", () => request.destroy(), { once: true });
    request.end();
  });
}
