/**
 * A Docker Engine for tests: the one of DOCKER_HOST or of the usual socket, or else one of our own,
 * started from Debian's package with everything it owns in a folder of its own. Where none can be
 * had, the tests that need one are skipped with the reason.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";
import { until } from "./wait.ts";

/** Name of the image that `importBusybox` makes. */
export const BUSYBOX = "allot-test-busybox:1";

export interface DockerEngine {
  readonly socketPath: string;
  /** Processes of a private one, which a test may stop and go on with. */
  readonly pid: number | undefined;
  /** A network of its own exists under that name for the length of the test. */
  stop(): Promise<void>;
}

/** Why there can be no Engine here, or undefined. */
export function whyNoEngine(): string | undefined {
  if (foundSocket() !== undefined) return undefined;
  if (process.getuid?.() !== 0) return "no Docker Engine runs here, and only root can start one";
  for (const program of ["dockerd", "containerd", "busybox"]) {
    if (!isInstalled(program)) return `no Docker Engine runs here, and ${program} is not installed`;
  }
  return undefined;
}

/** The Engine that runs here, or a private one; has the busybox image. */
export async function openEngine(): Promise<DockerEngine> {
  const socketPath = foundSocket();
  if (socketPath === undefined) return startEngine();
  await importBusybox(socketPath);
  return { socketPath, pid: undefined, stop: async () => undefined };
}

/** A private Engine, also where another one runs: for tests that stop it. */
export async function startEngine(): Promise<DockerEngine> {
  const root = mkdtempSync(join(tmpdir(), "allot-docker-"));
  const socketPath = join(root, "docker.sock");
  const log = openSync(join(root, "dockerd.log"), "a");
  const paths = [
    ["--data-root", "data"],
    ["--exec-root", "exec"],
    ["--pidfile", "dockerd.pid"],
  ].flatMap(([flag = "", name = ""]) => [flag, join(root, name)]);
  const flags = ["--host", `unix://${socketPath}`, "--iptables=false", "--bridge=none"];
  const daemon = spawn("dockerd", [...paths, ...flags, "--insecure-registry", "127.0.0.0/8"], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  try {
    await until("the private Docker Engine answers", () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended, see ${root}/dockerd.log`);
      return answers(socketPath);
    });
    await importBusybox(socketPath);
  } catch (error) {
    await stopEngine(daemon, socketPath, root);
    throw error;
  }
  return { socketPath, pid: daemon.pid, stop: () => stopEngine(daemon, socketPath, root) };
}

/** Runs the Docker command line against an Engine. */
export async function docker(socketPath: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram("docker", [
    "-H",
    `unix://${socketPath}`,
    ...args,
  ]);
  if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** All processes of the host whose parent is `pid`, and that one. */
export function familyOf(pid: number): number[] {
  const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return [
    pid,
    ...children
      .split("\n")
      .map(Number)
      .filter((child) => child > 0),
  ];
}

function foundSocket(): string | undefined {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const path = host.startsWith("unix://") ? host.slice("unix://".length) : undefined;
  return path !== undefined && existsSync(path) ? path : undefined;
}

function isInstalled(program: string): boolean {
  return ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin", "/bin"].some((folder) =>
    existsSync(join(folder, program)),
  );
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(
      { socketPath, path: "/_ping", agent: false, timeout: 1000 },
      (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode === 200));
      },
    );
    call.once("error", () => resolve(false));
    call.once("timeout", () => call.destroy());
    call.end();
  });
}

/** An image of one static program and its names, since no registry can be reached. */
async function importBusybox(socketPath: string): Promise<void> {
  const found = await docker(socketPath, "images", "-q", BUSYBOX);
  if (found !== "") return;
  const folder = mkdtempSync(join(tmpdir(), "allot-image-"));
  try {
    for (const name of ["bin", "etc", "tmp"])
      mkdirSync(join(folder, "root", name), { recursive: true });
    chmodSync(join(folder, "root", "tmp"), 0o1777);
    const program = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path)) ?? "";
    copyFileSync(program, join(folder, "root", "bin", "busybox"));
    const { stdout } = await runProgram(program, ["--list"]);
    for (const name of stdout.split("\n").filter((line) => line !== "" && line !== "busybox")) {
      symlinkSync("busybox", join(folder, "root", "bin", name));
    }
    const archive = join(folder, "image.tar");
    execFileSync("tar", ["-C", join(folder, "root"), "-cf", archive, "."]);
    await docker(socketPath, "import", archive, BUSYBOX);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stopEngine(daemon: ChildProcess, socketPath: string, root: string): Promise<void> {
  if (daemon.exitCode === null && daemon.signalCode === null) {
    const containers = await docker(socketPath, "ps", "-aq").catch(() => "");
    for (const id of containers.split("\n").filter((line) => line !== "")) {
      await docker(socketPath, "rm", "-fv", id).catch(() => "");
    }
    daemon.kill("SIGTERM");
    await until(
      "the private Docker Engine ends",
      () => daemon.exitCode !== null || daemon.signalCode !== null,
    );
  }
  unmountBelow(root);
  rmSync(root, { recursive: true, force: true });
}

/** What a daemon that was killed leaves mounted would outlive the folder. */
function unmountBelow(root: string): void {
  const mounts = execFileSync("cat", ["/proc/mounts"], { encoding: "utf8" }).split("\n");
  const paths = mounts
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(root));
  for (const path of paths.reverse()) execFileSync("umount", ["-l", path]);
}
