import { definitionOf, METRIC_NAMES, type MetricDefinition, type MetricName } from '../../src/metrics/definitions.ts';

/** Labels that Prometheus and histograms add. */
const ADDED = ['job', 'instance', 'le'];
/** Labels whose values the table shows by examples. */
const OPEN: readonly string[] = ['stage', 'operation', 'reason', 'result'];

/** The metric behind a series' name. */
export function metricOf(name: string): MetricName | undefined {
  const bare = name.replace(/_(bucket|sum|count)$/, '');
  return METRIC_NAMES.find((known) => known === name || known === bare);
}

/** Names of our metrics, and of those that look like ours, in a text. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/\b(?:vast_ost|process)_[a-z_]+/g)].map(([name]) => name);
}

/** What an expression or a text with some says of metrics that the table does not know: names, labels, values. */
export function strangers(text: string): string[] {
  const found: string[] = [];
  for (const name of namesIn(text)) if (metricOf(name) === undefined) found.push(name);
  for (const [, name = '', selector = ''] of text.matchAll(/\b((?:vast_ost|process)_[a-z_]+)\{([^}]*)\}/g)) {
    const metric = metricOf(name);
    if (metric === undefined) continue;
    const { labels }: MetricDefinition = definitionOf(metric);
    for (const [, label = '', value = ''] of selector.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)) {
      const meaning = labels[label];
      if (meaning === undefined && !ADDED.includes(label)) found.push(`${name}{${label}}`);
      if (meaning === undefined || value.startsWith('$') || OPEN.includes(label)) continue;
      for (const one of value.split('|')) if (!meaning.includes(`\`${one}\``)) found.push(`${name}{${label}="${one}"}`);
    }
  }
  return found;
}
