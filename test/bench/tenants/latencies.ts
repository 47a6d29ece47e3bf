/** What the experiment with tenants measures. */

/** In the order in which they are told. */
export const PHASES = ["alone", "together", "limited", "weighted", "plain"] as const;

export type Phase = (typeof PHASES)[number];

/** Milliseconds of each request, run by run. */
export type Latencies = Readonly<Record<Phase, readonly (readonly number[])[]>>;

/** One run, as a line of JSON. */
export interface Measured {
  readonly phase: Phase;
  readonly latencies: readonly number[];
}
