/**
 * Families in the text format of Prometheus. prom-client writes it; its own metrics are not used,
 * because ours are counted elsewhere. It is loaded when somebody asks for the first time.
 */
import type { Metric } from "prom-client";
import type { Family } from "./family.ts";

/** A few milliseconds' worth. */
const SAMPLES_PER_TURN = 1000;

export interface PrometheusText {
  readonly contentType: string;
  readonly text: string;
}

/**
 * Names of families are each there once. Thousands of frameworks make a long text: `turn` is waited
 * for now and then, so that others get theirs.
 */
export async function prometheusText(
  families: readonly Family[],
  turn: () => Promise<void>,
): Promise<PrometheusText> {
  const { Registry } = await import("prom-client");
  const registry = new Registry();
  const texts: string[] = [];
  let sampleCount = 0;
  for (const { name, help, type, samples } of families) {
    // All that a registry asks of a metric are its name and `get`.
    const metric = { name, get: () => Promise.resolve({ name, help, type, values: samples }) };
    registry.registerMetric(metric as unknown as Metric);
    texts.push(await registry.metrics());
    registry.clear();
    sampleCount += samples.length;
    if (sampleCount < SAMPLES_PER_TURN) continue;
    sampleCount = 0;
    await turn();
  }
  return { contentType: registry.contentType, text: texts.join("\n") };
}
