/**
 * Random messages of any type, made from the schema: mostly with what a call of its type needs, with
 * names that are alive, and with resources that were offered.
 */
import { type Field, type MessageType, Schema } from "../../src/protocol/v1/schema.ts";
import {
  below,
  type Dice,
  type Dictionary,
  type KnownOffer,
  type NameKind,
  oddNumber,
  oddString,
  pick,
} from "./dictionary.ts";

/** Values of one message at most, about. */
const VALUE_BUDGET = 150;
const DEPTH_MAX = 9;

/** Messages that are a name. */
const NAME_MESSAGES: ReadonlyMap<string, NameKind> = new Map([
  ["mesos.v1.FrameworkID", "framework"],
  ["mesos.v1.AgentID", "agent"],
  ["mesos.v1.OfferID", "offer"],
  ["mesos.v1.TaskID", "task"],
  ["mesos.v1.ExecutorID", "executor"],
  ["mesos.v1.OperationID", "operation"],
]);

/** Fields that hold a name. */
const NAME_FIELDS: ReadonlyMap<string, NameKind> = new Map([
  ["role", "role"],
  ["roles", "role"],
  ["suppressed_roles", "role"],
  ["inverse_offer_ids", "inverseOffer"],
]);

/** Messages whose `type` names the field that belongs to it. */
const TAGGED = new Set([
  "mesos.v1.scheduler.Call",
  "mesos.v1.master.Call",
  "mesos.v1.agent.Call",
  "mesos.v1.executor.Call",
  "mesos.v1.Offer.Operation",
  "mesos.v1.Resource",
  "mesos.v1.Attribute",
  "mesos.v1.ContainerInfo",
  "mesos.v1.CheckInfo",
  "mesos.v1.HealthCheck",
]);

const OFFER_OPERATIONS = [
  "LAUNCH",
  "LAUNCH_GROUP",
  "RESERVE",
  "UNRESERVE",
  "CREATE",
  "DESTROY",
  "GROW_VOLUME",
  "SHRINK_VOLUME",
];

/** Lists without which a call does nothing. */
const WANTED_LISTS = new Set([
  "agent_id",
  "operations",
  "task_infos",
  "tasks",
  "resources",
  "volumes",
  "machines",
  "machine_ids",
  "windows",
  "quota_configs",
  "weight_infos",
]);

const schema = new Schema();

interface Budget {
  values: number;
}

export class Generator {
  readonly #dice: Dice;
  readonly #known: Dictionary;
  /** What the message is about. */
  #offer: KnownOffer | undefined;

  constructor(dice: Dice, known: Dictionary) {
    this.#dice = dice;
    this.#known = known;
  }

  /** A message of the named type; `tag` is the value of its field `type`. */
  message(name: string, tag?: string): Record<string, unknown> {
    const { offers } = this.#known;
    this.#offer = offers.length === 0 ? undefined : pick(this.#dice, offers);
    const message = this.#message(schema.messageType(name), 0, { values: VALUE_BUDGET }, tag);
    if (name === "mesos.v1.scheduler.Call" && this.#dice() < 0.85) this.#fitIds(message);
    if (name === "mesos.v1.executor.Call" && this.#dice() < 0.85) this.#fitExecutor(message);
    return message;
  }

  /** Ids that have to agree do, and offers and updates are those of the framework that calls. */
  #fitIds(call: Record<string, unknown>): void {
    const dice = this.#dice;
    const part = (name: string): Record<string, unknown> | undefined =>
      call[name] as Record<string, unknown> | undefined;
    const info = (part("subscribe") ?? part("update_framework"))?.["framework_info"];
    if (info !== undefined && typeof info === "object") {
      const isNew = part("subscribe") !== undefined && dice() < 0.5;
      Object.assign(info as object, { id: isNew ? undefined : call["framework_id"] });
      if (isNew) Reflect.deleteProperty(call, "framework_id");
    }
    const taking = part("accept") ?? part("decline");
    const offer = this.#offer;
    if (taking !== undefined && offer !== undefined) {
      if (dice() < 0.9) this.#known.offers = this.#known.offers.filter((one) => one !== offer);
      taking["offer_ids"] = [offer.id];
      call["framework_id"] = offer.framework_id;
    }
    const acknowledge = part("acknowledge");
    if (acknowledge !== undefined && this.#known.statuses.length > 0) {
      const { agent_id, task_id, uuid, frameworkId } = pick(dice, this.#known.statuses);
      Object.assign(acknowledge, { agent_id, task_id, uuid });
      call["framework_id"] = { value: frameworkId };
    }
  }

  /** An executor that was launched, telling of its own framework and tasks. */
  #fitExecutor(call: Record<string, unknown>): void {
    const dice = this.#dice;
    call["framework_id"] = { value: this.#known.name(dice, "framework") };
    call["executor_id"] = { value: this.#known.name(dice, "executor") };
    const status = (call["update"] as { status?: Record<string, unknown> } | undefined)?.status;
    if (status !== undefined && dice() < 0.8) {
      status["source"] = "SOURCE_EXECUTOR";
      status["executor_id"] = call["executor_id"];
      status["uuid"] = Buffer.from(Array.from({ length: 16 }, () => below(dice, 256))).toString(
        "base64",
      );
    }
  }

  /** Names of the calls of this type, UNKNOWN left out. */
  tagsOf(name: string): readonly string[] {
    const field = schema.messageType(name).fields.find((one) => one.name === "type");
    return [...(field?.enumType?.numberOf.keys() ?? [])].filter((tag) => tag !== "UNKNOWN");
  }

  #message(
    type: MessageType,
    depth: number,
    budget: Budget,
    tag?: string,
  ): Record<string, unknown> {
    const dice = this.#dice;
    const kind = NAME_MESSAGES.get(type.name);
    if (kind !== undefined) return { value: this.#known.name(dice, kind) };
    if (type.name === "mesos.v1.Resource" && dice() < 0.8) return this.#resource();
    if (type.name === "mesos.v1.UUID") return { value: this.#uuid() };
    const message: Record<string, unknown> = {};
    const chosen = tag ?? (TAGGED.has(type.name) ? this.#tag(type) : undefined);
    for (const field of type.fields) {
      const belongs = chosen !== undefined && field.name === chosen.toLowerCase();
      if (field.name === "type" && chosen !== undefined) message["type"] = chosen;
      else if (
        this.#isWanted(type, field, { belongs, isTagged: chosen !== undefined, depth, budget })
      )
        message[field.name] = this.#field(field, depth, budget);
    }
    return this.#plausible(type.name, message);
  }

  #tag(type: MessageType): string | undefined {
    if (type.name === "mesos.v1.Offer.Operation" && this.#dice() < 0.95) {
      return pick(this.#dice, OFFER_OPERATIONS);
    }
    const field = type.fields.find(({ name }) => name === "type");
    const names = [...(field?.enumType?.numberOf.keys() ?? [])];
    return names.length === 0 ? undefined : pick(this.#dice, names);
  }

  #isWanted(
    type: MessageType,
    field: Field,
    {
      belongs,
      isTagged,
      depth,
      budget,
    }: {
      readonly belongs: boolean;
      readonly isTagged: boolean;
      readonly depth: number;
      readonly budget: Budget;
    },
  ): boolean {
    const dice = this.#dice;
    if (depth > DEPTH_MAX) return field.label === "required" && field.message === undefined;
    if (belongs || field.label === "required") return dice() < 0.98;
    if (field.name === "framework_id" && type.name === "mesos.v1.scheduler.Call") {
      return dice() < 0.97;
    }
    if (WANTED_LISTS.has(field.name) && dice() < 0.85) return true;
    if (budget.values <= 0) return false;
    const chance =
      isTagged && field.message !== undefined && depth === 0 ? 0.03 : 0.4 - depth * 0.05;
    return dice() < chance;
  }

  #field(field: Field, depth: number, budget: Budget): unknown {
    const dice = this.#dice;
    if (field.map !== undefined) {
      const { value } = field.map;
      const keys = Array.from({ length: 1 + below(dice, 3) }, () => this.#mapKey(field));
      return Object.fromEntries(keys.map((key) => [key, this.#value(value, depth, budget)]));
    }
    if (field.label !== "repeated") return this.#value(field, depth, budget);
    const count = dice() < 0.01 ? below(dice, 200) : below(dice, 3) + (dice() < 0.8 ? 1 : 0);
    return Array.from({ length: count }, () => this.#value(field, depth, budget));
  }

  #mapKey(field: Field): string {
    const dice = this.#dice;
    if (/role|offer_filters/.test(field.name)) return this.#known.name(dice, "role");
    if (/quantities|guarantees|limits/.test(field.name) && dice() < 0.9) {
      return pick(dice, ["cpus", "mem", "disk", "gpus"]);
    }
    return oddString(dice);
  }

  #value(field: Field, depth: number, budget: Budget): unknown {
    const dice = this.#dice;
    budget.values -= 1;
    if (field.message !== undefined) {
      if (field.name === "inverse_offer_ids") {
        return { value: this.#known.name(dice, "inverseOffer") };
      }
      return this.#message(field.message, depth + 1, budget);
    }
    switch (field.kind) {
      case "bool":
        return dice() < 0.5;
      case "bytes":
        return field.name === "uuid" ? this.#uuid() : randomBase64(dice);
      case "enum":
        return pick(dice, [...(field.enumType?.numberOf.keys() ?? [])]);
      case "string": {
        const kind = NAME_FIELDS.get(field.name);
        return kind === undefined ? oddString(dice) : this.#known.name(dice, kind);
      }
      case "double":
        return oddNumber(dice);
      default:
        return Math.trunc(oddNumber(dice));
    }
  }

  #uuid(): string {
    const known = this.#known.name(this.#dice, "uuid");
    if (/^[A-Za-z0-9+/]{22}==$/.test(known)) return known;
    const length = this.#dice() < 0.7 ? 16 : below(this.#dice, 20);
    return Buffer.from(Array.from({ length }, () => below(this.#dice, 256))).toString("base64");
  }

  /** One that was offered, perhaps less of it, perhaps reserved or made a volume. */
  #resource(): Record<string, unknown> {
    const dice = this.#dice;
    const offered = this.#offer?.resources ?? [];
    if (offered.length === 0) {
      return { name: pick(dice, ["cpus", "mem", "disk"]), type: "SCALAR", scalar: { value: 1 } };
    }
    const resource = pick(dice, offered);
    const part: Record<string, unknown> = { ...resource };
    if (resource.scalar !== undefined) {
      const { value } = resource.scalar;
      part["scalar"] = { value: pick(dice, [value, 0.1, 1, 32, value / 2, oddNumber(dice)]) };
    }
    if (dice() < 0.3) {
      const role = this.#known.name(dice, "role");
      part["reservations"] = [{ type: "DYNAMIC", role, principal: "p" }];
    }
    if (resource.name === "disk" && dice() < 0.4) {
      part["disk"] = {
        persistence: { id: this.#known.name(dice, "volume"), principal: "p" },
        volume: { container_path: "data", mode: "RW" },
      };
      if (dice() < 0.1) part["shared"] = {};
    }
    if (dice() < 0.05) part["revocable"] = {};
    if (dice() < 0.05) part["allocation_info"] = { role: this.#known.name(dice, "role") };
    return part;
  }

  /** Makes what would almost never be accepted mostly right. */
  #plausible(name: string, message: Record<string, unknown>): Record<string, unknown> {
    const dice = this.#dice;
    if (dice() < 0.15) return message;
    if (name === "mesos.v1.Filters") return { refuse_seconds: below(dice, 3) };
    if (name === "mesos.v1.TaskInfo" && this.#offer !== undefined) {
      const { agent_id, resources } = this.#offer;
      const small = resources
        .filter(({ scalar }) => scalar !== undefined)
        .map((one) => ({ ...one, scalar: { value: Math.min(one.scalar?.value ?? 0, 0.5) } }));
      const { executor, ...others } = message;
      const custom = {
        type: "CUSTOM",
        executor_id: { value: this.#known.name(dice, "executor") },
        command: { value: "executor" },
      };
      const own = dice() < 0.8 ? { executor: custom } : { executor };
      const part = dice() < 0.7 ? { command: { value: "sleep 3" } } : own;
      const plain = dice() < 0.7 ? { name: "t", task_id: message["task_id"] } : others;
      return { ...plain, agent_id, resources: small, ...part };
    }
    if (name === "mesos.v1.FrameworkInfo") {
      const { role, roles, ...others } = message;
      const capabilities = [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }];
      const plain = dice() < 0.7 ? { user: "u", name: "n", id: message["id"] } : others;
      const given = { ...plain, principal: "p", failover_timeout: below(dice, 20) };
      if (dice() < 0.3) return { ...given, role: this.#known.name(dice, "role") };
      return { ...given, roles: [this.#known.name(dice, "role")], capabilities };
    }
    return message;
  }
}

function randomBase64(dice: Dice): string {
  if (dice() < 0.2) return oddString(dice);
  return Buffer.from(Array.from({ length: below(dice, 24) }, () => below(dice, 256))).toString(
    "base64",
  );
}
