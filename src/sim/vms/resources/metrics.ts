import type { PlainRow } from '../../cluster/records.ts';
import type { Answer, Context, Ids, Route } from '../context.ts';
import { answerList } from '../listing.ts';
import { type Resource, resourceRoutes, rowOf } from '../resource.ts';
import { fieldError, listError } from '../vms-error.ts';
import { LOCAL_CLUSTER_ID, localCluster } from './clusters.ts';

/** Time between two rows of metrics, milliseconds. */
const STEP_MS = 10_000;
const MAX_ROWS = 1000;
const CAPACITY = ['drr', 'logical_space', 'logical_space_in_use', 'physical_space', 'physical_space_in_use'];
const PROTOCOLS = ['S3Common', 'NFSCommon', 'NFS4Common', 'SMBCommon', 'ProtoAll'];
const RATES = ['iops', 'bw', 'rd_bw', 'wr_bw', 'rd_iops', 'wr_iops', 'md_iops'];

/** What can be asked for. Nothing is measured: rates are 0, capacities are true. */
const CATALOGUE = [
  ...CAPACITY.map((name) => `Capacity,${name}`),
  ...PROTOCOLS.flatMap((protocol) => RATES.map((rate) => `ProtoMetrics,proto_name=${protocol},${rate}`)),
];

const MONITORS: Resource<PlainRow> = {
  name: 'monitors',
  verbs: ['list', 'read', 'create', 'remove'],
  rows: (state) => state.monitors,
  fields: {
    name: { kind: 'text', required: true },
    object_type: { kind: 'text', required: true },
    prop_list: { kind: 'texts', required: true },
    time_frame: { kind: 'text', initial: '5m' },
    object_ids: { kind: 'ints', initial: [] },
  },
};

export const METRIC_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/monitors/ad_hoc_query/', run: adHocQuery },
  ...resourceRoutes(MONITORS),
  { method: 'GET', path: '/monitors/:id/query/', run: queryMonitor },
  {
    method: 'GET',
    path: '/metrics/',
    run: (context) =>
      answerList(
        context,
        CATALOGUE.map((fqn, index) => ({ id: index + 1, fqn, name: fqn })),
      ),
  },
  { method: 'GET', path: '/prometheusmetrics/', slash: 'optional', run: (context) => prometheus(context, ['cluster']) },
  {
    method: 'GET',
    path: '/prometheusmetrics/all/',
    slash: 'optional',
    run: (context) => prometheus(context, ['cluster', 'views', 'quotas']),
  },
  {
    method: 'GET',
    path: '/prometheusmetrics/views/',
    slash: 'optional',
    run: (context) => prometheus(context, ['views']),
  },
  {
    method: 'GET',
    path: '/prometheusmetrics/quotas/',
    slash: 'optional',
    run: (context) => prometheus(context, ['quotas']),
  },
];

function adHocQuery(context: Context): Answer {
  const { query } = context;
  if (!query.has('object_type')) throw fieldError('object_type', 'This field is required.');
  const properties = query.getAll('prop_list').flatMap(splitProperties);
  return answerQuery(context, properties, query.get('time_frame') ?? '5m');
}

function queryMonitor(context: Context, ids: Ids): Answer {
  const monitor = rowOf(context.state.monitors, ids['id'], context);
  const frame = context.query.get('time_frame') ?? String(monitor['time_frame']);
  return answerQuery(context, monitor['prop_list'] as string[], frame);
}

/** Property names hold commas themselves: one parameter is one property. */
function splitProperties(text: string): string[] {
  return text === '' ? [] : [text];
}

/** Newest row first, as manila's test data has it; the newest one is not complete yet. */
function answerQuery(context: Context, asked: readonly string[], frame: string): Answer {
  if (asked.length === 0) throw fieldError('prop_list', 'This field is required.');
  const unknown = asked.find((name) => !CATALOGUE.includes(name));
  if (unknown !== undefined) throw listError('metrics not available');
  if (new Set(asked.map((name) => name.split(',')[0])).size > 1) throw listError("can't mix properties");
  const { nullMetrics, permuteProperties } = context.faults.modes;
  const properties = permuteProperties ? asked.toReversed() : [...asked];
  const cluster = localCluster(context);
  const values = properties.map((name) => (name.startsWith('Capacity,') ? cluster[name.slice('Capacity,'.length)] : 0));
  const newest = Math.floor(Date.parse(context.now) / STEP_MS) * STEP_MS;
  const rows = Math.max(1, Math.min(MAX_ROWS, Math.floor(frameMs(frame) / STEP_MS)));
  const data = Array.from({ length: rows }, (_, index) => {
    const time = new Date(newest - index * STEP_MS).toISOString().replace('.000', '');
    return [time, LOCAL_CLUSTER_ID, ...(index === 0 && nullMetrics ? values.map(() => null) : values)];
  });
  const body = {
    object_ids: [LOCAL_CLUSTER_ID],
    prop_list: ['timestamp', 'object_id', ...properties],
    data,
    granularity: null,
  };
  return { status: 200, body };
}

/** `5m`, `2h`, `1D`; milliseconds. */
function frameMs(frame: string): number {
  const [, count = '', unit = ''] = /^(\d{1,4})([smhDdwM])$/.exec(frame) ?? [];
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, D: 86_400, w: 604_800, M: 2_592_000 };
  if (count === '') throw fieldError('time_frame', 'Invalid time frame.');
  return Number(count) * (units[unit] ?? 0) * 1000;
}

type Page = 'cluster' | 'views' | 'quotas';

/** Gauges in Prometheus's text format. */
function prometheus(context: Context, pages: readonly Page[]): Answer {
  const lines = pages.flatMap((page) => GAUGES[page](context));
  return { status: 200, text: `${lines.join('\n')}\n` };
}

const label = (text: unknown) => String(text).replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));

const GAUGES: Readonly<Record<Page, (context: Context) => string[]>> = {
  cluster: (context) => {
    const cluster = localCluster(context);
    return CAPACITY.flatMap((name) => [
      `# TYPE vast_cluster_${name} gauge`,
      `vast_cluster_${name}{cluster="${label(context.name)}"} ${cluster[name]}`,
    ]);
  },
  views: ({ state, files }) => [
    '# TYPE vast_view_logical_capacity gauge',
    ...state.views
      .all()
      .map(
        ({ path, tenant_id }) =>
          `vast_view_logical_capacity{path="${label(path)}"} ${files.usage(tenant_id, path).bytes}`,
      ),
  ],
  quotas: ({ state, files }) => [
    '# TYPE vast_quota_used_capacity gauge',
    ...state.quotas
      .all()
      .map(
        ({ path, tenant_id }) =>
          `vast_quota_used_capacity{path="${label(path)}"} ${files.usage(tenant_id, path).bytes}`,
      ),
  ],
};
