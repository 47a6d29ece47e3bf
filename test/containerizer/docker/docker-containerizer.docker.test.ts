/** The Docker containerizer against a real Engine: commands, output, limits, networks, kills. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { TerminalSize } from "../../../src/base/ports.ts";
import type { InteractiveSpec } from "../../../src/containerizer/containerizer.ts";
import { docker, findEngine } from "../../harness/docker-engine.ts";
import { freePort } from "../../harness/free-port.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { isProgramRunning, outputOf } from "../containers.ts";
import { DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS);
const engine = await findEngine("the Docker containerizer");

describe.skipIf(engine === undefined)("the Docker containerizer", () => {
  const scene = new DockerScene(engine);
  afterAll(() => engine?.stop());
  afterEach(() => scene.clear());

  test("output and status of a command arrive to the byte [semantics 7.15]", async () => {
    const agent = scene.open();
    const spec = scene.spec(
      agent,
      "cat $MESOS_SANDBOX/note; echo err >&2; echo $MESOS_CONTAINER_NAME >/mnt/mesos/sandbox/name; head -c 50000 /dev/zero | tr '\\0' x; printf end; exit 7",
    );
    mkdirSync(spec.directory, { recursive: true });
    writeFileSync(join(spec.directory, "note"), "from the sandbox\n");
    const { data } = await agent.containerizer.launch(spec);
    expect(data).toContain(spec.containerId);
    expect(await agent.containerizer.wait(spec.containerId)).toEqual({
      exit: { kind: "exited", code: 7 },
    });
    expect(outputOf(spec)).toBe(`from the sandbox\n${"x".repeat(50_000)}end`);
    expect(outputOf(spec, "stderr")).toBe("err\n");
    expect(readFileSync(join(spec.directory, "name"), "utf8")).toBe(`mesos-${spec.containerId}\n`);
    expect(await scene.containersOf(spec)).not.toBe("");
    await agent.containerizer.cleanup(spec.containerId);
    await until("the container is removed", async () => (await scene.containersOf(spec)) === "");
  });

  test("every line of a command that writes much is there once, in order", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "seq 1 20000; seq 1 500 >&2");
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    const lines = (n: number): string => Array.from({ length: n }, (_, i) => `${i + 1}\n`).join("");
    expect(outputOf(spec)).toBe(lines(20_000));
    expect(outputOf(spec, "stderr")).toBe(lines(500));
  });

  test("words, environment and folders are what was asked for [semantics 7.15]", async () => {
    const agent = scene.open();
    mkdirSync(join(agent.root, "shared"), { recursive: true });
    const odd = 'it\'s "quoted" $HOME\nline';
    const spec = scene.spec(
      agent,
      {
        shell: false,
        value: "/bin/sh",
        arguments: [
          "-c",
          'printf "%s|" "$@" "$ODD"; pwd; ls /data /mnt/mesos/sandbox; id -u',
          "sh",
          "a b",
          "",
        ],
      },
      { environment: { ODD: odd } },
      {
        volumes: [
          { mode: "RW", host_path: join(agent.root, "shared"), container_path: "/data" },
          { mode: "RW", host_path: "mine", container_path: "/mine" },
        ],
        docker: {
          parameters: [
            { key: "workdir", value: "/tmp" },
            { key: "user", value: "33" },
          ],
        },
      },
    );
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toStartWith(`a b||${odd}|/tmp\n/data:\n`);
    expect(outputOf(spec)).toContain("\n33\n");
    expect(existsSync(join(spec.directory, "mine"))).toBe(true);
  });

  test("SIGTERM asks, SIGKILL ends [semantics 6.6]", async () => {
    const agent = scene.open();
    const polite = scene.spec(
      agent,
      "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.1; done",
    );
    const deaf = scene.spec(agent, "trap '' TERM; echo up; while :; do sleep 0.1; done");
    for (const spec of [polite, deaf]) {
      await agent.containerizer.launch(spec);
      await until("it is up", () => outputOf(spec).includes("up"));
      await agent.containerizer.signal(spec.containerId, "SIGTERM");
    }
    expect((await agent.containerizer.wait(polite.containerId)).exit).toEqual({
      kind: "exited",
      code: 3,
    });
    expect(outputOf(polite)).toBe("up\ntold\n");
    await agent.containerizer.destroy(deaf.containerId);
    expect((await agent.containerizer.wait(deaf.containerId)).exit).toEqual({
      kind: "exited",
      code: 137,
    });
    await agent.containerizer.destroy(deaf.containerId);
    await agent.containerizer.cleanup(deaf.containerId);
    await agent.containerizer.cleanup(deaf.containerId);
  });

  test(
    "who exceeds its memory is told so, with the limit [semantics 6.3]",
    async () => {
      const agent = scene.open();
      const resources = [{ name: "mem", type: "SCALAR", scalar: { value: 10 } }] as const;
      // The Engine itself notices only some of them: where the first process is the one that is killed.
      const inner = scene.spec(agent, "x=$(head -c 100000000 /dev/zero | tr '\\0' x)", {
        resources,
      });
      const outer = Array.from({ length: 4 }, () => {
        return scene.spec(agent, "exec tail /dev/zero", { resources });
      });
      const hogs = [inner, ...outer];
      await Promise.all(hogs.map((spec) => agent.containerizer.launch(spec)));
      for (const spec of hogs) {
        const { exit, limitation } = await agent.containerizer.wait(spec.containerId);
        expect(exit).toEqual({ kind: "exited", code: 137 });
        expect(limitation?.reason).toBe("REASON_CONTAINER_LIMITATION_MEMORY");
        expect(limitation?.message).toStartWith("Memory limit exceeded: Requested: 32MB");
        expect(limitation?.resources[0]?.scalar?.value).toBe(32);
      }
      // One that is killed by somebody is not told so.
      const killed = scene.spec(agent, "kill -9 $$; sleep 100", { resources });
      await agent.containerizer.launch(killed);
      await agent.containerizer.destroy(killed.containerId);
      expect((await agent.containerizer.wait(killed.containerId)).limitation).toBeUndefined();
    },
    PATIENCE_MS * 4,
  );

  test("usage, status and commands inside a running container [semantics 7.13]", async () => {
    const agent = scene.open();
    const resources = [
      { name: "cpus", type: "SCALAR", scalar: { value: 0.5 } },
      { name: "mem", type: "SCALAR", scalar: { value: 64 } },
    ] as const;
    const limits = { cpus: { value: 0.8 }, mem: { value: 128 } };
    const spec = scene.spec(agent, "export HERE=yes; sleep 100", { resources, limits });
    const { pid } = await agent.containerizer.launch(spec);
    expect(pid).toBeGreaterThan(1);
    const usage = await agent.containerizer.usage(spec.containerId);
    expect(usage.processes).toBeGreaterThanOrEqual(1);
    expect(usage).toMatchObject({ cpus_limit: 0.8, cpus_soft_limit: 0.5 });
    expect(usage).toMatchObject({ mem_limit_bytes: 128 << 20, mem_soft_limit_bytes: 64 << 20 });
    expect(usage.mem_rss_bytes ?? 0).toBeGreaterThan(0);
    expect(await agent.containerizer.status(spec.containerId)).toEqual({
      container_id: { value: spec.containerId },
      executor_pid: pid,
    });
    const inside = { ...spec, user: undefined, environment: { WORD: "in" }, timeoutMs: undefined };
    const ask = (value: string, timeoutMs?: number): Promise<unknown> =>
      agent.containerizer.runInside({ ...inside, command: { value }, timeoutMs });
    expect(await ask('[ "$WORD" = in ] && [ -d /mnt/mesos/sandbox ]')).toEqual({
      kind: "exited",
      code: 0,
    });
    expect(await ask("exit 4")).toEqual({ kind: "exited", code: 4 });
    expect(await ask("sleep 50", 200)).toEqual({ kind: "timedOut" });
    // With what it has started, which would hold up the next ones.
    expect(await ask("sleep 7771 & sleep 7772; true", 200)).toEqual({ kind: "timedOut" });
    await until(
      "nothing of it is left",
      () => !isProgramRunning("sleep 7771") && !isProgramRunning("sleep 7772"),
    );
    await agent.containerizer.update(spec.containerId, resources, { mem: { value: 96 } });
    await agent.containerizer.destroy(spec.containerId);
    await expect(ask("true")).rejects.toThrow("does not run");
  });

  test("a command inside waits for who has no room, and not for who never has once it ends", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "sleep 1000");
    await agent.containerizer.launch(spec);
    const run = (value: string, onOutput: InteractiveSpec["onOutput"]) =>
      agent.containerizer.runInteractive({
        ...spec,
        sessionId: value,
        user: undefined,
        command: { value },
        environment: {},
        terminal: undefined,
        onOutput,
      });
    let byteCount = 0;
    const room = Promise.withResolvers<void>();
    const slow = await run("head -c 20000000 /dev/zero; exit 5", (_stream, data) => {
      byteCount += data.length;
      return room.promise;
    });
    await Bun.sleep(1000);
    expect(byteCount).toBeLessThan(1_000_000);
    room.resolve();
    expect(await slow.end).toEqual({ kind: "exited", code: 5 });
    expect(byteCount).toBe(20_000_000);
    byteCount = 0;
    const stuck = (value: string) =>
      run(value, (_stream, data) => {
        byteCount += data.length;
        return new Promise<void>(() => undefined);
      });
    const killed = await stuck("cat /dev/zero");
    await until("its output", () => byteCount > 0);
    killed.signal(9);
    expect(await killed.end).toEqual({ kind: "signaled", signal: 9 });
    for (let count = 0; count < 5; count += 1) {
      const early = await stuck("cat /dev/zero");
      early.signal(9);
      expect(await early.end).toMatchObject({ kind: "signaled", signal: 9 });
    }
    byteCount = 0;
    const short = await stuck("head -c 150000 /dev/zero; exit 6");
    expect(await short.end).toEqual({ kind: "exited", code: 6 });
    expect(byteCount).toBe(150_000);
    byteCount = 0;
    const survived = await stuck("cat /dev/zero & sleep 0.2; exit 7");
    expect(await survived.end).toEqual({ kind: "exited", code: 7 });
    // What the Engine and the sockets hold, and far below what would be cut.
    expect(byteCount).toBeLessThan(8_000_000);
  });

  test("somebody types into a command inside, with and without a terminal [http-api 7.3]", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "sleep 1000");
    await agent.containerizer.launch(spec);
    const open = async (value: string, terminal: TerminalSize | undefined) => {
      const texts = { stdout: "", stderr: "" };
      const one = await agent.containerizer.runInteractive({
        ...spec,
        sessionId: value,
        user: undefined,
        command: { value },
        environment: { WORD: "in" },
        terminal,
        onOutput: (stream, data) => {
          texts[stream] += new TextDecoder().decode(data);
        },
      });
      return { one, texts };
    };
    const type = (text: string): Uint8Array => new TextEncoder().encode(text);
    const piped = await open('echo "$WORD" >&2; cat; exit 7', undefined);
    void piped.one.write(type("typed\n"));
    piped.one.closeInput();
    expect(await piped.one.end).toEqual({ kind: "exited", code: 7 });
    expect(piped.texts).toEqual({ stdout: "typed\n", stderr: "in\n" });
    const seated = await open("stty size; while read line; do stty size; done", {
      columns: 90,
      rows: 30,
    });
    const sized = (text: string): Promise<unknown> =>
      until(`the size ${text}`, () => {
        void seated.one.write(type("\n"));
        return seated.texts.stdout.includes(text);
      });
    await sized("30 90");
    seated.one.resize({ columns: 120, rows: 40 });
    await sized("40 120");
    seated.one.signal(9);
    expect(await seated.one.end).toEqual({ kind: "signaled", signal: 9 });
    const busy = await open("sleep 7773 & sleep 7774; true", undefined);
    await until(
      "it is busy",
      () => isProgramRunning("sleep 7773") && isProgramRunning("sleep 7774"),
    );
    busy.one.signal(9);
    expect(await busy.one.end).toEqual({ kind: "signaled", signal: 9 });
    expect([isProgramRunning("sleep 7773"), isProgramRunning("sleep 7774")]).toEqual([
      false,
      false,
    ]);
    await agent.containerizer.destroy(spec.containerId);
  });

  test("a network of its own: address in the status, ports of the task reachable [semantics 7.15]", async () => {
    const agent = scene.open();
    const network = `allot-test-${process.pid}`;
    await docker(scene.engine.socketPath, "network", "create", network);
    try {
      const port = await freePort();
      const ports = { ranges: { range: [{ begin: port, end: port }] } };
      const spec = scene.spec(
        agent,
        "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp",
        { resources: [{ name: "ports", type: "RANGES", ...ports }] },
        {
          hostname: "my-host",
          network_infos: [{ name: network }],
          docker: { network: "USER", port_mappings: [{ host_port: port, container_port: 80 }] },
        },
      );
      const { status } = await agent.containerizer.launch(spec);
      const address = status?.network_infos?.[0]?.ip_addresses?.[0];
      expect(address?.protocol).toBe("IPv4");
      expect(address?.ip_address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      await until("the server answers on the host", async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
        return (await answer?.text()) === "hello\n";
      });
      await until("the server answers at its address", () => opens(address?.ip_address ?? "", 80));
      await agent.containerizer.destroy(spec.containerId);
    } finally {
      await scene.clear();
      await docker(scene.engine.socketPath, "network", "rm", network);
    }
  });

  test("a launch that fails leaves nothing but the sandbox, and says why [DESIGN 7]", async () => {
    const agent = scene.open();
    const unknown = scene.spec(
      agent,
      "true",
      {},
      { docker: { parameters: [{ key: "nope", value: "1" }] } },
    );
    await expect(agent.containerizer.launch(unknown)).rejects.toThrow(
      "Failed to create docker run options: container.docker.parameters[0]: nope cannot be set",
    );
    const missing = scene.spec(agent, { shell: false, value: "/no/such/program" });
    await expect(agent.containerizer.launch(missing)).rejects.toThrow("/no/such/program");
    const imageless = scene.spec(agent, "true", {}, { docker: { image: "127.0.0.1:1/none:1" } });
    await expect(agent.containerizer.launch(imageless)).rejects.toThrow(
      "Failed to pull Docker image 127.0.0.1:1/none:1",
    );
    const climbing = scene.spec(agent, "true", { containerId: brand("../x") });
    await expect(agent.containerizer.launch(climbing)).rejects.toThrow("cannot be a file name");
    for (const spec of [unknown, missing, imageless])
      expect(await scene.containersOf(spec)).toBe("");
    await expect(agent.containerizer.wait(missing.containerId)).rejects.toThrow("unknown");
    const good = scene.spec(agent, "exit 9", { containerId: missing.containerId });
    await agent.containerizer.launch(good);
    await expect(agent.containerizer.launch(good)).rejects.toThrow("exists already");
    expect((await agent.containerizer.wait(good.containerId)).exit).toEqual({
      kind: "exited",
      code: 9,
    });
  });

  test("a container destroyed during its launch never stays", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "sleep 100");
    const outcome = agent.containerizer.launch(spec).then(
      () => "launched",
      (error: Error) => error.message,
    );
    await agent.containerizer.destroy(spec.containerId);
    expect(await outcome).toContain("destroyed during its launch");
    await until("nothing is left", async () => (await scene.containersOf(spec)) === "");
  });

  test("what is removed behind the agent's back is noticed", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "sleep 100");
    await agent.containerizer.launch(spec);
    await docker(scene.engine.socketPath, "rm", "-f", `mesos-${spec.containerId}`);
    const { exit } = await agent.containerizer.wait(spec.containerId);
    // Docker tells of the death first; whether the container is still there then is a race.
    expect(["exited", "unknown"]).toContain(exit.kind);
  });
});

function opens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
