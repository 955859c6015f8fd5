import { EngineError, failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { NewKey, VmsClient } from '../vms/client.ts';
import type { Found } from './found.ts';
import type { Step } from './plan.ts';
import type { MadeRecord } from './record.ts';
import { policyName, type Wanted } from './wanted.ts';

export interface ExecuteOptions extends RequestOptions {
  readonly record: MadeRecord;
  /** Keep a new key where the engine finds it. */
  readonly saveKey: (key: NewKey) => Promise<void>;
  /** Told when a step is done. */
  readonly onDone?: (step: Step) => void;
}

/** Numbers of what later steps build on. */
interface Numbers {
  tenant: number | undefined;
  provider: number | undefined;
  readonly policies: Map<string, number>;
  user: number | undefined;
  readonly views: Map<string, number>;
}

/**
 * Carry out a plan, step by step. What was made is recorded at once, so that a failure half-way leaves nothing unknown; the next
 * plan goes on from there.
 */
export async function executePlan(
  client: VmsClient,
  wanted: Wanted,
  found: Found,
  steps: readonly Step[],
  options: ExecuteOptions,
): Promise<void> {
  const numbers: Numbers = {
    tenant: found.tenant?.id,
    provider: found.tenant?.local_provider_id ?? found.tenant?.local_provider?.id,
    policies: new Map([...found.policies].map(([name, { id }]) => [name, id])),
    user: found.user?.id,
    views: new Map(found.views.map(({ path, id }) => [path, id])),
  };
  for (const step of steps) {
    options.signal?.throwIfAborted();
    if (step.kind === 'keys') await makeKey(client, numbers, step, options);
    else if (step.action === 'create') await create(client, wanted, found, numbers, step, options);
    else await change(client, step, options);
    options.onDone?.(step);
  }
}

interface Rows {
  create(body: object, options: RequestOptions): Promise<{ readonly id: number }>;
  update(id: number, body: object, options: RequestOptions): Promise<void>;
  list(options: RequestOptions): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Where the things of a step are. */
export function collectionOf(
  client: VmsClient,
  { kind }: Pick<Step, 'kind'>,
): Rows & Pick<VmsClient['views'], 'remove'> {
  switch (kind) {
    case 'tenant':
      return client.tenants;
    case 'policy':
      return client.policies;
    case 'view':
      return client.views;
    case 'quota':
      return client.quotas;
    case 'lifecycle rule':
      return client.lifecycleRules;
    default:
      return client.users;
  }
}

async function change(client: VmsClient, step: Step, options: ExecuteOptions): Promise<void> {
  try {
    await collectionOf(client, step).update(step.id ?? 0, step.fields, { signal: options.signal });
  } catch (error) {
    throw explained(error, step);
  }
}

/** Some releases take versions only together with a lock; the published texts do not agree on which. */
function explained(error: unknown, { fields }: Step): unknown {
  const versionsAlone = fields['s3_versioning'] === true && fields['s3_locks_retention_mode'] === undefined;
  if (!versionsAlone || !(error instanceof EngineError) || error.failure !== 'usage') return error;
  return new EngineError(error.code, error.failure, error.message, {
    cause: error,
    advice: 'this release may want a lock with versions: set object_lock, or drop versioning',
  });
}

async function create(
  client: VmsClient,
  wanted: Wanted,
  found: Found,
  numbers: Numbers,
  step: Step,
  options: ExecuteOptions,
): Promise<void> {
  const rows = collectionOf(client, step);
  const body = { ...step.fields, ...numbersFor(step, wanted, found, numbers) };
  const { signal, record } = options;
  let id: number;
  try {
    ({ id } = await rows.create(body, { signal }));
  } catch (error) {
    // The answer was lost, or somebody was quicker: what counts is that it is there.
    const there = ['exists', 'retryable'].includes(failureOf(error))
      ? await find(rows, step, numbers, options)
      : undefined;
    if (there === undefined) throw explained(error, step);
    id = there;
    if (failureOf(error) === 'exists') return keep(numbers, step, id);
  }
  const { kind, name, lsu } = step;
  await record.add({ kind, name, id, ...(lsu === undefined ? {} : { lsu }) });
  if (step.kind === 'tenant') numbers.provider = await providerOf(client, id, options);
  keep(numbers, step, id);
}

async function providerOf(client: VmsClient, id: number, options: RequestOptions): Promise<number | undefined> {
  const row = await client.tenants.get(id, { signal: options.signal });
  return row.local_provider_id ?? row.local_provider?.id;
}

function keep(numbers: Numbers, step: Step, id: number): void {
  if (step.kind === 'tenant') numbers.tenant = id;
  if (step.kind === 'policy') numbers.policies.set(step.name, id);
  if (step.kind === 'user') numbers.user = id;
  if (step.kind === 'view') numbers.views.set(step.name, id);
}

/** The numbers that a new thing refers to. */
function numbersFor(step: Step, wanted: Wanted, found: Found, numbers: Numbers): object {
  const { kind, lsu } = step;
  if (kind === 'tenant') return {};
  if (kind === 'user') {
    return found.can.localProvider && numbers.provider !== undefined ? { local_provider_id: numbers.provider } : {};
  }
  if (kind === 'lifecycle rule') {
    const path = wanted.lsus.find(({ name }) => name === lsu)?.path ?? '';
    return { view_id: numbers.views.get(path) };
  }
  const tenant = numbers.tenant === undefined ? {} : { tenant_id: numbers.tenant };
  if (kind !== 'view') return tenant;
  const data = wanted.lsus.find(({ name }) => name === lsu)?.data ?? wanted.data;
  return { ...tenant, policy_id: numbers.policies.get(policyName(wanted, data)) };
}

async function find(rows: Rows, step: Step, numbers: Numbers, options: RequestOptions): Promise<number | undefined> {
  const key = step.kind === 'view' || step.kind === 'quota' ? 'path' : 'name';
  const row = (await rows.list({ signal: options.signal })).find(
    (one) =>
      one[key] === step.name && [undefined, null, numbers.tenant].includes(one['tenant_id'] as number | undefined),
  );
  return row?.['id'] as number | undefined;
}

async function makeKey(client: VmsClient, numbers: Numbers, step: Step, options: ExecuteOptions): Promise<void> {
  const { signal, record, saveKey } = options;
  if (numbers.user === undefined) throw new EngineError('VOST_PROVISION', 'not-found', `there is no user ${step.name}`);
  const key = await client.createAccessKey(numbers.user, numbers.tenant, { signal });
  try {
    await saveKey(key);
  } catch (error) {
    // A key that nobody can use is in the way of the next one.
    await client.removeAccessKey(numbers.user, key.accessKeyId, { signal }).catch(() => undefined);
    throw error;
  }
  await record.add({ kind: 'keys', name: step.name, id: numbers.user });
}
