import type { Answer, Context, Ids, Route } from '../context.ts';
import { answerList } from '../listing.ts';
import { notFound } from '../vms-error.ts';

/** How much similarity and compression are said to save. */
const REDUCTION = 2.5;
const BUILD = '1234567';
/** An install long before any test. */
const INSTALLED = '2026-01-02T03:04:05Z';

export const CLUSTER_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/versions/', run: (context) => answerList(context, [version(context)]) },
  { method: 'GET', path: '/clusters/', run: (context) => answerList(context, clusters(context)) },
  { method: 'GET', path: '/clusters/:id/', run: readCluster },
  { method: 'GET', path: '/capacity/', run: capacity },
  {
    method: 'GET',
    path: '/health/',
    since: '5.5',
    open: true,
    run: () => ({ status: 200, body: { status: 'ok', db: 'ok', cache: 'ok' } }),
  },
  {
    method: 'POST',
    path: '/plugins/usage/',
    since: '5.2',
    run: () => ({ status: 200, body: {} }),
  },
];

function version({ release: { major, minor } }: Context) {
  const number = `${major}.${minor}.0`;
  return {
    id: 1,
    name: number,
    guid: '5d1f4c43-9b7e-4b47-9d2b-6d3b2a5b0001',
    build: `release-${major}-${minor}-0-${BUILD}`,
    sys_version: `${number}-${BUILD}`,
    os_version: '12.14',
    status: 'success',
    created: INSTALLED,
    title: number,
    url: '',
  };
}

/** Ours, and the peers that it replicates with: they come first, and only `local` tells which is which. */
function clusters(context: Context): Record<string, unknown>[] {
  const peers = context.state.peers.all().map((peer) => ({ ...peer, local: false, loopback: false, state: 'ONLINE' }));
  return [...peers, localCluster(context)];
}

/** Id of our own cluster; peers follow. */
export const LOCAL_CLUSTER_ID = 1;

/** Our cluster's row, sizes in bytes. */
export function localCluster(context: Context): Record<string, unknown> {
  const { release, capacityBytes, name, state, files } = context;
  const tenants = state.tenants.all();
  const used = tenants.reduce((sum, tenant) => sum + files.usage(tenant.id, '/').bytes, 0);
  const physical = Math.floor(capacityBytes / REDUCTION);
  const physicalUsed = Math.ceil(used / REDUCTION);
  const build = `release-${release.major}-${release.minor}-0-${BUILD}`;
  return {
    id: LOCAL_CLUSTER_ID,
    name,
    guid: '3b0c8a52-7f0e-4c0c-8d55-0a4f6f1c0001',
    local: true,
    loopback: true,
    sw_version: `${release.software}.14178074658457882785`,
    build,
    psnt: 'SIM0000001',
    state: 'ONLINE',
    drr: REDUCTION,
    drr_text: `${REDUCTION}:1`,
    logical_space: capacityBytes,
    logical_space_in_use: used,
    free_logical_space: Math.max(0, capacityBytes - used),
    physical_space: physical,
    physical_space_in_use: physicalUsed,
    free_physical_space: Math.max(0, physical - physicalUsed),
    usable_capacity_bytes: physical,
    free_usable_capacity: Math.max(0, physical - physicalUsed),
    auxiliary_space_in_use: 0,
    estore_capacity_in_use_bytes: physicalUsed,
    quotas_allocated_capacity: state.quotas.all().reduce((sum, quota) => sum + (quota.hard_limit ?? 0), 0),
    enable_similarity: true,
    enable_s3: true,
    s3_enable_v2_authentication: false,
    upgrade_state: 'DONE',
    upgrade_phase: '',
    ssd_raid_state: 'HEALTHY',
    nvram_raid_state: 'HEALTHY',
    url: `${context.baseUrl}/clusters/${LOCAL_CLUSTER_ID}`,
  };
}

function readCluster(context: Context, ids: Ids): Answer {
  const row = clusters(context).find(({ id }) => id === ids['id']);
  if (row === undefined) throw notFound();
  return { status: 200, body: row };
}

/** A path and its direct children; the shape is free-form in the schema. */
function capacity(context: Context): Answer {
  const path = context.query.get('path') ?? '/';
  const type = context.query.get('type') ?? 'usable';
  const tenant = context.tenantId ?? Number(context.query.get('tenant_id') ?? 1);
  const entry = (each: string) => {
    const { bytes, blockBytes, inodes } = context.files.usage(tenant, each);
    const usable = Math.ceil(blockBytes / REDUCTION);
    return [each, { data: [usable, usable, bytes], inodes }] as const;
  };
  const details = [path, ...context.files.children(tenant, path)].map(entry);
  return {
    status: 200,
    body: {
      keys: ['usable', 'unique', 'logical'],
      sort_key: type,
      time: context.now,
      details,
      root_data: details[0]?.[1].data,
    },
  };
}
