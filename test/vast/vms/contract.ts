/**
 * What the management API takes, by release, as far as we use it. Written from the facts about the published schemas: Terraform
 * provider 1.7 (5.0–5.2) and 2.0 (5.3), go-vast-client (5.5), and what the vendor's clients send. Every request that a test sees is
 * checked against this table: see FakeVms.
 */

export type Release = '5.0' | '5.1' | '5.2' | '5.3' | '5.4' | '5.5';
export const RELEASES: readonly Release[] = ['5.0', '5.1', '5.2', '5.3', '5.4', '5.5'];

interface Field {
  readonly required?: boolean;
  readonly since?: Release;
  /** First release that does not know it any more. */
  readonly until?: Release;
}

interface Endpoint {
  readonly method: string;
  /** Below `/api/<ver>/`; `#` is a number or an id. */
  readonly resource: string;
  readonly since?: Release;
  /** Query keys. */
  readonly query?: readonly string[];
  readonly body?: Readonly<Record<string, Field>>;
}

const must: Field = { required: true };
const may: Field = {};
const since = (release: Release): Field => ({ since: release });
const PAGE = ['page', 'page_size'];

const viewBody: Readonly<Record<string, Field>> = {
  path: must,
  policy_id: must,
  name: may,
  tenant_id: may,
  protocols: may,
  create_dir: may,
  create_dir_mode: may,
  alias: may,
  bucket: may,
  bucket_owner: may,
  s3_versioning: may,
  s3_locks: { until: '5.3' },
  s3_locks_retention_period: { until: '5.3' },
  s3_locks_retention_mode: may,
  locking: since('5.1'),
  default_retention_period: since('5.1'),
  min_retention_period: since('5.1'),
  max_retention_period: since('5.1'),
};

const optional = (body: Readonly<Record<string, Field>>): Readonly<Record<string, Field>> =>
  Object.fromEntries(Object.entries(body).map(([name, field]) => [name, { ...field, required: false }]));

const policyBody: Readonly<Record<string, Field>> = {
  name: must,
  flavor: may,
  tenant_id: may,
  nfs_read_write: may,
  nfs_no_squash: may,
  nfs_root_squash: may,
  s3_read_write: may,
};

const quotaBody: Readonly<Record<string, Field>> = {
  name: must,
  path: must,
  tenant_id: may,
  hard_limit: may,
  soft_limit: may,
  grace_period: may,
  create_dir: may,
};

const lifecycleBody: Readonly<Record<string, Field>> = {
  name: must,
  view_id: must,
  enabled: may,
  prefix: may,
  abort_mpu_days_after_initiation: may,
};

const read = (resource: string, query: readonly string[] = [], more: { since?: Release } = {}): Endpoint[] => [
  { method: 'GET', resource: `${resource}/`, query, ...more },
  { method: 'GET', resource: `${resource}/#/`, ...more },
];
const all = (
  resource: string,
  body: Readonly<Record<string, Field>>,
  query: readonly string[] = PAGE,
  removal: readonly string[] = [],
): Endpoint[] => [
  ...read(resource, query),
  { method: 'POST', resource: `${resource}/`, body },
  { method: 'PATCH', resource: `${resource}/#/`, body: optional(body) },
  { method: 'DELETE', resource: `${resource}/#/`, query: removal },
];

const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', resource: 'token/', body: { username: must, password: must } },
  { method: 'POST', resource: 'token/refresh/', body: { refresh: must } },
  { method: 'GET', resource: 'versions/', query: ['status', ...PAGE] },
  ...read('clusters'),
  ...all('tenants', { name: must, client_ip_ranges: may }),
  ...all('views', viewBody, [...PAGE, 'name', 'path', 'bucket', 'tenant_id'], ['force']),
  ...all('viewpolicies', policyBody, [...PAGE, 'name', 'tenant_id']),
  ...all('users', {
    name: must,
    uid: may,
    local_provider_id: { required: false, since: '5.3' },
    allow_create_bucket: may,
    allow_delete_bucket: may,
  }),
  { method: 'POST', resource: 'users/#/access_keys/', body: { tenant_id: since('5.1') } },
  { method: 'DELETE', resource: 'users/#/access_keys/', body: { access_key: must } },
  ...all('quotas', quotaBody, [...PAGE, 'path', 'name', 'tenant_id']),
  ...all('s3lifecyclerules', lifecycleBody),
  ...read('snapshots', [...PAGE, 'path', 'name', 'state']),
  { method: 'GET', resource: 'capacity/', query: ['path', 'type', 'tenant_id'] },
  ...read('vippools', ['page', 'tenant_id']),
  ...read('vips', ['page']),
  ...read('events', [...PAGE, 'timestamp__gte', 'timestamp__lte']),
  ...read('alarms', [...PAGE, 'timestamp__gte', 'timestamp__lte']),
  ...read('protectionpolicies', ['page']),
  ...read('protectedpaths', ['page']),
  ...read('replicationstreams', ['page']),
  ...read('replicationtargets', ['page']),
  { method: 'GET', resource: 'vtasks/#/' },
  { method: 'GET', resource: 'apitokens/', since: '5.3' },
  { method: 'POST', resource: 'apitokens/', since: '5.3', body: { owner: must, name: must, expiry_date: may } },
  { method: 'PATCH', resource: 'apitokens/#/revoke', since: '5.3' },
];

/** Which path versions a release answers; 5.0 has v4, later ones v5. */
const PATHS: Readonly<Record<Release, readonly string[]>> = {
  '5.0': ['v1', 'v2', 'v3', 'v4', 'latest'],
  '5.1': ['v1', 'v4', 'v5', 'latest'],
  '5.2': ['v1', 'v4', 'v5', 'latest'],
  '5.3': ['v1', 'v4', 'v5', 'latest'],
  '5.4': ['v1', 'v4', 'v5', 'v6', 'latest'],
  '5.5': ['v1', 'v4', 'v5', 'v6', 'v7', 'latest'],
};

export interface SeenRequest {
  readonly method: string;
  /** `/api/v5/views/` */
  readonly pathname: string;
  readonly search: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** Fields of the published user schema become required where a provider must be named. */
function needs(field: Field): boolean {
  return field.required === true;
}

/** True when the release answers at this path version at all; a 404 for it is how a client finds the right one. */
export function knowsPath(pathname: string, release: Release): boolean {
  const version = /^\/api\/([^/]+)\//.exec(pathname)?.[1] ?? '';
  return PATHS[release].includes(version);
}

/** What is wrong with a request in the eyes of the release, '' when nothing is. */
export function complaint(request: SeenRequest, release: Release): string {
  const { method, pathname, search, headers, body = {} } = request;
  const before = (other: Release | undefined): boolean =>
    other !== undefined && RELEASES.indexOf(release) < RELEASES.indexOf(other);
  const resource = pathname.replace(/^\/api\/[^/]+\//, '');
  if (!resource.endsWith('/') && !resource.endsWith('/revoke')) return `${resource} has no trailing slash`;
  const generic = resource.replaceAll(/(?<=\/)[0-9][^/]*(?=\/)/g, '#');
  const endpoint = ENDPOINTS.find((one) => one.method === method && one.resource === generic);
  if (endpoint === undefined) return `${method} ${resource} is in no schema`;
  if (before(endpoint.since)) return `${method} ${resource} is not before ${endpoint.since}`;
  if (headers['x-tenant-name'] !== undefined && before('5.3')) return 'X-Tenant-Name is not before 5.3';
  if (/^Api-Token/.test(String(headers['authorization'])) && before('5.3')) return 'Api-Token is not before 5.3';
  for (const key of search.keys()) if (!(endpoint.query ?? []).includes(key)) return `${resource} has no query ${key}`;
  for (const [name, field] of Object.entries(endpoint.body ?? {})) {
    if (needs(field) && body[name] === undefined) return `${method} ${resource} needs ${name}`;
  }
  for (const name of Object.keys(body)) {
    const field = endpoint.body?.[name];
    if (field === undefined) return `${method} ${resource} has no field ${name}`;
    if (before(field.since)) return `${method} ${resource}: ${name} is not before ${field.since}`;
    if (field.until !== undefined && !before(field.until))
      return `${method} ${resource}: ${name} is gone since ${field.until}`;
  }
  return '';
}
