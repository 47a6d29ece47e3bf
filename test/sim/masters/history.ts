/** What operators asked of the registry and what they were told, as registers that can be judged. */
import type { MasterState } from "../../../src/master/core/state.ts";
import type { MasterCall } from "../../../src/protocol/v1/types.ts";
import type { World } from "../world.ts";
import { isLinearizable, type RegisterOperation } from "./linearizability.ts";

/** What stands in a register that nobody wrote. */
const NOTHING = "nothing";

interface Written {
  readonly register: string;
  readonly value: string;
  /** The answer only says that it will be done. */
  readonly isLate?: boolean;
}

/** Open until one of these is called; what is never told stays open. */
export interface Asked {
  /** Done for sure. */
  answered(): void;
  /** Not done for sure. */
  refused(): void;
}

interface Recorded extends RegisterOperation {
  answeredAt: number;
  isRefused: boolean;
}

export class History {
  readonly #registers = new Map<string, Recorded[]>();
  /** Orders what happens at one time too. */
  #ticks = 0;

  /** A call that may write registers leaves an operator. */
  asked(call: MasterCall): Asked {
    const calledAt = this.#ticks++;
    const writes = writtenBy(call).map(({ register, value, isLate }) => {
      const answeredAt = Number.POSITIVE_INFINITY;
      const write: Recorded = { kind: "write", value, calledAt, answeredAt, isRefused: false };
      this.#of(register).push(write);
      return { write, isLate };
    });
    return {
      answered: () => {
        const answeredAt = this.#ticks++;
        for (const { write, isLate } of writes) if (isLate !== true) write.answeredAt = answeredAt;
      },
      refused: () => {
        for (const { write } of writes) write.isRefused = true;
      },
    };
  }

  /** Begins to read; the result takes what a master knew and is told to the reader with this. */
  reading(): (register: string, value: string) => void {
    const calledAt = this.#ticks++;
    return (register, value) =>
      this.#of(register).push({
        kind: "read",
        value,
        calledAt,
        answeredAt: this.#ticks++,
        isRefused: false,
      });
  }

  judge(world: World): void {
    for (const [register, operations] of this.#registers) {
      const counted = operations.filter(({ isRefused }) => !isRefused);
      world.check(
        isLinearizable(counted, NOTHING),
        () => `${register} is not linearizable:\n${show(counted)}`,
      );
    }
  }

  #of(register: string): Recorded[] {
    const found = this.#registers.get(register) ?? [];
    this.#registers.set(register, found);
    return found;
  }
}

/** The registers that a call writes, each with its value as text. */
function writtenBy(call: MasterCall): readonly Written[] {
  const weights = call.update_weights?.weight_infos?.map(({ role, weight }) => ({
    register: `weight of ${role}`,
    value: String(weight),
  }));
  const quotas = call.update_quota?.quota_configs?.map(({ role, guarantees, limits }) => ({
    register: `quota of ${role}`,
    value: quotaText(guarantees?.["cpus"]?.value, limits?.["cpus"]?.value),
  }));
  const gone = call.mark_agent_gone?.agent_id.value;
  const drained =
    call.drain_agent?.mark_gone === true ? call.drain_agent.agent_id.value : undefined;
  return [
    ...(weights ?? []),
    ...(quotas ?? []),
    ...(gone === undefined ? [] : [{ register: `gone ${gone}`, value: "gone" }]),
    ...(drained === undefined
      ? []
      : [{ register: `gone ${drained}`, value: "gone", isLate: true }]),
  ];
}

/** What a master knows of all registers of these roles. */
export function registersOf(
  { policy, goneAgents }: Pick<MasterState, "policy" | "goneAgents">,
  roles: readonly string[],
): readonly Written[] {
  const known: Written[] = [];
  for (const role of roles) {
    const weight = policy.weights.get(role);
    known.push({
      register: `weight of ${role}`,
      value: weight === undefined ? NOTHING : String(weight),
    });
    const quota = policy.quotas.get(role);
    const guarantee = (quota?.guarantees["cpus"] ?? 0) / 1000;
    const limit = quota?.limits["cpus"];
    known.push({
      register: `quota of ${role}`,
      value: quotaText(guarantee, limit === undefined ? undefined : limit / 1000),
    });
  }
  for (const id of goneAgents.keys()) known.push({ register: `gone ${id}`, value: "gone" });
  return known;
}

function quotaText(guarantee: number | undefined, limit: number | undefined): string {
  const isNone = (guarantee ?? 0) === 0 && limit === undefined;
  return isNone ? NOTHING : `${guarantee ?? 0} to ${limit ?? "any"}`;
}

function show(operations: readonly RegisterOperation[]): string {
  return operations
    .map(({ kind, value, calledAt, answeredAt }) => `  ${calledAt}-${answeredAt} ${kind} ${value}`)
    .join("\n");
}
