/** What is mounted where, as this process sees it. Source: proc_pid_mountinfo(5). */
import { readFileSync } from "node:fs";

interface Mount {
  readonly path: string;
  /** Mounts of one group see each other's; undefined for one that is alone. */
  readonly peerGroup: string | undefined;
}

/** Places of mounts at or below a path, in the order in which they were made. */
export function mountsBelow(path: string): string[] {
  return readMounts()
    .map((mount) => mount.path)
    .filter((target) => target === path || target.startsWith(`${path}/`));
}

/** How the topmost mount at a place tells others what is mounted in it; undefined for no mount. */
export function sharingAt(path: string): "alone" | "ownGroup" | "sharedGroup" | undefined {
  const mounts = readMounts();
  const mount = mounts.findLast((one) => one.path === path);
  if (mount?.peerGroup === undefined) return mount === undefined ? undefined : "alone";
  const { peerGroup } = mount;
  const isShared = mounts.some((one) => one !== mount && one.peerGroup === peerGroup);
  return isShared ? "sharedGroup" : "ownGroup";
}

function readMounts(): Mount[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.map((line) => {
    const [fields = ""] = line.split(" - ");
    const path = fields.split(" ")[4] ?? "";
    return {
      path: path.replace(/\\(\d{3})/g, (_, digits) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      ),
      peerGroup: / shared:(\d+)/.exec(fields)?.[1],
    };
  });
}
