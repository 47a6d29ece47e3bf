/**
 * The acceptance list (reference/semantics.md 10) in our words, one line per number, and for lines
 * that no scenario here proves, where they stand.
 */

/** By number. */
export const LINES: ReadonlyMap<number, string> = new Map([
  [1, "frameworks are numbered <master id>-0000, -0001"],
  [2, "SUBSCRIBED names 15 s; HEARTBEAT at once and every 15 s"],
  [3, "a call without or with a wrong stream id, or before SUBSCRIBE, is refused"],
  [4, "a valid ACCEPT, DECLINE or KILL is 202 without a body"],
  [5, "a follower redirects the scheduler API to the leader"],
  [6, "the candidate's znode json.info_<10 digits>"],
  [7, "the smallest sequence number leads; failover within the session timeout"],
  [8, "a leader that loses its session ends"],
  [9, "agents are <master id>-S0, -S1; offers -O0, -O1"],
  [10, "an agent silent for 5 pings is unreachable; tasks UNREACHABLE or LOST, AGENT_REMOVED"],
  [11, "an answer after the fourth missed ping saves the agent"],
  [12, "an unreachable agent returns: RUNNING, AGENT_REREGISTERED, no uuid"],
  [13, "agent_reregister_timeout below 10 min is refused at start"],
  [14, "after a failover an agent that stays away is unreachable after 10 min, no task updates"],
  [15, "MARK_AGENT_GONE ends the agent for good; tasks GONE_BY_OPERATOR"],
  [16, "MARK_AGENT_GONE: unknown 404, twice 200"],
  [17, "DRAIN_AGENT: offers rescinded, KILLED by AGENT_DRAINING, DRAINED after the acks"],
  [18, "failover_timeout 0: a closed stream removes the framework and its tasks"],
  [19, "with failover_timeout a return keeps tasks; too late is ERROR"],
  [20, "a second SUBSCRIBE ends the first stream: Framework failed over"],
  [21, "a changed principal is ERROR, a changed user is ignored"],
  [22, "declined resources are not offered again for 5 s"],
  [23, "refuse_seconds 0: offered again at the next allocation"],
  [24, "a filter does not hold back more of the same agent"],
  [25, "REVIVE clears filters and offers at once"],
  [26, "SUPPRESS stops new offers, not the outstanding ones"],
  [27, "an offer is a whole agent for one role; one per agent and role"],
  [28, "nothing below both cpus 0.01 and mem 32 is offered"],
  [29, "DRF: equal frameworks alternate; weight 2 gets twice the share"],
  [30, "equal shares: fewer allocations first, then the name"],
  [31, "a quota limit shrinks offers of the role"],
  [32, "quota on a nested role, or above the cluster without force, is 400"],
  [33, "an unused guarantee is held back from other roles"],
  [34, "GPU agents only to GPU_RESOURCES"],
  [35, "agents of another region only to REGION_AWARE"],
  [36, "ACCEPT of an unknown offer: DROPPED or LOST, INVALID_OFFERS"],
  [37, "a duplicate task id is TASK_ERROR"],
  [38, "a task id of 256 characters or with a slash is TASK_ERROR"],
  [39, "both or neither of command and executor is TASK_ERROR"],
  [40, "more than offered is TASK_ERROR"],
  [41, "one bad task fails its whole group"],
  [42, "a default executor without disk is TASK_GROUP_INVALID"],
  [43, "RESERVE, CREATE and LAUNCH in one ACCEPT"],
  [44, "RESERVE for a role the framework lacks: OPERATION_ERROR if it has an id"],
  [45, "an operation id on LAUNCH is TASK_ERROR"],
  [46, "DESTROY of a volume in use and UNRESERVE under a volume are refused"],
  [47, "an update without ack comes again after 10 s, then 20 s, same uuid"],
  [48, "the second update waits for the ack of the first"],
  [49, "a task that ended is listed until its ack, then completed"],
  [50, "explicit reconciliation: unknown task GONE/LOST, unknown agent UNKNOWN/LOST"],
  [51, "implicit reconciliation names every task, no uuid"],
  [52, "KILL: SIGTERM, 3 s, SIGKILL; TASK_KILLED whatever the exit status"],
  [53, "TASK_KILLING only with the capability"],
  [54, "max_completion_time"],
  [55, "failing health checks kill the task"],
  [56, "HTTP health check accepts 200 to 399"],
  [57, "executor registration timeout"],
  [58, "agent restart: checkpointed tasks go on in silence, others are LOST at once"],
  [59, "agent reconfiguration policy"],
  [60, "out of memory: CONTAINER_LIMITATION_MEMORY"],
  [61, "cgroup values of a cpu share"],
  [62, "the smallest memory limit"],
  [63, "fetcher: extraction and executable bit"],
  [64, "docker task"],
  [65, "a failing task of a group kills its siblings"],
  [66, "--acls without rules and permissive=false refuse"],
  [67, "missing credentials are 401 with the realm"],
  [68, "maintenance: start needs a schedule; then agents end, tasks LOST"],
  [69, "auto-detected resources"],
  [70, "50 completed frameworks and 1000 completed tasks each are listed"],
]);

export interface Standing {
  readonly mark: "different" | "apart";
  readonly reason: string;
}

/** Lines that no scenario proves. */
export const STANDINGS: ReadonlyMap<number, Standing> = new Map([
  [
    8,
    {
      mark: "different",
      reason: "it steps down in place and stands again; test/e2e/masters.e2e.test.ts",
    },
  ],
  ...[60, 61, 62].map((line): [number, Standing] => [
    line,
    { mark: "apart", reason: "limits.e2e.test.ts has a table of its own" },
  ]),
]);
