/** Operator calls about containers, with their answers in streams where they have them. Source: http-api 7.3. */
import type {
  ContainerAnswer,
  ContainerCall,
} from "../../agent/core/containers/container-calls.ts";
import type { ContainerId } from "../../base/ids.ts";
import { type Result, refuse } from "../../base/result.ts";
import type { AgentCall } from "../../protocol/v1/types.ts";
import type { Caller } from "../authentication.ts";
import { emptyResponse, encodedResponse, refusalResponse } from "../responses.ts";
import type { AnswerForm } from "./answer-form.ts";
import { attachedContainer, CallRecords, passInput, recordMediaType } from "./attach-input.ts";
import { waitResponse } from "./container-calls.ts";
import { attachedResponse, type ProcessIoOptions, sessionResponse } from "./process-io.ts";

export interface ContainerRequest {
  readonly type: AgentCall["type"];
  readonly call: ContainerCall;
  readonly form: AnswerForm;
  readonly request: Request;
  readonly caller: Caller;
}

export async function answerContainerCall(
  options: ProcessIoOptions,
  { type, call, form, request, caller }: ContainerRequest,
): Promise<Response> {
  const { runtime, codec } = options;
  // Also when nobody waits any more for what was launched: a session has to be ended then.
  const signal = call.kind === "launch" ? undefined : request.signal;
  const outcome = await runtime.containerCall(call, caller, signal);
  if (!outcome.ok) return refusalResponse(outcome.error);
  const answer = outcome.value;
  switch (answer.kind) {
    case "exists":
      return emptyResponse(202);
    case "done":
      return emptyResponse(200);
    case "launched":
      if (type !== "LAUNCH_NESTED_CONTAINER_SESSION") return emptyResponse(200);
      return sessionResponse(options, form, answer.containerId, request);
    case "target":
      return attachedResponse(options, form, request, answer);
    case "ended": {
      const message = waitResponse(type, answer);
      const bytes = codec.encode("mesos.v1.agent.Response", form.mediaType, message ?? {});
      return encodedResponse(form.mediaType, bytes);
    }
  }
}

/** ATTACH_CONTAINER_INPUT: answered when the input, or what reads it, has ended. */
export async function answerAttachInput(
  { runtime, codec }: ProcessIoOptions,
  request: Request,
  caller: Caller,
): Promise<Response> {
  const mediaType = recordMediaType(request.headers);
  if (!mediaType.ok) return refusalResponse(mediaType.error);
  const records = new CallRecords(codec, mediaType.value, request);
  const first = await records.next();
  if (!first.ok) return refusalResponse(first.error);
  const id = attachedContainer(first.value);
  if (!id.ok) return refusalResponse(id.error);
  const target = await runtime.containerCall({ kind: "attachInput", id: id.value }, caller);
  if (!target.ok) return refusalResponse(target.error);
  const writer = inputOf(runtime, target.value);
  if (!writer.ok) return refusalResponse(writer.error);
  try {
    const passed = await passInput(records, writer.value);
    return passed.ok ? emptyResponse(200) : refusalResponse(passed.error);
  } finally {
    writer.value.release();
  }
}

type Input = ReturnType<
  NonNullable<ReturnType<ProcessIoOptions["runtime"]["session"]>>["attachInput"]
>;

function inputOf(runtime: ProcessIoOptions["runtime"], answer: ContainerAnswer): Input {
  const containerId: ContainerId | undefined =
    answer.kind === "target" ? answer.containerId : undefined;
  const session = containerId === undefined ? undefined : runtime.session(containerId);
  if (session !== undefined) return session.attachInput();
  return noInput();
}

function noInput(): Result<never> {
  return refuse("failed", "The container has no input to attach to; launch a session in it");
}
