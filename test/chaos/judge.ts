/**
 * Judges a history, knowing nothing of the program: the weight is one register (linearizable, after
 * Gibbons and Korach: with values that are never used again it is enough to look at the span of each
 * value), one master acknowledges per reign, and a task starts once and ends once, as told.
 */
import type { EpochLook, History, Read, Write } from "./history.ts";

/** One line for each thing that must not be; times are rounded. */
export function judge(history: History): string[] {
  return [...judgeRegister(history), ...judgeReigns(history), ...judgeTasks(history)];
}

/** When a value was certainly the register's: it was there at `fromMs` and at `toMs`, or between. */
interface Span {
  readonly value: number;
  /** First end of what wrote or read it. */
  readonly firstEndMs: number;
  /** Last beginning of what wrote or read it. */
  readonly lastStartMs: number;
}

function judgeRegister({ writes, reads }: History): string[] {
  const problems: string[] = [];
  const written = new Map(writes.map((write) => [write.value, write]));
  for (const { value, endMs, by } of reads) {
    const write = written.get(value);
    if (write === undefined) problems.push(`${by} answers ${value}, which nobody wrote`);
    else if (endMs < write.startMs) problems.push(`${by} answers ${value} before it was written`);
  }
  const spans = [...spansOf(writes, reads)];
  // The value certainly was there from the first end to the last beginning, without a break.
  const lasting = spans
    .filter(({ firstEndMs, lastStartMs }) => firstEndMs < lastStartMs)
    .toSorted((one, other) => one.firstEndMs - other.firstEndMs);
  for (const [index, span] of lasting.entries()) {
    const next = lasting[index + 1];
    if (next !== undefined && next.firstEndMs < span.lastStartMs) {
      problems.push(`${span.value} and ${next.value} were both there: ${timesOf(span, next)}`);
    }
  }
  for (const { value, firstEndMs, lastStartMs } of spans) {
    if (firstEndMs < lastStartMs) continue;
    // It was there at some time between: not while another one lasted.
    const around = lastBefore(lasting, lastStartMs);
    if (around !== undefined && firstEndMs < around.lastStartMs) {
      problems.push(
        `${value} was acknowledged and is gone: ${around.value} was there all the time`,
      );
    }
  }
  return problems;
}

function* spansOf(writes: readonly Write[], reads: readonly Read[]): Generator<Span> {
  const readsOf = Map.groupBy(reads, ({ value }) => value);
  for (const { value, startMs, endMs } of writes) {
    const seen = readsOf.get(value) ?? [];
    if (endMs === undefined && seen.length === 0) continue;
    const ends = [endMs ?? Number.POSITIVE_INFINITY, ...seen.map((read) => read.endMs)];
    const starts = [startMs, ...seen.map((read) => read.startMs)];
    yield { value, firstEndMs: Math.min(...ends), lastStartMs: Math.max(...starts) };
  }
}

/** The last of these, which are in order, that began at or before that time. */
function lastBefore(lasting: readonly Span[], timeMs: number): Span | undefined {
  let low = 0;
  let high = lasting.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lasting[middle]?.firstEndMs ?? 0) < timeMs) low = middle + 1;
    else high = middle;
  }
  return lasting[low - 1];
}

/** Within a time when ZooKeeper surely had one epoch, one master acknowledges. */
function judgeReigns({ writes, epochs }: History): string[] {
  const problems: string[] = [];
  const acknowledged = writes.filter((write) => write.endMs !== undefined);
  for (const [epoch, looks] of Map.groupBy(epochs, (look) => look.epoch)) {
    const [fromMs, toMs] = reignOf(looks);
    const within = acknowledged.filter(
      ({ startMs, endMs }) => startMs >= fromMs && (endMs ?? 0) <= toMs,
    );
    const masters = new Set(within.map(({ by }) => by));
    if (masters.size > 1) {
      problems.push(`epoch ${epoch}: ${[...masters].join(" and ")} acknowledge writes`);
    }
  }
  return problems;
}

/** From the end of the first look that saw it to the beginning of the last one. */
function reignOf(looks: readonly EpochLook[]): readonly [fromMs: number, toMs: number] {
  const ends = looks.map(({ endMs }) => endMs);
  const starts = looks.map(({ startMs }) => startMs);
  return [
    ends.reduce((one, other) => Math.min(one, other)),
    starts.reduce((one, other) => Math.max(one, other)),
  ];
}

const TERMINAL = /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE/;
/** What a framework is told of a task that never was. */
const NEVER_WAS = /ERROR|LOST|DROPPED|GONE|UNKNOWN/;

/** At the end of the run, when all that runs was told to end. */
function judgeTasks({ asked, statuses, notes }: History): string[] {
  const problems: string[] = [];
  const notesOf = Map.groupBy(notes, ({ task }) => task);
  const statesOf = Map.groupBy(statuses, ({ task }) => task);
  for (const task of notesOf.keys()) {
    if (!asked.includes(task)) problems.push(`${task} ran, and nobody asked for it`);
  }
  for (const task of asked) {
    const told = (statesOf.get(task) ?? []).map(({ state }) => state);
    const noted = (notesOf.get(task) ?? []).map(({ what }) => what);
    const starts = noted.filter((what) => what === "start").length;
    const ends = noted.filter((what) => what === "end").length;
    // Once its end was told and acknowledged nobody knows it any more, which may be told too.
    const end = told.find((state) => TERMINAL.test(state));
    if (starts > 1) problems.push(`${task} started ${starts} times`);
    if (starts === 1 && ends !== 1) problems.push(`${task} started and ended ${ends} times`);
    if (starts > 0 && end !== "TASK_FINISHED") {
      problems.push(`${task} ran to its end and is told as ${told.join(", ")}`);
    }
    // A master that lost its agents may take it, and nobody after it knows of that.
    const beyond = told.filter((state) => state !== "TASK_STAGING");
    if (starts === 0 && (beyond.length === 0 || beyond.some((state) => !NEVER_WAS.test(state)))) {
      problems.push(`${task} never started and is told as ${told.join(", ") || "nothing"}`);
    }
  }
  return problems;
}

function timesOf(...spans: readonly Span[]): string {
  return spans
    .map(({ firstEndMs, lastStartMs }) => `${Math.round(firstEndMs)}-${Math.round(lastStartMs)} ms`)
    .join(", ");
}
