/**
 * A Docker Engine for tests: the one of DOCKER_HOST or of the usual socket, or else one of our own,
 * started from Debian's package with everything it owns in a folder of its own. Where none can be
 * had, the tests that need one are skipped with the reason.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, runProgram } from "./run-program.ts";
import { until } from "./wait.ts";

/** Name of the image that `importBusybox` makes. */
export const BUSYBOX = "allot-test-busybox:1";

const NO_BRIDGE = "none";

export interface DockerEngine {
  readonly socketPath: string;
  /** Ends a private one with all its containers; leaves another one alone. */
  stop(): Promise<void>;
}

export interface PrivateEngine extends DockerEngine {
  /** Of dockerd, which a test may stop, continue and kill. */
  pid(): number;
  /** Carries out a command of `ctr` on the containerd behind it. */
  ctr(...words: readonly string[]): Promise<void>;
  /** Starts dockerd again after it was ended; its containers are still known to it. */
  restart(): Promise<void>;
}

/**
 * The Engine that runs here, or a private one, with the busybox image; or why there is none, which
 * is printed as the reason for which `what` is skipped.
 */
export async function findEngine(what: string): Promise<DockerEngine | undefined> {
  const reason = whyNoEngine(foundSocket());
  if (reason === undefined) {
    const engine = await openEngine().catch((error: unknown) => String(error));
    if (typeof engine !== "string") return engine;
    console.warn(`skipped: ${what} (the Docker Engine cannot be used: ${engine})`);
    return undefined;
  }
  console.warn(`skipped: ${what} (${reason})`);
  return undefined;
}

/** The same, but always a private one, for tests that stop it; `flags` are further ones of dockerd. */
export async function findPrivateEngine(
  what: string,
  flags: readonly string[] = [],
): Promise<PrivateEngine | undefined> {
  const reason = whyNoEngine(undefined);
  if (reason === undefined) {
    const engine = await startEngine(flags).catch((error: unknown) => String(error));
    if (typeof engine !== "string") return engine;
    console.warn(`skipped: ${what} (a Docker Engine cannot be started: ${engine})`);
    return undefined;
  }
  console.warn(`skipped: ${what} (${reason})`);
  return undefined;
}

/** Undefined when one can be had: that of `socketPath`, or one of our own. */
export function whyNoEngine(socketPath: string | undefined): string | undefined {
  if (socketPath !== undefined) return undefined;
  if (process.getuid?.() !== 0) return "no Docker Engine runs here, and only root can start one";
  for (const program of ["dockerd", "containerd", "busybox"]) {
    if (!isInstalled(program)) return `no Docker Engine runs here, and ${program} is not installed`;
  }
  return undefined;
}

async function openEngine(): Promise<DockerEngine> {
  const socketPath = foundSocket();
  if (socketPath === undefined) return startEngine();
  await importBusybox(socketPath);
  return { socketPath, stop: async () => undefined };
}

async function startEngine(flags: readonly string[] = []): Promise<PrivateEngine> {
  const root = mkdtempSync(join(tmpdir(), "allot-docker-"));
  const socketPath = join(root, "docker.sock");
  const bridge = await makeBridge();
  let daemon = startDaemon(root, socketPath, bridge, flags);
  const stop = async (): Promise<void> => {
    await stopEngine(daemon, socketPath, root);
    if (bridge !== NO_BRIDGE) await mustRun("ip", "link", "delete", bridge);
  };
  try {
    await untilItAnswers(daemon, socketPath, root);
    await importBusybox(socketPath);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    socketPath,
    stop,
    pid: () => daemon.pid ?? 0,
    ctr: async (...words) => {
      const socket = join(root, "exec", "containerd", "containerd.sock");
      await mustRun("ctr", "--address", socket, "--namespace", "moby", ...words);
    },
    restart: async () => {
      // The next one would take a containerd that is about to end for its own.
      await until("the old containerd is gone", () => !existsSync(containerdOf(root)));
      daemon = startDaemon(root, socketPath, bridge, flags);
      await untilItAnswers(daemon, socketPath, root);
    },
  };
}

/** The folder of the process in /proc. */
function containerdOf(root: string): string {
  const pid = readFileSync(join(root, "exec", "containerd", "containerd.pid"), "utf8").trim();
  return `/proc/${pid}`;
}

/**
 * What the engine's bridge is to be. None is enough for it, but a dockerd without one takes docker0
 * away, whosever that is; beside another engine it therefore gets one that leads nowhere.
 */
async function makeBridge(): Promise<string> {
  if (!existsSync("/sys/class/net/docker0")) return NO_BRIDGE;
  const bytes = randomBytes(2);
  const name = `allot-${bytes.toString("hex")}`;
  await mustRun("ip", "link", "add", name, "type", "bridge");
  // Of the range for tests of networks (RFC 2544), as an engine would choose one of the host's else.
  await mustRun(
    "ip",
    "address",
    "add",
    `198.19.${bytes[0]}.${((bytes[1] ?? 0) & 0xf8) | 1}/29`,
    "dev",
    name,
  );
  return name;
}

function startDaemon(
  root: string,
  socketPath: string,
  bridge: string,
  more: readonly string[],
): ChildProcess {
  const log = openSync(join(root, "dockerd.log"), "a");
  const paths = [
    ["--data-root", "data"],
    ["--exec-root", "exec"],
    ["--pidfile", "dockerd.pid"],
  ].flatMap(([flag = "", name = ""]) => [flag, join(root, name)]);
  const flags = ["--host", `unix://${socketPath}`, "--iptables=false", `--bridge=${bridge}`];
  const daemon = spawn(
    "dockerd",
    [...paths, ...flags, "--live-restore", "--insecure-registry", "127.0.0.0/8", ...more],
    { stdio: ["ignore", log, log], detached: true },
  );
  closeSync(log);
  return daemon;
}

async function untilItAnswers(
  daemon: ChildProcess,
  socketPath: string,
  root: string,
): Promise<void> {
  await until("the private Docker Engine answers", () => {
    if (hasEnded(daemon)) {
      const log = readFileSync(join(root, "dockerd.log"), "utf8").trim().split("\n").slice(-3);
      throw new Error(`dockerd ended: ${log.join(" / ")}`);
    }
    return answers(socketPath);
  });
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
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
  if (!hasEnded(daemon)) {
    const containers = await docker(socketPath, "ps", "-aq").catch(() => "");
    for (const id of containers.split("\n").filter((line) => line !== "")) {
      await docker(socketPath, "rm", "-fv", id).catch(() => "");
    }
    daemon.kill("SIGTERM");
    await until("the private Docker Engine ends", () => hasEnded(daemon));
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
