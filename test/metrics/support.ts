import { setTimeout as delay } from 'node:timers/promises';
import { definitionOf } from '../../src/metrics/definitions.ts';
import { metricOf } from '../grafana/expressions.ts';

/** The series of a text in Prometheus' format, with their values. */
export function seriesOf(text: string): ReadonlyMap<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(' ');
    series.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return series;
}

/**
 * Series of counters and histograms that a scrape has and the first one had not: what counted up to their first value is lost to
 * Prometheus, which has never seen them at 0. Those of VIPs and LSUs begin when one is found.
 */
export function bornLate(first: ReadonlyMap<string, number>, later: ReadonlyMap<string, number>): string[] {
  return [...later.keys()].filter((series) => {
    const metric = metricOf(/^\w+/.exec(series)?.[0] ?? '');
    if (metric === undefined) return false;
    const { type, labels } = definitionOf(metric);
    return type !== 'gauge' && !('vip' in labels) && !('lsu' in labels) && !first.has(series);
  });
}

/** The port of the metrics of an engine that was told to take any, from its log. */
export async function metricsPort(engine: { readonly stderr: string }): Promise<number> {
  for (;;) {
    const port = /"port":(\d+),.*"metrics are served"/.exec(engine.stderr)?.[1];
    if (port !== undefined) return Number(port);
    await delay(10);
  }
}
