import { readFileSync } from 'node:fs';
import t from 'tap';
import { METRIC_NAMES } from '../../src/metrics/definitions.ts';
import { metricsReference } from './reference.ts';

const DOCS = new URL('../../docs/', import.meta.url);
const page = readFileSync(new URL('metrics.md', DOCS), 'utf8');

t.test('docs/metrics.md has the tables of the registry', async (t) => {
  const [, tables = ''] = page.split(/<!-- reference: .* -->\n\n/);
  t.equal(tables, metricsReference(), 'make docs/metrics.md brings it up to date');
  for (const name of METRIC_NAMES) t.ok(tables.includes(`| \`${name}\` |`), name);
});

t.test('what is said about metrics elsewhere names ones that exist', async (t) => {
  for (const file of ['metrics.md', 'service.md', 'grafana.md']) {
    const text = readFileSync(new URL(file, DOCS), 'utf8');
    for (const [name] of text.matchAll(/\bvast_ost_[a-z_]+/g))
      t.ok(
        METRIC_NAMES.some((known) => known === name),
        name,
      );
  }
});
