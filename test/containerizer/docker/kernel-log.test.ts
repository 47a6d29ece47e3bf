/** Lines of a real kernel's log (6.1 and 6.18), by which deaths at a memory limit are told from others. */
import { expect, test } from "bun:test";
import {
  type KernelRecord,
  parseRecord,
  tellsOfKill,
} from "../../../src/containerizer/docker/kernel-log.ts";

const ID = "4f0c6e0f2bd5bf6b0d06ba7a0d5f8a9d7bd1e2c8a4a1a5c6f1d2b3e4f5a6b7c8";
const OTHER = "9".repeat(64);
const oomKill = (at: string, task: string, constraint: string = "MEMCG"): string =>
  `oom-kill:constraint=CONSTRAINT_${constraint},nodemask=(null),cpuset=${task},mems_allowed=0,${at},task_memcg=/system.slice/docker-${task}.scope,task=tail,pid=812,uid=0`;
const inContainer = oomKill(`oom_memcg=/system.slice/docker-${ID}.scope`, ID);
const killed = (pid: number): string =>
  `Memory cgroup out of memory: Killed process ${pid} (tail) total-vm:33000kB, anon-rss:32000kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:104kB oom_score_adj:0`;

const CASES: readonly (readonly [string, KernelRecord, boolean])[] = [
  ["its cgroup hit its limit", { atUs: 5_000_000, text: inContainer }, true],
  ["its first process was killed at a limit", { atUs: 5_000_000, text: killed(812) }, true],
  ["that was before it", { atUs: 3_999_999, text: inContainer }, false],
  ["that was an earlier process", { atUs: 3_999_999, text: killed(812) }, false],
  ["another process was killed", { atUs: 5_000_000, text: killed(8123) }, false],
  [
    "another container hit its limit",
    { atUs: 5_000_000, text: oomKill(`oom_memcg=/system.slice/docker-${OTHER}.scope`, OTHER) },
    false,
  ],
  [
    "the limit was of a cgroup above",
    { atUs: 5_000_000, text: oomKill("oom_memcg=/system.slice", ID) },
    false,
  ],
  [
    "the host ran out of memory",
    { atUs: 5_000_000, text: oomKill("global_oom", ID, "NONE") },
    false,
  ],
];

test.each(CASES)("%s [semantics 6.3]", (_what, record, isTold) => {
  const others = [{ atUs: 6_000_000, text: "docker0: port 1(veth1) entered disabled state" }];
  expect(tellsOfKill([record, ...others], { engineId: ID, pid: 812 }, 4_000_000)).toBe(isTold);
});

test("a record of /dev/kmsg is taken apart", () => {
  const record = `6,1187,2256469857,-;${inContainer}\n SUBSYSTEM=x\n`;
  expect(parseRecord(record)).toEqual({ atUs: 2_256_469_857, text: inContainer });
  expect(parseRecord("")).toBeUndefined();
});
