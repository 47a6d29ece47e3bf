/**
 * The reads of the operator API v1 whose answers grow with the cluster, written in pieces. In
 * protobuf a long answer is several encodings in a row, which together are one message.
 */
import {
  type Document,
  JsonDocument,
  type MessageBuilder,
  MessageDocument,
} from "../../master/core/views/document.ts";
import {
  describeAgents,
  describeExecutors,
  describeFrameworks,
  describeRoles,
  describeState,
  describeTasks,
} from "../../master/core/views/v1.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { MediaType } from "../../protocol/media-types.ts";
import type { MasterCall, MasterResponse } from "../../protocol/v1/types.ts";
import type { Viewer } from "../../security/viewer.ts";

type State = MasterRuntime["state"];
type Describe = (builder: MessageBuilder<MasterResponse>, state: State, viewer: Viewer) => void;

const LONG_READS: ReadonlyMap<MasterCall["type"], Describe> = new Map<MasterCall["type"], Describe>(
  [
    ["GET_STATE", (builder, state) => builder.message("get_state", fill(describeState, state))],
    ["GET_AGENTS", (builder, state) => builder.message("get_agents", fill(describeAgents, state))],
    [
      "GET_FRAMEWORKS",
      (builder, state) => builder.message("get_frameworks", fill(describeFrameworks, state)),
    ],
    ["GET_TASKS", (builder, state) => builder.message("get_tasks", fill(describeTasks, state))],
    [
      "GET_EXECUTORS",
      (builder, state) => builder.message("get_executors", fill(describeExecutors, state)),
    ],
    [
      "GET_ROLES",
      (builder, state, viewer) =>
        builder.message("get_roles", (inner) => describeRoles(inner, state, viewer)),
    ],
  ],
);

export interface LongReadOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly mediaType: MediaType;
  readonly viewer: Viewer;
}

/** How to answer the call; undefined when its answer is short, or it is no read. */
export function longRead(
  type: MasterCall["type"],
): ((options: LongReadOptions) => Document) | undefined {
  const describe = LONG_READS.get(type);
  if (describe === undefined) return undefined;
  const head = (): Pick<MasterResponse, "type"> => ({ type: type as MasterResponse["type"] });
  return ({ runtime, codec, mediaType, viewer }) => {
    const state = visibleState(runtime.state, viewer);
    if (mediaType === "application/json") {
      const json = new JsonDocument<MasterResponse>();
      json.fields(head);
      describe(json, state, viewer);
      return json.end();
    }
    const message = new MessageDocument<MasterResponse>();
    message.fields(head);
    describe(message, state, viewer);
    return message.encoded((part) => codec.encode("mesos.v1.master.Response", mediaType, part));
  };
}

function fill<Message>(
  describe: (builder: MessageBuilder<Message>, state: State) => void,
  state: State,
): (inner: MessageBuilder<Message>) => void {
  return (inner) => describe(inner, state);
}
