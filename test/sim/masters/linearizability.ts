/**
 * Whether a history of reads and writes of one register could have happened one after the other,
 * each at some moment between its call and its answer. Search with memory, after Wing and Gong: take
 * any operation that no other one that is still open was over before; take back what leads nowhere.
 */

export interface RegisterOperation {
  readonly kind: "read" | "write";
  /** What was written, or read. */
  readonly value: string;
  /** Any clock that all operations share. */
  readonly calledAt: number;
  /** Infinity: no answer ever came, so that it may have been done at any time since, or never. */
  readonly answeredAt: number;
}

/** Whether there is such an order, for a register that holds `initial` at first. */
export function isLinearizable(operations: readonly RegisterOperation[], initial: string): boolean {
  // A read without an answer says nothing.
  const history = operations
    .filter(({ kind, answeredAt }) => kind === "write" || answeredAt < Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a.calledAt - b.calledAt);
  const wanted = history.filter(({ answeredAt }) => answeredAt < Number.POSITIVE_INFINITY).length;
  const isDone = history.map(() => false);
  const seen = new Set<string>();
  let firstOpen = 0;

  const search = (value: string, answered: number): boolean => {
    if (answered === wanted) return true;
    while (firstOpen < history.length && isDone[firstOpen]) firstOpen += 1;
    const key = `${value} ${stateKey(isDone, firstOpen)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    const start = firstOpen;
    let deadline = Number.POSITIVE_INFINITY;
    for (let index = start; index < history.length; index++) {
      const operation = history[index];
      if (operation === undefined || operation.calledAt > deadline) break;
      if (isDone[index]) continue;
      deadline = Math.min(deadline, operation.answeredAt);
    }
    for (let index = start; index < history.length; index++) {
      const operation = history[index];
      if (operation === undefined || operation.calledAt > deadline) break;
      if (isDone[index]) continue;
      const isRead = operation.kind === "read";
      if (isRead && operation.value !== value) continue;
      isDone[index] = true;
      const isAnswered = operation.answeredAt < Number.POSITIVE_INFINITY;
      const next = isRead ? value : operation.value;
      if (search(next, answered + (isAnswered ? 1 : 0))) return true;
      isDone[index] = false;
      firstOpen = start;
    }
    return false;
  };
  return search(initial, 0);
}

/** Which are done, from the first one on that is not. */
function stateKey(isDone: readonly boolean[], from: number): string {
  let key = `${from} `;
  let last = isDone.length - 1;
  while (last >= from && !isDone[last]) last -= 1;
  for (let index = from; index <= last; index++) key += isDone[index] ? "1" : "0";
  return key;
}
