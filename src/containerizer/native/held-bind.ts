/**
 * Lines of shell that mount what lies in sandboxes, where tasks may put a link in a folder's place
 * until the very moment of the mount: both ends are opened first, and looked at once they are
 * (`hold` of the keeper's init), so that what is mounted is what was meant.
 */
import { quote } from "../keeper/launch-plan.ts";
import type { Perl } from "../keeper/perl.ts";
import type { Place } from "../posix/safe-path.ts";

export interface Bind {
  /** Absolute and without links, unless `isTrusted`. */
  readonly source: string;
  /** Links to and in it are the framework's own choice: a path of the host. */
  readonly isTrusted?: boolean;
  /** Absolute and without links. */
  readonly target: string;
}

/** The calls for mounts that came later, and util-linux 2.39 with them, follow no path to what is open. */
const EARLIER_CALLS = "LIBMOUNT_FORCE_MOUNT2=always";

/** `mount`: path of the program. */
export function heldBindLines(mount: string, { source, isTrusted, target }: Bind): string[] {
  const from = isTrusted === true ? quote(source) : "/proc/self/fd/3";
  const steps = [
    ...(isTrusted === true ? [] : [`hold 3 ${quote(source)}`]),
    `hold 4 ${quote(target)}`,
    `${EARLIER_CALLS} exec ${mount} --no-canonicalize --rbind -- ${from} /proc/self/fd/4`,
  ];
  return [`(${steps.join("; ")})`];
}

export interface ReadOnlyBind extends Bind, Pick<Place, "kind"> {
  /** What is mounted in it on the host later is seen too, and may be written to. */
  readonly isFollowing?: boolean;
  /** Name of the field, for people. */
  readonly field: string;
}

export interface ReadOnlyTools {
  /** Path of the program. */
  readonly mount: string;
  /** What makes read-only what is mounted in a folder; undefined where the host has none. */
  readonly perl: Perl | undefined;
  /** A place where nobody else gets at what is being made read-only. */
  readonly stage: string;
}

/** The same, but read-only, with all that is mounted in it. */
export function readOnlyBindLines(bind: ReadOnlyBind, tools: ReadOnlyTools): string[] {
  const { mount, stage } = tools;
  return [
    bind.kind === "folder" ? `mkdir -p ${quote(stage)}` : `: >${quote(stage)}`,
    ...heldBindLines(mount, { ...bind, target: stage }),
    ...(bind.isFollowing === true ? [] : [`${mount} --make-rprivate -- ${quote(stage)}`]),
    readOnlyLine(bind, tools),
    ...heldBindLines(mount, { source: stage, isTrusted: true, target: bind.target }),
  ];
}

/** By one call for all mounts, or where that cannot be made for the only one. */
function readOnlyLine(
  { kind, field }: ReadOnlyBind,
  { mount, perl, stage }: ReadOnlyTools,
): string {
  const single = `${mount} -o remount,bind,ro -- ${quote(stage)}`;
  if (kind === "file") return single;
  const refusal = `${field}: something is mounted in it, and to make that read-only takes perl and Linux 5.12`;
  const hasOthers = `grep -qF ${quote(` ${escaped(stage)}/`)} /proc/self/mountinfo`;
  const alone = `{ ${single}; ! ${hasOthers} || { echo ${quote(refusal)}; exit 1; }; }`;
  if (perl === undefined) return alone;
  const words = [perl.path, "-e", quote(SET_READ_ONLY), perl.mountSetattr, quote(stage)];
  return `${words.join(" ")} || ${alone}`;
}

/** mount_setattr(2) from the working folder (-100), AT_RECURSIVE, with MOUNT_ATTR_RDONLY to be set. */
const SET_READ_ONLY =
  'my ($call, $path) = @ARGV; my $set = pack("Q4", 1, 0, 0, 0); exit(syscall($call + 0, -100, $path, 0x8000, $set, 32) != 0)';

/** As /proc/self/mountinfo writes it. */
function escaped(path: string): string {
  return path.replace(/[ \t\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
