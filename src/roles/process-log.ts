/** The log of a process as its flags ask for it: stderr, a file of its own, how much, for how long. */
import { mkdirSync } from "node:fs";
import { posix as paths } from "node:path";
import type { Clock, Log, LogLevel } from "../base/ports.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import { LoggingLevel } from "../http/logging-level.ts";
import { appendingTo, lineLog, writeToStderr } from "../platform/system.ts";

export interface ProcessLog {
  readonly log: Log;
  readonly loggingLevel: LoggingLevel;
  /** What `/files` shows as the log; undefined when there is none in a file. */
  readonly logFile: string | undefined;
}

/** Opens it. Throws, naming the flag, when the file cannot be written. */
export function openProcessLog(flags: ParsedFlags, clock: Clock): ProcessLog {
  const loggingLevel = new LoggingLevel(clock);
  const wanted = levelOf(flags);
  const minimum = (): LogLevel => (loggingLevel.level > 0 ? "debug" : wanted);
  const logs = [lineLog(flags.boolean("quiet") === true ? () => "error" : minimum, writeToStderr)];
  const logDir = flags.string("log_dir");
  const ownFile = logDir === undefined ? undefined : paths.resolve(logDir, "allot.log");
  if (ownFile !== undefined) logs.push(lineLog(minimum, openFile(ownFile)));
  return {
    log: {
      write: (...entry) => {
        for (const log of logs) log.write(...entry);
      },
    },
    loggingLevel,
    logFile: flags.string("external_log_file") ?? ownFile,
  };
}

function openFile(path: string): (line: string) => void {
  try {
    mkdirSync(paths.dirname(path), { recursive: true, mode: 0o755 });
    return appendingTo(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`--log_dir: cannot write ${path}: ${reason}`, { cause: error });
  }
}

function levelOf(flags: ParsedFlags): LogLevel {
  const level = flags.string("logging_level")?.toLowerCase();
  return level === "debug" || level === "warning" || level === "error" ? level : "info";
}
