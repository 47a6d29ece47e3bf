/**
 * Several masters and the ensemble where they are elected, with the faults that may befall them, as
 * the rest of a simulation sees them: whoever leads is found as it is in production.
 */
import type { StreamId } from "../../../src/base/ids.ts";
import type { Result } from "../../../src/base/result.ts";
import type { MasterCore } from "../../../src/master/core/master-core.ts";
import type { MasterToAgent } from "../../../src/protocol/link-frames.ts";
import type {
  MasterCall,
  SchedulerCall,
  SchedulerCallSubscribe,
} from "../../../src/protocol/v1/types.ts";
import { emptyRegistry, type RegistryState } from "../../../src/registry/core/registry-state.ts";
import { copyOf } from "../copy.ts";
import type { Judge } from "../judge.ts";
import type { Caller, Masters, StreamEnd } from "../masters.ts";
import type { LinkEnd, SimLink } from "../sim-link.ts";
import { OPERATOR_ROLES } from "../sim-operator.ts";
import type { World } from "../world.ts";
import { Detector } from "./detector.ts";
import { type Asked, History, registersOf } from "./history.ts";
import { MASTERS_PATH, Member } from "./member.ts";
import { giveBack, takeRegistryFile } from "./registry-files.ts";
import { RegistryJudge } from "./registry-judge.ts";
import type { SimReign } from "./sim-reign.ts";
import { SimZooKeeper } from "./sim-zookeeper.ts";

const FIRST_PORT = 5050;
const OPERATOR = "operator";
const OPERATOR_PAUSE_MS = 1000;

interface Stream {
  readonly member: Member;
  readonly reign: SimReign;
  readonly host: string;
  readonly end: StreamEnd;
}

export class Ensemble implements Masters {
  readonly #world: World;
  readonly #zookeeper: SimZooKeeper;
  readonly #registryJudge: RegistryJudge;
  readonly #history = new History();
  readonly #files: ReturnType<typeof takeRegistryFile>[] = [];
  readonly #unwatch: (() => void)[] = [];
  readonly #members: readonly Member[];
  readonly #detectors = new Map<string, Detector>();
  readonly #streams = new Map<StreamId, Stream>();
  /** Whom a caller without ZooKeeper tries next. */
  readonly #hints = new Map<string, number>();
  readonly #mend = new Set<() => void>();
  #newestEpoch = "";

  constructor(world: World, judge: Judge, count: number) {
    this.#world = world;
    this.#zookeeper = new SimZooKeeper(world);
    const registryJudge = new RegistryJudge(world, this.#zookeeper.model, MASTERS_PATH);
    this.#registryJudge = registryJudge;
    this.#members = Array.from({ length: count }, (_, index) => {
      const file = takeRegistryFile();
      this.#files.push(file);
      this.#unwatch.push(registryJudge.watch(file));
      return new Member({
        world,
        judge,
        registryJudge,
        zookeeper: this.#zookeeper,
        file,
        index,
        onReign: (epoch) => {
          judge.allFiltersCleared();
          this.#newestEpoch = epoch;
        },
      });
    });
    // A leader that goes while it still writes is what fences are for.
    this.#zookeeper.model.listeners.push(({ changes }) => {
      const isSnapshot = changes.some(({ path }) => path.includes("/snapshots/"));
      if (!isSnapshot || !world.isFault(0.1)) return;
      world.time.after(world.dice.below(60), () => this.#leader?.stepDown());
    });
    this.#disturbLater();
    this.#readLater();
  }

  get core(): MasterCore | undefined {
    return this.#leader?.reign?.core;
  }

  get registry(): RegistryState {
    return this.#leader?.registry ?? emptyRegistry();
  }

  openLink(caller: Caller, agent: LinkEnd<MasterToAgent>): SimLink | undefined {
    const { port } = this.#detectorOf(caller);
    const member = port === undefined ? undefined : this.#members[port - FIRST_PORT];
    const reign = member?.reign;
    if (member === undefined || reign === undefined || !this.#isOpen(caller.name, member.name)) {
      return undefined;
    }
    this.#world.check(
      reign.epoch === this.#newestEpoch,
      () => `${caller.name} is taken by ${reign.epoch}, but ${this.#newestEpoch} has led since`,
    );
    return this.#within(member, () => reign.openLink(caller, agent));
  }

  subscribe(host: string, subscribe: SchedulerCallSubscribe, end: StreamEnd): StreamId | undefined {
    const member = this.#findLeader(host);
    const reign = member?.reign;
    if (member === undefined || reign === undefined) return undefined;
    const streamId = this.#within(member, () => reign.subscribe(host, subscribe, end));
    if (streamId !== undefined) this.#streams.set(streamId, { member, reign, host, end });
    return streamId;
  }

  streamClosed(streamId: StreamId): void {
    const stream = this.#streams.get(streamId);
    this.#streams.delete(streamId);
    stream?.member.program?.enter(() => stream.reign.runtime.streamClosed(streamId));
  }

  call(
    call: SchedulerCall,
    streamId: StreamId,
    done: (outcome: Result<void>, before: ReadonlySet<string>) => void,
  ): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const { member, reign, host, end } = stream;
    const { time, dice } = this.#world;
    if (!this.#isOpen(host, member.name)) {
      // A scheduler whose call fails begins anew.
      time.after(dice.below(20_000), () => end.closed());
      return;
    }
    const copy = copyOf(call);
    member.program?.enter(() => {
      // As the program would answer that has stepped down meanwhile.
      if (member.reign !== reign) return;
      const before = new Set<string>(reign.core.state.offers.keys());
      void reign.runtime.call(copy, streamId, undefined).then((outcome) => done(outcome, before));
    });
  }

  rolesOf(frameworkId: string): readonly string[] {
    const frameworks = [...(this.core?.state.frameworks.values() ?? [])];
    return frameworks.find(({ id }) => id === frameworkId)?.roles ?? [];
  }

  operatorCall(call: MasterCall): void {
    this.#callAsOperator(copyOf(call), this.#history.asked(call));
  }

  #callAsOperator(call: MasterCall, asked: Asked): void {
    const { time, dice } = this.#world;
    time.after(dice.delayMs(), () => {
      const member = this.#findLeader(OPERATOR);
      const reign = member?.reign;
      if (member === undefined || reign === undefined) {
        // Between two leaders even in peace; then a person tries once more.
        if (this.#world.areFaultsOn) asked.refused();
        else time.after(OPERATOR_PAUSE_MS, () => this.#callAsOperator(call, asked));
        return;
      }
      member.program?.enter(() => {
        void reign.runtime.operatorCall(call, undefined).then((outcome) => {
          if (outcome.ok) {
            if (this.#isOpen(member.name, OPERATOR)) time.after(dice.delayMs(), asked.answered);
          } else if (outcome.error.code !== "notReady") asked.refused();
        });
      });
    });
  }

  crash(): void {
    this.#world.dice.pick(this.#members)?.crash();
  }

  start(): void {
    for (const mend of [...this.#mend]) mend();
    for (const member of this.#members) {
      member.program?.resume();
      member.start();
    }
  }

  /** Everybody has the same, and all that was asked of the registry can be told in one order. */
  account(): void {
    const leaders = this.#members.filter(({ reign }) => reign !== undefined);
    this.#world.check(leaders.length === 1, () => `${leaders.length} masters lead in the end`);
    for (const { name, mark } of this.#members) {
      this.#world.check(
        this.#registryJudge.isComplete(mark),
        () => `${name} has not followed the log beyond ${mark.position}`,
      );
    }
    this.#history.judge(this.#world);
  }

  /** Its files serve the next run. */
  release(): void {
    for (const unwatch of this.#unwatch) unwatch();
    giveBack(this.#files);
  }

  get #leader(): Member | undefined {
    return this.#members.find(({ reign }) => reign !== undefined);
  }

  #within<T>(member: Member, act: () => T): T | undefined {
    let result: T | undefined;
    member.program?.enter(() => {
      result = act();
    });
    return result;
  }

  #isOpen(one: string, other: string): boolean {
    const { network } = this.#world;
    return !network.isCut(one, other) && !network.isCut(other, one);
  }

  #detectorOf(caller: Caller): Detector {
    const found = this.#detectors.get(caller.name);
    if (found !== undefined) return found;
    const detector = new Detector(this.#world, this.#zookeeper, caller.name);
    detector.onChange = () => caller.leaderChanged();
    this.#detectors.set(caller.name, detector);
    return detector;
  }

  /** Asks one master, which leads, names the one that does, or does not know. */
  #findLeader(host: string): Member | undefined {
    const { dice } = this.#world;
    const hint = this.#hints.get(host) ?? dice.below(this.#members.length);
    const member = this.#members[hint];
    this.#hints.delete(host);
    if (member?.program?.isRunning !== true || !this.#isOpen(host, member.name)) return undefined;
    if (member.reign !== undefined) {
      this.#hints.set(host, hint);
      return member;
    }
    const { otherLeader } = member;
    if (otherLeader === undefined) return undefined;
    this.#hints.set(host, otherLeader);
    return undefined;
  }

  /** Somebody looks at what the registry holds, now and then. */
  #readLater(): void {
    const { time, dice } = this.#world;
    time.after(dice.below(3000), () => {
      if (!this.#world.areFaultsOn) return;
      const told = this.#history.reading();
      const reader = `reader${dice.below(2)}`;
      const member = this.#findLeader(reader);
      const reign = member?.reign;
      if (member !== undefined && reign?.core.state.isRecovered === true) {
        member.program?.enter(() => {
          for (const { register, value } of registersOf(reign.core.state, OPERATOR_ROLES)) {
            told(register, value);
          }
        });
      }
      this.#readLater();
    });
  }

  #disturbLater(): void {
    const { time, dice } = this.#world;
    time.after(dice.below(12_000), () => {
      if (!this.#world.areFaultsOn) return;
      this.#disturb();
      this.#disturbLater();
    });
  }

  #disturb(): void {
    const { dice } = this.#world;
    const choice = dice.next();
    const member = dice.pick(this.#members);
    const server = dice.pick(this.#zookeeper.servers);
    if (choice < 0.2) member?.program?.pause(dice.below(dice.chance(0.5) ? 3000 : 30_000));
    else if (choice < 0.3) this.#leader?.program?.pause(dice.below(30_000));
    else if (choice < 0.6) this.#cutSome();
    else if (choice < 0.7) member?.crash();
    else if (choice < 0.78) this.#leader?.crash();
    else if (choice < 0.86 && server !== undefined) {
      this.#zookeeper.serverDown(server, dice.below(20_000));
    } else if (choice < 0.9) {
      for (const one of this.#zookeeper.servers) {
        for (const connection of [...one.connections]) if (dice.chance(0.5)) connection.cut();
      }
    } else if (choice < 0.93) member?.backUp();
    else if (choice < 0.96) this.#leader?.stepDown();
    else {
      const program = dice.pick([
        member?.program,
        ...[...this.#detectors.values()].map((one) => one.program),
      ]);
      program?.jump((dice.next() * 2 - 1) * 86_400_000);
    }
  }

  /** A master cannot reach some others, be they ZooKeeper, servers, schedulers or operators. */
  #cutSome(): void {
    const { dice, network, time } = this.#world;
    const member = dice.pick(this.#members);
    if (member === undefined) return;
    const zookeepers = this.#zookeeper.servers.map(({ name }) => name);
    const others = [...this.#detectors.keys(), ...this.#hints.keys()];
    const choice = dice.next();
    const hosts =
      choice < 0.4
        ? zookeepers
        : choice < 0.55
          ? [dice.pick(zookeepers) ?? ""]
          : choice < 0.9
            ? [dice.pick(others) ?? ""]
            : [...zookeepers, ...others];
    const way = dice.next();
    const mends = hosts.flatMap((host) => [
      ...(way < 0.7 ? [network.cut(host, member.name)] : []),
      ...(way > 0.3 ? [network.cut(member.name, host)] : []),
    ]);
    const durationMs = dice.below(dice.chance(0.5) ? 4000 : 60_000);
    this.#world.log(`${member.name} is cut from ${hosts.join()} for ${durationMs} ms`);
    const mend = (): void => {
      this.#mend.delete(mend);
      for (const one of mends) one();
    };
    this.#mend.add(mend);
    time.after(durationMs, mend);
  }
}
