import type { PlainRow } from '../../cluster/records.ts';
import type { Route } from '../context.ts';
import { answerList } from '../listing.ts';
import { type Resource, resourceRoutes } from '../resource.ts';
import { invalidReference } from '../vms-error.ts';

const CLONES = ['LOCAL', 'NATIVE_REPLICATION', 'CLOUD_REPLICATION'];

const POLICIES: Resource<PlainRow> = {
  name: 'protectionpolicies',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.protectionPolicies,
  fields: {
    name: { kind: 'text', required: true },
    prefix: { kind: 'text', required: true },
    clone_type: { kind: 'text', required: true, choices: CLONES },
    frames: { kind: 'object', required: true },
    indestructible: { kind: 'bool', initial: false },
    target_object_id: { kind: 'int' },
    tenant_id: { kind: 'int' },
  },
};

const PATHS: Resource<PlainRow> = {
  name: 'protectedpaths',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.protectedPaths,
  fields: {
    name: { kind: 'text', required: true },
    source_dir: { kind: 'text', required: true },
    target_exported_dir: { kind: 'text', required: true },
    tenant_id: { kind: 'int', required: true },
    protection_policy_id: { kind: 'int' },
    remote_target_id: { kind: 'int' },
    enabled: { kind: 'bool', initial: true },
    sync_interval: { kind: 'int' },
    capabilities: { kind: 'text' },
  },
  prepare: (body, { state }) => {
    const { protection_policy_id: policy } = body;
    if (policy !== null && state.protectionPolicies.get(policy as number) === undefined) {
      throw invalidReference('protection_policy_id', policy);
    }
    return body;
  },
  computed: (_, { now }) => ({
    state: 'ACTIVE',
    health: 'HEALTHY',
    role: 'SOURCE',
    progress: 100,
    last_restore_point_time: now,
    estimated_read_only_time: 0,
  }),
};

/** What replication runs to and what it leaves behind; the simulator replicates nothing. */
const EMPTY = [
  'replicationstreams',
  'replicationrestorepoints',
  'nativereplicationremotetargets',
  'replicationtargets',
];

export const PROTECTION_ROUTES: readonly Route[] = [
  ...resourceRoutes(POLICIES),
  ...resourceRoutes(PATHS),
  ...EMPTY.map((name): Route => ({ method: 'GET', path: `/${name}/`, run: (context) => answerList(context, []) })),
];
