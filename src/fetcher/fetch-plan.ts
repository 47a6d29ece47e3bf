/**
 * From the URIs of a command to what is to be read from where and put where, or the reason why that
 * cannot be. Pure. Source: semantics 7.8.
 *
 * An addition of ours: a URI may end in `#sha256=<64 hex digits>` or `#sha512=…`; what is fetched
 * must have that digest. No server ever sees a fragment, so that other fetchers pass it over.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import type { CommandInfoURI } from "../protocol/v1/types.ts";
import { type ArchiveKind, archiveKindOf } from "./archive-kind.ts";
import { URIS_MAX } from "./limits.ts";

export type FetchSource =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "file"; readonly path: string };

export interface Checksum {
  readonly algorithm: "sha256" | "sha512";
  /** Lower case. */
  readonly hex: string;
}

/** One URI, understood. */
export interface PlannedFetch {
  readonly source: FetchSource;
  /** The URI as logs and messages show it: without password and query, which may be secrets. */
  readonly shown: string;
  /** Relative to the sandbox, clean: no `.`, `..` or empty part. */
  readonly target: string;
  readonly checksum: Checksum | undefined;
  readonly isExecutable: boolean;
  /** Undefined: the file stays as it is. */
  readonly archive: ArchiveKind | undefined;
  readonly isCached: boolean;
  /** Tells the cache one fetch from another. */
  readonly cacheKey: string;
}

/** Plans in the order of the URIs. Errors: the first URI at fault, with what to do about it. */
export function planFetches(
  uris: readonly CommandInfoURI[],
  frameworksHome: string | undefined,
): Result<PlannedFetch[]> {
  if (uris.length > URIS_MAX) {
    return refuse("invalid", `A command may have ${URIS_MAX} URIs; this one has ${uris.length}`);
  }
  const plans: PlannedFetch[] = [];
  for (const uri of uris) {
    const plan = planFetch(uri, frameworksHome);
    if (!plan.ok) return plan;
    plans.push(plan.value);
  }
  return ok(plans);
}

function planFetch(uri: CommandInfoURI, frameworksHome: string | undefined): Result<PlannedFetch> {
  const { address, checksum } = splitChecksum(uri.value.trimStart());
  const shown = shownAddress(address);
  const source = sourceOf(address, shown, frameworksHome);
  if (!source.ok) return source;
  if (checksum === undefined && source.value.kind === "http" && DIGEST_LIKE.test(address)) {
    return fault(
      `URI ${shown} ends in no valid digest: give #sha256= and 64, or #sha512= and 128 hexadecimal digits`,
    );
  }
  const target = uri.output_file === undefined ? baseName(address, shown) : outputFile(uri);
  if (!target.ok) return target;
  const isExecutable = uri.executable === true;
  const isExtracted = !isExecutable && uri.extract !== false;
  return ok({
    source: source.value,
    shown,
    target: target.value,
    checksum,
    isExecutable,
    archive: isExtracted ? archiveKindOf(target.value) : undefined,
    isCached: uri.cache === true,
    cacheKey: JSON.stringify([uri.value.trimStart(), uri.output_file ?? ""]),
  });
}

/** Meant as a digest; servers are never told of it, so that nothing would be compared. */
const DIGEST_LIKE = /#(?:md5|sha-?\d+)=[^#]*$/i;

function splitChecksum(text: string): {
  readonly address: string;
  readonly checksum: Checksum | undefined;
} {
  const match = /^(.*)#(?:(sha256)=([0-9a-f]{64})|(sha512)=([0-9a-f]{128}))$/is.exec(text);
  if (match === null) return { address: text, checksum: undefined };
  const algorithm = match[2] === undefined ? "sha512" : "sha256";
  const hex = (match[3] ?? match[5] ?? "").toLowerCase();
  return { address: match[1] ?? "", checksum: { algorithm, hex } };
}

function shownAddress(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1").replace(/[?#].*$/s, "");
}

function sourceOf(
  address: string,
  shown: string,
  frameworksHome: string | undefined,
): Result<FetchSource> {
  if (address === "") return fault("A URI of the command is empty: set command.uris[].value");
  if (address.includes("\0")) return fault(`URI ${shown} contains a zero byte`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      break;
    case "http":
    case "https":
      if (!URL.canParse(address)) return fault(`URI ${shown} is no valid URL`);
      return ok({ kind: "http", url: address });
    case "file": {
      const path = address.slice("file://".length).replace(/^localhost(?=\/)/, "");
      if (path.startsWith("/")) return ok({ kind: "file", path });
      return fault(`URI ${shown} must name an absolute path: file:///folder/file`);
    }
    default:
      return fault(
        `URI ${shown} has the scheme ${scheme}, which this agent does not fetch; use http, https, file or an absolute path`,
      );
  }
  if (address.startsWith("/")) return ok({ kind: "file", path: address });
  if (frameworksHome === undefined || frameworksHome === "") {
    return fault(
      `URI ${shown} is a relative path, which needs the agent's --frameworks_home; give an absolute one`,
    );
  }
  return ok({ kind: "file", path: `${frameworksHome.replace(/\/+$/, "")}/${address}` });
}

/** What follows the last slash, the query included, as Mesos names it. */
function baseName(address: string, shown: string): Result<string> {
  const at = address.indexOf("://");
  const path = at < 0 ? address : address.slice(at + "://".length);
  const hasPath = at < 0 || path.includes("/");
  const name = hasPath ? path.slice(path.lastIndexOf("/") + 1) : "";
  if (name !== "" && name !== "." && name !== "..") return ok(name);
  return fault(`URI ${shown} does not end in the name of a file: set 'output_file'`);
}

function outputFile({ output_file: name = "" }: CommandInfoURI): Result<string> {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const isInside = !name.startsWith("/") && !name.endsWith("/") && !parts.includes("..");
  if (isInside && parts.length > 0 && !name.includes("\0")) return ok(parts.join("/"));
  return fault(
    `'output_file' ${JSON.stringify(name)} must be the path of a file inside the sandbox: relative and without '..'`,
  );
}

function fault(message: string): Result<never> {
  return refuse("invalid", message, "command.uris");
}
