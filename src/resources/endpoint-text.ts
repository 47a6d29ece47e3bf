/**
 * The RESOURCES object of the endpoints outside v1, straight from bundles to JSON text, for answers
 * that hold it hundreds of thousands of times. Equal to what `toEndpointResources` says.
 */
import { quoteJson } from "../protocol/json-writer.ts";
import type { Bundle } from "./bundle.ts";
import { formatPairs, toEndpointResources } from "./format.ts";
import type { Intervals } from "./intervals.ts";
import type { ResourceKind } from "./kinds.ts";
import { fromMilli } from "./milli.ts";

/** Remembers the last text, since neighbours in a list mostly have the same resources. */
export class ResourcesWriter {
  #cpus = 0;
  #gpus = 0;
  #mem = 0;
  #disk = 0;
  #others: Map<string, number> | undefined = undefined;
  #pairs: Map<string, number[]> | undefined = undefined;
  /** False: there is something that needs the general way. */
  #isPlain = true;
  #isWanted: ((kind: ResourceKind) => boolean) | undefined = undefined;
  #last: { cpus: number; gpus: number; mem: number; disk: number; text: string } | undefined;

  /** Of one bundle. */
  text(bundle: Bundle): string {
    this.#reset(undefined);
    bundle.forEach(this.#visit);
    return this.#isPlain ? this.#plainText() : generalText([bundle]);
  }

  /** Of the sum of several bundles; with `isWanted`, of those kinds only. */
  sumText(bundles: readonly Bundle[], isWanted?: (kind: ResourceKind) => boolean): string {
    this.#reset(isWanted);
    for (const bundle of bundles) bundle.forEach(this.#visit);
    if (this.#isPlain) return this.#plainText();
    if (isWanted === undefined) return generalText(bundles);
    return generalText(bundles.map((bundle) => bundle.filter(isWanted)));
  }

  #reset(isWanted: ((kind: ResourceKind) => boolean) | undefined): void {
    this.#cpus = 0;
    this.#gpus = 0;
    this.#mem = 0;
    this.#disk = 0;
    this.#others = undefined;
    this.#pairs = undefined;
    this.#isPlain = true;
    this.#isWanted = isWanted;
  }

  readonly #visit = (kind: ResourceKind, milli: number, intervals: Intervals): void => {
    if (this.#isWanted !== undefined && !this.#isWanted(kind)) return;
    const { name, type } = kind;
    if (kind.isRevocable || kind.isShared || type === "SET") this.#isPlain = false;
    else if (type === "RANGES") {
      this.#pairs ??= new Map<string, number[]>();
      this.#pairs.set(name, [...(this.#pairs.get(name) ?? []), ...intervals]);
    } else if (name === "cpus") this.#cpus += milli;
    else if (name === "mem") this.#mem += milli;
    else if (name === "disk") this.#disk += milli;
    else if (name === "gpus") this.#gpus += milli;
    else {
      this.#others ??= new Map<string, number>();
      this.#others.set(name, (this.#others.get(name) ?? 0) + milli);
    }
  };

  #plainText(): string {
    const common = this.#commonText();
    if (this.#others === undefined && this.#pairs === undefined) return common;
    let text = common.slice(0, -1);
    for (const [name, milli] of this.#others ?? [])
      text += `,${quoteJson(name)}:${fromMilli(milli)}`;
    for (const [name, flat] of this.#pairs ?? []) {
      text += `,${quoteJson(name)}:${quoteJson(formatPairs(flat))}`;
    }
    return `${text}}`;
  }

  #commonText(): string {
    const cpus = this.#cpus;
    const gpus = this.#gpus;
    const mem = this.#mem;
    const disk = this.#disk;
    const last = this.#last;
    const isSame =
      last?.cpus === cpus && last.mem === mem && last.disk === disk && last.gpus === gpus;
    if (isSame) return last.text;
    const text =
      `{"cpus":${fromMilli(cpus)},"gpus":${fromMilli(gpus)}` +
      `,"mem":${fromMilli(mem)},"disk":${fromMilli(disk)}}`;
    this.#last = { cpus, gpus, mem, disk, text };
    return text;
  }
}

function generalText(bundles: readonly Bundle[]): string {
  return JSON.stringify(toEndpointResources(bundles.flatMap((bundle) => bundle.toResources())));
}
