/**
 * Status update streams: one per task, first in first out, one update in flight, sent again with a
 * doubling delay until the framework has acknowledged it; paused while the agent is not registered.
 * Source: semantics 6.4.
 */
import { assert } from "../../base/assert.ts";
import type { TaskStatus } from "../../protocol/v1/types.ts";
import type { CheckpointedUpdate } from "./checkpoint-state.ts";
import { isTerminalState } from "./inputs.ts";
import {
  PENDING_BYTES_PER_TASK,
  PENDING_UPDATES_PER_TASK,
  REMEMBERED_ACKNOWLEDGEMENTS,
  RESUME_PAUSE_MS,
  RESUMED_BYTES,
  UPDATE_RETRY_MS_MAX,
  UPDATE_RETRY_MS_MIN,
} from "./limits.ts";
import { type PendingUpdate, streamKey, type UpdateStream } from "./state.ts";
import { cancelTimer, checkpoint, findFramework, log, type Step, send, setTimer } from "./step.ts";

/** Whose update it is and whether it must survive the agent process. */
export interface StreamOwner {
  readonly frameworkId: string;
  readonly taskId: string;
  readonly isCheckpointed: boolean;
}

/** Appends an update, makes it durable, and sends it when it is the only one. */
export function enqueueUpdate(step: Step, owner: StreamOwner, status: TaskStatus): void {
  assert(status.uuid !== undefined, "an update in a stream has a uuid");
  const stream = findStream(step, owner) ?? openStream(step, owner, status);
  const update = { sequence: stream.nextSequence, status };
  stream.nextSequence += 1;
  stream.latestState = status.state;
  stream.pending.push({ ...update, bytes: bytesOf(status) });
  if (owner.isCheckpointed) {
    checkpoint(step, {
      kind: "appendUpdate",
      update: {
        frameworkId: owner.frameworkId,
        taskId: owner.taskId,
        ...update,
        isAcknowledged: false,
      },
    });
  }
  boundStream(step, stream);
  if (stream.pending.length === 1) sendNewHead(step, stream);
}

/** Puts a stream back as it was on disk. `updates` are in order and not empty. */
export function restoreStream(
  step: Step,
  owner: StreamOwner,
  updates: readonly CheckpointedUpdate[],
): void {
  const last = updates.at(-1);
  assert(last !== undefined, "a restored stream has an update");
  const stream = openStream(step, owner, last.status);
  for (const { sequence, status, isAcknowledged } of updates) {
    if (isAcknowledged) stream.acknowledged.push({ uuid: status.uuid ?? "", sequence });
    else stream.pending.push({ sequence, status, bytes: bytesOf(status) });
  }
  stream.nextSequence = last.sequence + 1;
}

/** What an acknowledgement did: nothing, made way for the next, or ended the stream for good. */
export type Acknowledgement = "rejected" | "accepted" | "ended";

/** Takes the head off its stream when the uuid is the head's. */
export function acknowledgeUpdate(
  step: Step,
  owner: { readonly frameworkId: string; readonly taskId: string },
  uuid: string,
): Acknowledgement {
  const stream = findStream(step, owner);
  const head = stream?.pending[0];
  if (stream === undefined || head === undefined || head.status.uuid !== uuid) return "rejected";
  stream.pending.shift();
  rememberAcknowledged(step, stream, head);
  if (isTerminalState(head.status.state)) {
    assert(stream.pending.length === 0, "nothing follows a terminal update");
    dropStream(step, owner);
    return "ended";
  }
  if (stream.pending.length > 0) sendNewHead(step, stream);
  else cancelTimer(step, retryTimer(stream));
  return "accepted";
}

/** Sends the head once more and doubles the delay. */
export function retryUpdate(
  step: Step,
  owner: { readonly frameworkId: string; readonly taskId: string },
): void {
  const stream = findStream(step, owner);
  if (stream === undefined || stream.pending.length === 0 || step.state.phase !== "running") return;
  stream.retryMs = Math.min(stream.retryMs * 2, UPDATE_RETRY_MS_MAX);
  sendHead(step, stream);
}

/**
 * After (re)registration: every head at once, each with the first delay again. What is more than the
 * link takes at a time follows in parts, as it would be cut, and that again after each registration.
 */
export function resumeUpdates(step: Step): void {
  let bytes = 0;
  for (const stream of step.state.streams.values()) {
    const [head] = stream.pending;
    if (head === undefined) continue;
    const waitMs = Math.floor(bytes / RESUMED_BYTES) * RESUME_PAUSE_MS;
    bytes += head.bytes;
    if (waitMs === 0) {
      sendNewHead(step, stream);
      continue;
    }
    // Sent as a retry, which doubles the delay.
    stream.retryMs = UPDATE_RETRY_MS_MIN / 2;
    setTimer(step, retryTimer(stream), waitMs);
  }
}

/** Without reading through what may be long. */
function bytesOf({ data = "", ...rest }: TaskStatus): number {
  return data.length + JSON.stringify(rest).length;
}

/** While the agent is not registered nothing is sent; heads follow at registration. */
export function pauseUpdates(step: Step): void {
  for (const stream of step.state.streams.values()) {
    if (stream.pending.length > 0) cancelTimer(step, retryTimer(stream));
  }
}

/** Forgets a stream with all it holds, on disk too. */
export function dropStream(
  step: Step,
  owner: { readonly frameworkId: string; readonly taskId: string },
): void {
  const stream = findStream(step, owner);
  if (stream === undefined) return;
  for (const { sequence } of stream.pending) forgetOnDisk(step, stream, sequence);
  for (const { sequence } of stream.acknowledged) forgetOnDisk(step, stream, sequence);
  cancelTimer(step, retryTimer(stream));
  step.state.streams.delete(streamKey(owner.frameworkId, owner.taskId));
}

/** Stream of a task, if it has or had updates since the agent started. */
export function findStream(
  step: Step,
  owner: { readonly frameworkId: string; readonly taskId: string },
): UpdateStream | undefined {
  return step.state.streams.get(streamKey(owner.frameworkId, owner.taskId));
}

/** True when an update was taken in before, so that a resend by the executor is no news. */
export function isKnownUpdate(stream: UpdateStream | undefined, uuid: string): boolean {
  if (stream === undefined) return false;
  if (stream.acknowledged.some((update) => update.uuid === uuid)) return true;
  return stream.pending.some((update) => update.status.uuid === uuid);
}

function openStream(step: Step, owner: StreamOwner, status: TaskStatus): UpdateStream {
  const stream: UpdateStream = {
    frameworkId: owner.frameworkId,
    taskId: owner.taskId,
    isCheckpointed: owner.isCheckpointed,
    pending: [],
    nextSequence: 0,
    latestState: status.state,
    retryMs: UPDATE_RETRY_MS_MIN,
    acknowledged: [],
  };
  step.state.streams.set(streamKey(owner.frameworkId, owner.taskId), stream);
  return stream;
}

function boundStream(step: Step, stream: UpdateStream): void {
  const { pending } = stream;
  let bytes = pending.reduce((sum, update) => sum + update.bytes, 0);
  while (pending.length > PENDING_UPDATES_PER_TASK || bytes > PENDING_BYTES_PER_TASK) {
    // The head is in flight and the last one is the news, so the oldest between them goes.
    if (pending.length <= 2) return;
    const [dropped] = pending.splice(1, 1);
    assert(dropped !== undefined, "a full stream has a second update");
    bytes -= dropped.bytes;
    forgetOnDisk(step, stream, dropped.sequence);
    log(step, "warning", "dropped an old status update that nobody acknowledged", {
      framework: stream.frameworkId,
      task: stream.taskId,
      state: dropped.status.state,
    });
  }
}

function sendNewHead(step: Step, stream: UpdateStream): void {
  stream.retryMs = UPDATE_RETRY_MS_MIN;
  if (step.state.phase === "running") sendHead(step, stream);
}

function sendHead(step: Step, stream: UpdateStream): void {
  const head = stream.pending[0];
  assert(head !== undefined, "a stream that sends has a head");
  send(step, {
    kind: "statusUpdate",
    frameworkId: stream.frameworkId,
    status: head.status,
    latestState: stream.latestState,
  });
  const task = findFramework(step, stream.frameworkId)?.tasks.get(stream.taskId);
  if (task !== undefined) {
    task.forwarded = { state: head.status.state, uuid: head.status.uuid };
  }
  setTimer(step, retryTimer(stream), stream.retryMs);
}

function rememberAcknowledged(
  step: Step,
  stream: UpdateStream,
  { sequence, status }: PendingUpdate,
): void {
  const { frameworkId, taskId } = stream;
  const isOnDisk = stream.isCheckpointed && isRepeatable(step, stream);
  if (isOnDisk) checkpoint(step, { kind: "acknowledgeUpdate", frameworkId, taskId, sequence });
  else forgetOnDisk(step, stream, sequence);
  stream.acknowledged.push({
    uuid: status.uuid ?? "",
    sequence: isOnDisk ? sequence : undefined,
  });
  if (stream.acknowledged.length <= REMEMBERED_ACKNOWLEDGEMENTS) return;
  forgetOnDisk(step, stream, stream.acknowledged.shift()?.sequence);
}

/** A custom executor that missed our word sends its updates again, a built-in one misses none. */
function isRepeatable(step: Step, { frameworkId, taskId }: UpdateStream): boolean {
  const framework = findFramework(step, frameworkId);
  const executorId = framework?.tasks.get(taskId)?.executorId ?? "";
  return framework?.executors.get(executorId)?.isCommandExecutor === false;
}

function forgetOnDisk(step: Step, stream: UpdateStream, sequence: number | undefined): void {
  if (!stream.isCheckpointed || sequence === undefined) return;
  const { frameworkId, taskId } = stream;
  checkpoint(step, { kind: "removeUpdate", frameworkId, taskId, sequence });
}

function retryTimer(stream: UpdateStream): {
  readonly kind: "retryUpdate";
  readonly frameworkId: string;
  readonly taskId: string;
} {
  return { kind: "retryUpdate", frameworkId: stream.frameworkId, taskId: stream.taskId };
}
