/**
 * Goal: install.sh places, keeps, replaces and removes exactly what it says. Method: run the real
 * script with a staging root in a temporary folder, with a small stand-in for the program, and
 * compare the files left behind. What needs a running systemd is not reached here.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../build/tools.mjs";

const CONFIG = "etc/allot/allot.conf";
const PROGRAM = "usr/local/bin/allot";
const UNITS = ["allot-docker.slice", "allot-tasks.service", "allot.service", "allot.slice"].map(
  (unit) => `etc/systemd/system/${unit}`,
);

let root = "";
let binary = "";

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "allot-install-"));
  root = join(folder, "stage");
  binary = join(folder, "program");
  writeFileSync(binary, "#!/bin/sh\necho first\n");
  chmodSync(binary, 0o755);
});

afterEach(() => rmSync(join(root, ".."), { recursive: true, force: true }));

function install(...options: readonly string[]): { status: number | null; output: string } {
  const script = join(ROOT, "install.sh");
  const args = [script, "--root", root, "--no-start", `--binary=${binary}`, ...options];
  const run = spawnSync("sh", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  return { status: run.status, output: `${run.stdout}${run.stderr}` };
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** Every file below the staging root. */
function staged(): readonly string[] {
  if (!existsSync(root)) return [];
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" });
  return paths.filter((path) => statSync(join(root, path)).isFile()).sort();
}

test("an install places the program, its configuration and its units [DESIGN 12]", () => {
  expect(install()).toMatchObject({ status: 0 });
  expect(staged()).toEqual([CONFIG, ...UNITS, PROGRAM]);
  expect(statSync(join(root, PROGRAM)).mode & 0o777).toBe(0o755);
  expect(read(CONFIG)).toContain("\nrole=both\nwork_dir=/var/lib/allot\n");
  expect(existsSync(join(root, "var/lib/allot"))).toBe(true);
});

test("the agent's unit leaves tasks alone and the tasks' unit ends them [DESIGN 7]", () => {
  install("--prefix=/opt/allot");
  const unit = read("etc/systemd/system/allot.service");
  expect(unit).toContain("ExecStart=/opt/allot/bin/allot --config=/etc/allot/allot.conf\n");
  expect(unit).not.toContain("@PREFIX@");
  const place = "Environment=ALLOT_DOCKER_CGROUP_PARENT=allot-docker.slice";
  for (const line of ["Type=notify", "KillMode=process", place]) {
    expect(unit).toContain(`\n${line}\n`);
  }
  const tasks = read("etc/systemd/system/allot-tasks.service");
  for (const line of ["KillMode=control-group", "Delegate=yes", "Slice=allot.slice"]) {
    expect(tasks).toContain(`\n${line}\n`);
  }
});

test("a second install replaces the program and keeps the configuration [DESIGN 12]", () => {
  install();
  const edited = `${read(CONFIG)}hostname=edited\n`;
  writeFileSync(join(root, CONFIG), edited);
  writeFileSync(binary, "#!/bin/sh\necho second\n");
  expect(install()).toMatchObject({ status: 0 });
  expect(read(CONFIG)).toBe(edited);
  expect(read(PROGRAM)).toContain("second");
  expect(staged()).toHaveLength(6);
});

test("--role and --master change those two lines and no other [DESIGN 12]", () => {
  install();
  writeFileSync(join(root, CONFIG), `${read(CONFIG)}hostname=edited\n`);
  expect(install("--role=agent", "--master=10.0.0.1:5050")).toMatchObject({ status: 0 });
  install("--role=agent", "--master=10.0.0.2:5050");
  const lines = read(CONFIG).split("\n");
  expect(lines.filter((line) => /^(?:role|master)=/.test(line))).toEqual([
    "role=agent",
    "master=10.0.0.2:5050",
  ]);
  expect(lines).toContain("hostname=edited");
});

test("--role=agent without a master leaves an existing configuration as it is [DESIGN 12]", () => {
  install();
  const before = read(CONFIG);
  expect(install("--role=agent")).toMatchObject({ status: 1 });
  expect(read(CONFIG)).toBe(before);
});

test("masters and agents are told where ZooKeeper is [DESIGN 12]", () => {
  const address = "zk://user:pass@10.0.0.1:2181,10.0.0.2:2181/allot";
  expect(install("--role=both", `--zk=${address}`, `--master=${address}`).status).toBe(0);
  const lines = read(CONFIG).split("\n");
  expect(lines).toContain(`zk=${address}`);
  expect(lines).toContain(`master=${address}`);
  // It holds a password now.
  expect(statSync(join(root, CONFIG)).mode & 0o777).toBe(0o600);
});

test("an uninstall keeps configuration and data, --purge removes them [DESIGN 12]", () => {
  install();
  writeFileSync(join(root, "var/lib/allot/kept"), "");
  expect(install("--uninstall")).toMatchObject({ status: 0 });
  expect(staged()).toEqual([CONFIG, "var/lib/allot/kept"]);
  expect(install("--uninstall", "--purge")).toMatchObject({ status: 0 });
  expect(install("--uninstall", "--purge")).toMatchObject({ status: 0 });
  expect(staged()).toEqual([]);
});

test("an uninstall finds the program where it was installed, and says where it found none [DESIGN 12]", () => {
  install("--prefix=/opt/allot");
  writeFileSync(binary, "#!/bin/sh\necho second\n");
  // An upgrade stays where it was.
  expect(install()).toMatchObject({ status: 0 });
  expect(read("opt/allot/bin/allot")).toContain("second");
  expect(existsSync(join(root, PROGRAM))).toBe(false);
  const wrong = install("--uninstall", "--prefix=/opt/other");
  expect(wrong).toMatchObject({ status: 1 });
  expect(wrong.output).toContain("installed with --prefix /opt/allot, not /opt/other");
  expect(staged()).toEqual([CONFIG, ...UNITS, "opt/allot/bin/allot"]);
  const removed = install("--uninstall");
  expect(removed).toMatchObject({ status: 0 });
  expect(removed.output).toContain(`removed ${root}/opt/allot/bin/allot and units`);
  expect(staged()).toEqual([CONFIG]);
  const again = install("--uninstall");
  expect(again).toMatchObject({ status: 0 });
  expect(again.output).toContain(`there is no ${root}/${PROGRAM}`);
});

test("an install elsewhere says what it leaves behind [DESIGN 12]", () => {
  install("--prefix=/opt/allot");
  const { output } = install("--prefix=/usr");
  expect(output).toContain(`left ${root}/opt/allot/bin/allot as it is`);
  expect(read("etc/systemd/system/allot.service")).toContain("ExecStart=/usr/bin/allot ");
  // The one whose unit is gone is removed by its name.
  install("--uninstall");
  expect(install("--uninstall", "--prefix=/opt/allot")).toMatchObject({ status: 0 });
  expect(staged()).toEqual([CONFIG]);
});

const refusals: readonly (readonly [options: readonly string[], message: string])[] = [
  [["--colour"], "unknown option --colour; see install.sh --help"],
  [["--role=slave"], "--role slave is unknown; choose master, agent or both"],
  [["--role=agent"], "role agent needs the address of its master: --master HOST:PORT or zk://…"],
  [["--master=here"], "--master here is not HOST:PORT or zk://HOST:PORT/PATH"],
  [["--master=a:1|b"], "--master a:1|b is not HOST:PORT or zk://HOST:PORT/PATH"],
  [["--master=zk://a:2181"], "--master zk://a:2181 is not zk://HOST:PORT[,HOST:PORT…]/PATH"],
  [["--zk=10.0.0.1:2181"], "--zk 10.0.0.1:2181 is not zk://HOST:PORT[,HOST:PORT…]/PATH"],
  [["--zk=zk://a:1/b c"], "--zk zk://a:1/b c holds a character that no address has"],
  [["--prefix=opt"], "--prefix opt is not an absolute path"],
  [["--prefix=/opt/a b"], "--prefix /opt/a b holds a character that a unit file would misread"],
  [["--purge"], "--purge only goes with --uninstall"],
  [["--role"], "--role needs a value"],
  [["--binary=/nowhere/allot"], "/nowhere/allot is missing; run npm run build"],
];
for (const [options, message] of refusals) {
  test(`${options.join(" ")} is refused with the remedy and leaves nothing [DESIGN 12]`, () => {
    const { status, output } = install(...options);
    expect(output).toContain(`install.sh: ${message}`);
    expect(status).toBe(1);
    expect(staged()).toEqual([]);
  });
}

const hasShellcheck = spawnSync("shellcheck", ["--version"]).status === 0;
if (!hasShellcheck) console.log("skipped: shellcheck is not installed");
test.skipIf(!hasShellcheck)("shellcheck finds nothing in the shell scripts [issue 2]", () => {
  const appliance = [
    "debian.sh",
    "image.sh",
    "guest/appliance",
    "counted/image.sh",
    "counted/init",
    "tenants/images.sh",
  ];
  const scripts = ["install.sh", ".ci/run", ...appliance.map((path) => `test/appliance/${path}`)];
  const run = spawnSync("shellcheck", ["-x", ...scripts], { cwd: ROOT, encoding: "utf8" });
  expect(run.stdout).toBe("");
  expect(run.status).toBe(0);
});
