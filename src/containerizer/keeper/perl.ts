/**
 * What perl does for us: the few system calls for which the host has no program. It is the smallest
 * program that makes any call, and a part of every Debian, Ubuntu and most other distributions.
 */
import process from "node:process";
import { findProgram } from "./host-tools.ts";

/** Numbers of the system calls that are made. */
interface CallNumbers {
  readonly bpf: number;
  readonly seccomp: number;
  readonly mountSetattr: number;
}

/** By what Node calls the processor. */
const NUMBERS: Readonly<Record<string, CallNumbers>> = {
  x64: { bpf: 321, seccomp: 317, mountSetattr: 442 },
  arm64: { bpf: 280, seccomp: 277, mountSetattr: 442 },
};

export interface Perl extends CallNumbers {
  readonly path: string;
}

/** Undefined where the host has no perl, or a processor whose calls have unknown numbers. */
export function findPerl(): Perl | undefined {
  const path = findProgram("perl");
  const numbers = NUMBERS[process.arch];
  return path === undefined || numbers === undefined ? undefined : { path, ...numbers };
}
