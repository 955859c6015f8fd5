import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ALERTS } from './alerts.ts';
import { strangers } from './expressions.ts';
import { checkRules, unitTest, withoutPromtool } from './promtool.ts';

const RULES = fileURLToPath(new URL('../../grafana/prometheus/vast-ost.rules.yml', import.meta.url));
const text = readFileSync(RULES, 'utf8');
const names = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
/** As Prometheus would call the series of one engine. */
const ofEngine = (series: string): string => {
  const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
  return `${name}{job="vast-ost",instance="e:9180"${labels === '' ? '' : `,${labels}`}}`;
};

t.test('the rules speak of the metrics of the table', async (t) => {
  t.strictSame(strangers(text), []);
  t.strictSame([...new Set(ALERTS.map(({ alert }) => alert))].sort(), [...names].sort(), 'each alert has a test');
  for (const [, rule = ''] of text.matchAll(/- alert: ((?:.|\n)*?)(?=\n\n|$)/g))
    t.match(rule, /severity: (critical|warning) (?:.|\n)*summary: (?:.|\n)*description: \S.*\.$/m, rule.slice(0, 30));
});

t.test('docs/grafana.md names every alert', async (t) => {
  const page = readFileSync(new URL('../../docs/grafana.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| .* \| (VastOst.*) \|$/gm)].flatMap(([line]) => line.match(/VastOst\w+/g) ?? []);
  t.strictSame(told.sort(), [...names].sort());
  t.match(page, `${names.length} alerts`);
});

t.test('Prometheus understands them', { skip: withoutPromtool }, async (t) => {
  t.equal(checkRules(text), '');
});

t.test('alerts speak when something is wrong, and not before', { skip: withoutPromtool }, async (t) => {
  const scenes = ALERTS.map(({ alert, series, silent, speaks }) => {
    const expr = `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`;
    return {
      interval: '1m',
      series: Object.fromEntries(Object.entries(series).map(([name, values]) => [ofEngine(name), values])),
      checks: [
        { expr, at: silent, gives: { '{}': 0 } },
        { expr, at: speaks, gives: { '{}': 1 } },
      ],
    };
  });
  t.equal(unitTest(RULES, scenes), '');
});
