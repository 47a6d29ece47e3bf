/** Checks and health checks rule by rule: probes that are due, results in, what is told out. */
import { describe, expect, test } from "bun:test";
import type { CommandExecutor } from "../../src/executor/command-executor.ts";
import type { CheckKind, ProbeResult } from "../../src/executor/task-checks.ts";
import type { CheckInfo, HealthCheck } from "../../src/protocol/v1/types.ts";
import {
  killInput,
  LAUNCHED,
  newExecutor,
  signaled,
  statusesIn,
  TIMER,
} from "./command-executors.ts";

const HEALTH: HealthCheck = { type: "COMMAND", command: { value: "true" } };
const CHECK: CheckInfo = { type: "COMMAND", command: { command: { value: "true" } } };
const LATE: ProbeResult = { kind: "failed", message: "timed out after 20 s" };
const code = (value: number): ProbeResult => ({ kind: "exited", code: value });

/** A launched executor, at 0 ms. */
function checked(task: { check?: CheckInfo; health_check?: HealthCheck }): CommandExecutor {
  const executor = newExecutor({ task });
  executor.step(LAUNCHED, 0);
  return executor;
}

/** When the next probe is due, seen from what a step wants done. */
function timerOf(effects: readonly { readonly kind: string; readonly atMs?: number }[]): number {
  return effects.find(({ kind }) => kind === "setTimer")?.atMs ?? Number.NaN;
}

/** Lets the due probe run from `atMs` and come to its result `tookMs` later. */
function probe(
  executor: CommandExecutor,
  { which = "healthCheck", atMs, tookMs = 0 }: { which?: CheckKind; atMs: number; tookMs?: number },
  result: ProbeResult,
) {
  const due = executor.step(TIMER, atMs);
  expect(due.filter(({ kind }) => kind === "probe")).toMatchObject([{ due: { which } }]);
  return executor.step({ kind: "probed", which, result }, atMs + tookMs);
}

describe("times", () => {
  test("the first probe comes after the delay, the next an interval after the end of the last [semantics 6.8]", () => {
    const executor = newExecutor({ task: { health_check: HEALTH } });
    expect(timerOf(executor.step(LAUNCHED, 1_000))).toBe(16_000);
    expect(executor.step(TIMER, 15_999)).toEqual([{ kind: "setTimer", atMs: 16_000 }]);
    const due = executor.step(TIMER, 16_000);
    expect(due).toEqual([
      {
        kind: "probe",
        due: {
          which: "healthCheck",
          probe: { kind: "command", command: { value: "true" } },
          timeoutMs: 20_000,
        },
      },
    ]);
    expect(executor.step(TIMER, 20_000)).toEqual([]);
    const after = executor.step({ kind: "probed", which: "healthCheck", result: code(0) }, 21_500);
    expect(timerOf(after)).toBe(31_500);
  });

  test("a timeout of none is no bound, and times are fractions of seconds [semantics 6.8]", () => {
    const times = { delay_seconds: 0.25, interval_seconds: 0.5, timeout_seconds: 0 };
    const executor = newExecutor({ task: { health_check: { ...HEALTH, ...times } } });
    expect(timerOf(executor.step(LAUNCHED, 0))).toBe(250);
    const [due] = executor.step(TIMER, 250);
    expect(due).toMatchObject({ kind: "probe", due: { timeoutMs: undefined } });
  });
});

describe("health checks", () => {
  test("the first success is told, further ones only after failures [semantics 6.8]", () => {
    const executor = checked({ health_check: HEALTH });
    const [first] = statusesIn(probe(executor, { atMs: 15_000 }, code(0)));
    expect(first).toMatchObject({
      state: "TASK_RUNNING",
      healthy: true,
      reason: "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
    });
    expect(statusesIn(probe(executor, { atMs: 25_000 }, code(0)))).toEqual([]);
    expect(statusesIn(probe(executor, { atMs: 35_000 }, code(1)))).toMatchObject([
      { healthy: false },
    ]);
    expect(statusesIn(probe(executor, { atMs: 45_000 }, code(0)))).toMatchObject([
      { healthy: true },
    ]);
  });

  test("failures in the grace period do not count until the first success [semantics 6.8]", () => {
    const health_check = { ...HEALTH, delay_seconds: 0, grace_period_seconds: 25 };
    const patient = checked({ health_check });
    expect(statusesIn(probe(patient, { atMs: 0 }, code(1)))).toEqual([]);
    expect(statusesIn(probe(patient, { atMs: 10_000, tookMs: 15_000 }, LATE))).toEqual([]);
    expect(statusesIn(probe(patient, { atMs: 35_000 }, code(1)))).toHaveLength(1);
    const proven = checked({ health_check });
    probe(proven, { atMs: 0 }, code(0));
    expect(statusesIn(probe(proven, { atMs: 10_000 }, code(1)))).toHaveLength(1);
  });

  test("three failures in a row end the task, which is KILLED and not healthy [semantics 6.8]", () => {
    const executor = checked({ health_check: HEALTH });
    probe(executor, { atMs: 15_000 }, code(1));
    probe(executor, { atMs: 25_000 }, LATE);
    const third = probe(executor, { atMs: 35_000 }, code(1));
    expect(statusesIn(third)).toMatchObject([{ state: "TASK_RUNNING", healthy: false }]);
    expect(third.filter(({ kind }) => kind !== "call")).toEqual([{ kind: "requestKill" }]);
    executor.step(killInput(), 35_000);
    expect(statusesIn(executor.step(signaled(15), 36_000))).toMatchObject([
      { state: "TASK_KILLED", healthy: false },
    ]);
  });

  test("a success in between begins the count anew; a bound of none is the first failure [semantics 6.8]", () => {
    const executor = checked({ health_check: { ...HEALTH, consecutive_failures: 2 } });
    probe(executor, { atMs: 15_000 }, code(1));
    probe(executor, { atMs: 25_000 }, code(0));
    const again = probe(executor, { atMs: 35_000 }, code(1));
    expect(again.some(({ kind }) => kind === "requestKill")).toBe(false);
    const strict = checked({ health_check: { ...HEALTH, consecutive_failures: 0 } });
    const first = probe(strict, { atMs: 15_000 }, code(1));
    expect(first.some(({ kind }) => kind === "requestKill")).toBe(true);
  });

  test("what could not be learnt changes nothing, is not told, and is asked for again", () => {
    const unknown: ProbeResult = { kind: "unknown", message: "Docker does not answer" };
    const health_check = { ...HEALTH, consecutive_failures: 2 };
    const executor = checked({ health_check });
    probe(executor, { atMs: 15_000 }, code(1));
    const after = probe(executor, { atMs: 25_000, tookMs: 1_000 }, unknown);
    expect(statusesIn(after)).toEqual([]);
    expect(timerOf(after)).toBe(36_000);
    // It neither counts as a failure nor as a success in between.
    const second = probe(executor, { atMs: 36_000 }, code(1));
    expect(second.some(({ kind }) => kind === "requestKill")).toBe(true);
  });

  test("HTTP takes 200 to 399 for good, TCP a connection [semantics 6.8]", () => {
    const http: HealthCheck = { type: "HTTP", http: { port: 80, scheme: "https", path: "/up" } };
    const cases: readonly (readonly [ProbeResult, boolean])[] = [
      [{ kind: "answered", statusCode: 199 }, false],
      [{ kind: "answered", statusCode: 200 }, true],
      [{ kind: "answered", statusCode: 399 }, true],
      [{ kind: "answered", statusCode: 400 }, false],
      [LATE, false],
    ];
    for (const [result, healthy] of cases) {
      const told = statusesIn(probe(checked({ health_check: http }), { atMs: 15_000 }, result));
      expect({ result, told }).toMatchObject({ result, told: [{ healthy }] });
    }
    const due = checked({ health_check: http }).step(TIMER, 15_000);
    const place = { kind: "http", scheme: "https", ip: "127.0.0.1", port: 80, path: "/up" };
    expect(due).toMatchObject([{ due: { probe: place } }]);
    const tcp: HealthCheck = { type: "TCP", tcp: { port: 7, protocol: "IPv6" } };
    const [at7] = checked({ health_check: tcp }).step(TIMER, 15_000);
    expect(at7).toMatchObject({ due: { probe: { kind: "tcp", ip: "::1", port: 7 } } });
    const refused: ProbeResult = { kind: "refused", message: "closed" };
    expect(
      statusesIn(probe(checked({ health_check: tcp }), { atMs: 15_000 }, refused)),
    ).toMatchObject([{ healthy: false }]);
  });

  test("nothing is probed while the task is being ended, and late results are not heard [semantics 6.8]", () => {
    const executor = checked({ health_check: HEALTH });
    executor.step(TIMER, 15_000);
    executor.step(killInput(60_000), 16_000);
    const late = { kind: "probed", which: "healthCheck", result: code(1) } as const;
    expect(executor.step(late, 17_000)).toEqual([]);
    expect(executor.step(TIMER, 40_000).some(({ kind }) => kind === "probe")).toBe(false);
    expect(statusesIn(executor.step(signaled(15), 41_000))[0]).not.toHaveProperty("healthy");
  });
});

describe("checks", () => {
  test("every status has the last result, and only another one is told [semantics 6.8]", () => {
    const executor = newExecutor({ task: { check: CHECK } });
    for (const status of statusesIn(executor.step(LAUNCHED, 0))) {
      expect(status.check_status).toEqual({ type: "COMMAND", command: {} });
    }
    const at = (atMs: number) => ({ which: "check" as const, atMs });
    expect(statusesIn(probe(executor, at(15_000), LATE))).toEqual([]);
    expect(statusesIn(probe(executor, at(25_000), code(3)))).toMatchObject([
      {
        state: "TASK_RUNNING",
        reason: "REASON_TASK_CHECK_STATUS_UPDATED",
        check_status: { type: "COMMAND", command: { exit_code: 3 } },
      },
    ]);
    expect(statusesIn(probe(executor, at(35_000), code(3)))).toEqual([]);
    expect(statusesIn(probe(executor, at(45_000), LATE))[0]?.check_status).toEqual({
      type: "COMMAND",
      command: {},
    });
    expect(statusesIn(executor.step(signaled(9), 46_000))[0]?.check_status).toEqual({
      type: "COMMAND",
      command: {},
    });
  });

  test("HTTP tells the status, TCP whether it connected, neither ever ends the task [semantics 6.8]", () => {
    const cases: readonly (readonly [CheckInfo, ProbeResult, object])[] = [
      [
        { type: "HTTP", http: { port: 80 } },
        { kind: "answered", statusCode: 500 },
        { http: { status_code: 500 } },
      ],
      [{ type: "TCP", tcp: { port: 80 } }, { kind: "connected" }, { tcp: { succeeded: true } }],
      [
        { type: "TCP", tcp: { port: 80 } },
        { kind: "refused", message: "" },
        { tcp: { succeeded: false } },
      ],
    ];
    for (const [check, result, check_status] of cases) {
      const effects = probe(checked({ check }), { which: "check", atMs: 15_000 }, result);
      expect(statusesIn(effects)).toMatchObject([{ check_status }]);
      expect(effects.some(({ kind }) => kind === "requestKill")).toBe(false);
    }
  });

  test("both may be had, each in its own time", () => {
    const executor = checked({ check: { ...CHECK, delay_seconds: 20 }, health_check: HEALTH });
    probe(executor, { atMs: 15_000 }, code(0));
    const [told] = statusesIn(probe(executor, { which: "check", atMs: 20_000 }, code(1)));
    expect(told).toMatchObject({ healthy: true, check_status: { command: { exit_code: 1 } } });
  });
});

describe("after a restart of the agent", () => {
  const adopted = { kind: "adopted", pid: 7, isRunningReported: true, kill: undefined } as const;

  test("the count goes on, and what was told is no news [semantics 6.8, 7.7]", () => {
    const executor = newExecutor({ task: { check: CHECK, health_check: HEALTH } });
    const check_status = { type: "COMMAND", command: { exit_code: 1 } } as const;
    const known = { healthy: false, failures: 2, check_status };
    executor.step({ ...adopted, launchedAtMs: 0, checked: known }, 60_000);
    expect(executor.step(TIMER, 60_000).filter(({ kind }) => kind === "probe")).toHaveLength(2);
    expect(executor.step({ kind: "probed", which: "check", result: code(1) }, 60_001)).toEqual([
      { kind: "setTimer", atMs: 70_001 },
    ]);
    const third = executor.step({ kind: "probed", which: "healthCheck", result: code(1) }, 60_002);
    expect(third.map(({ kind }) => kind)).toEqual(["call", "requestKill"]);
  });

  test("a task that was too unhealthy is ended even if the agent died before it did that", () => {
    const executor = newExecutor({ task: { health_check: HEALTH } });
    const known = { healthy: false, failures: 3 };
    const effects = executor.step({ ...adopted, launchedAtMs: 0, checked: known }, 60_000);
    expect(effects).toEqual([{ kind: "requestKill" }]);
  });
});
