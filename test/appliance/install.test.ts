/**
 * Goal: install.sh on a real systemd: tasks outlive restarts and upgrades of allot.service, end with
 * allot-tasks.service, and an uninstall leaves nothing. Method: the real script, program and units
 * in the test machine, whose end takes everything along.
 */
import { afterEach, describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../build/tools.mjs";
import { isAppliance, testNeeding } from "../harness/needs.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 240_000;
const PROGRAM = "/usr/local/bin/allot";
const CONFIG = "/etc/allot/allot.conf";
const DATA = "/var/lib/allot";
const TASKS_CGROUP = "/sys/fs/cgroup/allot.slice/allot-tasks.service";
const NETWORKS = "/run/networks-of-install";
const LEASES = join(NETWORKS, "leases");
const INSTALLED = [
  PROGRAM,
  CONFIG,
  DATA,
  "/etc/systemd/system/allot.service",
  "/etc/systemd/system/allot-tasks.service",
  "/etc/systemd/system/allot.slice",
  "/etc/systemd/system/allot-docker.slice",
];
/** Only in a machine that is thrown away afterwards: these tests change the system. */
const machineTest = testNeeding("appliance", "root", "systemd", "cgroups2");

function install(...options: readonly string[]): Promise<RunResult> {
  return runProgram("sh", [join(ROOT, "install.sh"), ...options]);
}

async function systemctl(...words: readonly string[]): Promise<string> {
  return (await runProgram("systemctl", words)).stdout.trim();
}

/** Without checkpoint the agent would end it with itself, as in Mesos. */
function startTask(name: string, ...options: readonly string[]): Promise<RunResult> {
  const command = `exec sleep ${sleepOf(name)}`;
  return runProgram(PROGRAM, [
    "execute",
    `--name=${name}`,
    "--resources=cpus:0.1;mem:32",
    "--checkpoint",
    `--command=${command}`,
    ...options,
  ]);
}

/** Lines of the configuration with a network whose plugin notes below `LEASES` which addresses it gave out. */
function networkSettings(): string {
  const [configs, plugins] = ["configs", "plugins"].map((name) => join(NETWORKS, name)) as [
    string,
    string,
  ];
  for (const folder of [configs, plugins, LEASES]) mkdirSync(folder, { recursive: true });
  const plugin = `#!/bin/sh
case $CNI_COMMAND in
  ADD)
    echo "$CNI_CONTAINERID" >${LEASES}/10.98.0.2
    echo '{"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.98.0.2/24"}]}'
    ;;
  DEL) rm -f ${LEASES}/10.98.0.2 ;;
  VERSION) echo '{"cniVersion": "0.4.0", "supportedVersions": ["0.4.0"]}' ;;
esac
`;
  writeFileSync(join(plugins, "leaser"), plugin, { mode: 0o755 });
  const network = { cniVersion: "0.4.0", name: "leased", type: "leaser" };
  writeFileSync(join(configs, "leased.conf"), JSON.stringify(network));
  return `network_cni_plugins_dir=${plugins}\nnetwork_cni_config_dir=${configs}\n`;
}

/** Addresses that are given out. */
function leases(): string[] {
  return readdirSync(LEASES);
}

/** A length of sleep that only this task has. */
function sleepOf(name: string): string {
  return `${[...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 10_000)}.5`;
}

async function pidOf(name: string): Promise<string> {
  return await until(`task ${name} to run`, async () => {
    const { stdout } = await runProgram("pgrep", ["--exact", "--full", `sleep ${sleepOf(name)}`]);
    return stdout.trim().split("\n")[0] || undefined;
  });
}

function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Processes whose cgroup lies in one of allot's. */
async function processesOfAllot(): Promise<string> {
  const script = "cat /proc/[0-9]*/cgroup 2>/dev/null | grep allot";
  return (await runProgram("sh", ["-c", script])).stdout;
}

/** The tests come in any order, and the files after this one want a machine without an agent. */
afterEach(async () => {
  if (isAppliance) await install("--uninstall", "--purge");
}, TIMEOUT_MS);

describe("install.sh on systemd", () => {
  machineTest(
    "starts both units, runs a task, and leaves it alone in restarts, kills and upgrades [DESIGN 7, 12]",
    async () => {
      expect(await install()).toMatchObject({ code: 0 });
      expect(await systemctl("is-active", "allot.service", "allot-tasks.service")).toBe(
        "active\nactive",
      );
      const hello = await runProgram(PROGRAM, ["execute", "--name=hello", "--command=echo hello"]);
      expect(hello).toMatchObject({ code: 0, stdout: "hello\n" });

      const execution = startTask("lasting");
      const pid = await pidOf("lasting");
      expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toStartWith(
        "0::/allot.slice/allot-tasks.service/",
      );
      const weightOf = (group: string): string =>
        readFileSync(`/sys/fs/cgroup/allot.slice${group}/cpu.weight`, "utf8").trim();
      expect(["", "/allot.service", "/allot-tasks.service"].map(weightOf)).toEqual([
        "1000",
        "5",
        "20",
      ]);
      const agent = await systemctl("show", "--value", "--property=MainPID", "allot.service");
      expect(await runProgram("systemctl", ["restart", "allot.service"])).toMatchObject({
        code: 0,
      });
      await systemctl("kill", "--kill-whom=main", "--signal=KILL", "allot.service");
      writeFileSync(CONFIG, `${readFileSync(CONFIG, "utf8")}# kept\n`);
      expect(await install()).toMatchObject({ code: 0 });
      expect(readFileSync(CONFIG, "utf8")).toEndWith("# kept\n");
      expect(await systemctl("show", "--value", "--property=MainPID", "allot.service")).not.toBe(
        agent,
      );
      expect(await pidOf("lasting")).toBe(pid);
      const tasks = await until("the agent to be back", async () => {
        const run = await runProgram(PROGRAM, ["tasks"]);
        return run.code === 0 && run.stdout.includes("lasting") ? run.stdout : undefined;
      });
      expect(tasks).toContain("running");

      await systemctl("stop", "allot-tasks.service");
      expect(isAlive(pid)).toBe(false);
      expect(await systemctl("is-active", "allot.service")).toBe("active");
      expect((await execution).code).not.toBe(0);
      expect(existsSync(TASKS_CGROUP)).toBe(false);
    },
    TIMEOUT_MS,
  );

  machineTest(
    "an uninstall finds the program by its unit, wherever it was installed [DESIGN 12]",
    async () => {
      const prefix = "/opt/of-install";
      expect(await install(`--prefix=${prefix}`)).toMatchObject({ code: 0 });
      const elsewhere = INSTALLED.map((path) => (path === PROGRAM ? `${prefix}/bin/allot` : path));
      expect(elsewhere.filter((path) => !existsSync(path))).toEqual([]);
      expect(existsSync(PROGRAM)).toBe(false);
      expect(await systemctl("is-active", "allot.service")).toBe("active");
      const removed = await install("--uninstall", "--purge");
      expect(removed).toMatchObject({ code: 0 });
      expect(removed.stdout).toContain(`removed ${prefix}/bin/allot and units`);
      expect(elsewhere.filter((path) => existsSync(path))).toEqual([]);
      await until(
        "every process of allot to be gone",
        async () => (await processesOfAllot()) === "",
      );
    },
    TIMEOUT_MS,
  );

  machineTest(
    "says why a start failed, and an uninstall leaves no unit, process, cgroup, address or file [DESIGN 12]",
    async () => {
      expect(await install()).toMatchObject({ code: 0 });
      const kept = readFileSync(CONFIG, "utf8");
      writeFileSync(CONFIG, `${kept}no_such_flag=1\n`);
      const refused = await install();
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("no_such_flag");
      writeFileSync(CONFIG, `${kept}${networkSettings()}`);
      expect(await install()).toMatchObject({ code: 0 });

      const execution = startTask("last", "--networks=leased");
      const pid = await pidOf("last");
      expect(leases()).toHaveLength(1);
      expect(await install("--uninstall")).toMatchObject({ code: 0 });
      expect(leases()).toEqual([]);
      // A gentle end would wait for the master, to end the task first.
      await runProgram("pkill", [
        "--signal=KILL",
        "--exact",
        "--full",
        `${PROGRAM} execute --name=last .*`,
      ]);
      await execution;
      expect(isAlive(pid)).toBe(false);
      expect(INSTALLED.filter((path) => existsSync(path))).toEqual([CONFIG, DATA]);
      expect(await install("--uninstall", "--purge")).toMatchObject({ code: 0 });
      expect(INSTALLED.filter((path) => existsSync(path))).toEqual([]);
      expect(await systemctl("list-units", "--all", "--no-legend", "--plain", "allot*")).toBe("");
      await until(
        "every process of allot to be gone",
        async () => (await processesOfAllot()) === "",
      );
      expect(existsSync("/sys/fs/cgroup/allot.slice")).toBe(false);
      expect(existsSync("/sys/fs/cgroup/system.slice/allot.service")).toBe(false);
    },
    TIMEOUT_MS,
  );
});
