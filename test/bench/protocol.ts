/** Messages encoded and decoded per second, in both encodings of the scheduler API. */

import { type Codec, createCodec } from "../../src/protocol/codec.ts";
import type { MediaType } from "../../src/protocol/media-types.ts";
import type {
  Resource,
  SchedulerCall,
  SchedulerEvent,
  V1Messages,
} from "../../src/protocol/v1/types.ts";
import { type Bench, rate } from "./bench.ts";
import { FigureSet } from "./figures.ts";

const ENCODINGS: readonly (readonly [string, MediaType])[] = [
  ["JSON", "application/json"],
  ["protobuf", "application/x-protobuf"],
];
const WARM_UP_MS = 100;

export const protocolBench: Bench = {
  name: "protocol",
  summary: "messages encoded and decoded per second, JSON and protobuf",
  needsBinary: false,
  defaultRuns: 5,
  run: async ({ runs, size, progress }) => {
    const durationMs = size(200, 50);
    const codec = createCodec();
    const set = new FigureSet();
    for (const [what, work] of works(codec)) {
      rate(WARM_UP_MS, work);
      for (let run = 1; run <= runs; run += 1) {
        progress(`${what}, run ${run} of ${runs}`);
        set.add(`protocol, ${what}`, "ops/s", rate(durationMs, work));
      }
    }
    return set.figures();
  },
};

type Work = readonly [string, () => unknown];

function works(codec: Codec): Work[] {
  return ENCODINGS.flatMap(([encoding, type]) => [
    ...pair(codec, `OFFERS of one offer, ${encoding}`, type, "mesos.v1.scheduler.Event", OFFERS),
    ...pair(codec, `UPDATE, ${encoding}`, type, "mesos.v1.scheduler.Event", UPDATE),
    ...pair(codec, `ACCEPT of one task, ${encoding}`, type, "mesos.v1.scheduler.Call", ACCEPT),
  ]);
}

/** Both directions of one message. Errors: it does not survive the journey. */
function pair<N extends keyof V1Messages>(
  codec: Codec,
  what: string,
  mediaType: MediaType,
  name: N,
  message: V1Messages[N],
): Work[] {
  const bytes = codec.encode(name, mediaType, message);
  const decoded = codec.decode(name, mediaType, bytes);
  if (!decoded.ok) throw new Error(`${what}: ${decoded.error.message}`);
  return [
    [`${what}, encode`, () => codec.encode(name, mediaType, message)],
    [`${what}, decode`, () => codec.decode(name, mediaType, bytes)],
  ];
}

const AGENT_ID = { value: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-S12" };
const FRAMEWORK_ID = { value: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-0003" };
const OFFER_ID = { value: "5f8d0b5c-6d0b-4a6e-9d6a-0c1e3b9f7a11-O4711" };
const TASK_ID = { value: "web.instance-7f1c2a90.1" };
const ALLOCATION = { role: "services" };

function scalar(name: string, value: number): Resource {
  return { name, type: "SCALAR", scalar: { value }, allocation_info: ALLOCATION };
}

const OFFERS: SchedulerEvent = {
  type: "OFFERS",
  offers: {
    offers: [
      {
        id: OFFER_ID,
        framework_id: FRAMEWORK_ID,
        agent_id: AGENT_ID,
        hostname: "node-12.example.net",
        url: {
          scheme: "http",
          address: { hostname: "node-12.example.net", ip: "10.0.0.12", port: 5051 },
          path: "/slave(1)",
        },
        allocation_info: ALLOCATION,
        attributes: [
          { name: "rack", type: "TEXT", text: { value: "r7" } },
          { name: "zone", type: "TEXT", text: { value: "eu-1" } },
        ],
        resources: [
          scalar("cpus", 31.5),
          scalar("mem", 126_976),
          scalar("disk", 900_000),
          {
            name: "ports",
            type: "RANGES",
            ranges: {
              range: [
                { begin: 31_000, end: 31_499 },
                { begin: 31_502, end: 32_000 },
              ],
            },
            allocation_info: ALLOCATION,
          },
        ],
      },
    ],
  },
};

const UPDATE: SchedulerEvent = {
  type: "UPDATE",
  update: {
    status: {
      task_id: TASK_ID,
      state: "TASK_RUNNING",
      source: "SOURCE_EXECUTOR",
      agent_id: AGENT_ID,
      executor_id: TASK_ID,
      timestamp: 1_760_000_000.125,
      uuid: "3q2+796tvu/erb7v3q2+7w==",
      container_status: {
        container_id: { value: "0d8f6a2e-6d8c-4b5e-8d7a-4d1f1c3c2b10" },
        network_infos: [{ ip_addresses: [{ protocol: "IPv4", ip_address: "10.0.0.12" }] }],
      },
    },
  },
};

const ACCEPT: SchedulerCall = {
  framework_id: FRAMEWORK_ID,
  type: "ACCEPT",
  accept: {
    offer_ids: [OFFER_ID],
    filters: { refuse_seconds: 5 },
    operations: [
      {
        type: "LAUNCH",
        launch: {
          task_infos: [
            {
              name: "web",
              task_id: TASK_ID,
              agent_id: AGENT_ID,
              resources: [scalar("cpus", 0.5), scalar("mem", 256)],
              command: {
                shell: true,
                value: "exec ./server --port=$PORT",
                environment: {
                  variables: [
                    { name: "PORT", type: "VALUE", value: "31000" },
                    { name: "LOG_LEVEL", type: "VALUE", value: "info" },
                  ],
                },
              },
              labels: { labels: [{ key: "team", value: "shop" }] },
            },
          ],
        },
      },
    ],
  },
};
