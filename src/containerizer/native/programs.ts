/** The host's programs that namespaces, mounts and limits of processes are made with. */
import { findProgram } from "../keeper/host-tools.ts";

/** Paths; undefined for what the host has not. All are in util-linux. */
export interface Programs {
  readonly unshare: string | undefined;
  readonly nsenter: string | undefined;
  readonly mount: string | undefined;
  readonly prlimit: string | undefined;
  readonly setpriv: string | undefined;
}

export function findPrograms(): Programs {
  return {
    unshare: findProgram("unshare"),
    nsenter: findProgram("nsenter"),
    mount: findProgram("mount"),
    prlimit: findProgram("prlimit"),
    setpriv: findProgram("setpriv"),
  };
}
