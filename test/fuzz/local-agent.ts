/**
 * One agent of the cluster in this process: the real app, runtime and core; containers are timers,
 * the checkpoint is memory, and the link to the master is a call.
 */

import type { AgentCore } from "../../src/agent/core/agent-core.ts";
import { AgentRuntime } from "../../src/agent/runtime/agent-runtime.ts";
import type { LinkId } from "../../src/base/ids.ts";
import type { Rng } from "../../src/base/ports.ts";
import { createAgentApp } from "../../src/http/agent/agent-app.ts";
import type { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { OPEN_ACLS } from "../../src/security/acls.ts";
import { MemoryCheckpoint } from "../agent/core/memory-checkpoint.ts";
import type { FakeClock } from "../base/fake-clock.ts";
import { emulatedAgentOptions } from "../harness/emulated/agent-options.ts";
import { EmulatedContainers } from "../harness/emulated/emulated-containers.ts";
import { messageOf } from "../harness/link-messages.ts";
import { NO_FETCHER } from "../harness/no-fetcher.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import type { CountedReads } from "./counted-reads.ts";
import { factsOf, SILENT_LOG, textOf } from "./process-parts.ts";

const codec = createCodec();

export interface LocalAgentOptions {
  readonly master: MasterRuntime;
  readonly clock: FakeClock;
  readonly rng: Rng;
  readonly workDir: string;
  readonly info: ConstructorParameters<typeof AgentRuntime>[0]["options"]["info"];
  readonly reads: CountedReads;
  fault(text: string): void;
  /** Stands before every step of the core. */
  watched(core: AgentCore): AgentCore["step"];
}

export class LocalAgent {
  readonly runtime: AgentRuntime;
  readonly app: (request: Request) => Response | Promise<Response>;
  /** It was told to end. */
  isOver = false;
  readonly #options: LocalAgentOptions;
  #linkId: LinkId | undefined;

  constructor(options: LocalAgentOptions) {
    const { clock, rng, workDir, info, master } = options;
    this.#options = options;
    this.runtime = new AgentRuntime({
      ...emulatedAgentOptions(info, workDir),
      bootId: rng.uuid(),
      containerizer: new EmulatedContainers(clock),
      fetcher: NO_FETCHER,
      checkpoint: new MemoryCheckpoint(),
      link: {
        send: (message) => {
          const linkId = this.#linkId;
          if (linkId !== undefined) master.linkMessage(linkId, structuredClone(message));
        },
        reconnect: () => this.#lose(),
      },
      clock,
      rng,
      log: SILENT_LOG,
      onExit: () => {
        this.end();
        this.isOver = true;
      },
      onFatal: (error) => options.fault(`agent ended: ${textOf(error)}`),
    });
    const { core } = this.runtime;
    core.step = options.watched(core);
    this.app = createAgentApp({
      runtime: this.runtime,
      codec,
      clock,
      heartbeatMs: 30_000,
      facts: factsOf(clock, options.reads.of(this.runtime.files), OPEN_ACLS),
      authentication: HEARS_EVERYBODY,
      disabledPaths: [],
      pid: "slave(1)@127.0.0.1:5051",
      startTime: 0,
      masterHostname: () => "master",
      link: async () => ({ master: null, is_linked: true, since: "", why: [] }),
    });
  }

  get id(): string {
    return this.runtime.state.info.id?.value ?? "";
  }

  async start(): Promise<void> {
    await this.runtime.start();
    this.#connect();
  }

  end(): void {
    const linkId = this.#linkId;
    this.#linkId = undefined;
    if (linkId !== undefined) this.#options.master.linkClosed(linkId);
  }

  #connect(): void {
    const { master } = this.#options;
    const lose = (): void => this.#lose();
    const linkId: LinkId = master.linkOpened(
      {
        send: (sent) => {
          if (this.#linkId !== linkId) return;
          const message = structuredClone(messageOf(sent));
          this.runtime.input({ kind: "masterMessage", message });
        },
        close: lose,
        openStream: () => new ReadableStream(),
      },
      "127.0.0.1",
    );
    this.#linkId = linkId;
    this.runtime.input({ kind: "linkUp", epoch: master.info.id });
  }

  /** Comes back after a while. */
  #lose(): void {
    if (this.#linkId === undefined || this.isOver) return;
    this.end();
    this.runtime.input({ kind: "linkDown" });
    this.#options.clock.schedule(500, () => {
      if (!this.isOver) this.#connect();
    });
  }
}
