/** Which children of the masters' node are candidates, and who of them leads. Source: semantics 1.1, 1.2. */

/** What the znode of a candidate of our kind begins with; ZooKeeper adds a number of ten digits. */
export const CANDIDATE_PREFIX = "json.info_";

/** Legacy names: `info_NNN` held a protobuf, a bare number the address as text. */
const CANDIDATE = /^(?:json\.info_|info_)?(\d{10})$/;

export interface Candidate {
  readonly name: string;
  /** Grows with each candidacy, whoever stands. */
  readonly sequence: number;
}

/** The candidates in order, the leader first. Other children, as `log_replicas`, are none. */
export function candidatesOf(names: readonly string[]): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const name of names) {
    const digits = CANDIDATE.exec(name)?.[1];
    if (digits !== undefined) candidates.push({ name, sequence: Number(digits) });
  }
  return candidates.toSorted((a, b) => a.sequence - b.sequence);
}
