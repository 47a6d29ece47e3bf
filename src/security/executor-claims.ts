/** Who an executor is, as its token says. Source: semantics 7.4, http-api 5. */

/** All three are needed to be it. */
export interface ExecutorClaims {
  /** Framework id. */
  readonly fid: string;
  /** Executor id. */
  readonly eid: string;
  /** Value of the id of the executor's container. */
  readonly cid: string;
}
