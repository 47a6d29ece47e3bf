/** Requests at the limits of what is read at all: well-formed, and as large as may be. */
import { gzipSync } from "node:zlib";
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";
import { below, type Dice, type Dictionary, pick } from "./dictionary.ts";

export interface HeavyCall {
  readonly what: string;
  readonly path: string;
  readonly type: string;
  readonly call: Record<string, unknown>;
}

const SCHEDULER = { path: "/api/v1/scheduler", type: "mesos.v1.scheduler.Call" } as const;
const OPERATOR = { path: "/api/v1", type: "mesos.v1.master.Call" } as const;

/** One call with as many of something as `count` says, up to the limits and beyond. */
export function heavyCall(dice: Dice, known: Dictionary): HeavyCall {
  const count = pick(dice, [5000, 20_000, 60_000, 120_000]);
  const many = <T>(make: (index: number) => T, limit = count): T[] =>
    Array.from({ length: Math.min(count, limit) }, (_, index) => make(index));
  const offer = known.offers.at(-1);
  const framework_id = offer?.framework_id ?? { value: known.name(dice, "framework") };
  const agent_id = offer?.agent_id ?? { value: known.name(dice, "agent") };
  const reserved = (index: number): object => ({
    name: `r${index % 3 === 0 ? 0 : index}`,
    type: "SCALAR",
    scalar: { value: 1 },
    reservations: [{ type: "DYNAMIC", role: "a", principal: "p" }],
  });
  const ranges = { range: many((index) => ({ begin: index * 3, end: index * 3 + 1 })) };
  const scheduler: Record<string, unknown>[] = [
    { type: "RECONCILE", reconcile: { tasks: many((n) => ({ task_id: { value: `x${n}` } })) } },
    { type: "DECLINE", decline: { offer_ids: many((n) => ({ value: `o${n}` })) } },
    {
      type: "ACCEPT",
      accept: {
        offer_ids: offer === undefined ? [] : [offer.id],
        operations: [
          {
            type: "LAUNCH",
            launch: {
              task_infos: many(
                (n) => ({
                  name: "t",
                  task_id: { value: `h${n}` },
                  agent_id,
                  resources: [
                    { name: "cpus", type: "SCALAR", scalar: { value: 0.001 } },
                    { name: "mem", type: "SCALAR", scalar: { value: 0.01 } },
                  ],
                  command: { value: "sleep 1" },
                }),
                5000,
              ),
            },
          },
        ],
      },
    },
    {
      type: "ACCEPT",
      accept: {
        offer_ids: offer === undefined ? [] : [offer.id],
        operations: many((n) => ({
          type: "RESERVE",
          id: { value: `h${n}` },
          reserve: { resources: [reserved(n)] },
        })),
      },
    },
    {
      type: "UPDATE_FRAMEWORK",
      update_framework: {
        framework_info: {
          id: framework_id,
          user: "u",
          name: "n",
          principal: "p",
          roles: many((n) => `role${n}`),
          capabilities: [{ type: "MULTI_ROLE" }],
        },
        suppressed_roles: many((n) => `role${n}`),
      },
    },
    { type: "SUPPRESS", suppress: { roles: many((n) => `role${n}`) } },
    {
      type: "REQUEST",
      request: { requests: [{ resources: [{ name: "ports", type: "RANGES", ranges }] }] },
    },
  ];
  const subscribe: Record<string, unknown> = {
    type: "SUBSCRIBE",
    subscribe: {
      framework_info: {
        user: "u",
        name: "n",
        roles: many((n) => `role${n}`, 60_000),
        capabilities: [{ type: "MULTI_ROLE" }],
        labels: { labels: many((n) => ({ key: `k${n}` }), 20_000) },
      },
      offer_constraints: {
        role_constraints: {
          role1: {
            groups: many(
              () => ({
                attribute_constraints: [
                  {
                    selector: { attribute_name: "a" },
                    predicate: { text_matches: { regex: "(a|b|c){1,9}d*" } },
                  },
                ],
              }),
              20_000,
            ),
          },
        },
      },
    },
  };
  const operator: Record<string, unknown>[] = [
    {
      type: "UPDATE_QUOTA",
      update_quota: {
        quota_configs: many((n) => ({ role: `q${n}`, limits: { cpus: { value: 1 } } })),
      },
    },
    {
      type: "UPDATE_WEIGHTS",
      update_weights: { weight_infos: many((n) => ({ role: `w${n}`, weight: 2 })) },
    },
    {
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: {
        schedule: {
          windows: [
            {
              machine_ids: many((n) => ({ hostname: `h${n}`, ip: "10.0.0.1" })),
              unavailability: { start: { nanoseconds: 1 } },
            },
          ],
        },
      },
    },
    {
      type: "START_MAINTENANCE",
      start_maintenance: { machines: many((n) => ({ hostname: `h${n}` })) },
    },
    { type: "RESERVE_RESOURCES", reserve_resources: { agent_id, resources: many(reserved) } },
    {
      type: "RESERVE_RESOURCES",
      reserve_resources: {
        agent_id,
        resources: [
          {
            name: "ports",
            type: "RANGES",
            ranges,
            reservations: [{ type: "DYNAMIC", role: "a" }],
          },
        ],
      },
    },
  ];
  const roll = dice();
  if (roll < 0.1) return { ...SCHEDULER, what: `SUBSCRIBE x${count}`, call: subscribe };
  if (roll < 0.6) {
    const call: Record<string, unknown> = { framework_id, ...pick(dice, scheduler) };
    return { ...SCHEDULER, what: `${call["type"]} x${count}`, call };
  }
  const call = pick(dice, operator);
  return { ...OPERATOR, what: `${call["type"]} x${count}`, call };
}

/** A body of that many megabytes that says nothing, in one of several ways. */
export function heavyBytes(dice: Dice): { body: Uint8Array<ArrayBuffer>; isGzip: boolean } {
  const megabytes = 1 + below(dice, 17);
  const text = (value: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(new TextEncoder().encode(value));
  const length = megabytes * 1024 * 1024;
  const make: (() => Uint8Array<ArrayBuffer>)[] = [
    () => text(`{"type":"${"x".repeat(length - 20)}"}`),
    () => text(`{"x":[${"[],".repeat(length / 3 - 10)}0]}`),
    () => text(`{"x":{${Array.from({ length: 200_000 }, (_, n) => `"k${n}":0`).join(",")}}}`),
    () => text(" ".repeat(length)),
    () => text(`{"x":"${"\\u00e9".repeat(length / 6 - 10)}"}`),
    () => text(`{"x":${"9".repeat(length - 20)}}`),
    () => new Uint8Array(length).fill(0x08),
    () => new Uint8Array(length).fill(0x0a),
    () => new Uint8Array(length),
  ];
  const body = pick(dice, make)();
  if (dice() < 0.6) return { body, isGzip: false };
  return { body: new Uint8Array(gzipSync(body)), isGzip: true };
}

/** The call in either encoding. */
export function encodeHeavy(
  dice: Dice,
  { type, call }: HeavyCall,
): {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly mediaType: string;
} {
  const wire = dice() < 0.5 ? JSON_WIRE : PROTOBUF_WIRE;
  return { body: wire.encode(type, call), mediaType: wire.mediaType };
}
