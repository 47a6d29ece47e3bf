/** What verbs need of the rest of the program. */
import type { Result } from "../base/result.ts";
import type { NamedMaster } from "../protocol/leader-report.ts";

export interface CommandTools {
  /** The address behind a `--master`, which may have to be looked for in ZooKeeper. */
  findLeader(text: string): Promise<Result<string>>;
  /** All masters that stand at a `zk://…`, in order. */
  findMasters(url: string): Promise<Result<readonly NamedMaster[]>>;
}
