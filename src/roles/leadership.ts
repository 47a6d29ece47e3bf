/** What a master says of its place among others, and how it gives the lead away when asked to. */
import { ok, type Result, refuse } from "../base/result.ts";
import { whyNoLeader } from "../election/core/why-no-leader.ts";
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { askServers } from "../election/zookeeper/servers.ts";
import type { Leadership } from "../http/master/leader-endpoints.ts";
import type { LeaderReport, StepDownAnswer } from "../protocol/leader-report.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import type { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import type { Candidate } from "./candidate.ts";
import { addressOf, namedMaster } from "./master-info.ts";
import { type MastersSurvey, surveyMasters } from "./masters-survey.ts";
import type { Reign } from "./reign.ts";
import type { RoleContext } from "./role-context.ts";

/** Milliseconds for the next in line to say that it is there. */
const PROBE_MS = 2000;

/** Of a master without others, which leads from its start on. */
export function aloneLeading(
  context: Pick<RoleContext, "clock" | "allotVersion">,
  info: MasterInfo,
): Leadership {
  const named = namedMaster(info);
  const since = new Date(context.clock.wallMs()).toISOString();
  const version = context.allotVersion;
  return {
    report: async () => ({
      self: { ...named, standing: "leading", version, registry_position: null },
      leader: { ...named, epoch: null, since },
      masters: [named],
      zookeeper: null,
      why: [],
    }),
    stepDown: async () =>
      refuse(
        "conflict",
        "This master is alone: nobody could take over. `allot join-ensemble --help` says how it becomes one of several",
      ),
  };
}

export interface CandidateParts {
  readonly context: RoleContext;
  readonly url: ZooKeeperUrl;
  readonly candidate: Candidate<Reign>;
  readonly registrar: ReplicatedRegistrar;
}

/** Of one master of several. */
export class CandidateLeadership implements Leadership {
  readonly #parts: CandidateParts;

  constructor(parts: CandidateParts) {
    this.#parts = parts;
  }

  async report(): Promise<LeaderReport> {
    const { context, url, candidate, registrar } = this.#parts;
    const { contact, info, standing } = candidate;
    const survey = await this.#survey();
    const known = standing === "waiting" ? undefined : candidate.leader;
    const leader = survey?.masters[0] ?? known;
    const epoch = survey?.epoch?.leader === leader?.id ? survey?.epoch : undefined;
    const servers = contact.isConnected ? [] : await askServers(url.servers, context.clock);
    const named = leader && namedMaster(leader);
    return {
      self: {
        ...namedMaster(info),
        standing,
        version: context.allotVersion,
        registry_position: registrar.mark.position,
      },
      leader:
        named === undefined
          ? null
          : { ...named, epoch: epoch?.number ?? null, since: isoOf(epoch?.sinceMs) },
      masters: (survey?.masters ?? []).map(namedMaster),
      zookeeper: {
        servers: url.servers,
        path: url.path,
        is_connected: contact.isConnected,
        since: new Date(context.clock.wallMs() - contact.forMs).toISOString(),
      },
      why:
        standing === "leading"
          ? []
          : whyNoLeader({
              contact,
              servers,
              leader: named?.address,
              isRecovering: standing === "recovering",
            }),
    };
  }

  async stepDown(
    isForced: boolean,
    principal: string | undefined,
  ): Promise<Result<StepDownAnswer>> {
    const { candidate } = this.#parts;
    const own = addressOf(candidate.info);
    const survey = await this.#survey();
    if (candidate.standing !== "leading" || survey === undefined) {
      return refuse("notReady", "This master does not lead now; ask again");
    }
    // What stands at the same address is of an earlier life of this process.
    const successor = survey.masters.map(namedMaster).find(({ address }) => address !== own);
    if (successor === undefined) {
      return refuse(
        "conflict",
        "No other master stands for election, so nobody could take over; start one with the same --zk first",
      );
    }
    if (!isForced && !(await isAnswering(successor.address))) {
      return refuse(
        "conflict",
        `The next master in line, ${successor.address}, does not answer within ${PROBE_MS / 1000} s, and nobody would lead until its session has expired; bring it up, wait for that, or use --force`,
      );
    }
    if (candidate.standing !== "leading") {
      return refuse("notReady", "This master does not lead any more; ask again");
    }
    candidate.stepDown(`asked to by ${principal ?? "an operator"}`);
    return ok({ successor });
  }

  /** Undefined without a connection, or when it broke meanwhile. */
  async #survey(): Promise<MastersSurvey | undefined> {
    const { context, url, candidate } = this.#parts;
    const { session } = candidate;
    if (session?.isConnected !== true) return undefined;
    const survey = await surveyMasters(session, url.path, context.codec);
    return survey.ok ? survey.value : undefined;
  }
}

async function isAnswering(address: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PROBE_MS);
    return (await fetch(`http://${address}/health`, { signal })).status === 200;
  } catch {
    // Refused, unreachable or silent: whichever it is, it does not answer.
    return false;
  }
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
