/** The statistics of the benchmarks, how they are shown, and the words of the command line. */
import { describe, expect, test } from "bun:test";
import { parseArguments } from "./arguments.ts";
import { FigureSet, figure, formatTable, median, percentile } from "./figures.ts";

describe("statistics", () => {
  test.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[10, 2, 4, 8], 6],
  ])("the median of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test.each([
    [50, 100],
    [99, 198],
    [99.9, 200],
    [100, 200],
    [0, 1],
  ])("percentile %d of 1 to 200 is %d", (percent, expected) => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentile(values, percent)).toBe(expected);
  });

  test("a figure tells its runs, to four decimals, and leaves the values in their order", () => {
    const values = [2, 1.000_04, 3];
    const expected = { name: "n", unit: "ms", median: 2, min: 1, max: 3, runs: 3 };
    expect(figure("n", "ms", values)).toEqual(expected);
    expect(values).toEqual([2, 1.000_04, 3]);
  });

  test("what was never measured, or wrongly, is an error that names it", () => {
    expect(() => figure("idle", "MB", [])).toThrow("idle was never measured");
    expect(() => figure("idle", "MB", [1, Number.NaN])).toThrow("idle is not a number");
  });

  test("a set keeps the order in which its names came first", () => {
    const set = new FigureSet();
    for (const run of [1, 2, 3]) {
      set.add("b", "ms", run);
      set.add("a", "MB", run * 10);
    }
    expect(set.figures().map((one) => [one.name, one.median, one.runs])).toEqual([
      ["b", 2, 3],
      ["a", 20, 3],
    ]);
  });
});

test("the table is aligned, with as many digits as tell something", () => {
  const figures = [figure("start", "ms", [12.34, 56.78, 0.123_4]), figure("x", "ops/s", [1234567])];
  expect(formatTable(figures)).toBe(
    [
      "name      median        min        max  unit   runs",
      "start       12.3      0.123       56.8  ms        3",
      "x      1,234,567  1,234,567  1,234,567  ops/s     1",
    ].join("\n"),
  );
});

test("where Mesos was measured, its figure and the ratio stand beside ours", () => {
  const set = new FigureSet();
  set.add("cycle", "ms", 5, 73);
  set.add("event", "ms", 1);
  expect(formatTable(set.figures())).toBe(
    [
      "name   median    min    max  unit  runs  Mesos  ratio",
      "cycle   5.000  5.000  5.000  ms       1   73.0  14.6x",
      "event   1.000  1.000  1.000  ms       1",
    ].join("\n"),
  );
});

describe("command line", () => {
  const KNOWN = ["start", "memory", "link"];
  const DEFAULTS = { names: KNOWN, isJson: false, isQuick: false, runs: undefined };

  test.each([
    [[], DEFAULTS],
    [["--json"], { ...DEFAULTS, isJson: true }],
    [["link", "start", "link"], { ...DEFAULTS, names: ["start", "link"] }],
    [["memory", "--runs=7"], { ...DEFAULTS, names: ["memory"], runs: 7 }],
    [["--runs", "1", "--scale", "quick"], { ...DEFAULTS, runs: 1, isQuick: true }],
    [["--scale=full"], DEFAULTS],
  ])("%j", (argv, value) => {
    expect(parseArguments(argv, KNOWN)).toEqual({ ok: true, value });
  });

  test.each([
    [["lnik"], "unknown benchmark lnik; known are start, memory, link"],
    [["--jsno"], "unknown option --jsno; known are --json, --runs N, --scale quick|full"],
    [["--json=yes"], "--json takes no value"],
    [["--runs", "0"], "--runs needs a whole number from 1 to 9999"],
    [["--runs"], "--runs needs a whole number from 1 to 9999"],
    [["--scale", "huge"], "--scale is quick or full"],
  ])("%j is refused", (argv, message) => {
    expect(parseArguments(argv, KNOWN)).toEqual({ ok: false, message });
  });
});
