/** `/files/browse`, `/files/read`, `/files/download`, `/files/debug`: reference/http-api.md 11. */
import { posix as paths } from "node:path";
import type { SandboxFiles } from "../../agent/runtime/files.ts";
import type { Refusal } from "../../base/result.ts";
import type { FileInfo } from "../../protocol/v1/types.ts";
import { jsonResponse, refusalResponse, textResponse } from "../responses.ts";

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

/** Answers one `/files/…` request; `name` is what follows. */
export async function handleFiles(
  files: SandboxFiles,
  name: string,
  request: Request,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const jsonp = query.get("jsonp") ?? undefined;
  if (name === "debug") return jsonResponse(files.debug(), jsonp);
  const path = query.get("path");
  if (path === null || path === "") return textResponse(400, "Expecting 'path=value' in query.\n");
  switch (name) {
    case "browse":
      return await browse(files, path, jsonp);
    case "read":
      return await read(files, path, query, jsonp);
    case "download":
      return await download(files, path, request.signal);
    default:
      return textResponse(404, "404 Not Found.");
  }
}

async function browse(files: SandboxFiles, path: string, jsonp?: string): Promise<Response> {
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
  files: SandboxFiles,
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

async function download(files: SandboxFiles, path: string, signal: AbortSignal): Promise<Response> {
  const source = files.tail(path, 0, false, signal);
  let first: IteratorResult<Uint8Array<ArrayBuffer>, void>;
  try {
    first = await source.next();
  } catch {
    return textResponse(404, "404 Not Found.");
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
