/** A master that leads: the core with its runtime, its links and its HTTP face, until it is ended. */
import { DrfAllocator } from "../allocator/drf-allocator.ts";
import type { Authentication } from "../http/authentication.ts";
import type { Leadership } from "../http/master/leader-endpoints.ts";
import { createMasterApp } from "../http/master/master-app.ts";
import type { RegistryCopy } from "../http/master/registry-endpoint.ts";
import type { PacedReads } from "../http/paced-reads.ts";
import type { ProcessFacts } from "../http/process-facts.ts";
import { LinkServer } from "../link/server.ts";
import { MasterCore } from "../master/core/master-core.ts";
import type { MasterOptions } from "../master/core/master-options.ts";
import { MasterRuntime } from "../master/runtime/master-runtime.ts";
import type { RegistryStore } from "../master/runtime/ports.ts";
import type { ServerSocket, SocketHandler } from "../platform/server-types.ts";
import { ResourceKinds } from "../resources/kinds.ts";
import type { RoleContext } from "./role-context.ts";
import { agentAdmission } from "./security-flags.ts";

/** What does not change from one reign to the next. */
export interface ReignSettings {
  readonly context: RoleContext;
  readonly options: Omit<MasterOptions, "info">;
  readonly registry: RegistryStore;
  readonly authentication: Authentication;
  readonly disabledPaths: readonly string[];
  readonly reads: PacedReads;
  /** Of the process; metrics are those of the present reign. */
  readonly facts: ProcessFacts;
  readonly registryCopy: RegistryCopy;
  /** Hosts whose agents are offered; undefined: all. */
  hostnames(): ReadonlySet<string> | undefined;
}

export interface ReignOptions {
  readonly info: MasterOptions["info"];
  /** False once another master may lead: nothing is done then any more. */
  mayAct?(): boolean;
  /** The registry could not be written, or an invariant is broken. */
  onFatal(error: unknown): void;
}

export class Reign {
  readonly runtime: MasterRuntime;
  readonly handle: (request: Request) => Response | Promise<Response>;
  readonly #links: LinkServer;

  constructor(settings: ReignSettings, reign: ReignOptions, leadership: Leadership) {
    const { context, authentication, disabledPaths, facts, reads } = settings;
    const { codec, linkCodec, clock, log, flags } = context;
    this.runtime = makeRuntime(settings, reign);
    this.#links = new LinkServer({
      host: this.runtime,
      linkCodec,
      clock,
      log,
      writes: this.runtime.writes,
      refusalOf: agentAdmission(flags, authentication, settings.options.acls),
    });
    this.handle = createMasterApp({
      runtime: this.runtime,
      codec,
      facts,
      authentication,
      disabledPaths,
      cluster: flags.string("cluster"),
      reads,
      leadership,
      registryCopy: settings.registryCopy,
    });
    this.runtime.start();
    const hostnames = settings.hostnames();
    if (hostnames !== undefined) this.runtime.setWhitelist(hostnames);
  }

  /** Takes an agent's connection. */
  accept(socket: ServerSocket): SocketHandler {
    return this.runtime.paced(this.#links.accept(socket));
  }

  /** Cuts agents and frameworks off; they look for the master anew. */
  end(): void {
    this.runtime.stop();
  }
}

function makeRuntime(settings: ReignSettings, reign: ReignOptions): MasterRuntime {
  const { context, registry } = settings;
  const options = { ...settings.options, info: reign.info };
  const kinds = new ResourceKinds();
  const allocator = new DrfAllocator(kinds, {
    ...options,
    masterRegion: options.info.domain?.fault_domain?.region.name,
  });
  return new MasterRuntime({
    core: new MasterCore({ options, allocator, kinds, encode: context.linkCodec.encodeMessage }),
    info: options.info,
    version: context.allotVersion,
    heartbeatMs: options.agentPingTimeoutMs,
    registry,
    clock: context.clock,
    rng: context.rng,
    log: context.log,
    mayAct: reign.mayAct,
    workDone: context.collectYoung,
    onFatal: reign.onFatal,
  });
}
