/** `allot join-ensemble`: a master that was alone becomes the first of several. */

import { acts, group } from "../flags/flag-table.ts";
import type { JoinReport } from "../ports.ts";
import { type Command, EXIT_DONE, EXIT_FAILED, JSON_FLAG, type LoneContext } from "./command.ts";
import { formatLines, printJson } from "./listing.ts";
import { summaryOf, withFetchedCopy } from "./registry.ts";

/** The verb. */
export const JOIN_ENSEMBLE: Command = {
  name: "join-ensemble",
  summary: "make a master that is alone the first of several",
  synopsis: "--zk=zk://HOST:2181,…/PATH [--work_dir=/var/lib/allot] [--dry_run] [--json]",
  description: [
    "To be run on the master's host while it is stopped; tasks run on meanwhile. Publishes its registry in ZooKeeper, so that agents, quota, weights and maintenance are what they were, and says what to do next.",
    "Before that it is made sure that ZooKeeper can be used, and that there is no registry yet under that path, or this very one. Nothing is written where something is in the way, nor with --dry_run, which also works while the master runs (--master). It may be repeated.",
    "--json prints {state: ready, published or joined, servers: [{address, state}], content, next: [sentences]}.",
  ],
  flags: [
    ...group("Where", [
      acts("zk", "string", undefined, "where the masters will meet, or file://… with it", {
        isRequired: true,
      }),
      acts("work_dir", "path", "/var/lib/allot", "work folder of the master"),
      acts("dry_run", "boolean", "false", "only look whether it can be done"),
    ]),
    ...group("Output", [JSON_FLAG]),
  ],
  wordCount: 0,
  runAlone: joinEnsemble,
};

async function joinEnsemble(context: LoneContext): Promise<number> {
  const { console, flags, tools } = context;
  const url = flags.string("zk") ?? "";
  const path = tools.registry.fileIn(flags.string("work_dir") ?? "");
  const isDry = flags.boolean("dry_run");
  const isRunning = isDry && (await isInUse(context, path));
  const joined = isRunning
    ? await withFetchedCopy(context, (copy) => tools.join({ url, path: copy, isDry }))
    : await tools.join({ url, path, isDry });
  if (!joined.ok) {
    await console.error(`allot join-ensemble: ${joined.error.message}\n`);
    return EXIT_FAILED;
  }
  const next = nextSteps(joined.value, url.replace(/^(zk:\/\/[^:@/]*):.*@/, "$1:***@"));
  if (flags.boolean("json")) await printJson(console, { ...joined.value, next });
  else await console.out(formatReport(joined.value, next));
  return EXIT_DONE;
}

async function isInUse({ tools }: LoneContext, path: string): Promise<boolean> {
  const content = await tools.registry.read({ kind: "file", path });
  return !content.ok && content.error.code === "notReady";
}

function formatReport({ servers, content, state }: JoinReport, next: readonly string[]): string {
  const serving = servers.filter((server) => server.state === "serving");
  const others = servers
    .filter((server) => server.state !== "serving")
    .map(({ address }) => address)
    .join(", ");
  const lacking = others === "" ? "" : `; not ${others}`;
  const states = {
    ready: "can be published",
    published: "published",
    joined: "is there already",
  } as const;
  const head = formatLines([
    ["ZooKeeper", `${serving.length} of ${servers.length} servers serve${lacking}`],
    ["Registry", summaryOf(content)],
    ["State", states[state]],
  ]);
  const steps = next.map((step, index) => `  ${index + 1}. ${step}\n`);
  return `${head}Next:\n${steps.join("")}`;
}

function nextSteps({ state, servers }: JoinReport, url: string): readonly string[] {
  const steps = [
    `Here: write zk=${url} into /etc/allot/allot.conf and start the master. Without it, it will not start any more.`,
    `On two other hosts: the same line, an empty work folder, and start a master there; \`allot leader --master=${url}\` shows when all stand.`,
    `On every agent: write master=${url} into its configuration and restart it; its tasks run on. Until then it finds this master only, and only while it leads.`,
  ];
  const more =
    servers.length < 3
      ? ["Have three ZooKeeper servers: with fewer, the loss of one stops everything."]
      : [];
  if (state !== "ready") return [...steps, ...more];
  return ["Run this again without --dry_run while the master is stopped.", ...steps, ...more];
}
