/**
 * What the README says about ZooKeeper on three hosts, done here: its zoo.cfg with other folders,
 * ports and addresses, and its URL with user and password in a file.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorkDir, removeWorkDir, startAllot } from "../harness/allot-process.ts";
import { freePort } from "../harness/free-port.ts";
import { stateOf } from "../harness/masters.ts";
import { until } from "../harness/wait.ts";
import { askZooKeeper, hasZooKeeper, ZooKeeperServer } from "../harness/zookeeper.ts";

const README = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
const TIMEOUT_MS = 240_000;
const SERVERS = 3;
const isThere = hasZooKeeper("ZooKeeper as the README sets it up");

let folder = "";
let servers: ZooKeeperServer[] = [];
beforeAll(async () => {
  if (!isThere) return;
  folder = makeWorkDir();
  servers = await serversOf(configInReadme(), folder);
  for (const server of servers) server.start();
  await Promise.all(servers.map((server) => server.untilServing()));
}, TIMEOUT_MS);
afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  if (isThere) await removeWorkDir(folder);
});

/** The lines between `cat > …/zoo.cfg <<END` and `END`. */
function configInReadme(): string[] {
  const text = /zoo\.cfg <<END\n([\s\S]*?)END\n/.exec(README)?.[1];
  if (text === undefined) throw new Error("the README has no zoo.cfg");
  return text.trim().split("\n");
}

/** The configuration on three "hosts" of this machine, which only ports tell apart. */
async function serversOf(lines: readonly string[], root: string): Promise<ZooKeeperServer[]> {
  const ports = await Promise.all(Array.from({ length: SERVERS * 3 }, () => freePort()));
  const portOf = (server: number, kind: number): number => ports[(server - 1) * 3 + kind] ?? 0;
  return Array.from({ length: SERVERS }, (_, index) => {
    const number = index + 1;
    const data = join(root, `zookeeper-${number}`);
    mkdirSync(data);
    writeFileSync(join(data, "myid"), `${number}\n`);
    const changed = lines.map((line) =>
      line
        .replace(/^dataDir=.*/, `dataDir=${data}`)
        .replace(/^clientPort=.*/, `clientPort=${portOf(number, 0)}`)
        .replace(/^server\.(\d)=.*/, (_line, text: string) => {
          const peer = Number(text);
          return `server.${peer}=127.0.0.1:${portOf(peer, 1)}:${portOf(peer, 2)}`;
        }),
    );
    const config = join(root, `zoo-${number}.cfg`);
    writeFileSync(config, `${changed.join("\n")}\n`);
    return new ZooKeeperServer(portOf(number, 0), config);
  });
}

describe.skipIf(!isThere)("ZooKeeper as the README sets it up", () => {
  test("one leads, two follow", async () => {
    const modes = await Promise.all(servers.map((server) => server.mode()));
    expect(modes.toSorted()).toEqual(["follower", "follower", "leader"]);
  });

  test(
    "a master with the password, an agent without it, and nobody else may write",
    async () => {
      const addresses = servers.map(({ address }) => address).join(",");
      const given = /^echo (zk:\S+) > (\S+);/m.exec(README)?.[1] ?? "";
      const url = given.replace(/@[^/]+/, `@${addresses}`);
      expect(url).toMatch(/^zk:\/\/allot:SECRET@127\.[^/]+\/allot$/);
      const file = join(folder, "zk");
      writeFileSync(file, `${url}\n`, { mode: 0o600 });
      const master = await startAllot({
        role: "master",
        workDir: join(folder, "master"),
        flags: [`--zk=file://${file}`],
      });
      const open = `zk://${addresses}/allot`;
      const agent = await startAllot({
        role: "agent",
        workDir: join(folder, "agent"),
        flags: [`--master=${open}`, "--resources=cpus:1;mem:100;disk:100"],
      });
      await until("the agent is there", async () => (await stateOf(master))?.slaves[0]?.active);
      const codes = await askZooKeeper(open, async (session, path) => {
        const made = await session.create(`${path}/mine`, new Uint8Array(0));
        const epoch = await session.remove(`${path}/log_replicas/allot/epoch`);
        const listed = await session.children(path, () => undefined);
        return [made, epoch, listed].map((one) => (one.ok ? "done" : one.error.code));
      });
      expect(codes).toEqual(["forbidden", "forbidden", "done"]);
      await agent.end("SIGTERM");
      await master.end("SIGTERM");
    },
    TIMEOUT_MS,
  );
});
