/** Where an XFS with project quotas is mounted. Pure. Source: proc(5), mountinfo. */
import { ok, type Result, refuse } from "../../base/result.ts";

/**
 * The mount point that an absolute path without links is on. `mountinfo`: text of
 * /proc/self/mountinfo. Errors: `invalid` for another file system, or quotas that are not switched on.
 */
export function xfsMountOf(mountinfo: string, path: string): Result<string> {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    // id parent device root point options … - type source options
    const [before = "", after] = line.split(" - ");
    const [type = "", , options = ""] = after?.split(" ") ?? [];
    const point = unescaped(before.split(" ")[4] ?? "");
    return after === undefined ? [] : [{ point, type, options: options.split(",") }];
  });
  const around = mounts.filter(({ point }) => isWithin(path, point));
  // Of several at one point the last one is seen.
  const found = around.reduce<(typeof around)[number] | undefined>(
    (best, one) => (best === undefined || one.point.length >= best.point.length ? one : best),
    undefined,
  );
  if (found?.type !== "xfs") {
    return refuse("invalid", `${path} is on ${found?.type ?? "no file system"} and not on XFS`);
  }
  if (!found.options.some((option) => option === "prjquota" || option === "pquota")) {
    const message = `${found.point} is mounted without project quotas; mount it with the option prjquota`;
    return refuse("invalid", message);
  }
  return ok(found.point);
}

function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
