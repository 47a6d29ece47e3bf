/**
 * Lines of shell that mount what lies in sandboxes, where tasks may put a link in a folder's place
 * until the very moment of the mount: both ends are opened first, and looked at once they are
 * (`hold` of the keeper's init), so that what is mounted is what was meant.
 */
import { quote } from "../keeper/launch-plan.ts";
import type { Place } from "../posix/safe-path.ts";

export interface Bind {
  /** Absolute and without links, unless `isTrusted`. */
  readonly source: string;
  /** Links to and in it are the framework's own choice: a path of the host. */
  readonly isTrusted?: boolean;
  /** Absolute and without links. */
  readonly target: string;
}

/** `mount`: path of the program. */
export function heldBindLines(mount: string, { source, isTrusted, target }: Bind): string[] {
  const from = isTrusted === true ? quote(source) : "/proc/self/fd/3";
  const steps = [
    ...(isTrusted === true ? [] : [`hold 3 ${quote(source)}`]),
    `hold 4 ${quote(target)}`,
    `exec ${mount} --no-canonicalize --rbind -- ${from} /proc/self/fd/4`,
  ];
  return [`(${steps.join("; ")})`];
}

/** The same, but read-only: it is made so where nobody else gets at it, the `stage`. */
export function readOnlyBindLines(
  mount: string,
  bind: Bind & Pick<Place, "kind">,
  stage: string,
): string[] {
  return [
    bind.kind === "folder" ? `mkdir -p ${quote(stage)}` : `: >${quote(stage)}`,
    ...heldBindLines(mount, { ...bind, target: stage }),
    `${mount} -o remount,bind,ro -- ${quote(stage)}`,
    ...heldBindLines(mount, { source: stage, isTrusted: true, target: bind.target }),
  ];
}
