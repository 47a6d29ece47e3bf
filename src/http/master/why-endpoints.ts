/** `/allot/v1/why/…`: why a framework gets no offers and why a task does not run. */

import type { Result } from "../../base/result.ts";
import { type WhySources, whyFramework, whyRole, whyTask } from "../../master/core/views/why.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import { answerJson, type Endpoint, restOfPath } from "../endpoints.ts";
import { refusalResponse, textResponse } from "../responses.ts";

/** All of them. Answers are 200 with JSON, 404 for what is not known, 409 for several tasks. */
export function whyEndpoints(runtime: MasterRuntime): readonly Endpoint[] {
  const sources = (): WhySources => runtime.whySources();
  return [
    why("/allot/v1/why/framework", "a framework's id: why it is offered nothing (more)", (id) =>
      whyFramework(sources(), id),
    ),
    why("/allot/v1/why/role", "a role: why its frameworks are offered nothing (more)", (role) =>
      whyRole(sources(), role),
    ),
    why("/allot/v1/why/task", "a task's id: why it runs or not; framework_id=", (id, frameworkId) =>
      whyTask(sources(), id, frameworkId),
    ),
  ];
}

function why(
  path: string,
  help: string,
  look: (name: string, frameworkId: string | undefined) => Result<unknown>,
): Endpoint {
  return {
    path,
    realm: "readonly",
    methods: ["GET"],
    help,
    answer: (context) => {
      const name = restOfPath(context, path);
      if (name === undefined || name === "") return textResponse(404, `Expecting ${path}/NAME`);
      const answer = look(name, context.req.query("framework_id"));
      return answer.ok ? answerJson(context, answer.value) : refusalResponse(answer.error);
    },
  };
}
