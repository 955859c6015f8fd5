import type { ViewRow } from '../vms/rows.ts';
import type { Found } from './found.ts';
import { lockFields, lockProblem } from './lock-fields.ts';
import { dataPaths, ownName, policyName, uidOf, type Wanted, type WantedLsu } from './wanted.ts';

/** Access keys that a user may have, says the manual. */
export const MAX_KEYS = 2;

export type StepKind = 'tenant' | 'policy' | 'user' | 'keys' | 'view' | 'quota' | 'lifecycle rule';

/** One thing to do. Numbers of what is not there yet (tenant, policy, view) are filled in when it is done. */
export interface Step {
  readonly action: 'create' | 'change';
  readonly kind: StepKind;
  /** For people, and to find it again. */
  readonly name: string;
  /** The LSU it is for. */
  readonly lsu?: string;
  /** What is changed. */
  readonly id?: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What stands in the way; with any of these nothing is done. */
  readonly problems: readonly string[];
}

/** What must be done so that the cluster has what is wanted. Pure; the same again gives an empty plan. */
export function planProvision(wanted: Wanted, found: Found): Plan {
  const steps: Step[] = [];
  const problems: string[] = [];
  const add = (step: Step | undefined): void => {
    if (step !== undefined) steps.push(step);
  };
  if (wanted.lsus.length === 0) problems.push(`no LSU is wanted: name them with lsus in [server ${wanted.server}]`);
  add(tenantStep(wanted, found));
  for (const data of dataPaths(wanted)) add(policyStep(wanted, data, found, problems));
  if (wanted.data === 's3') {
    for (const step of userSteps(wanted, found, problems)) add(step);
  } else {
    add(rootStep(wanted, found, problems));
  }
  for (const lsu of wanted.lsus) {
    add(viewStep(wanted, lsu, found, problems));
    add(quotaStep(wanted, lsu, found));
    if (lsu.data === 's3') add(ruleStep(wanted, lsu, found));
  }
  return { steps, problems };
}

function tenantStep(wanted: Wanted, found: Found): Step | undefined {
  if (wanted.tenant === undefined || found.tenant !== undefined || !found.tenantsVisible) return undefined;
  return { action: 'create', kind: 'tenant', name: wanted.tenant, fields: { name: wanted.tenant } };
}

function policyStep(wanted: Wanted, data: Wanted['data'], found: Found, problems: string[]): Step | undefined {
  const flavor = data === 's3' ? 'S3_NATIVE' : 'NFS';
  const name = policyName(wanted, data);
  const policy = found.policies.get(name);
  if (name === wanted.policy) {
    if (policy === undefined) problems.push(`there is no view policy ${name}`);
    return undefined;
  }
  const clients = [...wanted.nfsClients];
  if (data === 'nfs' && clients.length === 0) problems.push('nobody may mount: set nfs_clients');
  const access = data === 's3' ? {} : { nfs_read_write: clients, nfs_no_squash: clients };
  if (policy === undefined) return { action: 'create', kind: 'policy', name, fields: { name, flavor, ...access } };
  if (policy.flavor && policy.flavor !== flavor) {
    problems.push(`the view policy ${name} has the flavor ${policy.flavor}, not ${flavor}`);
  }
  const same =
    data === 's3' || [policy.nfs_read_write, policy.nfs_no_squash].every((list) => sameNames(list ?? [], clients));
  return same ? undefined : { action: 'change', kind: 'policy', name, id: policy.id, fields: access };
}

function userSteps(wanted: Wanted, found: Found, problems: string[]): Step[] {
  const steps: Step[] = [];
  const { user: name } = wanted;
  if (found.user === undefined)
    steps.push({ action: 'create', kind: 'user', name, fields: { name, uid: uidOf(name) } });
  const keys = found.user?.access_keys ?? [];
  if (found.keyInFile !== undefined) {
    if (keys.some(({ access_key }) => access_key === found.keyInFile)) return steps;
    problems.push(
      `the credentials file has a key that is not one of the user ${name}; move the file away to get a new key`,
    );
  } else if (keys.length >= MAX_KEYS) {
    problems.push(`the user ${name} has ${keys.length} access keys already; delete one of them`);
  }
  steps.push({ action: 'create', kind: 'keys', name, fields: {} });
  return steps;
}

/** With NFS the directory above the LSUs is mounted, so it needs a view of its own. */
function rootStep(wanted: Wanted, found: Found, problems: string[]): Step | undefined {
  for (const { name, path } of wanted.lsus) {
    if (path !== `${wanted.viewPath}/${name}`)
      problems.push(`${name}: with NFS its path must be ${wanted.viewPath}/${name}`);
  }
  if (found.views.some(({ path }) => path === wanted.viewPath)) return undefined;
  const fields = { path: wanted.viewPath, name: ownName(wanted.server), protocols: ['NFS', 'NFS4'], create_dir: true };
  return { action: 'create', kind: 'view', name: wanted.viewPath, fields };
}

function viewStep(wanted: Wanted, lsu: WantedLsu, found: Found, problems: string[]): Step | undefined {
  const s3 = lsu.data === 's3';
  const complain = (what: string): void => void problems.push(`${lsu.name}: ${what}`);
  if (lsu.lock !== undefined && !s3) complain('object lock needs data = s3');
  const missing = lockProblem(lsu, found.can);
  if (missing !== undefined) complain(missing);
  const protocols = s3 ? ['S3'] : ['NFS', 'NFS4'];
  const view = found.views.find(({ path }) => path === lsu.path);
  const elsewhere = s3 ? found.buckets.get(lsu.name) : undefined;
  if (elsewhere !== undefined && elsewhere.id !== view?.id)
    complain(`the bucket is there already, at ${elsewhere.path}`);
  if (view === undefined) {
    const own = s3 ? { bucket: lsu.name, bucket_owner: wanted.user } : {};
    const name = ownName(wanted.server, lsu.name);
    const fields = { path: lsu.path, name, protocols, create_dir: true, ...own, ...lockFields(lsu, found.can) };
    return { action: 'create', kind: 'view', name: lsu.path, lsu: lsu.name, fields };
  }
  if (s3 && view.bucket && view.bucket !== lsu.name) complain(`the view ${lsu.path} is the bucket ${view.bucket}`);
  if (s3 && view.bucket_owner && view.bucket_owner !== wanted.user)
    complain(`the bucket belongs to ${view.bucket_owner}`);
  const fields = viewChanges(wanted, lsu, view, found, protocols);
  if (Object.keys(fields).length === 0) return undefined;
  return { action: 'change', kind: 'view', name: lsu.path, lsu: lsu.name, id: view.id, fields };
}

/** Only what is missing: protocols that others added, and a lock, are never taken away. */
function viewChanges(
  wanted: Wanted,
  lsu: WantedLsu,
  view: ViewRow,
  found: Found,
  protocols: readonly string[],
): Step['fields'] {
  const spoken = view.protocols ?? [];
  const locked = view.locking === true || view.s3_locks === true;
  const lockMissing = lsu.lock !== undefined && !locked;
  const versionsMissing = (lsu.versioning || lsu.lock !== undefined) && view.s3_versioning !== true;
  return {
    ...(protocols.every((name) => spoken.includes(name)) ? {} : { protocols: [...new Set([...spoken, ...protocols])] }),
    ...(lsu.data === 's3' && !view.bucket ? { bucket: lsu.name, bucket_owner: wanted.user } : {}),
    ...(lockMissing || versionsMissing ? lockFields(lsu, found.can) : {}),
  };
}

/** Also without a limit: a quota is what tells how much an LSU uses. */
function quotaStep(wanted: Wanted, lsu: WantedLsu, found: Found): Step | undefined {
  const limits = {
    ...(lsu.quota === undefined ? {} : { hard_limit: lsu.quota }),
    ...(lsu.softQuota === undefined ? {} : { soft_limit: lsu.softQuota }),
  };
  const common = { kind: 'quota', name: lsu.path, lsu: lsu.name } as const;
  const quota = found.quotas.find(({ path }) => path === lsu.path);
  if (quota === undefined) {
    const fields = { name: ownName(wanted.server, lsu.name), path: lsu.path, ...limits };
    return { ...common, action: 'create', fields };
  }
  const same = Object.entries(limits).every(([key, value]) => quota[key] === value);
  return same ? undefined : { ...common, action: 'change', id: quota.id, fields: limits };
}

function ruleStep(wanted: Wanted, lsu: WantedLsu, found: Found): Step | undefined {
  const name = ownName(wanted.server, lsu.name);
  const fields = { enabled: true, abort_mpu_days_after_initiation: wanted.abortUploadsDays };
  const common = { kind: 'lifecycle rule', name, lsu: lsu.name } as const;
  const rule = found.rules.find((one) => one.name === name);
  if (rule === undefined) return { ...common, action: 'create', fields: { name, ...fields } };
  const same = rule.enabled === true && rule.abort_mpu_days_after_initiation === wanted.abortUploadsDays;
  return same ? undefined : { ...common, action: 'change', id: rule.id, fields };
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name));
}
