/**
 * Goal: on one agent with a memcached and a Docker container, a job that forks without end stops at
 * pids.max, a hog of memory is killed alone and told why, a hog of disk is stopped by its quota, and
 * the others answer all the while. Method: the compiled program, real hogs and real limits. What the
 * hogs do to latencies is measured by `npm run bench -- tenants`.
 */
import { afterAll, expect } from "bun:test";
import { join } from "node:path";
import { ROOT } from "../../../build/tools.mjs";
import { HIERARCHY, newCgroupRoot, removeCgroupRoots } from "../../containerizer/native/native.ts";
import { cgroupsIn } from "../../e2e/native-scene.ts";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../../harness/allot-process.ts";
import { testNeeding } from "../../harness/needs.ts";
import { runProgram } from "../../harness/run-program.ts";
import { TestFramework } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import {
  AGENT_SETTINGS,
  askCache,
  CACHE,
  catchHogs,
  ciJob,
  hitsPidsMax,
  kill,
  launch,
} from "./tenants.ts";

const TIMEOUT_MS = 240_000;
const PATIENCE_MS = 120_000;
/** A few more than the job begins with: it takes long to start processes in the test machine. */
const PIDS_MAX = 24;
const WEB_URL = "http://127.0.0.1:31080/bin/busybox";
const WEB = {
  id: "web",
  command: "exec httpd -f -p 127.0.0.1:31080 -h /",
  cpus: 0.1,
  mem: 32,
  extra: { container: { type: "DOCKER", docker: { image: "tenants-busybox", network: "HOST" } } },
};

let both: AllotProcess | undefined;
const workDir = makeWorkDir();
afterAll(async () => {
  await both?.end("SIGKILL");
  await removeWorkDir(workDir);
  await removeCgroupRoots();
});

testNeeding(
  "appliance",
  "root",
  "cgroups2",
  "docker",
)(
  "hogs of processes, memory and disk harm themselves alone [issue 4]",
  async () => {
    const image = ["import", "/usr/share/appliance/busybox.tar", "tenants-busybox"];
    expect(await runProgram("docker", image)).toMatchObject({ code: 0 });
    const cgroupRoot = newCgroupRoot();
    both = await startAllot({
      role: "both",
      workDir,
      flags: [
        ...AGENT_SETTINGS.map((setting) => `--${setting}`),
        `--cgroups_pids_max=${PIDS_MAX}`,
        "--launcher=linux",
        `--cgroups_hierarchy=${HIERARCHY}`,
        `--cgroups_root=${cgroupRoot}`,
      ],
    });
    const framework = await TestFramework.subscribe({ master: both.url });
    await launch(framework, CACHE, WEB);
    const answers = async (): Promise<boolean> =>
      (await askCache("version")) !== undefined && (await web());
    await until("the tenants to answer", answers, PATIENCE_MS);

    const script = join(ROOT, "test/appliance/tenants/ci-job.pl");
    await launch(framework, ciJob(script, "ci"));
    await hitsPidsMax(join(HIERARCHY, cgroupRoot));
    expect(await answers()).toBe(true);
    await catchHogs(framework);
    expect(await answers()).toBe(true);
    for (const id of [CACHE.id, WEB.id, "ci"]) {
      expect([id, framework.states(id).at(-1)]).toEqual([id, "TASK_RUNNING"]);
    }
    await kill(framework, "ci");
    expect(await answers()).toBe(true);
    await framework.teardown();
    await until("no cgroup to be left", () => cgroupsIn(cgroupRoot).length === 0, PATIENCE_MS);
  },
  TIMEOUT_MS,
);

async function web(): Promise<boolean> {
  const response = await fetch(WEB_URL, { method: "HEAD" }).catch(() => undefined);
  return response?.ok === true;
}
