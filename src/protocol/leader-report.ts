/**
 * Who leads, as `GET /allot/v1/leader` of a master tells it: an addition of allot's own, in JSON.
 * Made by masters, read by the command line.
 */
import { ok, type Result, refuse } from "../base/result.ts";

/** `recovering`: elected, and reads the registry yet. `waiting`: knows of no leader. */
export type MasterStanding = "leading" | "recovering" | "following" | "waiting";

export interface NamedMaster {
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  readonly hostname: string;
}

export interface LeaderReport {
  /** The master that answers. */
  readonly self: NamedMaster & {
    readonly standing: MasterStanding;
    /** Of allot. */
    readonly version: string;
    /** Newest entry of the shared log that it has; null for a master without others. */
    readonly registry_position: number | null;
  };
  readonly leader:
    | (NamedMaster & {
        /** Counts those who led; null for a master without others. */
        readonly epoch: number | null;
        /** ISO 8601 */
        readonly since: string | null;
      })
    | null;
  /** All that stand, in the order in which they would lead. */
  readonly masters: readonly NamedMaster[];
  /** Null for a master without others. */
  readonly zookeeper: {
    readonly servers: readonly string[];
    readonly path: string;
    readonly is_connected: boolean;
    /** Connected, or not, since then: ISO 8601. */
    readonly since: string;
  } | null;
  /** Sentences on why no master leads; empty while one does. */
  readonly why: readonly string[];
}

/** The answer to `POST /allot/v1/leader/step-down`. */
export interface StepDownAnswer {
  /** Who is next, and takes over. */
  readonly successor: NamedMaster;
}

/** Errors: `invalid`, the answer is of another program or version. */
export function parseLeaderReport(value: unknown): Result<LeaderReport> {
  const report = value as LeaderReport;
  const isReport =
    isObject(value) &&
    isNamed(value["self"]) &&
    (value["leader"] === null || isNamed(value["leader"])) &&
    isListOf(value["masters"], isNamed) &&
    isListOf(value["why"], (text) => typeof text === "string") &&
    (value["zookeeper"] === null || isObject(value["zookeeper"]));
  return isReport ? ok(report) : refuse("invalid", "it does not tell who leads");
}

/** Errors: `invalid`. */
export function parseStepDownAnswer(value: unknown): Result<StepDownAnswer> {
  const isAnswer = isObject(value) && isNamed(value["successor"]);
  return isAnswer
    ? ok({ successor: value["successor"] as NamedMaster })
    : refuse("invalid", "it does not tell who takes over");
}

function isNamed(value: unknown): boolean {
  return isObject(value) && ["id", "address"].every((name) => typeof value[name] === "string");
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
