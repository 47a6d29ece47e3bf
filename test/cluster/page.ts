/** A cluster's status as people read it: a page that is drawn anew, or a line for each change. */
import type { ClusterStatus, MemberStatus } from "./look.ts";

export interface PageOptions {
  readonly url: string;
  readonly workDir: string;
  /** What to type for the compiled program. */
  readonly program: string;
  /** The newest of what has changed, oldest first. */
  readonly events: readonly string[];
}

/** The lines of the page. */
export function page(status: ClusterStatus, options: PageOptions): string[] {
  const { leader, epoch, counts, servers, masters, agents } = status;
  const { url, workDir, program, events } = options;
  const reign = leader === undefined ? "nobody" : `${leader.name}, epoch ${epoch ?? "unknown"}`;
  const agentCounts =
    counts === undefined
      ? "not known while nobody leads"
      : `${counts.agentsActive} active, ${counts.agentsDisconnected} disconnected, ${counts.agentsUnreachable} unreachable`;
  const taskCounts =
    counts === undefined
      ? "not known while nobody leads"
      : `${counts.running} running, ${counts.staging} starting, ${counts.finished} finished, ${counts.failed} failed or killed`;
  return [
    `allot cluster  ${url}`,
    `               everything is below ${workDir}`,
    "",
    `leader     ${reign}`,
    `agents     ${agentCounts}`,
    `tasks      ${taskCounts}`,
    "",
    ...[...servers, ...masters, ...agents].map(memberLine),
    "",
    ...events,
    "",
    ...hints(status, { url, program }),
  ];
}

/** What to try, in a second terminal. */
export function hints(
  { leader }: ClusterStatus,
  { url, program }: Pick<PageOptions, "url" | "program">,
): string[] {
  return [
    `run a task        ${program} execute --master=${url} --name=hello --command='sleep 600'`,
    `look around       ${program} status --master=${url}`,
    `kill the leader   kill -9 ${leader?.pid ?? "…"}   (what has ended starts again 5 s later)`,
    "stop all of it    Ctrl-C",
  ];
}

/** One line for each thing that is different; all that there is when there was nothing before. */
export function changes(before: ClusterStatus | undefined, after: ClusterStatus): string[] {
  const lines: string[] = [];
  for (const member of [...after.servers, ...after.masters, ...after.agents]) {
    const known = before && memberOf(before, member.name);
    if (known?.does !== member.does || known.pid !== member.pid) lines.push(memberLine(member));
  }
  const { leader, counts } = after;
  if (before === undefined || before.leader?.name !== leader?.name) {
    lines.push(
      leader === undefined ? "nobody leads" : `${leader.name} leads, epoch ${after.epoch}`,
    );
  }
  if (counts !== undefined && before?.counts?.agentsActive !== counts.agentsActive) {
    lines.push(`${counts.agentsActive} of ${after.agents.length} agents are active`);
  }
  if (counts !== undefined && (before?.counts?.running ?? 0) !== counts.running) {
    lines.push(`${counts.running} tasks run`);
  }
  return lines;
}

function memberOf(status: ClusterStatus, name: string): MemberStatus | undefined {
  const all = [...status.servers, ...status.masters, ...status.agents];
  return all.find((member) => member.name === name);
}

function memberLine({ name, does, pid, address }: MemberStatus): string {
  return `${name.padEnd(11)}  ${does.padEnd(8)}  pid ${String(pid ?? "-").padEnd(8)}${address}`;
}
