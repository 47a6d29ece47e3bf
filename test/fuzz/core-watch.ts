/**
 * Stands before every step of the cores: one that takes too long is a fault, and so is a refused
 * call after which the state is another than before it.
 */
import type { AgentCore } from "../../src/agent/core/agent-core.ts";
import type { MasterInput } from "../../src/master/core/inputs.ts";
import type { MasterCore } from "../../src/master/core/master-core.ts";
import { CpuTime } from "./cpu-time.ts";
import { digestOf, firstDifference } from "./digest.ts";
import type { FuzzRequest } from "./requests.ts";
import type { Slowest } from "./slowest.ts";

export interface CoreWatchOptions {
  /** What one step may take. */
  readonly stallMs: number;
  readonly slowest: Slowest;
  fault(text: string): void;
}

export class CoreWatch {
  /** Calls of frameworks, operators and executors that were refused after a core had seen them. */
  refusedCount = 0;
  /** Time that comparing took out of the present request. */
  digestMs = 0;
  readonly #options: CoreWatchOptions;
  readonly #cpu = new CpuTime();
  /** Under way; what comes of it later is no refusal. */
  #request: FuzzRequest | undefined;
  /** Of the core that sees a call first, before it does. */
  #before: { readonly of: () => object; readonly digest: string } | undefined;

  constructor(options: CoreWatchOptions) {
    this.#options = options;
  }

  begin(request: FuzzRequest): void {
    this.#request = request;
    this.#before = undefined;
    this.digestMs = 0;
  }

  end(): void {
    this.#request = undefined;
  }

  /** The request was refused: what the core that was asked held must be as it was. */
  refused(why: string): void {
    if (this.#before === undefined) return;
    const { digest, of } = this.#before;
    this.#compare(digest, digestOf(of()), why);
  }

  master(core: MasterCore): MasterCore["step"] {
    const step = core.step.bind(core);
    return (input, nowMs) => {
      const isCall = /schedulerCall|operatorCall|operatorKill/.test(input.kind);
      if (isCall) this.#remember(() => core.state);
      const run = (): ReturnType<typeof step> => this.#timed(input.kind, () => step(input, nowMs));
      if (input.kind !== "subscribe") return run();
      const before = this.#digestOf(core.state);
      const effects = run();
      if (isRefused(input, effects)) {
        this.#compare(before, this.#digestOf(core.state), "by an ERROR event");
      }
      return effects;
    };
  }

  /** Around the step alone, since an agent takes timers and messages in the same batch. */
  agent(core: AgentCore): AgentCore["step"] {
    const step = core.step.bind(core);
    return (input, nowMs) => {
      const run = (): ReturnType<typeof step> => this.#timed(input.kind, () => step(input, nowMs));
      const isAsked = this.#request?.to === "agent" && input.kind === "executorCall";
      if (!isAsked) return run();
      const before = this.#digestOf(core.state);
      const effects = run();
      if (effects.some((effect) => effect.kind === "respond" && !effect.outcome.ok)) {
        this.#compare(before, this.#digestOf(core.state), "by the agent");
      }
      return effects;
    };
  }

  #timed<Effects>(kind: string, step: () => Effects): Effects {
    const { stallMs, slowest, fault } = this.#options;
    const elapsedMs = this.#cpu.start();
    const effects = step();
    const ms = elapsedMs();
    slowest.add("step", ms, kind);
    if (ms > stallMs) fault(`a step (${kind}) took ${Math.round(ms)} ms`);
    return effects;
  }

  #remember(of: () => object): void {
    if (this.#request !== undefined) this.#before ??= { of, digest: this.#digestOf(of()) };
  }

  #digestOf(state: object): string {
    const elapsedMs = this.#cpu.start();
    const digest = digestOf(state);
    this.digestMs += elapsedMs();
    return digest;
  }

  #compare(before: string, after: string, refusal: string): void {
    this.refusedCount += 1;
    if (after === before) return;
    const difference = firstDifference(before, after);
    this.#options.fault(`was refused (${refusal}) and changed state:\n   ${difference}`);
  }
}

function isRefused(
  { streamId }: Extract<MasterInput, { kind: "subscribe" }>,
  effects: ReturnType<MasterCore["step"]>,
): boolean {
  return effects.some(
    (effect) =>
      effect.kind === "sendEvent" && effect.streamId === streamId && effect.event.type === "ERROR",
  );
}
