/**
 * `/allot/v1/leader`: who leads and why nobody does, from any master; and the leader's own step
 * down. Both are additions of allot's own.
 */
import type { Result } from "../../base/result.ts";
import type { LeaderReport, StepDownAnswer } from "../../protocol/leader-report.ts";
import type { Acls } from "../../security/acls.ts";
import { answerJson, type Endpoint } from "../endpoints.ts";
import { forbiddenResponse } from "../permission.ts";
import { refusalResponse } from "../responses.ts";
import { leaderPage } from "./leader-page.ts";

/** The place of this master among the others. */
export interface Leadership {
  report(): Promise<LeaderReport>;
  /**
   * Hands over to the next in line. Unless forced, that one is asked whether it answers. Errors:
   * `conflict`, there is nobody to take over; `notReady`, this master does not lead now.
   */
  stepDown(isForced: boolean, principal: string | undefined): Promise<Result<StepDownAnswer>>;
}

/** Of a master that leads. */
export function leaderEndpoints(leadership: Leadership, acls: Acls): readonly Endpoint[] {
  return [
    whoLeadsEndpoint(leadership),
    {
      path: "/allot/v1/leader/step-down",
      methods: ["POST"],
      isPrefix: false,
      help: "has the next master in line lead: force=true without asking whether it answers",
      answer: async (context, caller) => {
        const denial = forbiddenResponse(acls, caller, "operate_masters");
        if (denial !== undefined) return denial;
        const isForced = context.req.query("force") === "true";
        const outcome = await leadership.stepDown(isForced, caller.principal);
        return outcome.ok ? answerJson(context, outcome.value) : refusalResponse(outcome.error);
      },
    },
  ];
}

/** Of every master. */
export function whoLeadsEndpoint(leadership: Leadership): Endpoint {
  return {
    path: "/allot/v1/leader",
    realm: "readonly",
    methods: ["GET"],
    isPrefix: false,
    help: "who leads, which masters stand, and why nobody leads; a page for browsers, else JSON",
    answer: async (context) => {
      const report = await leadership.report();
      const isForBrowser = context.req.header("accept")?.includes("text/html") === true;
      return isForBrowser ? leaderPage(report) : answerJson(context, report);
    },
  };
}
