/** Mesos' flat names as families with labels, and the text that prom-client makes of them. */
import { describe, expect, test } from "bun:test";
import { LiveMetrics } from "../../../src/http/metrics/live-metrics.ts";
import { prometheusText } from "../../../src/http/metrics/prometheus.ts";
import { toFamilies } from "../../../src/http/metrics/prometheus-names.ts";
import { FakeClock } from "../../base/fake-clock.ts";

const noTurn = (): Promise<void> => Promise.resolve();

/** The lines of one name, without comments. */
async function linesOf(snapshot: Readonly<Record<string, number>>): Promise<string[]> {
  const { text } = await prometheusText(toFamilies(snapshot), noTurn);
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("names", () => {
  const CASES: readonly (readonly [string, number, string])[] = [
    ["master/uptime_secs", 5, "allot_master_uptime_seconds 5"],
    ["master/slaves_active", 5, "allot_master_agents_active 5"],
    ["master/messages_kill_task", 5, "allot_master_messages_kill_task_total 5"],
    ["master/valid_status_updates", 5, "allot_master_valid_status_updates_total 5"],
    [
      "master/slave_removals/reason_unhealthy",
      1,
      "allot_master_agent_removals_reason_unhealthy_total 1",
    ],
    ["master/tasks_running", 5, 'allot_master_tasks{state="running"} 5'],
    ["master/tasks_finished", 5, 'allot_master_tasks_ended_total{state="finished"} 5'],
    [
      "master/task_failed/source_slave/reason_command_executor_failed",
      2,
      'allot_master_task_reasons_total{state="failed",source="slave",reason="command_executor_failed"} 2',
    ],
    [
      "master/cpus_revocable_percent",
      0.5,
      'allot_master_resources{resource="cpus",what="percent",revocable="true"} 0.5',
    ],
    [
      "master/operations/reserve/pending",
      1,
      'allot_master_operations{type="reserve",state="pending"} 1',
    ],
    [
      "master/operations/create/failed",
      1,
      'allot_master_operations_ended_total{type="create",state="failed"} 1',
    ],
    [
      "master/frameworks/a%2Fb/F-0/calls/accept",
      3,
      'allot_framework_calls_total{framework="a/b",framework_id="F-0",type="accept"} 3',
    ],
    [
      "master/frameworks/a/F-0/roles/web/api/suppressed",
      1,
      'allot_framework_suppressed{framework="a",framework_id="F-0",role="web/api"} 1',
    ],
    [
      "allocator/mesos/quota/roles/a/b/resources/cpus/limit",
      3,
      'allot_allocator_quota{role="a/b",resource="cpus",what="limit"} 3',
    ],
    ["allocator/mesos/allocation_runs", 3, "allot_allocator_allocation_runs_total 3"],
    [
      "allocator/mesos/allocation_run_ms/p999",
      20,
      'allot_allocator_allocation_run_seconds{quantile="0.999"} 0.02',
    ],
    ["registrar/state_fetch_ms", 20, "allot_registrar_state_fetch_last_seconds 0.02"],
    ["registrar/registry_size_bytes", 20, "allot_registrar_registry_size_bytes 20"],
    ["master/event_queue_messages", 2, "allot_master_event_queue_messages 2"],
    [
      "registrar/state_store_ms/p50",
      20,
      'allot_registrar_state_store_seconds{quantile="0.5"} 0.02',
    ],
    ["system/mem_total_bytes", 20, "allot_system_mem_total_bytes 20"],
    ["slave/executors_terminated", 2, "allot_agent_executors_terminated_total 2"],
    ["slave/executors_running", 2, "allot_agent_executors_running 2"],
  ];
  test.each(CASES)("%s", async (name, value, line) => {
    expect(await linesOf({ [name]: value })).toEqual([line]);
  });

  test("what is a sum of others is not told twice", async () => {
    expect(
      await linesOf({ "master/operations/total": 1, "master/frameworks/a/F/calls": 1 }),
    ).toEqual([]);
  });

  test("a role or name that would break a line is escaped", async () => {
    const name = `allocator/mesos/roles/a"\\b/shares/dominant`;
    expect(await linesOf({ [name]: 1 })).toEqual([
      'allot_allocator_dominant_share{role="a\\"\\\\b"} 1',
    ]);
  });

  test("a long text gives others their turn", async () => {
    const names = Array.from({ length: 5000 }, (_, number) => `allocator/mesos/roles/r${number}`);
    const snapshot = Object.fromEntries(names.map((name) => [`${name}/shares/dominant`, 1]));
    const rest = { "master/elected": 1, "master/uptime_secs": 1 };
    let turns = 0;
    const { text } = await prometheusText(toFamilies({ ...snapshot, ...rest }), async () => {
      turns += 1;
    });
    expect(turns).toBe(1);
    expect(text.split("\n").filter((line) => line.startsWith("allot_"))).toHaveLength(5002);
  });

  test("each family says once what it is", async () => {
    const { text, contentType } = await prometheusText(
      toFamilies({ "master/tasks_running": 1, "master/tasks_staging": 2 }),
      noTurn,
    );
    expect(contentType).toStartWith("text/plain");
    expect(text).toBe(
      "# HELP allot_master_tasks Tasks that are not over\n" +
        "# TYPE allot_master_tasks gauge\n" +
        'allot_master_tasks{state="running"} 1\n' +
        'allot_master_tasks{state="staging"} 2\n',
    );
  });
});

describe("histograms", () => {
  test("calls are timed by API and type, also those that fail", async () => {
    const clock = new FakeClock();
    const live = new LiveMetrics(clock);
    const take = (ms: number) => () => clock.advance(ms);
    await live.timed("scheduler", "ACCEPT", take(3));
    await live.timed("scheduler", "ACCEPT", take(700));
    const failing = live.timed("operator", "GET_STATE", () => Promise.reject(new Error("broken")));
    await expect(failing).rejects.toThrow("broken");
    const { text } = await prometheusText(live.families(), noTurn);
    const lines = text.split("\n");
    expect(lines).toContain(
      'allot_call_seconds_bucket{api="scheduler",type="ACCEPT",le="0.0025"} 0',
    );
    expect(lines).toContain(
      'allot_call_seconds_bucket{api="scheduler",type="ACCEPT",le="0.005"} 1',
    );
    expect(lines).toContain('allot_call_seconds_bucket{api="scheduler",type="ACCEPT",le="+Inf"} 2');
    expect(lines).toContain('allot_call_seconds_sum{api="scheduler",type="ACCEPT"} 0.703');
    expect(lines).toContain('allot_call_seconds_count{api="operator",type="GET_STATE"} 1');
  });

  test("a stall of the event loop shows as lag", async () => {
    const clock = new FakeClock();
    const live = new LiveMetrics(clock);
    live.start();
    clock.advance(100);
    clock.leap(400);
    live.stop();
    clock.advance(1000);
    const { text } = await prometheusText(live.families(), noTurn);
    const lines = text.split("\n");
    expect(lines).toContain('allot_event_loop_lag_seconds_bucket{le="0.0005"} 1');
    expect(lines).toContain('allot_event_loop_lag_seconds_bucket{le="0.25"} 1');
    expect(lines).toContain('allot_event_loop_lag_seconds_bucket{le="0.5"} 2');
    expect(lines).toContain("allot_event_loop_lag_seconds_count 2");
  });
});
