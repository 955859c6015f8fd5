import { EngineError } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { VmsClient } from '../vms/client.ts';
import { collectionOf } from './execute.ts';
import type { Found } from './found.ts';
import type { Made, MadeRecord } from './record.ts';
import { ownName, type Wanted } from './wanted.ts';

export interface TeardownPlan {
  readonly remove: readonly Made[];
  /** What stays although we made it, and why. */
  readonly keep: readonly { readonly thing: Made; readonly why: string }[];
}

/** LSUs first, then what they stand on. */
const ORDER: readonly Made['kind'][] = ['lifecycle rule', 'quota', 'view', 'keys', 'user', 'policy', 'tenant'];

/**
 * What to remove of what we made. Pure. A view with data stays, and with it everything that it needs, unless forced; so does what
 * somebody has renamed or replaced.
 *
 * @param hasData by LSU: whether the store has anything in it; undefined when nobody can say, which counts as data.
 */
export function planTeardown(
  wanted: Wanted,
  found: Found,
  made: readonly Made[],
  hasData: ReadonlyMap<string, boolean | undefined>,
  force: boolean,
): TeardownPlan {
  const full = new Set(
    made
      .filter(({ kind, lsu }) => kind === 'view' && lsu !== undefined && !force)
      .filter((view) => holdsData(view, found, hasData))
      .map(({ lsu }) => lsu),
  );
  const remove: Made[] = [];
  const keep: { thing: Made; why: string }[] = [];
  for (const thing of made.toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))) {
    const why = reasonToKeep(thing, wanted, found, full);
    if (why === undefined) remove.push(thing);
    else keep.push({ thing, why });
  }
  return { remove, keep };
}

function holdsData(view: Made, found: Found, hasData: ReadonlyMap<string, boolean | undefined>): boolean {
  // The figures of the cluster lag behind, but they know of old versions, which the store does not list.
  const counted = [
    found.views.find(({ id }) => id === view.id)?.logical_capacity,
    found.quotas.find(({ path }) => path === view.name)?.used_capacity,
  ].some((bytes) => (bytes ?? 0) > 0);
  return counted || hasData.get(view.lsu ?? '') !== false;
}

function reasonToKeep(
  thing: Made,
  wanted: Wanted,
  found: Found,
  full: ReadonlySet<string | undefined>,
): string | undefined {
  if (thing.lsu !== undefined && full.has(thing.lsu))
    return `the LSU ${thing.lsu} holds data; --force removes its view all the same`;
  if (thing.lsu === undefined && full.size > 0) return 'an LSU that stays needs it';
  const name = ownName(wanted.server, thing.lsu);
  const rows: readonly { readonly id: number; readonly name?: string | null | undefined }[] =
    { view: found.views, quota: found.quotas, 'lifecycle rule': found.rules }[thing.kind as 'view'] ?? [];
  const row = rows.find(({ id }) => id === thing.id);
  if (row?.name && row.name !== name) return `it is called ${row.name} now`;
  const keys = found.user?.access_keys ?? [];
  if (thing.kind === 'user' && keys.some(({ access_key }) => access_key !== found.keyInFile)) {
    return 'the user has access keys that are not ours';
  }
  return undefined;
}

export interface TeardownOptions extends RequestOptions {
  readonly record: MadeRecord;
  /** The access key in our credentials file, which goes with the keys. */
  readonly keyInFile: string | undefined;
  readonly forgetKey: () => Promise<void>;
  readonly onDone?: (thing: Made) => void;
}

/** Remove, and forget what is removed. What is gone already is no error. */
export async function executeTeardown(
  client: VmsClient,
  things: readonly Made[],
  options: TeardownOptions,
): Promise<void> {
  const { record, keyInFile, forgetKey, signal } = options;
  for (const thing of things) {
    signal?.throwIfAborted();
    if (thing.id === undefined) throw new EngineError('VOST_PROVISION', 'internal', `${thing.name} has no number`);
    if (thing.kind === 'keys') {
      if (keyInFile !== undefined) await client.removeAccessKey(thing.id, keyInFile, { signal });
      await forgetKey();
    } else {
      await client.tasks.settle(await collectionOf(client, thing).remove(thing.id, { signal }), { signal });
    }
    await record.remove(thing);
    options.onDone?.(thing);
  }
}
