/** A busybox that needs no libraries, of which the roots of containers are made in tests. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const FOUND = ["/bin/busybox", "/usr/bin/busybox"].find(isStatic);

export const BUSYBOX_PATH: string = FOUND ?? "";

/** Why there is none here; undefined when there is. */
export const BUSYBOX_OBSTACLE: string | undefined =
  FOUND === undefined ? "there is no static busybox: install busybox-static" : undefined;

function isStatic(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    execFileSync("ldd", [path], { stdio: "ignore" });
    return false;
  } catch {
    // It says so of a program that has no libraries.
    return true;
  }
}
