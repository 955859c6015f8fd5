import { findImage } from '../../image/catalog.ts';
import { lacksLock } from '../../image/image-lock.ts';
import { formatSize } from '../../units.ts';
import { type AtSnapshot, type Context, openAt } from '../context.ts';
import { describeLock, jsonLock } from '../lock-policy.ts';
import { printFields, printJson } from '../output.ts';

/** `vast-ost show LSU IMAGE`: all that the manifest, or the pending record, says. */
export async function show(context: Context, lsu: string, image: string, at: AtSnapshot): Promise<void> {
  const store = await openAt(context, lsu, at);
  const entry = await findImage(store, image, context.signal);
  if (entry.state === 'damaged') throw entry.error;
  const record = entry.state === 'complete' ? entry.manifest : entry.pending;
  if (context.json)
    return printJson({
      image_id: entry.imageId,
      state: entry.state,
      stored: entry.storedBytes,
      ...(entry.state === 'complete' ? { locked_until: jsonLock(entry.lockedUntil) } : {}),
      record,
    });
  const { identity, netbackup_metadata: about, chain, chunk_size } = record;
  printFields([
    ['image', identity.basename],
    ['date', identity.date],
    ['image id', entry.imageId],
    ['state', entry.state],
    ['policy', about.policy],
    ['schedule', about.schedule],
    ['client', about.client],
    ['stored', formatSize(entry.storedBytes)],
    ['chunk size', formatSize(chunk_size)],
    ['stages', chain.map(({ name, version }) => `${name} ${version}`).join(' → ')],
  ]);
  if (entry.state === 'pending') {
    printFields([
      ['begun', entry.pending.created],
      ['uploads', entry.pending.uploads.length],
    ]);
    return;
  }
  const { manifest, lockedUntil } = entry;
  const missing = lacksLock(manifest, lockedUntil) ? `, but should be until ${manifest.lock?.until}` : '';
  printFields([
    ['size', `${manifest.size} bytes (${formatSize(manifest.size)})`],
    ['checksum', manifest.checksum],
    ...(manifest.sha256 ? ([['sha256', manifest.sha256]] as const) : []),
    ['committed', manifest.committed],
    ['written by', manifest.written_by],
    ['locked until', `${describeLock(lockedUntil) || 'not locked'}${missing}`],
    ...manifest.fragments.map(({ name, size }) => [name, `${size} bytes`] as const),
  ]);
}
