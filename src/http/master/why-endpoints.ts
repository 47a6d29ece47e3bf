/** `/allot/v1/why/…`: why a framework gets no offers and why a task does not run. */

import type { Result } from "../../base/result.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import { type WhySources, whyFramework, whyRole, whyTask } from "../../master/core/views/why.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Acls } from "../../security/acls.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Caller } from "../authentication.ts";
import { answerJson, type Endpoint, restOfPath } from "../endpoints.ts";
import { refusalResponse, textResponse } from "../responses.ts";

/**
 * All of them. Answers are 200 with JSON, 404 for what is not known or not to be seen by the caller,
 * 409 for several tasks.
 */
export function whyEndpoints(runtime: MasterRuntime, acls: Acls): readonly Endpoint[] {
  const sources = ({ principal }: Caller): WhySources => {
    const whole = runtime.whySources();
    return { ...whole, state: visibleState(whole.state, new Viewer(acls, principal)) };
  };
  const why = (path: string, help: string, look: Look): Endpoint =>
    whyEndpoint(path, help, (caller, name, frameworkId) =>
      look(sources(caller), name, frameworkId),
    );
  return [
    why(
      "/allot/v1/why/framework",
      "a framework's id: why it is offered nothing (more)",
      whyFramework,
    ),
    why("/allot/v1/why/role", "a role: why its frameworks are offered nothing (more)", whyRole),
    why("/allot/v1/why/task", "a task's id: why it runs or not; framework_id=", whyTask),
  ];
}

type Look = (sources: WhySources, name: string, frameworkId: string | undefined) => Result<unknown>;

function whyEndpoint(
  path: string,
  help: string,
  look: (caller: Caller, name: string, frameworkId: string | undefined) => Result<unknown>,
): Endpoint {
  return {
    path,
    realm: "readonly",
    methods: ["GET"],
    help,
    answer: (context, caller) => {
      const name = restOfPath(context, path);
      if (name === undefined || name === "") return textResponse(404, `Expecting ${path}/NAME`);
      const answer = look(caller, name, context.req.query("framework_id"));
      return answer.ok ? answerJson(context, answer.value) : refusalResponse(answer.error);
    },
  };
}
