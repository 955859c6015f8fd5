import { definitionOf, METRIC_NAMES, type MetricDefinition, type MetricName } from '../../src/metrics/definitions.ts';

/** Sections of the reference, by what the names begin with; the first that fits counts. */
const SECTIONS: readonly (readonly [title: string, names: RegExp])[] = [
  ['Images', /^vast_ost_(image|images|last_success|checksum)_/],
  ['Pipeline and memory', /^vast_ost_(stage|parts|memory|slots)/],
  ['Requests to storage and management', /^vast_ost_(requests?|retries|directory)_/],
  ['LSUs, management, VIPs, events', /^vast_ost_(lsu|scrub|vms|rotation|vip|events)_/],
  ['Host processes', /^vast_ost_(sessions|handles|host)/],
  ['Engine and process', /^/],
];

/** The tables of docs/metrics.md, as Markdown. */
export function metricsReference(): string {
  const left = new Set(METRIC_NAMES);
  const parts: string[] = [];
  for (const [title, pattern] of SECTIONS) {
    const names = [...left].filter((name) => pattern.test(name));
    for (const name of names) left.delete(name);
    parts.push(
      `### ${title}\n\n| metric | type | meaning | labels |\n|---|---|---|---|\n${names.map(row).join('\n')}\n`,
    );
  }
  return parts.join('\n');
}

function row(name: MetricName): string {
  const { type, help, labels, buckets }: MetricDefinition = definitionOf(name);
  const bounds = buckets === undefined ? '' : ` Buckets: ${buckets.join(', ')}.`;
  const named = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${values}`);
  return `| \`${name}\` | ${type} | ${help}${bounds} | ${named.join('<br>')} |`;
}
