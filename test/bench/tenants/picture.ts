/** The picture of measured latencies as SVG: one line per phase over the percentiles. */
import { percentile } from "../figures.ts";
import { type Latencies, PHASES, type Phase } from "./latencies.ts";

const TITLE = "Time to memcached's answer";
const WIDTH = 830;
const HEIGHT = 380;
const LEFT = 70;
const RIGHT = 280;
const TOP = 40;
const BOTTOM = 50;
const COLOURS: Readonly<Record<Phase, string>> = {
  alone: "#6b7280",
  together: "#2563eb",
  limited: "#059669",
  weighted: "#d97706",
  plain: "#dc2626",
};
const PERCENTS = [0, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9];
const MARKS = [0, 50, 90, 99, 99.9];
/** Between two names at the ends of lines. */
const LINE_PX = 18;

/** `names` are what people read at the lines. */
export function drawLatencies(
  latencies: Latencies,
  names: Readonly<Record<Phase, string>>,
): string {
  const lines = PHASES.map((phase) => {
    const all = latencies[phase].flat();
    return {
      phase,
      points: PERCENTS.map((percent) => ({ percent, ms: percentile(all, percent) })),
    };
  });
  const values = lines.flatMap(({ points }) => points.map(({ ms }) => ms));
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const y = (ms: number): number =>
    TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.log(ms / low) / Math.log(high / low));
  const ends = spread(lines.map(({ points }) => y(points.at(-1)?.ms ?? low)));
  const parts = [
    ...ticks(low, high).map((ms) => grid(LEFT, y(ms), WIDTH - RIGHT, y(ms), label(ms))),
    ...MARKS.map((percent) => {
      const name = percent === 0 ? "fastest" : `p${percent}`;
      return `<text x="${round(x(percent))}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${name}</text>`;
    }),
    ...lines.map(({ phase, points }) => {
      const path = points
        .map(({ percent, ms }) => `${round(x(percent))},${round(y(ms))}`)
        .join(" ");
      return `<polyline points="${path}" fill="none" stroke="${COLOURS[phase]}" stroke-width="2.5"/>`;
    }),
    ...lines.map(({ phase, points }, index) => {
      const p99 = points.find(({ percent }) => percent === 99)?.ms ?? 0;
      const text = `${names[phase]}: p99 ${label(p99)}`;
      return `<text x="${WIDTH - RIGHT + 8}" y="${round((ends[index] ?? 0) + 4)}" fill="${COLOURS[phase]}">${text}</text>`;
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#374151">
<title>${TITLE}</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${LEFT}" y="22" font-size="14">${TITLE}</text>
${parts.join("\n")}
</svg>
`;
}

/** Equal distance for each nine. */
function x(percent: number): number {
  const nines = -Math.log10(1 - percent / 100);
  return LEFT + ((WIDTH - LEFT - RIGHT) * nines) / 3;
}

function grid(x1: number, y1: number, x2: number, y2: number, text: string): string {
  const line = `<line x1="${x1}" y1="${round(y1)}" x2="${x2}" y2="${round(y2)}" stroke="#e5e7eb"/>`;
  return `${line}<text x="${x1 - 8}" y="${round(y1 + 4)}" text-anchor="end">${text}</text>`;
}

function ticks(low: number, high: number): number[] {
  const decades = Math.round(Math.log10(high / low));
  return Array.from({ length: decades + 1 }, (_, index) => low * 10 ** index);
}

function label(ms: number): string {
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(3))} s`;
  return ms >= 1 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms * 1000).toPrecision(3))} µs`;
}

/** Moves what would overlap apart, in the order of its height. */
function spread(heights: readonly number[]): number[] {
  const moved = [...heights];
  let last = Number.NEGATIVE_INFINITY;
  for (const index of heights
    .map((_, at) => at)
    .sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0))) {
    last = Math.max(heights[index] ?? 0, last + LINE_PX);
    moved[index] = last;
  }
  return moved;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
