/** What verbs need of the rest of the program. */
import type { Result } from "../base/result.ts";
import type { NamedMaster } from "../protocol/leader-report.ts";

export interface CommandTools extends JoinTools {
  /** The address behind a `--master`, which may have to be looked for in ZooKeeper. */
  findLeader(text: string): Promise<Result<string>>;
  /** All masters that stand at a `zk://…`, in order. */
  findMasters(url: string): Promise<Result<readonly NamedMaster[]>>;
  readonly registry: RegistryTools;
}

/** Where a registry is to be read from, or put. */
export type RegistryPlace =
  /** A copy, or the file of a master that does not run. */
  | { readonly kind: "file"; readonly path: string }
  /** The log of several masters, as `zk://…`. */
  | { readonly kind: "log"; readonly url: string };

/** What a registry holds, for people and programs: `allot registry show --json`. */
export interface RegistryContent {
  readonly cluster: string | null;
  /** Newest entry of the shared log that is in it; 0 for a master without others. */
  readonly position: number;
  readonly hash: string;
  readonly agents: {
    readonly admitted: readonly RegistryAgent[];
    readonly unreachable: readonly (RegistryAgent & { readonly since: string })[];
    readonly gone: readonly { readonly id: string; readonly since: string }[];
  };
  readonly weights: readonly { readonly role: string; readonly weight: number }[];
  /** Amounts by name, as `{cpus: 1.5}`. */
  readonly quotas: readonly {
    readonly role: string;
    readonly guarantees: Readonly<Record<string, number>>;
    readonly limits: Readonly<Record<string, number>>;
  }[];
  /** Machines that are planned to be away, or are. */
  readonly machines: readonly {
    readonly hostname: string | null;
    readonly ip: string | null;
    readonly mode: string;
  }[];
  /** Who took office, newest last. */
  readonly masters: readonly NamedMaster[];
}

export interface RegistryAgent {
  readonly id: string;
  readonly hostname: string;
  readonly is_deactivated: boolean;
  readonly drain: string | null;
}

export interface RestoreWish {
  readonly isForced: boolean;
  readonly isAlone: boolean;
}

/**
 * Registries without a master. What is refused says what to do instead; a file that is in use is
 * `notReady`.
 */
export interface RegistryTools {
  /** The file below a master's work folder. */
  fileIn(workDir: string): string;
  read(place: RegistryPlace): Promise<Result<RegistryContent>>;
  /** Copies it into a file in place of what is there. */
  backup(place: RegistryPlace, target: string): Promise<Result<RegistryContent>>;
  /** What is wrong, a sentence each; with a log also how a copy differs from it. */
  verify(place: RegistryPlace, log: string | undefined): Promise<Result<readonly string[]>>;
  /** The file in which what was there is kept, if anything was. */
  restore(
    file: string,
    target: RegistryPlace,
    wish: RestoreWish,
  ): Promise<Result<{ readonly content: RegistryContent; readonly keptIn: string | undefined }>>;
}

export interface JoinWish {
  /** `zk://…` */
  readonly url: string;
  /** The master's registry. */
  readonly path: string;
  /** Only look. */
  readonly isDry: boolean;
}

export interface JoinReport {
  /** `ready`: may be published; `joined`: it had been before. */
  readonly state: "ready" | "published" | "joined";
  readonly servers: readonly { readonly address: string; readonly state: string }[];
  readonly content: RegistryContent;
}

export interface JoinTools {
  /** Publishes the registry of a master that was alone. What is refused says what to do instead. */
  join(wish: JoinWish): Promise<Result<JoinReport>>;
}
