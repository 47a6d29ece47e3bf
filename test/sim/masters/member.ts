/**
 * One master of several: the real candidate, registrar and log on a modelled session, in a process
 * that is killed, paused and started again, on a disk that may be lost or an old one.
 */
import type { Log } from "../../../src/base/ports.ts";
import { DatabaseError } from "../../../src/database/database-error.ts";
import type { OpenClient } from "../../../src/election/zookeeper/client.ts";
import type { ZooKeeperSession } from "../../../src/election/zookeeper/session.ts";
import type { RegistryStore } from "../../../src/master/runtime/ports.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import type { MasterInfo } from "../../../src/protocol/v1/types.ts";
import {
  copyRegistry,
  emptyRegistry,
  type RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import type { LogMark, RegistryFile } from "../../../src/registry/store/registry-file.ts";
import { ReplicatedRegistrar } from "../../../src/registry/store/replicated-registrar.ts";
import type { SharedLog } from "../../../src/registry/store/shared-log.ts";
import { ZooKeeperLog } from "../../../src/registry/zookeeper/zookeeper-log.ts";
import { Candidate } from "../../../src/roles/candidate.ts";
import type { ReignOptions } from "../../../src/roles/reign.ts";
import type { Judge } from "../judge.ts";
import type { World } from "../world.ts";
import { plantedClient, plantedLog, plantedRegistry } from "./plants.ts";
import { Program } from "./program.ts";
import type { RegistryJudge } from "./registry-judge.ts";
import { SimClient } from "./sim-client.ts";
import { SimReign } from "./sim-reign.ts";
import type { SimZooKeeper } from "./sim-zookeeper.ts";

/** Where the masters of the simulation meet. */
export const MASTERS_PATH = "/mesos";
export const SESSION_TIMEOUT_MS = 10_000;
/** 127.0.0.1 as MasterInfo has it. */
const LOOPBACK = 16_777_343;
const FIRST_PORT = 5050;
/** So few that every run has snapshots, and followers that are behind them. */
const ENTRIES_PER_SNAPSHOT = 5;
const ENTRIES_KEPT = 3;
/** Steps of the master from one full scan of its books to the next. */
const STEPS_PER_SCAN = 24;

export const codec: ReturnType<typeof createCodec> = createCodec();

export interface MemberOptions {
  readonly world: World;
  readonly judge: Judge;
  readonly registryJudge: RegistryJudge;
  readonly zookeeper: SimZooKeeper;
  readonly file: RegistryFile;
  readonly index: number;
  /** A reign began: no earlier one may take agents from here on. */
  onReign(epoch: string): void;
}

interface Running {
  readonly program: Program;
  readonly candidate: Candidate<SimReign>;
  readonly registrar: ReplicatedRegistrar;
}

export class Member {
  readonly name: string;
  readonly #options: MemberOptions;
  #running: Running | undefined;
  /** Ended or not: its connections are there until the process goes. */
  #reigns: SimReign[] = [];
  #backup: { readonly state: RegistryState; readonly mark: LogMark } | undefined;
  #steps = 0;
  #cancelStart: () => void = () => undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.name = `m${options.index}`;
    this.start();
  }

  get program(): Program | undefined {
    return this.#running?.program;
  }

  /** Its reign, if it runs, leads and may act. */
  get reign(): SimReign | undefined {
    const { program, candidate } = this.#running ?? {};
    return program?.isRunning === true ? candidate?.reign : undefined;
  }

  /** Whom it would send a caller to: another master. */
  get otherLeader(): number | undefined {
    const { candidate } = this.#running ?? {};
    const port = candidate?.standing === "following" ? candidate.leader?.port : undefined;
    return port === undefined ? undefined : port - FIRST_PORT;
  }

  get mark(): LogMark {
    return this.#options.file.mark;
  }

  get registry(): RegistryState {
    return this.#running?.registrar.load() ?? emptyRegistry();
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#cancelStart();
    const { world, file } = this.#options;
    world.log(`${this.name} starts`);
    file.reload();
    this.#damageDisk(file);
    const program = new Program(world, this.name);
    program.enter(() => this.#run(program));
  }

  crash(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { world } = this.#options;
    world.log(`${this.name} dies`);
    running.program.kill();
    this.#running = undefined;
    for (const reign of this.#reigns.splice(0)) reign.drop();
    this.#cancelStart = world.time.after(world.dice.below(30_000), () => this.start());
  }

  /** An operator has it give the lead away. */
  stepDown(): void {
    const { program, candidate } = this.#running ?? {};
    if (program?.isRunning !== true || candidate?.reign === undefined) return;
    this.#options.world.log(`${this.name} is told to step down`);
    program.enter(() => candidate.stepDown("an operator wants it"));
  }

  /** An operator keeps a copy of its disk. */
  backUp(): void {
    const { registrar } = this.#running ?? {};
    // What a leader has in memory may be ahead of its disk.
    if (registrar === undefined || registrar.metrics()["registrar/log/recovered"] === 1) return;
    const { state, mark } = this.#options.file;
    this.#backup = { state: copyRegistry(state), mark };
  }

  #run(program: Program): void {
    const { world, zookeeper, file } = this.#options;
    const { plant } = world;
    const log: Log = {
      write: (level, message, fields) => {
        if (level === "error") world.log(`${this.name}: ${message} ${errorText(fields)}`);
      },
    };
    const { clock, rng } = program;
    const registrar = new ReplicatedRegistrar({
      file,
      clock,
      log,
      entriesPerSnapshot: ENTRIES_PER_SNAPSHOT,
    });
    const openClient: OpenClient = (options) => new SimClient(world, zookeeper, program, options);
    const servers = zookeeper.servers.map(({ name }) => name);
    const openLog = (session: ZooKeeperSession, id: string): SharedLog =>
      plantedLog(plant, new ZooKeeperLog(session, MASTERS_PATH, id, ENTRIES_KEPT), {
        session,
        path: MASTERS_PATH,
      });
    const candidate: Candidate<SimReign> = new Candidate({
      context: { clock, rng, log, codec, onFatal: (error) => this.#fatal(error) },
      url: { servers, path: MASTERS_PATH, credentials: undefined },
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      openClient: plantedClient(plant, openClient),
      registrar,
      nextInfo: () => this.#info(program),
      openLog,
      beginReign: (options) => this.#beginReign(program, registrar, options, log),
      onLeader: () => undefined,
    });
    this.#running = { program, candidate, registrar };
    candidate.start();
  }

  #info(program: Program): MasterInfo {
    const port = FIRST_PORT + this.#options.index;
    return { id: program.rng.uuid(), ip: LOOPBACK, port, hostname: this.name };
  }

  #beginReign(
    program: Program,
    registrar: ReplicatedRegistrar,
    options: ReignOptions,
    log: Log,
  ): SimReign {
    const { world, judge, onReign } = this.#options;
    const { id } = options.info;
    world.log(`${this.name} leads as ${id}`);
    onReign(id);
    const { mayAct, ...others } = options;
    const isDeaf = world.plant === "actDeposed";
    const reign = new SimReign(
      {
        world,
        judge,
        program,
        registry: this.#watched(plantedRegistry(world.plant, registrar)),
        log,
        onStep: (core, input) => {
          this.#checkLeads(id);
          this.#steps += 1;
          if (this.#steps % STEPS_PER_SCAN === 0) core.assertInvariants();
          judge.masterStepped(core.state, input);
        },
        crash: () => this.crash(),
      },
      isDeaf || mayAct === undefined ? others : { ...others, mayAct },
    );
    this.#reigns.push(reign);
    return reign;
  }

  /** What it is told to be durable is looked for in the log. */
  #watched(registry: RegistryStore): RegistryStore {
    return {
      load: () => registry.load(),
      metrics: () => registry.metrics(),
      commit: async (operations) => {
        const results = await registry.commit(operations);
        this.#options.registryJudge.acknowledged(operations, results);
        return results;
      },
    };
  }

  /** Whoever acts as the leader is the first of the candidates, as ZooKeeper knows them now. */
  #checkLeads(id: string): void {
    const { world, zookeeper } = this.#options;
    const { tree } = zookeeper.model;
    const [first] = tree
      .childNames(MASTERS_PATH)
      .filter((name) => name.startsWith("json.info_"))
      .toSorted();
    const data = tree.nodes.get(`${MASTERS_PATH}/${first}`)?.data;
    const isFirst = data !== undefined && new TextDecoder().decode(data).includes(id);
    world.check(isFirst, () => `${this.name} acts as ${id}, and leads no more`);
  }

  #fatal(error: unknown): void {
    const { world } = this.#options;
    if (error instanceof DatabaseError) world.log(`${this.name} ends: ${error.message}`);
    else world.note(`${this.name}: ${stackOf(error)}`);
    this.crash();
  }

  /** Between two lives of the process the disk may be lost, or an old one put back. */
  #damageDisk(file: RegistryFile): void {
    const { world } = this.#options;
    const isLost = world.isFault(0.15);
    const isOld = world.isFault(0.15);
    if (isLost) {
      world.log(`${this.name} has lost its registry`);
      file.replace(emptyRegistry(), { position: 0, hash: "" });
    } else if (isOld && this.#backup !== undefined) {
      world.log(`${this.name} has its registry of ${this.#backup.mark.position} back`);
      file.replace(copyRegistry(this.#backup.state), this.#backup.mark);
    }
  }
}

function errorText(fields: Readonly<Record<string, unknown>> | undefined): string {
  return Object.values(fields ?? {})
    .map(String)
    .join(" ");
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
