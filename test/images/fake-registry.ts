/** A registry that serves what a test wants, true or not, and misbehaves as told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Blob, BuiltImage } from "./image-builder.ts";
import { DOCKER_MANIFEST } from "./image-builder.ts";

export class FakeRegistry {
  /** By `name:tag` or `name:digest`. */
  readonly manifests: Map<string, Blob & { readonly mediaType: string }> = new Map();
  readonly blobs: Map<string, Uint8Array> = new Map();
  readonly requests: string[] = [];
  /** Scopes that tokens were asked for. */
  readonly scopes: string[] = [];
  /** Logins that came to the server that blobs are at. */
  readonly leaked: string[] = [];
  /** Requests for paths that contain this get no answer. */
  silentPath: string | undefined;
  bytesPerSecond: number | undefined;
  /** Blobs are at another server. */
  isRedirecting = false;
  /** Requests under way. */
  openCount = 0;
  #login: string | undefined;
  readonly #server: Server;
  readonly #elsewhere: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#elsewhere = createServer((request, response) => {
      const { authorization } = request.headers;
      if (authorization !== undefined) this.leaked.push(authorization);
      this.#sendBlob(request.url ?? "", response);
    });
  }

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    for (const server of [registry.#server, registry.#elsewhere]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`;
  }

  add(name: string, image: BuiltImage): void {
    this.manifests.set(name, { ...image.manifest, mediaType: DOCKER_MANIFEST });
    for (const { digest, bytes } of [image.config, ...image.layers]) this.blobs.set(digest, bytes);
  }

  /** From now on nobody reads without a token, which this user gets. */
  requireToken(user: string, password: string): void {
    this.#login = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  }

  async stop(): Promise<void> {
    for (const server of [this.#server, this.#elsewhere]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.url);
    this.requests.push(url.pathname);
    this.openCount += 1;
    response.on("close", () => {
      this.openCount -= 1;
    });
    if (this.silentPath !== undefined && url.pathname.includes(this.silentPath)) return;
    if (url.pathname === "/token") this.#sendToken(url, request, response);
    else if (this.#login !== undefined && request.headers.authorization !== "Bearer opensesame") {
      const realm = `Bearer realm="${this.url}/token",service="fake"`;
      response.writeHead(401, { "WWW-Authenticate": realm }).end();
    } else this.#sendContent(url.pathname, response);
  }

  #sendToken(url: URL, request: IncomingMessage, response: ServerResponse): void {
    this.scopes.push(url.searchParams.get("scope") ?? "");
    if (request.headers.authorization !== this.#login) response.writeHead(401).end();
    else response.end(JSON.stringify({ token: "opensesame", expires_in: 300 }));
  }

  #sendContent(path: string, response: ServerResponse): void {
    const [, name = "", kind, version = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    if (kind === "blobs") {
      if (!this.isRedirecting) this.#sendBlob(path, response);
      else {
        const place = `http://127.0.0.1:${portOf(this.#elsewhere)}${path}`;
        response.writeHead(307, { Location: place }).end();
      }
      return;
    }
    const manifest = this.manifests.get(`${name}:${version}`);
    if (manifest === undefined) response.writeHead(404).end("{}");
    else response.writeHead(200, { "Content-Type": manifest.mediaType }).end(manifest.bytes);
  }

  #sendBlob(path: string, response: ServerResponse): void {
    const bytes = this.blobs.get(path.slice(path.lastIndexOf("/") + 1));
    if (bytes === undefined) response.writeHead(404).end();
    else if (this.bytesPerSecond === undefined) {
      response.writeHead(200, { "Content-Length": bytes.length }).end(bytes);
    } else {
      response.writeHead(200, { "Content-Length": bytes.length });
      this.#drip(bytes, response);
    }
  }

  #drip(bytes: Uint8Array, response: ServerResponse): void {
    const step = (this.bytesPerSecond ?? bytes.length) / 20;
    let sent = 0;
    const timer = setInterval(() => {
      response.write(bytes.subarray(sent, sent + step));
      sent += step;
      if (sent < bytes.length) return;
      clearInterval(timer);
      response.end();
    }, 50);
    response.on("close", () => clearInterval(timer));
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
