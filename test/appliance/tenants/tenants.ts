/**
 * Tenants of one agent, as tasks: a cache, a shop with its database, and the neighbours that nobody
 * wants. What a hog may do to the others is what these are for.
 */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Status, TaskOptions, TestFramework } from "../../harness/test-framework.ts";
import { taskInfo } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";

export const CACHE_PORT = 11_211;
export const SHOP_URL = "http://127.0.0.1:3000/orders";

/** Of such an agent; disks are looked at often, as nobody here wants to wait. */
export const AGENT_SETTINGS: readonly string[] = [
  "containerizers=mesos,docker",
  "container_disk_watch_interval=2secs",
  "enforce_container_disk_quota=true",
  "docker_remove_delay=0ns",
];

const MEMORY_HOG_MIB = 64;
const DISK_HOG_MIB = 16;
/** What it writes is memory where the disk is in memory: more than it can fill between two looks. */
const DISK_HOG_MEMORY_MIB = 192;
/** A hog of memory or disk is caught in seconds; in an emulated machine some of these are long. */
const CATCH_MS_MAX = 180_000;
/** Names of Docker's tasks that come from the archives of images.sh. */
const SHELL_LESS = { shell: false };

export const CACHE: TaskOptions = {
  id: "cache",
  command: `exec memcached -u nobody -l 127.0.0.1 -p ${CACHE_PORT} -m 64`,
  extra: resources({ cpus: 0.4, mem: 128 }),
};

export const DATABASE: TaskOptions = {
  id: "database",
  command: "",
  extra: {
    ...resources({ cpus: 0.1, mem: 256 }),
    command: SHELL_LESS,
    container: { type: "DOCKER", docker: { image: "postgres:1", network: "HOST" } },
  },
};

export const SHOP: TaskOptions = {
  id: "shop",
  command: "",
  extra: {
    ...resources({ cpus: 0.2, mem: 512 }),
    command: {
      ...SHELL_LESS,
      environment: {
        variables: [{ name: "DATABASE_URL", value: "postgresql://shop@127.0.0.1/shop" }],
      },
    },
    container: { type: "MESOS", mesos: { image: { type: "DOCKER", docker: { name: "shop:1" } } } },
  },
};

/**
 * Asks for next to nothing, as work does that may wait. `script`: where the host has ci-job.pl.
 * `limits`: those of TaskInfo, what it may use of what others leave.
 */
export function ciJob(script: string, id: string, limits: object = {}): TaskOptions {
  const command = `exec perl ${script} 0`;
  return { id, command, extra: { ...resources({ cpus: 0.01, mem: 512 }), limits } };
}

const MEMORY_HOG: TaskOptions = {
  id: "memory-hog",
  command: "tail /dev/zero",
  extra: resources({ cpus: 0.05, mem: MEMORY_HOG_MIB }),
};

const DISK_HOG: TaskOptions = {
  id: "disk-hog",
  command: "while :; do cat /bin/bash >>fill; done",
  extra: resources({ cpus: 0.05, mem: DISK_HOG_MEMORY_MIB, disk: DISK_HOG_MIB }),
};

type Ended = Status & {
  readonly limitation?: {
    readonly resources: readonly { readonly name: string; readonly scalar: { value: number } }[];
  };
};

function resources(amounts: Readonly<Record<string, number>>): { readonly resources: object[] } {
  const allocation_info = { role: "*" };
  return {
    resources: Object.entries(amounts).map(([name, value]) => ({
      name,
      type: "SCALAR",
      scalar: { value },
      allocation_info,
    })),
  };
}

/** Launches on everything there is on offer. */
export async function launch(framework: TestFramework, ...tasks: TaskOptions[]): Promise<void> {
  const first = await framework.offer();
  const offers = [first, ...framework.offers.splice(0)];
  await framework.call("ACCEPT", {
    accept: {
      offer_ids: offers.map(({ id }) => id),
      operations: [
        { type: "LAUNCH", launch: { task_infos: tasks.map((task) => taskInfo(first, task)) } },
      ],
      filters: { refuse_seconds: 0 },
    },
  });
}

/** Kills at once and waits for the end. */
export async function kill(framework: TestFramework, id: string): Promise<void> {
  const kill_policy = { grace_period: { nanoseconds: 0 } };
  await framework.call("KILL", { kill: { task_id: { value: id }, kill_policy } });
  await framework.status(id, "TASK_KILLED", CATCH_MS_MAX);
}

/** Waits until some container below the root of cgroups has come to the bound on its processes. */
export async function hitsPidsMax(cgroupRoot: string): Promise<void> {
  await until(
    "the job to hit pids.max",
    () => {
      const files = readdirSync(cgroupRoot, { recursive: true, encoding: "utf8" });
      return files.some(
        (file) => file.endsWith("pids.events") && /^max [1-9]/m.test(text(join(cgroupRoot, file))),
      );
    },
    CATCH_MS_MAX,
  );
}

/**
 * Lets a hog of memory and a hog of disk run into their limits. Errors: one of them ended otherwise
 * than told why.
 */
export async function catchHogs(framework: TestFramework): Promise<void> {
  await launch(framework, MEMORY_HOG, DISK_HOG);
  const hogs = [
    {
      task: MEMORY_HOG,
      kind: "MEMORY",
      name: "mem",
      isLimit: (mib: number) => mib === MEMORY_HOG_MIB,
    },
    { task: DISK_HOG, kind: "DISK", name: "disk", isLimit: (mib: number) => mib > DISK_HOG_MIB },
  ];
  for (const { task, kind, name, isLimit } of hogs) {
    const ended: Ended = await framework.status(task.id, "TASK_FAILED", CATCH_MS_MAX);
    const limit = ended.limitation?.resources.find((resource) => resource.name === name);
    const isRight =
      ended.reason === `REASON_CONTAINER_LIMITATION_${kind}` && isLimit(limit?.scalar.value ?? 0);
    if (!isRight) throw new Error(`${task.id} ended otherwise: ${JSON.stringify(ended)}`);
  }
}

/** What memcached says to a command, without the end of the line; undefined while it is not up. */
export function askCache(command: string, port: number = CACHE_PORT): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    socket.setEncoding("utf8");
    socket.once("data", (answer: string) => {
      socket.destroy();
      resolve(answer.split("\r\n")[0]);
    });
    socket.once("error", () => resolve(undefined));
  });
}

/** Empty for what has gone meanwhile. */
function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
