/**
 * `npm run cluster`: three ZooKeeper servers, three masters and five agents on loopback as real
 * processes, with a page in the terminal that tells who leads and what runs, or a line for each
 * change where there is no terminal. Ctrl-C or SIGTERM ends all of them. Exit status 1 when
 * something is missing or cannot be started.
 */
import { relative } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { BINARY, makeWorkDir, removeWorkDir } from "../harness/allot-process.ts";
import { compileBinary } from "../harness/compile-binary.ts";
import { zooKeeperObstacle } from "../harness/zookeeper.ts";
import { LocalCluster } from "./local-cluster.ts";
import { type ClusterStatus, Lookout } from "./look.ts";
import { changes, hints, page } from "./page.ts";

const LOOK_MS = 500;
const EVENTS_SHOWN = 8;
const CLEAR = "\u001b[H\u001b[J";

const stopped = Promise.withResolvers<"stopped">();

async function main(): Promise<number> {
  const [word] = process.argv.slice(2);
  if (word !== undefined) return complain(`takes no arguments, and was given ${word}`);
  const obstacle = zooKeeperObstacle();
  if (obstacle !== undefined) return complain(obstacle);
  if (!compileBinary()) return 1;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stopped.resolve("stopped"));
  }
  const workDir = makeWorkDir();
  say(`starting three ZooKeeper servers, three masters and five agents below ${workDir}`);
  const starting = LocalCluster.start(workDir);
  try {
    const cluster = await Promise.race([starting, stopped.promise]);
    if (cluster !== "stopped") await watch(cluster);
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  } finally {
    say("stopping all of it");
    const cluster = await starting.catch(() => undefined);
    await cluster?.stop();
    await removeWorkDir(workDir);
  }
  return 0;
}

/** Shows what happens until the program is told to stop. */
async function watch(cluster: LocalCluster): Promise<void> {
  const lookout = new Lookout(cluster);
  const { url, workDir } = cluster;
  const program = relative(process.cwd(), BINARY);
  const events: string[] = [];
  let before: ClusterStatus | undefined;
  let isOver = false;
  void stopped.promise.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const status = await lookout.look();
    const news = changes(before, status);
    if (process.stdout.isTTY) {
      if (before !== undefined) events.push(...news.map(timed));
      events.splice(0, events.length - EVENTS_SHOWN);
      const lines = page(status, { url, workDir, program, events });
      process.stdout.write(`${CLEAR}${lines.join("\n")}\n`);
    } else {
      for (const line of news) say(line);
      if (before === undefined) for (const line of hints(status, { url, program })) say(line);
    }
    before = status;
    await Promise.race([sleep(LOOK_MS), stopped.promise]);
    if (!isOver) await cluster.tend();
  }
  lookout.close();
}

function timed(line: string): string {
  return `${new Date().toTimeString().slice(0, 8)}  ${line}`;
}

function say(line: string): void {
  process.stdout.write(`${timed(line)}\n`);
}

function complain(problem: string): number {
  process.stderr.write(`cluster: ${problem}\n`);
  return 1;
}

process.exitCode = await main();
