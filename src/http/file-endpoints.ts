/** `/files/browse`, `/files/read`, `/files/download`, `/files/debug`: reference/http-api.md 11. */
import { posix as paths } from "node:path";
import type { Context } from "hono";
import { FileError } from "../agent/runtime/files.ts";
import type { Refusal, Result } from "../base/result.ts";
import type { FileInfo } from "../protocol/v1/types.ts";
import type { Acls } from "../security/acls.ts";
import type { Caller } from "./authentication.ts";
import type { Endpoint } from "./endpoints.ts";
import type { FileSource } from "./file-source.ts";
import { denialOf, forbiddenResponse } from "./permission.ts";
import { jsonResponse, refusalResponse, textResponse } from "./responses.ts";

/** Content types by ending, for downloads that a browser shows. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".txt": "text/plain",
  ".log": "text/plain",
  ".json": "application/json",
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".png": "image/png",
};

/** The four endpoints. */
export function fileEndpoints(files: FileSource, acls: Acls): readonly Endpoint[] {
  type Answer = (path: string, query: URLSearchParams, context: Context) => Promise<Response>;
  const withPath = (answer: Answer) => (context: Context, caller: Caller) => {
    const query = new URL(context.req.url).searchParams;
    const path = query.get("path") ?? "";
    if (path === "") return textResponse(400, "Expecting 'path=value' in query.\n");
    const denial = denialOfFile(files, acls, caller, path);
    return denial?.ok === false ? refusalResponse(denial.error) : answer(path, query, context);
  };
  const jsonpOf = (query: URLSearchParams): string | undefined => query.get("jsonp") ?? undefined;
  return [
    {
      path: "/files/browse",
      realm: "readonly",
      help: "what is in a folder: path=",
      answer: withPath((path, query) => browse(files, path, jsonpOf(query))),
    },
    {
      path: "/files/read",
      realm: "readonly",
      help: "a piece of a file as text, 64 KiB at most: path=, offset=, length=",
      answer: withPath((path, query) => read(files, path, query, jsonpOf(query))),
    },
    {
      path: "/files/download",
      realm: "readonly",
      help: "a whole file: path=",
      answer: withPath((path, _, context) => download(files, path, context.req.raw.signal)),
    },
    {
      path: "/files/debug",
      realm: "readonly",
      help: "which virtual path is which real one",
      answer: (context, caller) =>
        forbiddenResponse(acls, caller, "get_endpoints", () => "/files/debug") ??
        jsonResponse(files.debug(), context.req.query("jsonp")),
    },
  ];
}

/** A refusal `forbidden`, unless the caller may read the log, or this user's sandbox. */
export function denialOfFile(
  files: FileSource,
  acls: Acls,
  caller: Caller,
  path: string,
): Result<never> | undefined {
  const owner = files.ownerOf(path);
  if (owner === "log") return denialOf(acls, caller, "access_mesos_logs");
  return denialOf(acls, caller, "access_sandboxes", () => owner.user);
}

async function browse(files: FileSource, path: string, jsonp?: string): Promise<Response> {
  const entries = await files.browse(path);
  if (!entries.ok) return fileRefusal(entries.error);
  return jsonResponse(entries.value.map(browseEntry), jsonp);
}

function browseEntry(info: FileInfo): Readonly<Record<string, unknown>> {
  return {
    path: info.path,
    nlink: info.nlink ?? 1,
    size: info.size ?? 0,
    mtime: (info.mtime?.nanoseconds ?? 0) / 1e9,
    mode: modeText(info.mode ?? 0),
    uid: info.uid ?? "",
    gid: info.gid ?? "",
  };
}

/** `-rw-r--r--`, from the numeric mode. */
function modeText(mode: number): string {
  const kind = (mode & 0o170000) === 0o040000 ? "d" : (mode & 0o170000) === 0o120000 ? "l" : "-";
  const bits = ["r", "w", "x", "r", "w", "x", "r", "w", "x"];
  return kind + bits.map((bit, index) => ((mode >> (8 - index)) & 1 ? bit : "-")).join("");
}

async function read(
  files: FileSource,
  path: string,
  query: URLSearchParams,
  jsonp?: string,
): Promise<Response> {
  const offset = optionalNumber(query.get("offset"));
  const length = optionalNumber(query.get("length"));
  if (Number.isNaN(offset) || Number.isNaN(length)) {
    return textResponse(400, "Failed to parse offset or length: expecting whole numbers.\n");
  }
  const piece = await files.read(path, offset, length);
  if (!piece.ok) return fileRefusal(piece.error);
  const data = new TextDecoder().decode(piece.value.data);
  return jsonResponse({ offset: piece.value.offset, data }, jsonp);
}

/** Absent and -1 both mean "not given" to Mesos' clients. */
function optionalNumber(text: string | null): number | undefined {
  if (text === null || text === "-1") return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

async function download(files: FileSource, path: string, signal: AbortSignal): Promise<Response> {
  const source = files.tail(path, 0, false, signal);
  let first: IteratorResult<Uint8Array<ArrayBuffer>, void>;
  try {
    first = await source.next();
  } catch (error) {
    const isFolder = error instanceof FileError && error.refusal.code === "invalid";
    if (!isFolder) return textResponse(404, "404 Not Found.");
    return textResponse(400, error.message.replace("Cannot read", "Cannot download"));
  }
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (first.done) controller.close();
      else controller.enqueue(first.value);
    },
    pull: async (controller) => {
      const next = await source.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => {
      await source.return();
    },
  });
  const name = paths.basename(path).replaceAll(/[^\w.-]/g, "_");
  return new Response(body, {
    headers: {
      "Content-Type": CONTENT_TYPES[paths.extname(path)] ?? "application/octet-stream",
      "Content-Disposition": `attachment; filename=${name}`,
    },
  });
}

/** Mesos answers an unknown path with an empty 404. */
function fileRefusal(refusal: Refusal): Response {
  return refusal.code === "notFound"
    ? new Response(null, { status: 404 })
    : refusalResponse(refusal);
}
