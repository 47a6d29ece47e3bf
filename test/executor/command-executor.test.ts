/** The command executor, rule by rule: inputs with their times in, words for the effects out. */
import { describe, expect, test } from "bun:test";
import {
  exited,
  graceOf,
  killInput,
  LAUNCHED,
  newExecutor,
  SHUTDOWN,
  signaled,
  statusesIn,
  TIMER,
  transcript,
} from "./command-executors.ts";

describe("running", () => {
  test("a launched task is STARTING, then RUNNING, each with all an update needs [semantics 7.2, 6.2]", () => {
    const effects = newExecutor().step(LAUNCHED, 1_500);
    expect(transcript(effects)).toEqual(["TASK_STARTING", "TASK_RUNNING"]);
    const [starting] = effects;
    expect(starting).toEqual({
      kind: "call",
      call: {
        framework_id: { value: "f1" },
        executor_id: { value: "t1" },
        type: "UPDATE",
        update: {
          status: {
            task_id: { value: "t1" },
            state: "TASK_STARTING",
            source: "SOURCE_EXECUTOR",
            executor_id: { value: "t1" },
            timestamp: 1.5,
            uuid: "uuid-1",
          },
        },
      },
    });
    expect(statusesIn(effects)[1]?.uuid).toBe("uuid-2");
  });

  test("what the containerizer says of its container goes with the statuses [semantics 7.2, 7.15]", () => {
    const network_infos = [
      { name: "n", ip_addresses: [{ protocol: "IPv4", ip_address: "10.0.0.9" }] },
    ] as const;
    const container = { type: "DOCKER", docker: { image: "i" } } as const;
    const executor = newExecutor({ task: { container } });
    const launched = { kind: "launched", pid: 7, status: { network_infos }, data: "[{}]" } as const;
    const [starting, running] = statusesIn(executor.step(launched, 0));
    expect(starting?.data).toBeUndefined();
    expect(running).toMatchObject({ state: "TASK_RUNNING", data: btoa("[{}]") });
    const [end] = statusesIn(executor.step(exited(0), 10));
    for (const status of [starting, running, end]) {
      expect(status?.container_status).toEqual({ network_infos });
      expect(status?.labels?.labels).toEqual([
        { key: "Docker.NetworkSettings.IPAddress", value: "10.0.0.9" },
      ]);
    }
    const [native] = statusesIn(newExecutor().step(launched, 0));
    expect([native?.container_status, native?.labels]).toEqual([{ network_infos }, undefined]);
  });

  test("status 0 is FINISHED, any other status or a signal FAILED, with the end as message [semantics 6.6]", () => {
    const cases = [
      [exited(0), "TASK_FINISHED", "Command exited with status 0"],
      [exited(3), "TASK_FAILED", "Command exited with status 3"],
      [exited(143), "TASK_FAILED", "Command exited with status 143"],
      [signaled(15), "TASK_FAILED", "Command terminated with signal Terminated"],
    ] as const;
    for (const [input, state, message] of cases) {
      const executor = newExecutor();
      executor.step(LAUNCHED, 0);
      const effects = executor.step(input, 10);
      expect(transcript(effects)).toEqual(["no timer", state]);
      expect(statusesIn(effects)[0]).toMatchObject({ state, message, timestamp: 0.01 });
      expect(executor.isOver).toBe(true);
    }
  });

  test("the agent speaks when an isolator ended the container or nobody saw the end [semantics 6.3]", () => {
    const limitation = {
      reason: "REASON_CONTAINER_LIMITATION_MEMORY",
      message: "too much",
      resources: [],
    } as const;
    for (const result of [
      { exit: { kind: "signaled", signal: 9 }, limitation },
      { exit: { kind: "unknown", message: "lost" } },
    ] as const) {
      const executor = newExecutor();
      executor.step(LAUNCHED, 0);
      expect(transcript(executor.step({ kind: "exited", result }, 5))).toEqual(["no timer"]);
      expect(executor.isOver).toBe(true);
    }
  });

  test("a failed launch is told by the agent alone [semantics 7.1]", () => {
    const executor = newExecutor();
    expect(executor.step({ kind: "launchFailed" }, 0)).toEqual([]);
    expect(executor.step(killInput(), 1)).toEqual([]);
    expect(executor.isOver).toBe(true);
  });

  test("a second task fails without harm to the first [semantics 7.2]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    const task = { name: "t2", task_id: { value: "t2" }, agent_id: { value: "a1" } };
    const effects = executor.step(
      { kind: "event", event: { type: "LAUNCH", launch: { task } } },
      1,
    );
    expect(statusesIn(effects)).toMatchObject([
      {
        task_id: { value: "t2" },
        state: "TASK_FAILED",
        message: 'Attempted to run multiple tasks using a "command" executor',
      },
    ]);
    expect(transcript(executor.step(exited(0), 2))).toEqual(["no timer", "TASK_FINISHED"]);
  });

  test("acknowledgements and foreign events ask for nothing", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    const acknowledged = { task_id: { value: "t1" }, uuid: "uuid-1" };
    expect(
      executor.step({ kind: "event", event: { type: "ACKNOWLEDGED", acknowledged } }, 1),
    ).toEqual([]);
    expect(executor.step({ kind: "event", event: { type: "MESSAGE" } }, 1)).toEqual([]);
    expect(executor.step({ kind: "event", event: { type: "KILL" } }, 1)).toEqual([]);
    expect(executor.step(killInput(0, "other"), 1)).toEqual([]);
    expect(executor.step(TIMER, 1)).toEqual([]);
  });
});

describe("killing", () => {
  test("SIGTERM, SIGKILL after the grace, KILLED [semantics 6.6]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    expect(transcript(executor.step(killInput(), 1_000))).toEqual(["SIGTERM", "timer 4000"]);
    expect(transcript(executor.step(TIMER, 3_999))).toEqual(["timer 4000"]);
    expect(transcript(executor.step(TIMER, 4_000))).toEqual(["no timer", "SIGKILL"]);
    expect(executor.step(TIMER, 5_000)).toEqual([]);
    const effects = executor.step(signaled(9), 4_010);
    expect(statusesIn(effects)).toMatchObject([
      { state: "TASK_KILLED", message: "Command terminated with signal Killed" },
    ]);
  });

  test("exit after a kill is KILLED even with status 0 [semantics 6.6]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    executor.step(killInput(), 1);
    expect(statusesIn(executor.step(exited(0), 2))).toMatchObject([
      { state: "TASK_KILLED", message: "Command exited with status 0" },
    ]);
  });

  test("a killed task whose end nobody saw is KILLED [semantics 6.6]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    executor.step(killInput(), 1);
    const result = { exit: { kind: "unknown", message: "lost" } } as const;
    expect(statusesIn(executor.step({ kind: "exited", result }, 2))).toMatchObject([
      { state: "TASK_KILLED", message: "lost" },
    ]);
  });

  test("KILLING is reported only to frameworks that know it [semantics 6.6]", () => {
    const executor = newExecutor({ hasKillingState: true });
    executor.step(LAUNCHED, 0);
    expect(transcript(executor.step(killInput(), 0))).toEqual([
      "TASK_KILLING",
      "SIGTERM",
      "timer 3000",
    ]);
    expect(transcript(executor.step(killInput(1_000), 10))).toEqual(["timer 1000"]);
  });

  test("the grace is the call's, else the task's, else three seconds, five in Docker [semantics 6.6]", () => {
    const cases = [
      [{ kill_policy: graceOf(9_000) }, 2_000, 2_000],
      [{ kill_policy: graceOf(9_000) }, undefined, 9_000],
      [{}, undefined, 3_000],
      [{ container: { type: "DOCKER" } }, undefined, 5_000],
      [{}, 20_000, 20_000],
    ] as const;
    for (const [task, graceMs, atMs] of cases) {
      const executor = newExecutor({ task });
      executor.step(LAUNCHED, 0);
      expect(transcript(executor.step(killInput(graceMs), 0))).toEqual([
        "SIGTERM",
        `timer ${atMs}`,
      ]);
    }
  });

  test("a second kill shortens the grace, counted from the first; a longer one is ignored [semantics 6.6]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    executor.step(killInput(10_000), 1_000);
    expect(executor.step(killInput(20_000), 2_000)).toEqual([]);
    expect(executor.step(killInput(10_000), 2_000)).toEqual([]);
    expect(transcript(executor.step(killInput(4_000), 2_000))).toEqual(["timer 5000"]);
    expect(executor.step(killInput(9_000), 2_500)).toEqual([]);
    expect(transcript(executor.step(killInput(1_000), 3_000))).toEqual(["no timer", "SIGKILL"]);
    expect(executor.step(killInput(0), 3_001)).toEqual([]);
  });

  test("without grace SIGKILL follows at once [semantics 6.6]", () => {
    const executor = newExecutor();
    executor.step(LAUNCHED, 0);
    expect(transcript(executor.step(killInput(0), 5))).toEqual(["SIGTERM", "no timer", "SIGKILL"]);
  });

  test("a kill before the process runs is carried out when it does", () => {
    const executor = newExecutor();
    expect(executor.step(killInput(5_000), 0)).toEqual([]);
    expect(executor.step(killInput(2_000), 1)).toEqual([]);
    expect(transcript(executor.step(LAUNCHED, 10))).toEqual([
      "TASK_STARTING",
      "TASK_RUNNING",
      "SIGTERM",
      "timer 2010",
    ]);
  });

  test("SHUTDOWN kills with the shutdown grace less two seconds [semantics 7.3]", () => {
    const cases = [
      [{}, 3_000],
      [{ executor: { shutdown_grace_period: { nanoseconds: 8e9 } } }, 6_000],
      [{ executor: { shutdown_grace_period: { nanoseconds: 1e9 } } }, undefined],
      [{ task: { kill_policy: graceOf(30_000) } }, 30_000],
    ] as const;
    for (const [setting, atMs] of cases) {
      const executor = newExecutor(setting);
      executor.step(LAUNCHED, 0);
      const expected = atMs === undefined ? ["no timer", "SIGKILL"] : [`timer ${atMs}`];
      expect(transcript(executor.step(SHUTDOWN, 0))).toEqual(["SIGTERM", ...expected]);
      expect(transcript(executor.step(signaled(15), 1))).toEqual(["no timer", "TASK_KILLED"]);
    }
  });
});

describe("max_completion_time", () => {
  const task = { max_completion_time: { nanoseconds: 60e9 } };

  test("its end is without grace, FAILED, and has its own reason [semantics 6.6]", () => {
    const executor = newExecutor({ task, hasKillingState: true });
    expect(transcript(executor.step(LAUNCHED, 1_000))).toEqual([
      "TASK_STARTING",
      "TASK_RUNNING",
      "timer 61000",
    ]);
    expect(transcript(executor.step(TIMER, 60_999))).toEqual(["timer 61000"]);
    expect(transcript(executor.step(TIMER, 61_000))).toEqual(["SIGTERM", "no timer", "SIGKILL"]);
    expect(executor.step(killInput(), 61_001)).toEqual([]);
    expect(statusesIn(executor.step(signaled(9), 61_002))).toMatchObject([
      { state: "TASK_FAILED", reason: "REASON_MAX_COMPLETION_TIME_REACHED" },
    ]);
  });

  test("a kill takes its place [semantics 6.6]", () => {
    const executor = newExecutor({ task });
    executor.step(LAUNCHED, 0);
    expect(transcript(executor.step(killInput(100_000), 30_000))).toEqual([
      "SIGTERM",
      "timer 130000",
    ]);
    expect(transcript(executor.step(TIMER, 60_000))).toEqual(["timer 130000"]);
    expect(transcript(executor.step(signaled(15), 60_001))).toEqual(["no timer", "TASK_KILLED"]);
  });
});

describe("after a restart of the agent", () => {
  const adopted = { kind: "adopted", checked: undefined, pid: 7, launchedAtMs: undefined } as const;

  test("what was reported is not reported again [semantics 7.7]", () => {
    const executor = newExecutor();
    expect(executor.step({ ...adopted, isRunningReported: true, kill: undefined }, 0)).toEqual([]);
    expect(transcript(executor.step(exited(0), 1))).toEqual(["no timer", "TASK_FINISHED"]);
    const other = newExecutor();
    const effects = other.step({ ...adopted, isRunningReported: false, kill: undefined }, 0);
    expect(transcript(effects)).toEqual(["TASK_RUNNING"]);
  });

  test("a kill goes on with the grace it has left [semantics 6.6]", () => {
    const kill = { graceMs: 10_000, atMs: 1_000 };
    const executor = newExecutor({ hasKillingState: true });
    const effects = executor.step({ ...adopted, isRunningReported: true, kill }, 8_000);
    expect(transcript(effects)).toEqual(["SIGTERM", "timer 11000"]);
    expect(transcript(executor.step(exited(0), 8_100))).toEqual(["no timer", "TASK_KILLED"]);
    const late = newExecutor().step({ ...adopted, isRunningReported: true, kill }, 12_000);
    expect(transcript(late)).toEqual(["SIGTERM", "no timer", "SIGKILL"]);
  });

  test("max_completion_time counts from the first launch [semantics 6.6]", () => {
    const executor = newExecutor({ task: { max_completion_time: { nanoseconds: 60e9 } } });
    const input = { ...adopted, launchedAtMs: 5_000, isRunningReported: true, kill: undefined };
    expect(transcript(executor.step(input, 50_000))).toEqual(["timer 65000"]);
  });
});
