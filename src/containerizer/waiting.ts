/** Waits with a bound. */
import type { Clock } from "../base/ports.ts";

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((wake) => clock.schedule(ms, wake));
}

/** What the work comes to, or undefined when it takes longer. Errors: those of the work until then. */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
): Promise<T | undefined> {
  let cancel = (): void => undefined;
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.schedule(ms, () => resolve(undefined));
  });
  // What becomes of it later is nobody's business here.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
