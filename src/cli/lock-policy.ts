import { type WormSettings, wormOf } from '../config/worm-settings.ts';
import type { LockPolicy } from '../image/image-lock.ts';
import { type Context, serverOf } from './context.ts';

/** What the configuration says about locks in an LSU: that of the storage server with the same store, else the defaults. */
export function wormFor(context: Context, lsu: string): WormSettings {
  const { settings } = context;
  return wormOf(settings, serverOf(settings), lsu);
}

/** Say on standard error that the clocks differ. */
export function tellSkew(skewMs: number): void {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  process.stderr.write(`the storage's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ours: check NTP\n`);
}

/** How a new image of the LSU is locked; undefined for not at all. */
export function lockPolicyFor(context: Context, lsu: string): LockPolicy | undefined {
  const { retentionMs, ...bounds } = wormFor(context, lsu);
  return retentionMs === undefined ? undefined : { retentionMs, ...bounds, onSkew: tellSkew };
}

/** A lock for people; '' for none. */
export function describeLock(lockedUntil: number): string {
  if (lockedUntil === 0) return '';
  return Number.isFinite(lockedUntil) ? new Date(lockedUntil).toISOString() : 'legal hold';
}

/** A lock in JSON; null for none. */
export function jsonLock(lockedUntil: number): string | null {
  return lockedUntil === 0 ? null : describeLock(lockedUntil);
}
