import type { ImageIdentity } from '../../image/identity.ts';
import type { Manifest } from '../../image/manifest.ts';
import type { Pending } from '../../image/pending.ts';
import { notFound } from '../errors.ts';
import type { Services } from '../services.ts';
import { IMAGE_FLAG } from '../wire/constants.ts';
import type { WireImageEntry, WireImageInfo } from '../wire/groups.ts';
import { UNKNOWN } from '../wire/kinds.ts';
import { wireOfIdentity } from '../wire-identity.ts';

const seconds = (time: string): bigint => BigInt(Math.max(0, Math.floor(Date.parse(time) / 1000)));

/**
 * What a host sees of a complete image. `busy`: IMAGE_FLAG bits of its use in this engine. `lockedUntil`: milliseconds since the epoch, 0 for not
 * locked, `Infinity` for nobody knows how long.
 */
export function infoOfManifest(manifest: Manifest, busy: number, lockedUntil: number): WireImageInfo {
  const stored = manifest.fragments.reduce((sum, { size }) => sum + size, 0);
  return {
    size: BigInt(manifest.size),
    stored: BigInt(stored),
    created: seconds(manifest.creation_date),
    modified: seconds(manifest.committed),
    locked_until: Number.isFinite(lockedUntil) ? BigInt(Math.ceil(lockedUntil / 1000)) : UNKNOWN,
    flags: IMAGE_FLAG.CREATED | busy,
    fragments: manifest.fragments.length,
    metas: manifest.metas?.length ?? 0,
  };
}

/** What a host sees of an image that is not complete: what earlier writers kept, or what the present one has stored. */
export function infoOfPending(
  pending: Pick<Pending, 'created'>,
  busy: number,
  now: { readonly size: number; readonly stored: number },
): WireImageInfo {
  return {
    size: BigInt(now.size),
    stored: BigInt(now.stored),
    created: seconds(pending.created),
    modified: seconds(pending.created),
    locked_until: 0n,
    flags: IMAGE_FLAG.PENDING | busy,
    fragments: 0,
    metas: 0,
  };
}

/** An entry; `not-found` for an image whose identity no host can name. */
export function entryOf(identity: ImageIdentity, info: WireImageInfo): WireImageEntry {
  const id = wireOfIdentity(identity);
  if (id === undefined) throw notFound('the image has a name that no host can give');
  return { id, info };
}

/** IMAGE_FLAG bits of what this engine does with an image. */
export function busyFlags({ usage }: Services, place: string): number {
  const reading = usage.has(place, 'read') || usage.has(place, 'copy-from');
  return (usage.has(place, 'write') ? IMAGE_FLAG.BUSY_WRITE : 0) | (reading ? IMAGE_FLAG.BUSY_READ : 0);
}

/** Size of an image that is not complete: it moves while it is written here. */
export function pendingNow(
  { writers }: Services,
  place: string,
  pending: Pending,
): { readonly size: number; readonly stored: number } {
  const writer = writers.get(place);
  return writer === undefined
    ? { size: pending.handle?.size ?? 0, stored: 0 }
    : { size: writer.size, stored: writer.stored };
}
