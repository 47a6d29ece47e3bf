/**
 * One run of `allot execute`: a framework that waits for a fitting offer, launches one task, shows
 * its output while it runs and learns how it ended. A lost connection is taken up again with the
 * same framework id and the task is asked for; every byte and every update is handled once.
 * Source: reference/http-api.md 4, semantics 3.2, 6.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { MediaType } from "../../protocol/media-types.ts";
import type {
  FrameworkInfo,
  Offer,
  Resource,
  SchedulerEvent,
  TaskInfo,
  TaskStatus,
} from "../../protocol/v1/types.ts";
import { ClientError } from "../client/client-error.ts";
import type { MasterClient } from "../client/master-client.ts";
import { SchedulerSession, type SessionCall } from "../client/scheduler-session.ts";
import { FileFollower, sandboxPath, type Writer } from "./file-follower.ts";
import {
  FAREWELL_MS_MAX,
  HINT_DELAY_MS,
  HINT_PERIOD_MS,
  RECONNECT_PAUSE_MS_MAX,
  RECONNECT_PAUSE_MS_MIN,
  REFUSE_FOREVER_SECONDS,
  REFUSE_SECONDS,
  TIMER_MS_MAX,
} from "./limits.ts";
import { pickResources } from "./pick-resources.ts";
import { isTaskOver, NEVER_RAN, readTaskEnding, type TaskEnding } from "./task-ending.ts";
import { explainWaiting } from "./waiting-hint.ts";

/** What to run and how to talk about it. */
export interface TaskRunOptions {
  readonly client: MasterClient;
  readonly mediaType: MediaType;
  /** Without an id. */
  readonly framework: FrameworkInfo;
  /** Everything but what the offer decides. */
  readonly task: Omit<TaskInfo, "agent_id" | "resources">;
  readonly resources: readonly Resource[];
  /** Milliseconds of running after which the task is killed. */
  readonly killAfterMs: number | undefined;
  /** How long to try to subscribe again, milliseconds. */
  readonly reconnectMsMax: number;
  readonly writeOutput: Writer;
  readonly writeErrors: Writer;
  /** Always shown; and shown with `--verbose` only. */
  readonly notice: (text: string) => void;
  readonly detail: (text: string) => void;
}

/** Where the task is; set when its launch is sent. */
interface Launched {
  readonly agentId: string;
  readonly hostname: string;
  readonly output: FileFollower;
  readonly errors: FileFollower;
}

/** What is said when the end is known: the task's last status is acknowledged, the framework is over. */
interface Farewell {
  readonly ending: TaskEnding;
  readonly status: TaskStatus | undefined;
}

export class TaskRun {
  readonly #options: TaskRunOptions;
  #session: SchedulerSession | undefined;
  #frameworkId: string | undefined;
  #launched: Launched | undefined;
  #hasRun = false;
  /** A subscription was renewed and nothing has been heard of the task since. */
  #isNewsAwaited = false;
  #kill: { readonly graceMs: number | undefined } | undefined;
  #offers: readonly Offer[] = [];
  #finishing: Promise<void> | undefined;
  /** How it ended is known here and the master is still to be told. */
  #farewell: Farewell | undefined;
  /** The telling under way; never rejects. */
  #parting: Promise<void> = Promise.resolve();
  #ending: TaskEnding | undefined;
  #failure: { readonly error: unknown } | undefined;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: TaskRunOptions) {
    this.#options = options;
  }

  /** Runs to the end. Errors: `ClientError` when no master answers at first, and what writers throw. */
  async run(): Promise<TaskEnding> {
    this.#after(HINT_DELAY_MS, () => this.#hint(undefined));
    try {
      for (;;) {
        await this.#subscription();
        if (this.#failure !== undefined) throw this.#failure.error;
        if (this.#ending !== undefined) return this.#ending;
        // A master that hangs up at once must not be asked again without a breath.
        await sleep(RECONNECT_PAUSE_MS_MIN);
      }
    } catch (error) {
      // Once the launch is sent nobody can say any more that the task never ran.
      if (!(error instanceof ClientError)) throw error;
      if (this.#farewell !== undefined) return this.#farewell.ending;
      if (this.#launched === undefined) throw error;
      return { exitStatus: 1, notice: `gave up on the task: ${error.message}` };
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
      this.#session?.end();
    }
  }

  /**
   * Ends the task: at first with its own grace period, when asked again at once. `exitStatus` is
   * the result if there is no task yet, or when even that is not waited for (third time).
   */
  interrupt(exitStatus: number): void {
    if (this.#kill?.graceMs === 0) {
      this.#end({ exitStatus, notice: "gave up waiting for the task to end" });
      return;
    }
    const isSecond = this.#kill !== undefined;
    this.#kill = { graceMs: isSecond ? 0 : undefined };
    if (this.#launched === undefined) {
      this.#leave({ exitStatus }, undefined);
      return;
    }
    this.#options.detail(isSecond ? "killing the task at once" : "killing the task");
    this.#inBackground(this.#sendKill());
  }

  /** One subscription from its start to its end, with the pauses that it takes to get one. */
  async #subscription(): Promise<void> {
    const session = await this.#subscribe();
    if (session === undefined) return;
    this.#session = session;
    try {
      for await (const event of session.events()) {
        if (this.#ending !== undefined) return;
        await this.#handle(event);
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (error.code === "badAnswer") throw error;
      this.#options.detail(error.message);
    } finally {
      // A master that takes the framework away ends the stream before it answers.
      await this.#parting;
      session.end();
    }
  }

  /** Undefined when the run has ended meanwhile. */
  async #subscribe(): Promise<SchedulerSession | undefined> {
    const { client, mediaType, framework, reconnectMsMax } = this.#options;
    const id = this.#frameworkId;
    const info = id === undefined ? framework : { ...framework, id: { value: id } };
    const startedMs = Date.now();
    let pauseMs = RECONNECT_PAUSE_MS_MIN;
    while (this.#ending === undefined) {
      try {
        return await SchedulerSession.open(client, mediaType, info);
      } catch (error) {
        if (!(error instanceof ClientError) || id === undefined || !error.isRetriable) throw error;
        if (Date.now() - startedMs > reconnectMsMax) throw error;
        this.#options.detail(`${error.message}; trying again`);
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, RECONNECT_PAUSE_MS_MAX);
    }
    return undefined;
  }

  async #handle(event: SchedulerEvent): Promise<void> {
    if (event.subscribed !== undefined) await this.#subscribed(event.subscribed.framework_id.value);
    else if (event.offers !== undefined) await this.#consider(event.offers.offers ?? []);
    else if (event.update !== undefined) await this.#update(event.update.status);
    else if (event.error !== undefined) this.#refused(event.error.message);
    else if (event.type === "HEARTBEAT" && this.#isNewsAwaited) await this.#askForTask();
  }

  async #subscribed(frameworkId: string): Promise<void> {
    this.#options.detail(`subscribed as framework ${frameworkId}`);
    this.#frameworkId = frameworkId;
    if (this.#farewell !== undefined) {
      this.#part(this.#farewell);
      return;
    }
    if (this.#launched === undefined || this.#finishing !== undefined) return;
    this.#isNewsAwaited = true;
    await this.#askForTask();
    if (this.#kill !== undefined) await this.#sendKill();
  }

  /** An agent that is not back yet is not answered for, so this is repeated until it is. */
  async #askForTask(): Promise<void> {
    const { task_id } = this.#options.task;
    const agentId = this.#launched?.agentId;
    const about = agentId === undefined ? {} : { agent_id: { value: agentId } };
    await this.#call({ type: "RECONCILE", reconcile: { tasks: [{ task_id, ...about }] } });
  }

  async #consider(offers: readonly Offer[]): Promise<void> {
    const unused: Offer[] = [];
    for (const offer of offers) {
      if (this.#launched !== undefined || this.#kill !== undefined) unused.push(offer);
      else if (!(await this.#tryLaunch(offer))) unused.push(offer);
    }
    if (unused.length === 0) return;
    if (this.#launched === undefined) this.#offers = unused;
    const refuse_seconds = this.#launched === undefined ? REFUSE_SECONDS : REFUSE_FOREVER_SECONDS;
    const offer_ids = unused.map((offer) => offer.id);
    await this.#call({ type: "DECLINE", decline: { offer_ids, filters: { refuse_seconds } } });
  }

  async #tryLaunch(offer: Offer): Promise<boolean> {
    const picked = pickResources(offer.resources ?? [], this.#options.resources);
    if (!picked.isEnough) return false;
    this.#launched = this.#launchedOn(offer);
    this.#options.detail(`launching on ${offer.hostname} (agent ${offer.agent_id.value})`);
    const task: TaskInfo = {
      ...this.#options.task,
      agent_id: offer.agent_id,
      resources: picked.resources,
    };
    await this.#call({
      type: "ACCEPT",
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH", launch: { task_infos: [task] } }],
        filters: { refuse_seconds: REFUSE_FOREVER_SECONDS },
      },
    });
    await this.#call({ type: "SUPPRESS", suppress: {} });
    return true;
  }

  #launchedOn(offer: Offer): Launched {
    const { client, task, writeOutput, writeErrors } = this.#options;
    const agentId = offer.agent_id.value;
    const path = (name: "stdout" | "stderr"): string =>
      sandboxPath(this.#frameworkId ?? "", task.task_id.value, name);
    return {
      agentId,
      hostname: offer.hostname,
      output: new FileFollower(client, { agentId, path: path("stdout") }, writeOutput),
      errors: new FileFollower(client, { agentId, path: path("stderr") }, writeErrors),
    };
  }

  async #update(status: TaskStatus): Promise<void> {
    const { state, message } = status;
    this.#isNewsAwaited = false;
    if (this.#launched === undefined || this.#finishing !== undefined) return;
    this.#options.detail(`${state}${message === undefined ? "" : `: ${message}`}`);
    const isUnknown = state === "TASK_UNKNOWN";
    if (isTaskOver(state) || isUnknown) {
      // Events go on while the output is read, so that the connection is kept alive.
      this.#finishing = this.#finish(status, this.#launched);
      this.#inBackground(this.#finishing);
      return;
    }
    if (state === "TASK_RUNNING") this.#running(this.#launched);
    if (state === "TASK_UNREACHABLE") {
      const where = this.#launched.hostname;
      this.#options.notice(`lost contact with ${where}, where the task runs; waiting for it`);
    }
    await this.#acknowledge(status);
  }

  #running(launched: Launched): void {
    launched.output.start();
    launched.errors.start();
    const { killAfterMs } = this.#options;
    if (!this.#hasRun && killAfterMs !== undefined) {
      this.#after(killAfterMs, async () => {
        this.#kill ??= { graceMs: undefined };
        await this.#sendKill();
      });
    }
    this.#hasRun = true;
  }

  /** Shows all the output there is before the master may forget the task. */
  async #finish(status: TaskStatus, launched: Launched): Promise<void> {
    const told = readTaskEnding(status, this.#hasRun);
    // Whoever asked for the end need not be told of it.
    const ending = this.#kill === undefined ? told : { exitStatus: told.exitStatus };
    const isOutputExpected = this.#hasRun || ending.exitStatus !== NEVER_RAN;
    const isComplete = await Promise.all([
      launched.output.finish(isOutputExpected),
      launched.errors.finish(isOutputExpected),
    ]);
    if (isComplete.includes(false)) {
      const where = `${launched.hostname} does not answer`;
      this.#options.notice(`${where}, the end of the output may be missing here`);
    }
    this.#leave(ending, status);
  }

  /** Tells the master that the end is known and the framework is over, for as long as is sensible. */
  #leave(ending: TaskEnding, status: TaskStatus | undefined): void {
    if (this.#farewell !== undefined) return;
    this.#farewell = { ending, status };
    if (this.#frameworkId === undefined) {
      this.#end(ending);
      return;
    }
    this.#after(FAREWELL_MS_MAX, () => this.#end(ending));
    this.#part(this.#farewell);
  }

  /** One attempt; when it fails, the next subscription makes another. */
  #part(farewell: Farewell): void {
    const session = this.#session;
    if (session === undefined || session.isOver) return;
    this.#parting = this.#sayFarewell(session, farewell).catch((error: unknown) => {
      this.#inBackground(Promise.reject(error));
    });
  }

  async #sayFarewell(session: SchedulerSession, { ending, status }: Farewell): Promise<void> {
    if (status !== undefined) await acknowledge(session, status);
    await session.call({ type: "TEARDOWN" });
    this.#end(ending);
  }

  #end(ending: TaskEnding): void {
    this.#ending ??= ending;
    this.#session?.end();
  }

  #refused(message: string): void {
    if (this.#farewell !== undefined) {
      this.#end(this.#farewell.ending);
      return;
    }
    const exitStatus = this.#launched === undefined ? NEVER_RAN : 1;
    this.#end({ exitStatus, notice: `the master refuses the framework: ${message}` });
  }

  async #acknowledge(status: TaskStatus): Promise<void> {
    const session = this.#session;
    if (session !== undefined) await acknowledge(session, status);
  }

  async #sendKill(): Promise<void> {
    const agentId = this.#launched?.agentId;
    if (agentId === undefined || this.#session?.isOver !== false) return;
    const graceMs = this.#kill?.graceMs;
    const grace_period = { nanoseconds: (graceMs ?? 0) * 1_000_000 };
    await this.#call({
      type: "KILL",
      kill: {
        task_id: this.#options.task.task_id,
        agent_id: { value: agentId },
        ...(graceMs === undefined ? {} : { kill_policy: { grace_period } }),
      },
    });
  }

  async #call(call: SessionCall): Promise<void> {
    await this.#session?.call(call);
  }

  async #hint(previous: string | undefined): Promise<void> {
    if (this.#launched !== undefined || this.#ending !== undefined) return;
    const { client, resources } = this.#options;
    const text = await explainWaiting(client, resources, this.#offers);
    if (this.#launched !== undefined || this.#ending !== undefined) return;
    if (text !== previous) this.#options.notice(text);
    this.#after(HINT_PERIOD_MS, () => this.#hint(text));
  }

  #after(delayMs: number, act: () => Promise<void> | void): void {
    const pieceMs = Math.min(delayMs, TIMER_MS_MAX);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (delayMs > pieceMs) this.#after(delayMs - pieceMs, act);
      else this.#inBackground(Promise.resolve(act()));
    }, pieceMs);
    this.#timers.add(timer);
  }

  /** A lost connection is taken up by the main loop; anything else ends the run. */
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof ClientError) {
        this.#options.detail(error.message);
        return;
      }
      this.#failure ??= { error };
      this.#session?.end();
    });
  }
}

/** Answers an update; those made by the master have no uuid and want no answer. */
async function acknowledge(session: SchedulerSession, status: TaskStatus): Promise<void> {
  const { agent_id, task_id, uuid } = status;
  if (uuid === undefined || agent_id === undefined) return;
  await session.call({ type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
}
