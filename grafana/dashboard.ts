import type { Panel } from './panel.ts';

/** Panels below a title. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface DashboardOptions {
  /** What follows `vast-ost-` in its uid and its file's name. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

const COLUMNS = 24;
/** Grafana 10.4 and later; older ones are read by all later ones. */
const SCHEMA = 39;

const datasource = { type: 'prometheus', uid: '$datasource' } as const;

/** A variable that takes the values of a label; all of them unless somebody chooses. */
function labelValues(name: string, label: string, from: string): object {
  const text = `label_values(${from}, ${name})`;
  return {
    name,
    label,
    type: 'query',
    datasource,
    definition: text,
    query: { query: text, refId: name },
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    refresh: 2,
    sort: 1,
  };
}

const VARIABLES = [
  { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {}, refresh: 1 },
  labelValues('instance', 'Engine', 'vast_ost_build_info'),
  labelValues('server', 'Storage server', 'vast_ost_events_total{instance=~"$instance"}'),
  labelValues('lsu', 'LSU', 'vast_ost_lsu_used_bytes{instance=~"$instance",server=~"$server"}'),
];

/** The dashboard as Grafana reads it. */
export function dashboardJson({ id, title, description, rows }: DashboardOptions): object {
  const panels: object[] = [];
  let y = 0;
  const add = (json: object, w: number, h: number, x: number): void => {
    panels.push({ id: panels.length + 1, gridPos: { x, y, w, h }, ...json });
  };
  for (const row of rows) {
    add({ type: 'row', title: row.title, collapsed: false, panels: [] }, COLUMNS, 1, 0);
    y += 1;
    let [x, tallest] = [0, 0];
    for (const { options, height, json } of row.panels) {
      const width = options.width ?? 12;
      if (x + width > COLUMNS) {
        y += tallest;
        [x, tallest] = [0, 0];
      }
      add(json, width, height, x);
      x += width;
      tallest = Math.max(tallest, height);
    }
    y += tallest;
  }
  return {
    uid: `vast-ost-${id}`,
    title: `vast-ost / ${title}`,
    description,
    tags: ['vast-ost'],
    schemaVersion: SCHEMA,
    version: 1,
    editable: false,
    graphTooltip: 1,
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    templating: { list: VARIABLES },
    links: [
      {
        type: 'dashboards',
        icon: 'external link',
        tooltip: '',
        url: '',
        targetBlank: false,
        tags: ['vast-ost'],
        title: 'vast-ost',
        asDropdown: false,
        includeVars: true,
        keepTime: true,
      },
    ],
    panels,
  };
}
