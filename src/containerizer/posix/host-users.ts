/** Turns a user's name into numbers, asking the host's directory services as well as /etc/passwd. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { ContainerizerError, type HostUser } from "../containerizer.ts";
import { type HostTools, runHelper } from "../keeper/host-tools.ts";
import { REMEMBERED_USERS } from "../limits.ts";

/** Users of this host, remembered once found. */
export class HostUsers {
  readonly #getent: string | undefined;
  readonly #known = new Map<string, HostUser>();

  constructor(tools: HostTools) {
    this.#getent = tools.getent;
  }

  /**
   * Whom to switch to for `name`; undefined when that is the agent's own user. Errors:
   * `ContainerizerError` when the user is unknown, or the agent may not switch.
   */
  async resolve(name: string): Promise<HostUser | undefined> {
    const user = this.#known.get(name) ?? (await this.#find(name));
    const ownUid = process.getuid?.();
    if (user.uid === ownUid) return undefined;
    if (ownUid !== 0) {
      throw new ContainerizerError(
        `Cannot run as user ${name}: the agent is not root; start it as root or with --no-switch_user`,
      );
    }
    return user;
  }

  async #find(name: string): Promise<HostUser> {
    if (!/^[A-Za-z0-9_.][A-Za-z0-9_.@$\\-]{0,255}$/.test(name)) {
      throw new ContainerizerError(`User ${JSON.stringify(name)} is not a user name`);
    }
    const line =
      lineOf(readFileSync("/etc/passwd", "utf8"), name) ??
      (this.#getent === undefined
        ? undefined
        : (await runHelper(this.#getent, ["passwd", name]))?.trim());
    const [found, , uid, gid] = line?.split(":") ?? [];
    // Asked for a number, the directory services answer with whoever has it, whom nobody named.
    if (found !== name || uid === undefined || gid === undefined) {
      throw new ContainerizerError(`User ${name} does not exist on this agent's host`);
    }
    const user = { name, uid: Number(uid), gid: Number(gid) };
    if (this.#known.size >= REMEMBERED_USERS) this.#known.clear();
    this.#known.set(name, user);
    return user;
  }
}

function lineOf(passwd: string, name: string): string | undefined {
  return passwd.split("\n").find((line) => line.startsWith(`${name}:`));
}
