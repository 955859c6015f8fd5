import { EngineError } from '../../errors.ts';
import { beginEntry, type CatalogEntry } from '../../image/catalog.ts';
import { isImageId } from '../../image/identity.ts';
import { scanFolders } from '../../image/scan.ts';
import { invalid } from '../errors.ts';
import type { Services } from '../services.ts';
import type { StorageServer } from '../storage-server.ts';
import { IMAGE_FLAG, MAX_LIST_IMAGES } from '../wire/constants.ts';
import type { WireImageEntry } from '../wire/groups.ts';
import { wireOfIdentity } from '../wire-identity.ts';
import { busyFlags, infoOfManifest, infoOfPending, pendingNow } from './image-info.ts';

/** Records read at the same time. */
const CONCURRENCY = 8;

export interface ListQuestion {
  readonly lsu: string;
  /** IMAGE_FLAG bits; 0 means CREATED. */
  readonly kinds: number;
  readonly max: number;
  /** '' or what the page before gave: the id of its last image. */
  readonly cursor: string;
}

/** One page of an LSU's images in the order of their ids. A cursor stays valid whatever is made or deleted meanwhile. */
export async function listPage(
  services: Services,
  server: StorageServer,
  { lsu, kinds, max, cursor }: ListQuestion,
  signal: AbortSignal,
): Promise<{ cursor: string; images: WireImageEntry[] }> {
  if (max === 0) throw invalid('a page needs room for one image');
  if (cursor !== '' && !isImageId(cursor)) throw invalid('the cursor is none of ours');
  const wanted = kinds === 0 ? IMAGE_FLAG.CREATED : kinds;
  const most = Math.min(max, MAX_LIST_IMAGES);
  const store = await server.open(lsu);
  const images: WireImageEntry[] = [];
  let batch: Promise<CatalogEntry | undefined>[] = [];
  let last = '';
  const settle = async (): Promise<void> => {
    // All are awaited, so that no rejection is left alone.
    const results = await Promise.allSettled(batch);
    batch = [];
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      const entry = result.value && wireEntry(services, server, lsu, result.value);
      if (entry !== undefined) images.push(entry);
    }
  };
  for await (const folder of scanFolders(store, '', signal, cursor)) {
    const kind = folder.complete ? IMAGE_FLAG.CREATED : folder.pending ? IMAGE_FLAG.PENDING : 0;
    if ((kind & wanted) === 0) continue;
    if (images.length + batch.length >= most) await settle();
    // One more image follows: the page before it was not the last.
    if (images.length >= most) return { cursor: last, images };
    batch.push(beginEntry(store, folder, signal));
    last = folder.imageId;
    if (batch.length >= CONCURRENCY) await settle();
  }
  await settle();
  return { cursor: '', images };
}

/** Undefined for an image that a host cannot name, or whose record cannot be read: `vast-ost list` shows those. */
function wireEntry(
  services: Services,
  server: StorageServer,
  lsu: string,
  entry: CatalogEntry,
): WireImageEntry | undefined {
  if (entry.state === 'damaged') return undefined;
  const place = server.placeOf(lsu, entry.imageId);
  const busy = busyFlags(services, place);
  const { identity } = entry.state === 'complete' ? entry.manifest : entry.pending;
  try {
    const id = wireOfIdentity(identity);
    if (id === undefined) return undefined;
    const info =
      entry.state === 'complete'
        ? infoOfManifest(entry.manifest, busy, entry.lockedUntil)
        : infoOfPending(entry.pending, busy, pendingNow(services, place, entry.pending));
    return { id, info };
  } catch (error) {
    if (error instanceof EngineError && error.failure === 'usage') return undefined;
    throw error;
  }
}
