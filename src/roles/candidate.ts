/**
 * A master among several: it follows until it is elected, leads as long as its lease holds, and
 * steps down in place, to stand again as another. Source: DESIGN §5, semantics 1.3.
 */
import type { Log } from "../base/ports.ts";
import { encodeUtf8 } from "../base/text.ts";
import { DatabaseError } from "../database/database-error.ts";
import type { ZooKeeperContact } from "../election/core/why-no-leader.ts";
import type { ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import type { OpenClient } from "../election/zookeeper/client.ts";
import { Elector } from "../election/zookeeper/elector.ts";
import type { ZooKeeperSession } from "../election/zookeeper/session.ts";
import type { MasterStanding } from "../protocol/leader-report.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";
import type { ReplicatedRegistrar } from "../registry/store/replicated-registrar.ts";
import type { SharedLog } from "../registry/store/shared-log.ts";
import { masterOf } from "./master-info.ts";
import type { ReignOptions } from "./reign.ts";
import type { RoleContext } from "./role-context.ts";

/** After a reign that could not begin. */
const STAND_AGAIN_MS = 1000;

/** What a candidate has to be able to say to its reign. */
interface Ending {
  end(): void;
}

export interface CandidateOptions<R extends Ending> {
  readonly context: Pick<RoleContext, "clock" | "rng" | "log" | "codec" | "onFatal">;
  readonly sessionTimeoutMs: number;
  readonly openClient?: OpenClient | undefined;
  readonly url: ZooKeeperUrl;
  readonly registrar: ReplicatedRegistrar;
  /** Who it is in its next candidacy; each has an id of its own. */
  nextInfo(): MasterInfo;
  /** The registry's log on that session, as the leader of that id writes it. */
  openLog(session: ZooKeeperSession, leader: string): SharedLog;
  beginReign(options: ReignOptions): R;
  /** Who leads by now: this one, another one, or nobody known. */
  onLeader(leader: MasterInfo | undefined): void;
}

export class Candidate<R extends Ending> {
  readonly #options: CandidateOptions<R>;
  readonly #elector: Elector;
  readonly #log: Log;
  #info: MasterInfo;
  #leader: MasterInfo | undefined;
  #session: ZooKeeperSession | undefined;
  #reign: R | undefined;
  #isStopped = false;
  #cancelTimer: () => void = () => undefined;

  constructor(options: CandidateOptions<R>) {
    const { context, url, sessionTimeoutMs, openClient } = options;
    this.#options = options;
    this.#log = context.log;
    this.#info = options.nextInfo();
    this.#elector = new Elector({
      url,
      sessionTimeoutMs,
      openClient,
      clock: context.clock,
      rng: context.rng,
      log: context.log,
      onSession: (session) => this.#sessionChanged(session),
      onLeader: (leader) => this.#setLeader(leader && masterOf(context.codec, leader.data)),
      onElected: (id) => void this.#elected(id),
      onDeposed: (_, reason) => {
        this.#endReign(reason);
        this.#standAgain();
      },
    });
  }

  /** The present reign; undefined while it follows, and once another master may lead. */
  get reign(): R | undefined {
    return this.#elector.isLeaseValid() ? this.#reign : undefined;
  }

  /** Who it is in its present candidacy. */
  get info(): MasterInfo {
    return this.#info;
  }

  /** Who leads, as far as is known; this very candidacy also while it reads the registry yet. */
  get leader(): MasterInfo | undefined {
    return this.#leader;
  }

  get standing(): MasterStanding {
    if (this.reign !== undefined) return "leading";
    if (this.#leader === undefined) return "waiting";
    if (this.#leader.id !== this.#info.id) return "following";
    return this.#elector.isLeaseValid() ? "recovering" : "waiting";
  }

  /** Of the present session, where there is one. */
  get session(): ZooKeeperSession | undefined {
    return this.#session;
  }

  get contact(): ZooKeeperContact {
    return this.#elector.contact;
  }

  /** Gives the lead away, to stand again as the last in line. */
  stepDown(reason: string): void {
    this.#endReign(reason);
    this.#elector.withdraw();
    this.#standAgain();
  }

  start(): void {
    this.#elector.start();
    this.#stand();
  }

  /** Ends its session, so that another one is elected at once. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#reign?.end();
    this.#reign = undefined;
    this.#elector.stop();
  }

  #stand(): void {
    if (!this.#isStopped)
      this.#elector.stand(this.#info.id, encodeUtf8(JSON.stringify(this.#info)));
  }

  #sessionChanged(session: ZooKeeperSession | undefined): void {
    this.#session = session;
    if (session === undefined) {
      this.#endReign("the ZooKeeper session is over");
      this.#options.registrar.unfollow();
    } else this.#options.registrar.follow(this.#logOf(session));
  }

  #logOf(session: ZooKeeperSession): SharedLog {
    return this.#options.openLog(session, this.#info.id);
  }

  async #elected(id: string): Promise<void> {
    const { registrar, beginReign } = this.#options;
    const session = this.#session;
    if (session === undefined || id !== this.#info.id) return;
    this.#log.write("info", "elected as the leading master", { id });
    const outcome = await registrar.lead(this.#logOf(session));
    // Deposed meanwhile: the next candidacy is under way.
    if (this.#isStopped || id !== this.#info.id) return;
    if (outcome !== "done" || !this.#elector.isLeaseValid()) {
      this.stepDown("its registry could not be taken over in time");
      return;
    }
    this.#reign = beginReign({
      info: this.#info,
      mayAct: () => this.#mayAct(id),
      onFatal: (error) => this.#failed(id, error),
    });
    this.#options.onLeader(this.#info);
    await registrar.putMaster(this.#info).catch((error) => this.#failed(id, error));
  }

  /**
   * A reign whose lease ran out once is over, even if ZooKeeper answers again: what came in
   * meanwhile was not acted on.
   */
  #mayAct(id: string): boolean {
    if (this.#elector.isLeaseValid()) return true;
    this.#options.context.clock.nextTurn(() => {
      if (id === this.#info.id && !this.#isStopped) this.stepDown("its lease ran out");
    });
    return false;
  }

  /** A registry that refuses to be written says that another master leads. */
  #failed(id: string, error: unknown): void {
    if (id !== this.#info.id) return;
    if (error instanceof DatabaseError && error.code === "closed") this.stepDown(error.message);
    else this.#options.context.onFatal(error);
  }

  #endReign(reason: string): void {
    if (this.#reign === undefined) return;
    this.#log.write("warning", "does not lead any more", { reason });
    this.#reign.end();
    this.#reign = undefined;
  }

  /** As another, after a while; until then what it wrote last is read back. */
  #standAgain(): void {
    const { registrar, nextInfo, context } = this.#options;
    if (this.#leader?.id === this.#info.id) this.#setLeader(undefined);
    this.#info = nextInfo();
    registrar.unfollow();
    if (this.#session !== undefined) registrar.follow(this.#logOf(this.#session));
    this.#cancelTimer();
    this.#cancelTimer = context.clock.schedule(STAND_AGAIN_MS, () => this.#stand());
  }

  #setLeader(leader: MasterInfo | undefined): void {
    this.#leader = leader;
    this.#options.onLeader(leader);
  }
}
