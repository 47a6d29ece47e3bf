/** Reads the kernel's files of `key value` lines. Pure. */

/** Numbers by key, as `cpu.stat` or `memory.events` have them; other lines are left out. */
export function flatFile(text: string | undefined): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of (text ?? "").split("\n")) {
    const [key, value] = line.split(" ");
    const number = Number(value);
    if (key !== undefined && value !== undefined && Number.isFinite(number)) {
      values.set(key, number);
    }
  }
  return values;
}

/** One device of `io.stat`: `8:0 rbytes=1 wbytes=2 …`. */
export interface DeviceLine {
  readonly major: number;
  readonly minor: number;
  readonly figures: ReadonlyMap<string, number>;
}

export function deviceLines(text: string | undefined): DeviceLine[] {
  return (text ?? "").split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) (.*)$/.exec(line);
    if (match === null) return [];
    const pairs = (match[3] ?? "").split(" ").map((pair) => pair.split("="));
    return [
      {
        major: Number(match[1]),
        minor: Number(match[2]),
        figures: new Map(pairs.map(([key = "", value]) => [key, Number(value)])),
      },
    ];
  });
}

/** A file with one number; undefined when it is missing or says `max`. */
export function numberFile(text: string | undefined): number | undefined {
  const number = Number.parseInt(text ?? "", 10);
  return Number.isNaN(number) ? undefined : number;
}
