/**
 * One run of the counted machine: Debian's own kernel with systemd in QEMU, whose clock counts
 * instructions, two nanoseconds each, and jumps when there is nothing to do. What is measured in it
 * is the machine's own work: it neither depends on how fast this host is nor on who else keeps it
 * busy. It has one processor and keeps everything in memory; caches and disks take no time.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { makeImage } from "../images.ts";
import { CONSOLE_CHARS_MAX } from "../limits.ts";

export interface CountedRun {
  /** Path below /src in the machine → file of this host. */
  readonly files: ReadonlyMap<string, string>;
  /** Shell text, carried out as root in /src; its output are the lines. */
  readonly command: string;
  /** Words beside those that the kernel is always started with. */
  readonly kernelWords?: readonly string[];
  readonly memoryMib: number;
  /** Of this host's time, from the start to the end. */
  readonly wallMsMax: number;
  readonly onLine: (line: string) => void;
}

const STATUS = "counted machine: status ";

/** The command's exit status. Errors: the machine cannot be had, or ended without one. */
export async function runCounted(run: CountedRun): Promise<number> {
  const image = makeImage("counted/image.sh", makeImage("image.sh"));
  const folder = mkdtempSync(join(tmpdir(), "allot-counted-"));
  try {
    pack(run, image, folder);
    return await follow(start(run, image, folder), run, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes `initrd`: what every run has, and behind it what this one brings. */
function pack({ files, command }: CountedRun, image: string, folder: string): void {
  const source = join(folder, "payload/src");
  const script = [
    "exec </dev/null >/dev/ttyS1 2>&1",
    "stty -F /dev/ttyS1 raw",
    "cd /src || exit",
    `export HOME=/root LANG=C.UTF-8 IN_APPLIANCE=1`,
    `(${command}\n)`,
    `echo "${STATUS}$?"`,
    "stty -F /dev/ttyS1 sane",
    "systemctl poweroff --force --force",
  ];
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, "run"), `${script.join("\n")}\n`);
  for (const [name, path] of files) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    symlinkSync(path, join(source, name));
  }
  const words = `cp "$1/root.cpio" initrd && cd payload &&
    find . | cpio --quiet --create --dereference --format=newc >>../initrd`;
  execFileSync("sh", ["-ec", words, "sh", image], { cwd: folder });
}

function start(run: CountedRun, image: string, folder: string): ChildProcess {
  const { memoryMib, kernelWords = [] } = run;
  const kernel = [
    "console=ttyS0 panic=-1 quiet audit=0 apparmor=0 selinux=0 mitigations=off random.trust_cpu=on",
    // What forks and exits would otherwise hold everybody else up while the kernel is at it.
    "preempt=full",
    // What forks and exits leave to be freed would otherwise be done in an interrupt of whoever runs.
    "rcutree.use_softirq=0",
    "systemd.unified_cgroup_hierarchy=1 systemd.show_status=0",
    'systemd.run="/bin/sh /src/run"',
    ...kernelWords,
  ];
  const words = [
    "-machine pc -nodefaults -no-user-config -display none -no-reboot",
    "-accel tcg,tb-size=512 -icount shift=1,sleep=off -cpu max",
    `-m ${memoryMib} -serial file:${join(folder, "console")} -serial stdio`,
    `-kernel ${join(image, "linux")} -initrd ${join(folder, "initrd")}`,
  ];
  return spawn("qemu-system-x86_64", [...words.join(" ").split(" "), "-append", kernel.join(" ")], {
    stdio: ["ignore", "pipe", "pipe"],
    // A session of its own is a share of the host's processors of its own.
    detached: true,
  });
}

async function follow(child: ChildProcess, run: CountedRun, folder: string): Promise<number> {
  let status: number | undefined;
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-CONSOLE_CHARS_MAX);
  });
  if (child.stdout === null) throw new Error("a process without output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.startsWith(STATUS)) status = Number(line.slice(STATUS.length));
    else run.onLine(line);
  });
  const stop = (): void => void child.kill("SIGKILL");
  const timer = setTimeout(stop, run.wallMsMax);
  process.once("exit", stop);
  await new Promise<void>((resolve, reject) => {
    child.once("close", () => resolve()).once("error", reject);
  });
  clearTimeout(timer);
  process.off("exit", stop);
  if (status !== undefined) return status;
  const console = readFileSync(join(folder, "console"), "utf8").slice(-CONSOLE_CHARS_MAX);
  throw new Error(`the counted machine ended without a status: ${errors}${console}`);
}
