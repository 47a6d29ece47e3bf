/** How a master that was alone becomes one of several: everything is looked at before anything is written. */
import type { Clock, Log, SqlOpen } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import type { JoinReport, JoinTools } from "../cli/ports.ts";
import { parseZooKeeperUrl, type ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { askServers } from "../election/zookeeper/servers.ts";
import type { ZooKeeperSession } from "../election/zookeeper/session.ts";
import { withSession } from "../election/zookeeper/with-session.ts";
import { type FileParts, readRegistryFile } from "../registry/store/registry-copies.ts";
import { RegistryFile } from "../registry/store/registry-file.ts";
import { type RegistryImage, replayLog } from "../registry/store/registry-image.ts";
import { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import { ZooKeeperLog } from "../registry/zookeeper/zookeeper-log.ts";
import { addressOf } from "./master-info.ts";
import { surveyMasters } from "./masters-survey.ts";
import type { LogParts } from "./registry-log-tools.ts";
import { contentOf, refusing } from "./registry-tools.ts";

/** Stands in the epoch until the first master leads. */
const PUBLISHER = "allot join-ensemble";
const SILENT: Log = { write: () => undefined };

export interface JoinToolsParts extends LogParts {
  loadSqlite(): Promise<SqlOpen>;
}

export function joinTools(parts: JoinToolsParts): JoinTools {
  return {
    join: ({ url: text, path, isDry }) =>
      refusing(async () => {
        const url = parseZooKeeperUrl(text);
        if (!url.ok) return url;
        const files = { open: await parts.loadSqlite(), log: SILENT };
        const image = await readRegistryFile(files, path);
        const servers = await askServers(url.value.servers, parts.clock);
        const joined = await withSession(url.value, parts.clock, (session) =>
          join({ ...parts, files, session, url: url.value }, { image, path, isDry }),
        );
        if (!joined.ok) return joined;
        if (!joined.value.ok) return joined.value;
        return ok<JoinReport>({ content: contentOf(image), servers, state: joined.value.value });
      }),
  };
}

interface JoinParts extends LogParts {
  readonly files: FileParts;
  readonly session: ZooKeeperSession;
  readonly url: ZooKeeperUrl;
}

async function join(
  parts: JoinParts,
  { image, path, isDry }: { image: RegistryImage; path: string; isDry: boolean },
): Promise<Result<JoinReport["state"]>> {
  const { session, url, codec, clock, files } = parts;
  const place = `zk://${url.servers.join(",")}${url.path}`;
  const log = new ZooKeeperLog(session, url.path, PUBLISHER);
  const content = await log.read(0);
  const survey = await surveyMasters(session, url.path, codec);
  if (!content.ok) return content;
  if (!survey.ok) return refuse("notReady", `what is at ${place} cannot be read now; try again`);
  const there = replayLog(content.value);
  if (!there.ok && there.error.code !== "notFound") return there;
  const fault = faultOfJoining(image, there.ok ? there.value : undefined, {
    place,
    standing: survey.value.masters.map(addressOf),
  });
  if (fault !== undefined) return refuse("conflict", fault);
  if (there.ok) return ok("joined");
  if (isDry) return ok("ready");
  const published = await publish({ clock, files }, path, log);
  return published
    ? ok("published")
    : refuse("failed", `another registry was published at ${place} meanwhile; ask again`);
}

/** Undefined where the registry may be published, or is part of the log. Pure. */
export function faultOfJoining(
  own: RegistryImage,
  there: RegistryImage | undefined,
  { place, standing }: { readonly place: string; readonly standing: readonly string[] },
): string | undefined {
  if (there === undefined) {
    if (standing.length === 0) return undefined;
    return `masters that have published nothing yet stand at ${place}: ${standing.join(", ")}; stop them until this registry is there`;
  }
  const { admitted, quotas, weights } = there.state;
  const held = `${admitted.size} agents, ${quotas.size} quotas and ${weights.size} weights`;
  if (there.cluster !== own.cluster) {
    const remedy = `choose another path behind the servers, as ${place}-2, or, if that cluster is not needed any more, stop its masters and remove the node log_replicas below that path`;
    return `the registry at ${place} is that of another cluster (${there.cluster ?? "without id"}: ${held}); ${remedy}`;
  }
  if (own.mark.position > 0) return undefined;
  const remedy = `to go on with that one, start this master with --zk: it adopts it and keeps its own file aside; to have this one instead, use allot registry restore with --zk`;
  return `this cluster's registry is at ${place} already (entry ${there.mark.position}: ${held}), and this master's file is no part of it; ${remedy}`;
}

async function publish(
  { clock, files }: { readonly clock: Clock; readonly files: FileParts },
  path: string,
  log: ZooKeeperLog,
): Promise<boolean> {
  const file = await RegistryFile.open({ path, ...files });
  const registrar = new ReplicatedRegistrar({ file, clock, log: SILENT });
  try {
    return (await registrar.lead(log)) === "done";
  } finally {
    await registrar.close();
  }
}
