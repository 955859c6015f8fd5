import { type CatalogEntry, listImages } from '../../image/catalog.ts';
import { formatSize } from '../../units.ts';
import { type AtSnapshot, type Context, openAt } from '../context.ts';
import { describeLock, jsonLock } from '../lock-policy.ts';
import { printJson, printTable } from '../output.ts';

export interface ListOptions extends AtSnapshot {
  /** Name the snapshots of the LSU instead of its images. */
  readonly snapshots?: boolean;
}

/** `vast-ost list [LSU]`: the LSUs, or the images or the snapshots of one. */
export async function list(context: Context, lsu: string | undefined, options: ListOptions): Promise<void> {
  if (lsu === undefined) return printNames(context, 'lsu', await context.storage.lsus({ signal: context.signal }));
  if (options.snapshots) {
    const names = (await context.storage.snapshots?.(lsu, { signal: context.signal })) ?? [];
    return printNames(context, 'snapshot', names);
  }
  const store = await openAt(context, lsu, options);
  const entries: CatalogEntry[] = [];
  for await (const entry of listImages(store, '', context.signal)) {
    if (context.json) printJson(jsonOf(entry));
    else entries.push(entry);
  }
  if (!context.json)
    printTable(
      ['IMAGE', 'DATE', 'STATE', 'SIZE', 'STORED', 'POLICY', 'CLIENT', 'LOCKED UNTIL', 'IMAGE ID'],
      entries.map(rowOf),
    );
}

function printNames({ json }: Context, what: 'lsu' | 'snapshot', names: readonly string[]): void {
  if (json) for (const name of names) printJson({ [what]: name });
  else
    printTable(
      [what.toUpperCase()],
      names.map((name) => [name]),
    );
}

function rowOf(entry: CatalogEntry): (string | number)[] {
  const { imageId, state, storedBytes } = entry;
  if (entry.state === 'damaged')
    return [`(${entry.error.code})`, '', state, '', formatSize(storedBytes), '', '', '', imageId];
  const { identity, netbackup_metadata: about } = entry.state === 'complete' ? entry.manifest : entry.pending;
  const size = entry.state === 'complete' ? formatSize(entry.manifest.size) : '';
  const locked = entry.state === 'complete' ? describeLock(entry.lockedUntil) : '';
  const { policy, client } = about;
  return [identity.basename, identity.date, state, size, formatSize(storedBytes), policy, client, locked, imageId];
}

function jsonOf(entry: CatalogEntry): unknown {
  const { imageId, state, storedBytes } = entry;
  if (entry.state === 'damaged') return { image_id: imageId, state, stored: storedBytes, error: entry.error.message };
  const { identity, netbackup_metadata } = entry.state === 'complete' ? entry.manifest : entry.pending;
  const size =
    entry.state === 'complete' ? { size: entry.manifest.size, locked_until: jsonLock(entry.lockedUntil) } : {};
  return { image_id: imageId, state, ...size, stored: storedBytes, identity, netbackup_metadata };
}
