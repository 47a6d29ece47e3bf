/** What `allot registry` does without a master: joins files, the log in ZooKeeper and the verb. */
import { posix as paths } from "node:path";
import type { Log, SqlOpen } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import type {
  RegistryAgent,
  RegistryContent,
  RegistryPlace,
  RegistryTools,
  RestoreWish,
} from "../cli/ports.ts";
import { DatabaseError } from "../database/database-error.ts";
import type { AdmittedAgent, Quota } from "../registry/core/registry-state.ts";
import { isRegistryEmpty } from "../registry/core/registry-state.ts";
import {
  copyRegistryFile,
  type FileParts,
  readRegistryFile,
  restoreRegistryFile,
  writeRegistryFile,
} from "../registry/store/registry-copies.ts";
import { differenceOf, faultsOf, type RegistryImage } from "../registry/store/registry-image.ts";
import { namedMaster } from "./master-info.ts";
import { type LogParts, readLog, restoreLog } from "./registry-log-tools.ts";
import { registryPath } from "./registry-path.ts";

const SILENT: Log = { write: () => undefined };

export interface RegistryToolsParts extends LogParts {
  /** Only loaded when it is needed. */
  loadSqlite(): Promise<SqlOpen>;
}

export function registryTools(parts: RegistryToolsParts): RegistryTools {
  const fileParts = async (): Promise<FileParts> => ({
    open: await parts.loadSqlite(),
    log: SILENT,
  });
  const imageOf = async (place: RegistryPlace): Promise<Result<RegistryImage>> => {
    if (place.kind === "file") return ok(await readRegistryFile(await fileParts(), place.path));
    const log = await readLog(parts, place.url);
    return log.ok ? ok(log.value.image) : log;
  };
  return {
    fileIn: registryPath,
    read: (place) => refusing(async () => mapped(await imageOf(place), contentOf)),
    backup: (place, target) =>
      refusing(async () => {
        const image = await imageOf(place);
        if (!image.ok) return image;
        const files = await fileParts();
        if (place.kind === "file") copyRegistryFile(files, place.path, target);
        else await writeRegistryFile(files, target, image.value);
        return ok(contentOf(image.value));
      }),
    verify: (place, log) => refusing(() => verify(parts, imageOf, place, log)),
    restore: (file, target, wish) =>
      refusing(async () => {
        const image = await imageOf({ kind: "file", path: file });
        if (!image.ok) return image;
        const files = await fileParts();
        const stamp = new Date(parts.clock.wallMs()).toISOString().replaceAll(/[-:]|\..*/g, "");
        const restored =
          target.kind === "file"
            ? await restoreFile(files, target.path, image.value, { ...wish, stamp })
            : await restoreShared(parts, files, target.url, image.value, {
                ...wish,
                aside: `${paths.resolve(file)}.${stamp}.replaced`,
              });
        if (!restored.ok) return restored;
        return ok({ content: contentOf(image.value), keptIn: restored.value });
      }),
  };
}

async function restoreFile(
  files: FileParts,
  path: string,
  image: RegistryImage,
  { isForced, isAlone, stamp }: RestoreWish & { readonly stamp: string },
): Promise<Result<string | undefined>> {
  const aside = `${path}.${stamp}.replaced`;
  const kept = await restoreRegistryFile(files, path, image, { isForced, isAlone, aside });
  return mapped(kept, (wasKept) => (wasKept ? aside : undefined));
}

async function restoreShared(
  parts: LogParts,
  files: FileParts,
  url: string,
  image: RegistryImage,
  { isForced, aside }: RestoreWish & { readonly aside: string },
): Promise<Result<string | undefined>> {
  let keptIn: string | undefined;
  const restored = await restoreLog(parts, url, image, async (there) => {
    if (!there.ok) {
      if (there.error.code === "notFound" || isForced) return ok(undefined);
      const what = `the log cannot be read (${there.error.message})`;
      return refuse("conflict", `${what}; use --force to give it up and restore`);
    }
    if (isRegistryEmpty(there.value.state)) return ok(undefined);
    if (!isForced) {
      return refuse(
        "conflict",
        `the log holds a registry; use --force to keep it in a file and restore`,
      );
    }
    await writeRegistryFile(files, aside, there.value);
    keptIn = aside;
    return ok(undefined);
  });
  return mapped(restored, () => keptIn);
}

async function verify(
  parts: LogParts,
  imageOf: (place: RegistryPlace) => Promise<Result<RegistryImage>>,
  place: RegistryPlace,
  url: string | undefined,
): Promise<Result<readonly string[]>> {
  const image = await imageOf(place);
  if (!image.ok) return isFault(image.error.code) ? ok([image.error.message]) : image;
  const faults = faultsOf(image.value);
  if (place.kind === "log" || url === undefined) return ok(faults);
  const log = await readLog(parts, url);
  if (!log.ok) return isFault(log.error.code) ? ok([...faults, log.error.message]) : log;
  const difference = differenceOf(image.value, log.value.image, log.value.content);
  return ok([
    ...faults,
    ...faultsOf(log.value.image),
    ...(difference === undefined ? [] : [difference]),
  ]);
}

/** What is wrong with a registry, as against what keeps it from being looked at. */
function isFault(code: string): boolean {
  return code === "invalid" || code === "conflict";
}

/** Errors of files as refusals. */
export async function refusing<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.code === "locked") return refuse("notReady", error.message);
    const isBroken = error.code === "damaged" || error.code === "foreign";
    return refuse(isBroken ? "conflict" : "failed", error.message);
  }
}

function mapped<T, U>(result: Result<T>, map: (value: T) => U): Result<U> {
  return result.ok ? ok(map(result.value)) : result;
}

export function contentOf({ cluster, mark, state, masters }: RegistryImage): RegistryContent {
  return {
    cluster: cluster ?? null,
    ...mark,
    agents: {
      admitted: [...state.admitted.values()].map(agentOf),
      unreachable: [...state.unreachable.values()].map((agent) => ({
        ...agentOf(agent),
        since: isoOf(agent.sinceMs),
      })),
      gone: [...state.gone].map(([id, { sinceMs }]) => ({ id, since: isoOf(sinceMs) })),
    },
    weights: [...state.weights].map(([role, weight]) => ({ role, weight })),
    quotas: [...state.quotas].map(([role, { guarantees, limits }]) => ({
      role,
      guarantees: amountsOf(guarantees),
      limits: amountsOf(limits),
    })),
    machines: [...state.machines.values()].map(({ id, mode }) => ({
      hostname: id.hostname ?? null,
      ip: id.ip ?? null,
      mode: mode ?? "UP",
    })),
    masters: masters.map(namedMaster),
  };
}

function agentOf({ info, isDeactivated, drain }: AdmittedAgent): RegistryAgent {
  return {
    id: info.id?.value ?? "",
    hostname: info.hostname,
    is_deactivated: isDeactivated,
    drain: drain?.state ?? null,
  };
}

function amountsOf(milli: Quota["limits"]): Record<string, number> {
  return Object.fromEntries(Object.entries(milli).map(([name, value]) => [name, value / 1000]));
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
