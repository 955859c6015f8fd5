import type { PlainRow } from '../../cluster/records.ts';
import type { Answer, Context, Ids, Route } from '../context.ts';
import { type Resource, resourceRoutes, rowOf, showRow } from '../resource.ts';
import { showTask, startTask } from '../tasks.ts';
import { fieldError, invalidReference, listError, VmsError } from '../vms-error.ts';

/** What a snapshot keeps lies in the file system under a tenant of its own, which no request can name. */
const keptIn = (snapshot: number) => -snapshot;

const trimmed = (path: unknown) => String(path).replace(/(.)\/$/, '$1');

/** Paths of snapshots end with a slash, in VAST's own clients, where those of views do not. */
const SNAPSHOTS: Resource<PlainRow> = {
  name: 'snapshots',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.snapshots,
  fields: {
    name: { kind: 'text', required: true },
    path: { kind: 'text', required: true, fixed: true },
    tenant_id: { kind: 'int', fixed: true },
    expiration_time: { kind: 'time' },
    indestructible: { kind: 'bool', initial: false },
    locked: { kind: 'bool', initial: false },
  },
  computed: (row, { files }) => {
    const { blockBytes } = files.usage(keptIn(row.id), trimmed(row['path']));
    return { state: 'READY', type: 'USER', policy: null, aggr_phys_estimation: blockBytes, unique_phys_estimation: 0 };
  },
  prepare: (body, { state, files }) => {
    const tenant_id = (body['tenant_id'] as number | null) ?? 1;
    if (state.tenants.get(tenant_id) === undefined) throw invalidReference('tenant_id', tenant_id);
    const path = trimmed(body['path']);
    if (!files.exists(tenant_id, path)) throw fieldError('path', 'no such directory');
    const twin = state.snapshots.find((row) => row['name'] === body['name'] && trimmed(row['path']) === path);
    if (twin !== undefined) throw fieldError('name', 'snapshot with this name already exists.');
    return { ...body, tenant_id, path: path === '/' ? path : `${path}/` };
  },
  made: (row, { files }) => {
    const path = trimmed(row['path']);
    files.copy({ tenantId: row['tenant_id'] as number, path }, { tenantId: keptIn(row.id), path });
  },
  removing: (row, { files }) => {
    if (row['indestructible'] === true || row['locked'] === true) throw listError('snapshot is protected', 409);
    files.remove(keptIn(row.id), '/');
    return undefined;
  },
};

const STREAMS: Resource<PlainRow> = {
  name: 'globalsnapstreams',
  verbs: ['list', 'read'],
  rows: (state) => state.streams,
  fields: {},
  computed: (stream, context) => {
    const { state, external_state, done } = streamState(stream, context);
    return { state, external_state, sync_progress: done ? 100 : 0, status: { state: done ? 'FINISHED' : 'RUNNING' } };
  },
  hidden: ['task_id', 'suspended'],
};

/** The words are those that VAST's CSI driver waits for. */
function streamState(stream: PlainRow, context: Context) {
  const task = context.state.tasks.get(stream['task_id'] as number);
  const done = task === undefined || Date.parse(task.start_time) + task.duration_ms <= Date.parse(context.now);
  const state = stream['suspended'] === true ? 'Suspended' : done ? 'Completed' : 'Initializing';
  return { state, external_state: state, done };
}

export const SNAPSHOT_ROUTES: readonly Route[] = [
  ...resourceRoutes(SNAPSHOTS),
  { method: 'POST', path: '/snapshots/:id/clone/', run: clone },
  ...resourceRoutes(STREAMS),
  ...(['stop', 'pause', 'resume'] as const).map(
    (action): Route => ({
      method: 'PATCH',
      path: `/globalsnapstreams/:id/${action}/`,
      slash: 'optional',
      run: (context, ids) => actOnStream(context, ids, action),
    }),
  ),
  { method: 'DELETE', path: '/globalsnapstreams/:id/', run: removeStream },
  { method: 'POST', path: '/filesystem/clone/', since: '5.3', run: cloneDirectory },
];

function clone(context: Context, ids: Ids): Answer {
  const { state, files } = context;
  const snapshot = rowOf(state.snapshots, ids['id'], context);
  const { name, loanee_root_path: to, loanee_tenant_id: tenant = snapshot['tenant_id'] } = context.body;
  if (typeof name !== 'string') throw fieldError('name', 'This field is required.');
  if (typeof to !== 'string' || !to.startsWith('/')) throw fieldError('loanee_root_path', 'This field is required.');
  if (typeof tenant !== 'number' || state.tenants.get(tenant) === undefined) {
    throw invalidReference('loanee_tenant_id', tenant);
  }
  if (files.exists(tenant, trimmed(to))) throw listError(`path ${to} exists already`);
  const task = startTask(context, 'create clone');
  const from = trimmed(snapshot['path']);
  if (task.end === 'COMPLETED')
    files.copy({ tenantId: keptIn(snapshot.id), path: from }, { tenantId: tenant, path: trimmed(to) });
  const stream = state.streams.add((id) => ({
    id,
    name,
    source_path: snapshot['path'],
    loanee_root_path: to,
    tenant_id: tenant,
    enabled: context.body['enabled'] ?? true,
    loanee_snapshot_id: snapshot.id,
    task_id: task.id,
    suspended: task.end !== 'COMPLETED',
  }));
  return { status: 200, body: { ...showRow(STREAMS, stream, context), async_task: showTask(task, context) } };
}

function actOnStream(context: Context, ids: Ids, action: string): Answer {
  const stream = rowOf(context.state.streams, ids['id'], context);
  const task = startTask(context, `${action} clone`);
  const after = context.state.streams.replace({ ...stream, suspended: action !== 'resume' });
  return { status: 200, body: { ...showRow(STREAMS, after, context), async_task: showTask(task, context) } };
}

function removeStream(context: Context, ids: Ids): Answer {
  const stream = rowOf(context.state.streams, ids['id'], context);
  const task = startTask(context, 'delete clone');
  if (task.end === 'COMPLETED') {
    if (context.body['remove_dir'] === true) {
      context.files.remove(stream['tenant_id'] as number, trimmed(stream['loanee_root_path']));
    }
    context.state.streams.remove(stream.id);
  }
  return { status: 200, body: { async_task: showTask(task, context) } };
}

/** 5.3 and later. A refusal has the third shape of errors that was seen in the field. */
function cloneDirectory(context: Context): Answer {
  const { source_path: from, dest_path: to, tenant_id: tenant = context.tenantId ?? 1 } = context.body;
  if (typeof from !== 'string') throw new VmsError(400, ['__root__->source_path: field required']);
  if (typeof to !== 'string') throw new VmsError(400, ['__root__->dest_path: field required']);
  if (typeof tenant !== 'number' || !context.files.exists(tenant, trimmed(from))) throw listError('no such directory');
  context.files.copy({ tenantId: tenant, path: trimmed(from) }, { tenantId: tenant, path: trimmed(to) });
  return { status: 201, body: { source_path: from, dest_path: to, tenant_id: tenant } };
}
