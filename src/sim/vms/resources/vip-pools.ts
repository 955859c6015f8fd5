import { expandRanges } from '../../cluster/addresses.ts';
import type { VipPool } from '../../cluster/records.ts';
import type { Context, Route } from '../context.ts';
import type { Fields } from '../fields.ts';
import { answerList } from '../listing.ts';
import { type Resource, resourceRoutes } from '../resource.ts';
import { fieldError, invalidReference } from '../vms-error.ts';

const ROLES = ['PROTOCOLS', 'REPLICATION', 'BIG_CATALOG', 'QUERY_ENGINE_CNODE_GROUP'];

const FIELDS: Fields = {
  name: { kind: 'text', required: true },
  ip_ranges: { kind: 'ranges', required: true },
  subnet_cidr: { kind: 'int', required: true },
  gw_ip: { kind: 'text' },
  vlan: { kind: 'int' },
  role: { kind: 'text', choices: ROLES, initial: 'PROTOCOLS' },
  domain_name: { kind: 'text', initial: '' },
  tenant_id: { kind: 'int', since: '5.1' },
  cnode_ids: { kind: 'ints', initial: [] },
  enabled: { kind: 'bool', initial: true },
  port_membership: { kind: 'text', choices: ['LEFT', 'RIGHT', 'ALL'], initial: 'ALL' },
  enable_l3: { kind: 'bool', initial: false },
};
/** CNodes that the simulator pretends to have. */
const CNODES = 4;

const VIP_POOLS: Resource<VipPool> = {
  name: 'vippools',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.vipPools,
  fields: FIELDS,
  clusterOnly: true,
  computed: (pool, context) => ({
    active_cnode_ids: Array.from({ length: CNODES }, (_, index) => index + 1),
    active_interfaces: expandRanges(pool.ip_ranges).filter((address) => !context.isVipDown(address)).length,
    state: pool.enabled ? 'OK' : 'DISABLED',
    vip_allocation: 'DISTRIBUTED',
  }),
  prepare: (body, { state }) => {
    if (state.vipPools.find(({ name }) => name === body['name']) !== undefined) {
      throw fieldError('name', 'vip pool with this name already exists.');
    }
    const tenant = (body['tenant_id'] as number | null | undefined) ?? null;
    if (tenant !== null && state.tenants.get(tenant) === undefined) throw invalidReference('tenant_id', tenant);
    return { ...body, tenant_id: tenant };
  },
};

export const VIP_POOL_ROUTES: readonly Route[] = [
  ...resourceRoutes(VIP_POOLS),
  { method: 'GET', path: '/vips/', clusterOnly: true, run: (context) => answerList(context, vips(context)) },
  {
    method: 'GET',
    path: '/dns/',
    clusterOnly: true,
    run: (context) => {
      const suffix = context.state.vipPools.all().find(({ domain_name }) => domain_name !== '')?.domain_name ?? '';
      return answerList(context, [
        { id: 1, name: 'dns', vip: '127.0.0.1', domain_suffix: suffix, ttl: 0, enabled: true },
      ]);
    },
  },
];

/** Every address of every pool, spread evenly over the CNodes. */
function vips({ state, name }: Context) {
  let id = 0;
  return state.vipPools.all().flatMap((pool) =>
    expandRanges(pool.ip_ranges).map((ip) => {
      id += 1;
      const cnode = ((id - 1) % CNODES) + 1;
      return {
        id,
        ip,
        name: `${pool.name}-${ip}`,
        cnode: `cnode-${cnode}`,
        cnode__id: cnode,
        vippool: pool.name,
        vippool__id: pool.id,
        vippool__name: pool.name,
        cluster: name,
      };
    }),
  );
}
