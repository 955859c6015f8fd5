import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { DASHBOARDS, dashboardFile } from '../../grafana/all.ts';
import { dashboardJson } from '../../grafana/dashboard.ts';
import { METRIC_NAMES } from '../../src/metrics/definitions.ts';
import { metricOf, namesIn, strangers } from './expressions.ts';
import { checkRules, withoutPromtool } from './promtool.ts';
import { expressionsOf } from './queries.ts';

const FOLDER = new URL('../../grafana/dashboards/', import.meta.url);

t.test('the files are what the source says', async (t) => {
  t.same(readdirSync(FOLDER).sort(), DASHBOARDS.map((one) => dashboardFile(one).name).sort());
  for (const dashboard of DASHBOARDS) {
    const { name, text } = dashboardFile(dashboard);
    t.equal(readFileSync(new URL(name, FOLDER), 'utf8'), text, `${name}: make dashboards brings it up to date`);
  }
});

t.test('they show the metrics of the table: all of them, and no others', async (t) => {
  const shown = new Set<string>();
  for (const { id, rows } of DASHBOARDS) {
    for (const { options } of rows.flatMap(({ panels }) => panels)) {
      for (const { expr } of options.queries) {
        t.strictSame(strangers(expr), [], `${id}: ${options.title}`);
        for (const name of namesIn(expr)) shown.add(metricOf(name) ?? name);
      }
    }
  }
  for (const name of METRIC_NAMES) t.ok(shown.has(name), `${name} is shown`);
});

t.test('panels say what they are, and fill no place twice', async (t) => {
  for (const dashboard of DASHBOARDS) {
    const { panels } = dashboardJson(dashboard) as { panels: { gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[] };
    const taken = new Set<string>();
    for (const { gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          if (x >= 24 || taken.has(`${x} ${y}`)) t.fail(`${dashboard.id}: column ${x}, line ${y}`);
          taken.add(`${x} ${y}`);
        }
      }
    }
    for (const { options } of dashboard.rows.flatMap((row) => row.panels)) {
      t.match(options.description, /\.$/, options.title);
      t.ok(options.queries.length > 0 && options.queries.length <= 5, `${options.title} asks little`);
    }
  }
});

t.test('Prometheus understands every query', { skip: withoutPromtool }, async (t) => {
  const rules = expressionsOf(DASHBOARDS).map(({ expr }, at) => ({ record: `query:${at}`, expr }));
  t.equal(checkRules(JSON.stringify({ groups: [{ name: 'queries', rules }] })), '');
});
