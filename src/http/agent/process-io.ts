/**
 * What goes in and out of a container's process, in records of ProcessIO. Source: http-api 3.1, 3.4,
 * 7.3.
 */
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { OutputPiece, Session } from "../../agent/runtime/session.ts";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import { encodeBase64 } from "../../protocol/base64.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { AgentProcessIO } from "../../protocol/v1/types.ts";
import { ATTACH_POLL_MS, OUTPUT_HELD_BYTES, READ_IDLE_MS, STREAM_BUFFER_BYTES } from "../limits.ts";
import { RecordStream } from "../record-stream.ts";
import { type AnswerForm, streamHeaders } from "./answer-form.ts";

export interface ProcessIoOptions {
  readonly runtime: AgentRuntime;
  readonly codec: Codec;
  readonly clock: Clock;
  /** `--http_heartbeat_interval` */
  readonly heartbeatMs: number;
}

/** The session's output until it ends; when the reader goes first, the session goes too. */
export function sessionResponse(
  options: ProcessIoOptions,
  form: AnswerForm,
  containerId: ContainerId,
  request: Request,
): Response {
  const { runtime } = options;
  const session = runtime.takeSession(containerId);
  const leave = (): void => runtime.input({ kind: "sessionLeft", containerId });
  return outputResponse(options, form, request, (output) => follow(session, output), leave);
}

/**
 * What a container writes from now on: a session's by itself, others' through their sandbox. A
 * session waits for all who read it, so that who takes nothing for a minute is cut.
 */
export function attachedResponse(
  options: ProcessIoOptions,
  form: AnswerForm,
  request: Request,
  target: { readonly containerId: ContainerId; readonly directory: string },
): Response {
  const { runtime } = options;
  const session = runtime.session(target.containerId);
  return outputResponse(options, form, request, (output) => {
    if (session !== undefined) return follow(session, impatient(output, options.clock));
    return followFiles(options, target, output);
  });
}

interface Output {
  /** A promise asks for no more until it resolves. */
  piece(piece: OutputPiece): Promise<void> | undefined;
  end(): void;
  cut(): void;
}

function impatient(output: Output, clock: Clock): Output {
  return {
    ...output,
    piece: (piece) => {
      const room = output.piece(piece);
      if (room !== undefined) void room.then(clock.schedule(READ_IDLE_MS, () => output.cut()));
      return room;
    },
  };
}

function follow(session: Session | undefined, output: Output): () => void {
  if (session === undefined) {
    output.end();
    return () => undefined;
  }
  return session.attachOutput({
    output: (piece) => output.piece(piece),
    ended: () => output.end(),
  });
}

function outputResponse(
  { codec, clock, heartbeatMs }: ProcessIoOptions,
  form: AnswerForm,
  request: Request,
  begin: (output: Output) => () => void,
  onLeft: () => void = () => undefined,
): Response {
  let finish = (): void => undefined;
  let cancelHeartbeat = (): void => undefined;
  const left = (): void => {
    cancelHeartbeat();
    finish();
    onLeft();
  };
  const records = new RecordStream({
    bufferBytes: STREAM_BUFFER_BYTES,
    heldBytes: OUTPUT_HELD_BYTES,
    onClosed: left,
  });
  const send = (message: AgentProcessIO): void => {
    // One that cannot take what could not be held back is cut, and has left.
    if (!records.send(codec.encode("mesos.v1.agent.ProcessIO", form.mediaType, message))) left();
  };
  const beat = (): void => {
    cancelHeartbeat = clock.schedule(heartbeatMs, beat);
    send(heartbeat(heartbeatMs));
  };
  // The first at once, since the head of an answer leaves with its first bytes.
  beat();
  finish = begin({
    piece: ({ stream, data }) => {
      send(dataOf(stream, data));
      return records.room();
    },
    end: () => {
      cancelHeartbeat();
      records.close();
    },
    cut: () => {
      records.cut();
      left();
    },
  });
  // One who has gone already is told of no more, and nobody else would end what waits for them.
  if (request.signal.aborted) records.abort();
  else request.signal.addEventListener("abort", () => records.abort());
  return new Response(records.body, { headers: streamHeaders(form) });
}

function dataOf(stream: OutputPiece["stream"], data: Uint8Array): AgentProcessIO {
  const type = stream === "stdout" ? "STDOUT" : "STDERR";
  return { type: "DATA", data: { type, data: encodeBase64(data) } };
}

function heartbeat(intervalMs: number): AgentProcessIO {
  const interval = { nanoseconds: intervalMs * 1e6 };
  return { type: "CONTROL", control: { type: "HEARTBEAT", heartbeat: { interval } } };
}

/** Both files of the sandbox, each from its present end on, until the container is over. */
function followFiles(
  { runtime, clock }: ProcessIoOptions,
  { containerId, directory }: { readonly containerId: ContainerId; readonly directory: string },
  output: Output,
): () => void {
  const over = new AbortController();
  const abort = new AbortController();
  let cancelPoll = (): void => undefined;
  const poll = (): void => {
    cancelPoll = clock.schedule(ATTACH_POLL_MS, isLive(runtime, containerId) ? poll : stop);
  };
  // What was written last is read still.
  const stop = (): void => over.abort();
  poll();
  const readings = (["stdout", "stderr"] as const).map(async (stream) => {
    const path = `${directory}/${stream}`;
    const end = await runtime.files.read(path, undefined, undefined);
    const offset = end.ok ? end.value.size : 0;
    for await (const data of runtime.files.tail(path, offset, true, abort.signal, over.signal)) {
      await output.piece({ stream, data });
    }
  });
  void Promise.allSettled(readings).then(() => {
    cancelPoll();
    output.end();
  });
  return () => {
    cancelPoll();
    abort.abort();
  };
}

function isLive({ state }: AgentRuntime, containerId: ContainerId): boolean {
  const phase = state.apiContainers.get(containerId)?.phase;
  if (phase !== undefined) return phase !== "over";
  const executor = state.containers.get(containerId);
  return executor !== undefined && executor.phase !== "terminated";
}
