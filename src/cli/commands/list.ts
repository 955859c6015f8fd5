import { type CatalogEntry, listImages } from '../../image/catalog.ts';
import { formatSize } from '../../units.ts';
import { type Context, openLsu } from '../context.ts';
import { describeLock, jsonLock } from '../lock-policy.ts';
import { printJson, printTable } from '../output.ts';

/** `vast-ost list [LSU]`: the LSUs, or the images of one. */
export async function list(context: Context, lsu: string | undefined): Promise<void> {
  if (lsu === undefined) return listLsus(context);
  const store = await openLsu(context, lsu);
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

async function listLsus(context: Context): Promise<void> {
  const names = await context.storage.lsus({ signal: context.signal });
  if (context.json) for (const name of names) printJson({ lsu: name });
  else
    printTable(
      ['LSU'],
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
