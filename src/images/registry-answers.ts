/** One request of a registry or its token server: redirects, silence that lasts too long, bounds. */
import type { Clock } from "../base/ports.ts";
import { REDIRECTS_MAX } from "../fetcher/limits.ts";
import { networkReason } from "../fetcher/network-reason.ts";
import { ImageError } from "./image-error.ts";

export interface RegistryRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Set for a POST. */
  readonly form?: URLSearchParams | undefined;
  readonly bytesMax: number;
  /** No byte for so long ends it. */
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Whatever the server says is an answer. Errors: `ImageError` when it says nothing usable. */
export async function askRegistry(
  request: RegistryRequest,
  signal: AbortSignal,
): Promise<RegistryAnswer> {
  const { clock, stallTimeoutMs } = request;
  const { host } = new URL(request.url);
  const stalled = new AbortController();
  let cancel: () => void = () => undefined;
  const moved = (): void => {
    cancel();
    cancel = clock.schedule(stallTimeoutMs, () => stalled.abort());
  };
  moved();
  try {
    const either = AbortSignal.any([signal, stalled.signal]);
    const response = await followed(request, either);
    const body = await bodyOf(response, request.bytesMax, moved);
    return { status: response.status, headers: response.headers, body };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (signal.aborted) throw new ImageError("the pull was given up");
    if (stalled.signal.aborted) {
      throw new ImageError(`${host} was silent for ${stallTimeoutMs / 1000} s`);
    }
    throw new ImageError(`${host} cannot be reached: ${networkReason(error)}`, { cause: error });
  } finally {
    cancel();
    // Lets go of a body that nobody reads any more.
    stalled.abort();
  }
}

/** What authorises goes to the registry itself only, not to where it sends us; a form is all of that. */
async function followed(request: RegistryRequest, signal: AbortSignal): Promise<Response> {
  let { url } = request;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const isSame = new URL(url).origin === new URL(request.url).origin;
    const { Authorization: _, ...plain } = request.headers;
    const response = await fetch(url, {
      method: request.form === undefined ? "GET" : "POST",
      headers: isSame ? request.headers : plain,
      body: request.form?.toString() ?? null,
      redirect: "manual",
      signal,
    });
    const location = response.headers.get("Location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (next?.protocol !== "http:" && next?.protocol !== "https:") {
      throw new ImageError("the registry redirects to where this agent does not go");
    }
    if (request.form !== undefined && next.origin !== new URL(request.url).origin) {
      throw new ImageError(
        `${new URL(request.url).host} redirects a login to ${next.host}, which may not see it`,
      );
    }
    url = next.href;
  }
  throw new ImageError(`the registry redirects more than ${REDIRECTS_MAX} times`);
}

async function bodyOf(
  response: Response,
  bytesMax: number,
  moved: () => void,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    moved();
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new ImageError(`the registry answers with more than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
