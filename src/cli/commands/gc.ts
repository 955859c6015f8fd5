import { collectGarbage, type Garbage } from '../../image/collect-garbage.ts';
import { formatDuration, formatSize } from '../../units.ts';
import { type Context, openLsu } from '../context.ts';
import { printJson, printTable } from '../output.ts';

export interface GcOptions {
  /** Milliseconds. */
  readonly olderThan: number;
  /** Milliseconds. */
  readonly pendingOlderThan?: number;
  readonly dryRun?: boolean;
}

/** `vast-ost gc LSU`: name, and unless told otherwise remove, what no image needs. */
export async function gc(context: Context, lsu: string, options: GcOptions): Promise<void> {
  const store = await openLsu(context, lsu);
  const found: Garbage[] = [];
  const garbage = collectGarbage(store, {
    olderThanMs: options.olderThan,
    pendingOlderThanMs: options.pendingOlderThan,
    leaseMs: context.settings.engine.writer_lease,
    dryRun: options.dryRun === true,
    signal: context.signal,
  });
  for await (const item of garbage) {
    context.log.info({ lsu, ...item }, item.removed ? 'garbage removed' : 'garbage found');
    if (context.json) printJson(item);
    else found.push(item);
  }
  if (context.json) return;
  if (found.length > 0) {
    printTable(
      ['KIND', 'KEY', 'SIZE', 'AGE', 'REMOVED'],
      found.map(({ kind, key, upload, bytes, ageMs, removed }) => [
        kind,
        upload === undefined ? key : `${key} (upload ${upload})`,
        formatSize(bytes),
        formatDuration(ageMs / 1000),
        removed ? 'yes' : 'no',
      ]),
    );
  }
  const removed = found.filter((item) => item.removed);
  const bytes = removed.reduce((sum, item) => sum + item.bytes, 0);
  process.stderr.write(`${lsu}: ${found.length} found, ${removed.length} removed (${formatSize(bytes)})\n`);
}
