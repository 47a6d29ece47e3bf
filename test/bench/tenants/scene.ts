/**
 * In the counted machine: one agent with a cache, a shop and its database, and what a CI job out of
 * hand does to the cache's answers. `scene.ts ROUNDS SECONDS` prints what goes on and, for every run
 * of so many seconds, or five times as many, a line of JSON (`Measured`). Errors end it: a tenant that
 * does not answer, a hog that is not caught.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AGENT_SETTINGS,
  askCache,
  CACHE,
  CACHE_PORT,
  catchHogs,
  ciJob,
  DATABASE,
  hitsPidsMax,
  kill,
  launch,
  SHOP,
  SHOP_URL,
} from "../../appliance/tenants/tenants.ts";
import { runProgram } from "../../harness/run-program.ts";
import { TestFramework } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import type { Measured, Phase } from "./latencies.ts";

const JOB = "/src/ci-job.pl";
/** How the job is held. */
const JOBS = [
  ["limited", { cpus: { value: 0.1 } }],
  ["weighted", undefined],
] as const;
/** What is told about is their difference, and a percentile needs many requests to stand still. */
const COMPARED: ReadonlySet<Phase> = new Set(["together", "limited"]);
const LONGER = 5;
const CGROUPS = "/sys/fs/cgroup/allot.slice/allot-tasks.service";
const MASTER = "http://127.0.0.1:5050";
const PIDS_MAX = 128;
/** A memcached of its own beside the plain job: what is without isolation has no agent either. */
const PLAIN_PORT = 11_212;
const DATABASE_PORT = 5432;
const REQUESTS_PER_SECOND = 300;
/** An order or a look of it takes this machine tens of milliseconds. */
const SHOP_EVERY_MS = 1000;
const PATIENCE_MS = 600_000;
const LOOK_EVERY_MS = 200;
const SETTLE_MS = 1000;

async function main(rounds: number, seconds: number): Promise<void> {
  const measure = async (phase: Phase, port = CACHE_PORT): Promise<void> => {
    await sleep(SETTLE_MS);
    const latencies = await load(port, COMPARED.has(phase) ? seconds * LONGER : seconds);
    console.log(JSON.stringify({ phase, latencies } satisfies Measured));
  };
  await must("ip", "link", "set", "lo", "up");
  await install();
  const framework = await TestFramework.subscribe({ master: MASTER });
  await launch(framework, CACHE);
  await answers(framework, CACHE.id, () => askCache("version"));
  for (let round = 0; round < rounds; round += 1) await measure("alone");

  await must("docker", "load", "--input", "/src/postgres.tar");
  console.log("Docker has its image");
  await launch(framework, DATABASE);
  await answers(framework, DATABASE.id, isDatabaseUp);
  console.log("the database answers");
  await launch(framework, SHOP);
  await answers(framework, SHOP.id, order);
  console.log("the shop answers");
  const customers = shopping();
  for (let round = 0; round < rounds; round += 1) {
    await measure("together");
    for (const [phase, limits] of JOBS) {
      const id = `${phase}-${round}`;
      await launch(framework, ciJob(JOB, id, limits));
      await hitsPidsMax(CGROUPS);
      await measure(phase);
      await kill(framework, id);
    }
    const plain = await startPlain();
    await measure("plain", PLAIN_PORT);
    plain();
  }
  await launch(framework, ciJob(JOB, "ci"));
  await hitsPidsMax(CGROUPS);
  await catchHogs(framework);
  console.log("hogs were caught");
  await kill(framework, "ci");
  await customers.stop();
  if ((await askCache("version")) === undefined) throw new Error("the cache answers no more");
  for (const { id } of [CACHE, DATABASE, SHOP]) {
    if (framework.states(id).at(-1) !== "TASK_RUNNING") throw new Error(`${id} has ended`);
  }
}

/** Docker without networks of its own, allot as its script installs it. */
async function install(): Promise<void> {
  const settings = [
    ...["role=both", "ip=127.0.0.1", "work_dir=/var/lib/allot", "docker_registry=/src/images"],
    ...AGENT_SETTINGS,
    `cgroups_pids_max=${PIDS_MAX}`,
  ];
  mkdirSync("/etc/docker", { recursive: true });
  const docker = { iptables: false, ip6tables: false, bridge: "none" };
  writeFileSync("/etc/docker/daemon.json", JSON.stringify(docker));
  await must("systemctl", "start", "docker.socket");
  mkdirSync("/etc/allot", { recursive: true });
  writeFileSync("/etc/allot/allot.conf", `${settings.join("\n")}\n`);
  await must("sh", "/src/install.sh", "--binary", "/src/allot");
}

async function must(program: string, ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(program, words);
  if (code !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}`);
}

/** At real-time priority, as a client on another machine would wait for no processor of this one. */
async function load(port: number, seconds: number): Promise<number[]> {
  const { code, stdout, stderr } = await runProgram("chrt", [
    ...["--fifo", "10", process.execPath, "/src/memcached-load.js"],
    ...[port, REQUESTS_PER_SECOND, seconds].map(String),
  ]);
  if (code !== 0) throw new Error(`the load on memcached failed: ${stderr}`);
  return JSON.parse(stdout) as number[];
}

/** Waits for a task's service. Errors: the task has ended. */
async function answers(
  framework: TestFramework,
  id: string,
  look: () => Promise<unknown>,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += LOOK_EVERY_MS) {
    if (await look()) return;
    const last = framework.updates.findLast(({ task_id }) => task_id.value === id);
    if (/FAILED|ERROR|DROPPED|LOST/.test(last?.state ?? "")) throw new Error(JSON.stringify(last));
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`${id} does not answer`);
}

async function order(): Promise<boolean> {
  const response = await fetch(SHOP_URL, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ item: "book" }),
  }).catch(() => undefined);
  return response?.status === 201;
}

/** A few customers who order and look, until told to stop; then: did everybody get an answer? */
function shopping(): { stop(): Promise<void> } {
  let isOver = false;
  let failures = 0;
  const work = async (): Promise<void> => {
    while (!isOver) {
      if (!(await order())) failures += 1;
      await sleep(SHOP_EVERY_MS);
      const list = await fetch(SHOP_URL).catch(() => undefined);
      if (list?.status !== 200) failures += 1;
      await list?.text();
      await sleep(SHOP_EVERY_MS);
    }
  };
  const done = work();
  return {
    stop: async () => {
      isOver = true;
      await done;
      if (failures > 0) throw new Error(`the shop left ${failures} customers without an answer`);
    },
  };
}

/** Its greeting would need a client; that somebody listens is enough here, as the shop asks more. */
function isDatabaseUp(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(DATABASE_PORT, "127.0.0.1", () => resolve(true));
    socket.once("error", () => resolve(false)).once("connect", () => socket.destroy());
  });
}

/** A memcached and the same job with as many processes, without allot; returns their end. */
async function startPlain(): Promise<() => void> {
  const words = ["-u", "nobody", "-l", "127.0.0.1", "-p", `${PLAIN_PORT}`, "-m", "64"];
  const started: ChildProcess[] = [
    spawn("memcached", words, { detached: true }),
    spawn("perl", [JOB, `${PIDS_MAX}`], { detached: true }),
  ];
  await until("the plain cache to answer", () => askCache("version", PLAIN_PORT), PATIENCE_MS);
  await sleep(SETTLE_MS);
  return () => {
    for (const { pid } of started) if (pid !== undefined) process.kill(-pid, "SIGKILL");
  };
}

const [rounds = 1, seconds = 5] = process.argv.slice(2).map(Number);
await main(rounds, seconds);
process.exit(0);
