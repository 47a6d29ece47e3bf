/**
 * Native tasks in networks of their own through the compiled program, with the CNI plugins of Debian:
 * addresses, ports of the host, checks, task groups, kills of the agent, and that nothing is left.
 * The agent runs in a network that the test makes. Needs root, cgroups v2, iptables and
 * containernetworking-plugins.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AgentClient, type Message } from "../harness/agent-client.ts";
import { BINARY } from "../harness/allot-process.ts";
import { CNI_PLUGINS } from "../harness/host-network.ts";
import { runProgram } from "../harness/run-program.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";
import { roomyOffer } from "./native-scene.ts";
import {
  BUSYBOX,
  bridgeOf,
  NETWORK_OBSTACLE,
  type NetworkScene,
  networkScene,
  resources,
  server,
  writePlugin,
} from "./network-scene.ts";

setDefaultTimeout(PATIENCE_MS * 3);

const reason = NETWORK_OBSTACLE === undefined ? "" : ` (skipped: ${NETWORK_OBSTACLE})`;
const CHECK_TIMES = {
  interval_seconds: 0.2,
  delay_seconds: 0,
  timeout_seconds: 20,
  grace_period_seconds: 0,
  consecutive_failures: 50,
};
const ROUNDS = Number(process.env["KILLS"] ?? 5);
const seed = Number(process.env["KILLS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const scenes: NetworkScene[] = [];

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.remove();
});

describe.skipIf(NETWORK_OBSTACLE !== undefined)(
  `native tasks in networks of their own${reason}`,
  () => {
    test("two listen on port 80 of one agent, each at its address, one at a port of the host too [issue 4]", async () => {
      const scene = await open();
      const { framework, host } = scene;
      const health_check = { type: "HTTP", http: { port: 80, path: "/name" }, ...CHECK_TIMES };
      const check = { type: "TCP", tcp: { port: 80 }, interval_seconds: 0.2, delay_seconds: 0 };
      const mapped = { name: "web", port_mappings: [{ host_port: 31080, container_port: 80 }] };
      await scene.launch([
        { id: "one", command: server("one"), networks: [mapped], ports: [31080], health_check },
        { id: "two", command: server("two"), networks: [{ name: "web" }], check },
      ]);
      const [one, two] = [await scene.addressOf("one"), await scene.addressOf("two")];
      expect(new Set([one, two]).size).toBe(2);
      expect(await scene.get(`http://${one}/name`)).toBe("one\n");
      expect(await scene.get(`http://${two}/name`)).toBe("two\n");
      expect(await (await fetch(`http://${host.ip}:31080/name`)).text()).toBe("one\n");
      await until("the health check to reach it", () =>
        framework.updates.some(
          ({ task_id, healthy }) => task_id.value === "one" && healthy === true,
        ),
      );
      const reached = { task_id: { value: "two" }, check_status: { tcp: { succeeded: true } } };
      await until("the check to reach it", () =>
        framework.updates.some((update) => Bun.deepMatch(reached, { ...update })),
      );
      for (const id of ["one", "two"]) await scene.kill(id);
      await scene.expectNothingLeft();
    });

    test("a task knows its name, addresses and resolvers [issue 4]", async () => {
      const scene = await open();
      const command = `${BUSYBOX} ip -o address; cat /etc/hosts /etc/hostname /etc/resolv.conf; ${BUSYBOX} hostname; echo $MESOS_CONTAINER_IP $LIBPROCESS_IP`;
      const network = { name: "web" };
      await scene.launch([{ id: "look", command, networks: [network], hostname: "some.name" }]);
      const ip = await scene.addressOf("look");
      await scene.framework.status("look", "TASK_FINISHED");
      const output = await scene.outputOf("look");
      expect(output).toMatch(/: lo\s+inet 127\.0\.0\.1/);
      expect(output).toContain(`inet ${ip}/24`);
      expect(output).toContain(
        `${ip} some.name\nsome.name\nsearch example.test\nnameserver 10.97.0.1\n`,
      );
      expect(output).toEndWith(`some.name\n${ip} 0.0.0.0\n`);
      // What it holds of offers, execute waits for.
      await scene.framework.teardown();
      const executed = await runProgram(BINARY, [
        "execute",
        `--master=${new URL(scene.master.url).host}`,
        "--networks=web",
        "--resources=cpus:0.1;mem:32",
        "--command=echo $MESOS_CONTAINER_IP",
      ]);
      expect(executed.stdout).toMatch(/^10\.97\.0\.\d+\n$/);
      await scene.expectNothingLeft();
    });

    test("it outlives kill -9 of the agent with its network, and leaves nothing when it is killed later [issue 4]", async () => {
      const scene = await open();
      const mapped = { name: "web", port_mappings: [{ host_port: 31081, container_port: 80 }] };
      await scene.launch([
        { id: "lasting", command: server("lasting"), networks: [mapped], ports: [31081] },
        { id: "ending", command: "sleep 2", networks: [{ name: "web" }] },
      ]);
      const ip = await scene.addressOf("lasting");
      await scene.addressOf("ending");
      await scene.agent().end("SIGKILL");
      expect(await scene.get(`http://${ip}/name`)).toBe("lasting\n");
      await Bun.sleep(2000);
      await scene.startAgent();
      await scene.framework.status("ending", "TASK_FINISHED");
      expect(await scene.get(`http://${ip}/name`)).toBe("lasting\n");
      expect(await scene.getOutside(31081)).toBe("lasting\n");
      const inside = await scene.exec("lasting", BUSYBOX, "wget", "-qO-", "http://127.0.0.1/name");
      expect(inside).toBe("lasting\n");
      const state = JSON.stringify(await (await fetch(`${scene.master.url}/tasks`)).json());
      expect(state).toContain(ip);
      await scene.kill("lasting");
      await scene.expectNothingLeft();
    });

    test("an agent killed while a plugin works leaves nothing of it, nor of a task that ended meanwhile [issue 4]", async () => {
      const scene = await open();
      const mark = join(scene.workDir, "plugin-works");
      writePlugin(
        scene.plugins,
        "slow",
        `input=$(sed s/slow/bridge/); printf %s "$input" | ${CNI_PLUGINS}/bridge; status=$?
[ "$CNI_COMMAND" = DEL ] || { touch ${mark}; sleep 2; }
exit $status`,
      );
      writeFileSync(
        join(scene.configs, "slow.conf"),
        JSON.stringify({ ...bridgeOf(scene), name: "slow", type: "slow" }),
      );
      await scene.launch([{ id: "caught", command: "sleep 1000", networks: [{ name: "slow" }] }]);
      await until("the plugin works", () => existsSync(mark));
      expect(scene.leases()).toHaveLength(1);
      await scene.agent().end("SIGKILL");
      await scene.startAgent();
      await until("the task to be over", () => scene.framework.states("caught").some(isOver));
      await scene.expectNothingLeft();
    });

    test(`${ROUNDS} kills of the agent while networks are made and taken away leave nothing (seed ${seed}) [issue 4]`, async () => {
      const roll = dice();
      const scene = await open();
      const ids: string[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const mapping = { host_port: 31100 + round, container_port: 80 };
        const tasks = [
          { id: `short-${round}`, command: "sleep 0.1" },
          { id: `killed-${round}`, command: "sleep 1000" },
          { id: `mapped-${round}`, command: server("x"), ports: [mapping.host_port] },
        ];
        const offer = await roomyOffer(scene.framework);
        await scene.launch(
          tasks.map((task) => {
            const port_mappings = task.ports === undefined ? [] : [mapping];
            return { ...task, networks: [{ name: "web", port_mappings }] };
          }),
          offer,
        );
        ids.push(...tasks.map(({ id }) => id));
        await Bun.sleep(roll() * 2000);
        if (round > 0) await scene.orderKill(`killed-${round - 1}`);
        await Bun.sleep(roll() * 150);
        await scene.agent().end("SIGKILL");
        await Bun.sleep(roll() * 100);
        await scene.startAgent();
      }
      for (const id of ids) {
        await until(`${id} to be over`, async () => {
          if (scene.framework.states(id).some(isOver)) return true;
          await scene.orderKill(id);
          const tasks = [{ task_id: { value: id } }];
          await scene.framework.send("RECONCILE", { reconcile: { tasks } });
          await Bun.sleep(200);
          return false;
        });
      }
      await scene.expectNothingLeft();
    });

    test("tasks of a group share one network, as does what is nested in them [issue 4]", async () => {
      const scene = await open();
      const offer = await scene.framework.offer();
      const executor = {
        type: "DEFAULT",
        executor_id: { value: "pod" },
        container: { type: "MESOS", hostname: "pod", network_infos: [{ name: "web" }] },
        resources: resources(offer, { cpus: 0.1, mem: 32, disk: 1 }),
      };
      const ask = `until ${BUSYBOX} wget -qO- http://127.0.0.1/name; do sleep 0.1; done; ${BUSYBOX} hostname; sleep 1000`;
      const tasks = [
        scene.info(offer, { id: "serves", command: server("serves") }),
        scene.info(offer, { id: "asks", command: ask }),
      ];
      await scene.framework.call("ACCEPT", {
        accept: {
          offer_ids: [offer.id],
          operations: [{ type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } }],
          filters: { refuse_seconds: 0 },
        },
      });
      const ip = await scene.addressOf("serves");
      expect(await scene.addressOf("asks")).toBe(ip);
      await until("one to hear the other", async () =>
        (await scene.outputOf("asks")).includes("serves\npod\n"),
      );
      expect(scene.leases()).toEqual([ip]);
      const client = new AgentClient(scene.agent().url, JSON_WIRE);
      const containers = await client.call("GET_CONTAINERS");
      const shown = containers.body["get_containers"].containers as Message[];
      expect(shown[0]?.["container_status"].network_infos[0].ip_addresses[0].ip_address).toBe(ip);
      const parent = await scene.containerIdOf("asks");
      const container_id = { value: "nested", parent };
      const command = { value: `${BUSYBOX} wget -qO- http://127.0.0.1/name | grep serves` };
      const launch_container = { container_id, command };
      expect((await client.call("LAUNCH_CONTAINER", { launch_container })).status).toBe(200);
      const wait = await client.call("WAIT_CONTAINER", { wait_container: { container_id } });
      expect(wait.body["wait_container"]).toMatchObject({ exit_status: 0 });
      await scene.kill("serves");
      await scene.framework.status("asks", "TASK_KILLED");
      await scene.expectNothingLeft();
    });

    test("what cannot be granted is refused with the field or the network to blame [issue 4]", async () => {
      const scene = await open();
      writeFileSync(join(scene.configs, "broken.conf"), "{");
      writeFileSync(
        join(scene.configs, "absent.conf"),
        JSON.stringify({ name: "absent", type: "nowhere" }),
      );
      writeFileSync(
        join(scene.configs, "plain.conf"),
        JSON.stringify({ ...bridgeOf(scene), name: "plain" }),
      );
      writeFileSync(
        join(scene.configs, "failing.conf"),
        JSON.stringify({ name: "failing", type: "failing" }),
      );
      writePlugin(
        scene.plugins,
        "failing",
        `echo '{"code": 7, "msg": "no room", "details": "none at all"}'; [ $CNI_COMMAND = DEL ]`,
      );
      const mapping = (name: string, port: number): object => ({
        name,
        port_mappings: [{ host_port: port, container_port: 80 }],
      });
      const cases = {
        unknown: [
          { name: "nets" },
          /Unknown CNI network 'nets': \S+ has failing, plain, web; not usable: absent.conf needs the plugin nowhere.*broken.conf is no JSON/,
        ],
        port: [
          mapping("web", 31999),
          /port mapping 31999 of network web: the host's port is not among the ports/,
        ],
        unmapped: [mapping("plain", 31082), /The CNI network plain maps no ports/],
        failing: [
          { name: "failing" },
          /plugin failing failed to attach the container to network failing: no room; none at all/,
        ],
      } as const;
      await scene.launch(
        Object.entries(cases).map(([id, [network]]) => ({
          id,
          command: "true",
          networks: [network],
          ports: id === "unmapped" ? [31082] : [],
        })),
      );
      for (const [id, [, message]] of Object.entries(cases)) {
        expect((await scene.framework.status(id, "TASK_FAILED")).message).toMatch(message);
      }
      await scene.expectNothingLeft();
      const wrong = await runProgram(BINARY, [
        "--role=agent",
        "--master=127.0.0.1:1",
        `--work_dir=${scene.workDir}/other`,
        "--network_cni_config_dir=/nowhere",
        ...scene.launcherFlags,
      ]);
      expect(wrong.code).not.toBe(0);
      expect(wrong.stderr).toContain(
        "--network_cni_config_dir needs --network_cni_plugins_dir beside it",
      );
    });
  },
);

function isOver(state: string): boolean {
  return /FINISHED|FAILED|KILLED|LOST|DROPPED|GONE/.test(state);
}

/** Numbers in [0, 1) that follow from the seed. */
function dice(): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

async function open(): Promise<NetworkScene> {
  const scene = await networkScene();
  scenes.push(scene);
  return scene;
}
