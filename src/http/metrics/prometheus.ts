/**
 * Families in the text format of Prometheus. prom-client writes it; its own metrics are not used,
 * because ours are counted elsewhere. It is loaded when somebody asks for the first time.
 */
import type { Metric } from "prom-client";
import type { Family } from "./family.ts";

export interface PrometheusText {
  readonly contentType: string;
  readonly text: string;
}

/** Names of families are each there once. */
export async function prometheusText(families: readonly Family[]): Promise<PrometheusText> {
  const { Registry } = await import("prom-client");
  const registry = new Registry();
  for (const { name, help, type, samples } of families) {
    // All that a registry asks of a metric are its name and `get`.
    const metric = { name, get: () => Promise.resolve({ name, help, type, values: samples }) };
    registry.registerMetric(metric as unknown as Metric);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
