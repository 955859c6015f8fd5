/**
 * Object lock as the Amazon S3 user guide ("Locking objects with Object Lock") states it; VAST's manual names the same
 * operations, modes and periods.
 */
import { s3Error } from '../s3-error.ts';

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

export interface Retention {
  readonly mode: LockMode;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What keeps one version of an object from being deleted. */
export interface ObjectLock {
  readonly retention?: Retention | undefined;
  readonly legalHold?: boolean | undefined;
}

/** The retention that new objects of a bucket get when they ask for none. */
export interface DefaultRetention {
  readonly mode: LockMode;
  readonly unit: 'Days' | 'Years';
  readonly count: number;
}

/** What holds for a bucket. Neither can be taken back. */
export interface Protection {
  readonly versioning: boolean;
  readonly objectLock: boolean;
  readonly defaultRetention?: DefaultRetention | undefined;
}

/** Who asks, and when. */
export interface LockQuestion {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** `x-amz-bypass-governance-retention: true` was sent; every user may. */
  readonly bypass: boolean;
}

const DAY_MS = 86_400_000;

export function defaultLock({ defaultRetention }: Protection, now: number): ObjectLock | undefined {
  if (defaultRetention === undefined) return undefined;
  const { mode, unit, count } = defaultRetention;
  return { retention: { mode, until: now + count * (unit === 'Days' ? 1 : 365) * DAY_MS } };
}

/** Throws AccessDenied for a version that may not be deleted. */
export function checkDeletable(lock: ObjectLock | undefined, { now, bypass }: LockQuestion): void {
  const { retention, legalHold } = lock ?? {};
  const retained = retention !== undefined && retention.until > now && !(retention.mode === 'GOVERNANCE' && bypass);
  if (legalHold === true || retained) {
    throw s3Error('AccessDenied', 'Access Denied because object protected by object lock.');
  }
}

/** A retention that runs may be made longer or stricter; shorter or looser only in governance mode, with the bypass. */
export function checkRetentionChange(
  old: Retention | undefined,
  wanted: Retention | undefined,
  { now, bypass }: LockQuestion,
): void {
  if (wanted !== undefined && wanted.until <= now) {
    throw s3Error('InvalidArgument', 'The retain until date must be in the future!');
  }
  if (old === undefined || old.until <= now) return;
  const looser =
    wanted === undefined || wanted.until < old.until || (wanted.mode !== old.mode && wanted.mode === 'GOVERNANCE');
  if (looser && !(old.mode === 'GOVERNANCE' && bypass)) throw s3Error('AccessDenied');
}
