/** What every role is made with: the platform's parts, the flags, and who we say we are. */
import type { ProbeHelper } from "../agent/runtime/probe-helper.ts";
import type { Clock, Log, OpenTerminal, Rng, SqlOpen } from "../base/ports.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import type { FetchHelper } from "../fetcher/fetcher.ts";
import type { LoggingLevel } from "../http/logging-level.ts";
import type { ImageHelper } from "../images/image-puller.ts";
import type { Serve } from "../platform/server-types.ts";
import type { Codec } from "../protocol/codec.ts";
import type { LinkCodec } from "../protocol/link-codec.ts";
import type { VersionInfo } from "../protocol/v1/types.ts";

/**
 * Version of the Mesos API that is spoken, told as the version of masters and agents, since
 * schedulers decide by it what they may use.
 */
export const MESOS_API_VERSION = "1.12.0";

export interface RoleContext {
  readonly flags: ParsedFlags;
  /** Version of allot itself. */
  readonly allotVersion: string;
  /** How a person calls this very program again. */
  readonly programName: string;
  readonly workDir: string;
  readonly fetchHelper: FetchHelper;
  readonly imageHelper: ImageHelper;
  readonly probeHelper: ProbeHelper;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly loggingLevel: LoggingLevel;
  /** Where the log is kept, or one that operators name; undefined: on stderr alone. */
  readonly logFile: string | undefined;
  readonly codec: Codec;
  readonly linkCodec: LinkCodec;
  readonly openSql: SqlOpen;
  /** Undefined where the platform has no terminals. */
  readonly openTerminal: OpenTerminal | undefined;
  readonly serve: Serve;
  /** Frees what has become garbage lately, when it was called often enough. */
  readonly collectYoung: () => void;
  /** Ends the process loudly: an invariant is broken or the disk failed. */
  onFatal(error: unknown): void;
}

/** A started role. */
export interface RunningRole {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Ends the role; tasks run on. */
  stop(): Promise<void>;
}

/** As `/version` and GET_VERSION tell it. */
export function versionInfo(context: RoleContext, builtAtMs: number): VersionInfo {
  return {
    version: MESOS_API_VERSION,
    build_date: new Date(builtAtMs).toISOString(),
    build_time: builtAtMs / 1000,
    build_user: "",
    git_tag: `allot-${context.allotVersion}`,
  };
}
