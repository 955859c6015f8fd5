import { setTimeout as delay } from 'node:timers/promises';

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

/** The port of the metrics of an engine that was told to take any, from its log. */
export async function metricsPort(engine: { readonly stderr: string }): Promise<number> {
  for (;;) {
    const port = /"port":(\d+),.*"metrics are served"/.exec(engine.stderr)?.[1];
    if (port !== undefined) return Number(port);
    await delay(10);
  }
}
