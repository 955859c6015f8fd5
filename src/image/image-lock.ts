import { EngineError } from '../errors.ts';
import type { ObjectStore, RetentionMode } from '../vast/store.ts';
import type { Manifest } from './manifest.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import { neededObjects } from './needed-objects.ts';

/** What is between two clocks on good terms, milliseconds: answers carry whole seconds and take their time. */
const SAME_CLOCK_MS = 5_000;
const WARN_SKEW_MS = 60_000;
const MAX_SKEW_MS = 900_000;
/** Requests about locks at the same time. */
const PARALLEL = 8;

/** How long locks may be; what lies outside is refused. Milliseconds. */
export interface LockBounds {
  readonly minimumMs: number;
  readonly maximumMs: number;
}

/** How the images of an LSU are locked when they are complete. */
export interface LockPolicy extends LockBounds {
  readonly retentionMs: number;
  readonly mode: RetentionMode;
  /** Told, in milliseconds, when the store's clock is more than a minute ahead of ours (negative: behind). */
  readonly onSkew?: ((skewMs: number) => void) | undefined;
}

/** What the manifest says about the lock that the image was committed with. */
export type ImageLock = NonNullable<Manifest['lock']>;

/**
 * The lock for an image that is complete now. Asks the store, so that an LSU that cannot lock is found out before anything depends on it.
 *
 * Throws `unsupported` (VOST_NO_LOCKS), `access` (VOST_CLOCK_SKEW), `usage` (VOST_WORM_MINIMUM, VOST_WORM_MAXIMUM).
 */
export async function planLock(store: ObjectStore, policy: LockPolicy, signal?: AbortSignal): Promise<ImageLock> {
  const now = await lockNow(store, policy.onSkew, signal);
  checkBounds(policy.retentionMs, policy);
  return { until: new Date(Math.ceil((now + policy.retentionMs) / 1000) * 1000).toISOString(), mode: policy.mode };
}

/**
 * Lock what a complete image consists of, its manifest last: when the manifest is locked, so is everything. Doing it again, or going on where
 * another process died, is harmless.
 */
export async function applyLock(
  store: ObjectStore,
  imageId: string,
  manifest: Manifest,
  { until, mode }: ImageLock,
  signal?: AbortSignal,
): Promise<void> {
  const { retention } = store;
  if (retention === undefined) throw noLocks(store);
  const prefix = imagePrefix(imageId);
  const names = [...neededObjects(manifest)].filter((name) => name !== MANIFEST);
  const keys = names.map((name) => `${prefix}${name}`);
  await retention.extend(keys, Date.parse(until), mode, { signal });
  await retention.extend([`${prefix}${MANIFEST}`], Date.parse(until), mode, { signal });
}

/** Lock an image as its manifest says, unless that was done or its time is over. For who finds it complete after a crash. */
export async function ensureLocked(
  store: ObjectStore,
  imageId: string,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<void> {
  const { lock } = manifest;
  if (lock && lacksLock(manifest, await lockedUntil(store, imageId, signal)))
    await applyLock(store, imageId, manifest, lock, signal);
}

/** Whether an image should be locked for longer than it is: its writer died between manifest and lock, or could not lock it. */
export function lacksLock({ lock }: Manifest, locked: number): boolean {
  if (lock === undefined) return false;
  const until = Date.parse(lock.until);
  return until > Date.now() && locked < until;
}

/** Until when a complete image is locked: milliseconds since the epoch, `Infinity` under a legal hold, 0 for not at all. */
export async function lockedUntil(store: ObjectStore, imageId: string, signal?: AbortSignal): Promise<number> {
  return (await store.retention?.lockedUntil(`${imagePrefix(imageId)}${MANIFEST}`, { signal })) ?? 0;
}

/**
 * Lock a complete image for longer, or at all. Resolves to the time until which it is locked now.
 *
 * Throws as {@link planLock}, and `usage` (VOST_LOCK_SHORTER) when it is locked for longer already.
 *
 * @param wanted `until`, milliseconds since the epoch, or the time from now on, milliseconds.
 */
export async function extendLock(
  store: ObjectStore,
  imageId: string,
  manifest: Manifest,
  wanted: { readonly until: number } | { readonly forMs: number },
  policy: Omit<LockPolicy, 'retentionMs'>,
  signal?: AbortSignal,
): Promise<number> {
  const now = await lockNow(store, policy.onSkew, signal);
  const until = 'until' in wanted ? wanted.until : now + wanted.forMs;
  checkBounds(until - now, policy);
  const locked = await lockedUntil(store, imageId, signal);
  if (Number.isFinite(locked) && until < locked) {
    const message = `${store.lsu}/${imageId} is locked until ${new Date(locked).toISOString()}; a lock can only be made longer`;
    throw new EngineError('VOST_LOCK_SHORTER', 'usage', message);
  }
  const lock = { until: new Date(Math.ceil(until / 1000) * 1000).toISOString(), mode: policy.mode };
  await applyLock(store, imageId, manifest, lock, signal);
  return Date.parse(lock.until);
}

/** Throw `access` (VOST_WORM_LOCKED) when one of an image's objects is locked: half of an image is worth nothing. */
export async function refuseLocked(
  store: ObjectStore,
  imageId: string,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const { retention } = store;
  const [first, ...others] = keys;
  if (retention === undefined || first === undefined) return;
  // The first answer tells whether the LSU has locks at all; without them the others cost nothing.
  let latest = await retention.lockedUntil(first, { signal });
  for (let at = 0; at < others.length; at += PARALLEL) {
    const work = others.slice(at, at + PARALLEL).map((key) => retention.lockedUntil(key, { signal }));
    latest = Math.max(latest, ...(await Promise.all(work)));
  }
  if (latest === 0) return;
  const end = Number.isFinite(latest) ? `until ${new Date(latest).toISOString()}` : 'by a legal hold';
  throw new EngineError('VOST_WORM_LOCKED', 'access', `the image ${store.lsu}/${imageId} is locked ${end}`, {
    advice: 'it can be deleted when its lock has ended',
    details: { lsu: store.lsu, image: imageId, until: Number.isFinite(latest) ? latest : undefined },
  });
}

/** The time that counts for the LSU's locks. */
async function lockNow(
  store: ObjectStore,
  onSkew: LockPolicy['onSkew'],
  signal: AbortSignal | undefined,
): Promise<number> {
  const status = await store.retention?.status({ signal });
  if (status === undefined) throw noLocks(store);
  const { skewMs } = status;
  const seconds = Math.round(skewMs / 1000);
  if (Math.abs(skewMs) > MAX_SKEW_MS) {
    const message = `the clock of the storage of ${store.lsu} is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ours; nothing is locked by it`;
    const advice = 'set both clocks by NTP: a wrong one would lock images for too long or too short';
    throw new EngineError('VOST_CLOCK_SKEW', 'access', message, { advice, details: { lsu: store.lsu, skewMs } });
  }
  if (Math.abs(skewMs) > WARN_SKEW_MS) onSkew?.(skewMs);
  return Date.now() + (Math.abs(skewMs) > SAME_CLOCK_MS ? skewMs : 0);
}

function noLocks({ lsu }: ObjectStore): EngineError {
  return new EngineError('VOST_NO_LOCKS', 'unsupported', `the LSU ${lsu} has no object lock`, {
    advice: 'make it with object lock, or take worm_retention out of the configuration',
  });
}

function checkBounds(periodMs: number, { minimumMs, maximumMs }: LockBounds): void {
  const days = (ms: number): string => `${Number((ms / 86_400_000).toFixed(3))} days`;
  const advice = 'worm_minimum and worm_maximum are the bounds of the LSU';
  if (periodMs < minimumMs) {
    const message = `a lock of ${days(periodMs)} is shorter than the LSU's minimum of ${days(minimumMs)}`;
    throw new EngineError('VOST_WORM_MINIMUM', 'usage', message, { advice });
  }
  if (periodMs > maximumMs) {
    const message = `a lock of ${days(periodMs)} is longer than the LSU's maximum of ${days(maximumMs)}`;
    throw new EngineError('VOST_WORM_MAXIMUM', 'usage', message, { advice });
  }
}
