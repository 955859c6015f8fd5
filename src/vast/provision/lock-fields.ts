import type { VmsAbilities } from '../vms/version.ts';
import type { WantedLsu } from './wanted.ts';

/**
 * Versioning and object lock in the words of the release: `s3_locks` and `s3_locks_retention_period` before 5.1, `locking` and
 * `default_retention_period` since; the mode has kept its name. A lock needs versions: the schema says so of one release and the
 * manual of none, so both are always set.
 */
export function lockFields({ versioning, lock }: WantedLsu, can: VmsAbilities): Readonly<Record<string, unknown>> {
  if (lock === undefined) return versioning ? { s3_versioning: true } : {};
  const { mode, defaultRetention, minRetention, maxRetention } = lock;
  const common = { s3_versioning: true, s3_locks_retention_mode: mode };
  if (can.lockFields === 's3_locks') {
    return {
      ...common,
      s3_locks: true,
      ...(defaultRetention === undefined ? {} : { s3_locks_retention_period: defaultRetention }),
    };
  }
  return {
    ...common,
    locking: true,
    ...(defaultRetention === undefined ? {} : { default_retention_period: defaultRetention }),
    ...(minRetention === undefined ? {} : { min_retention_period: minRetention }),
    ...(maxRetention === undefined ? {} : { max_retention_period: maxRetention }),
  };
}

/** What the release cannot do of what is wanted. */
export function lockProblem({ lock }: WantedLsu, can: VmsAbilities): string | undefined {
  const bounded = lock?.minRetention !== undefined || lock?.maxRetention !== undefined;
  return bounded && can.lockFields === 's3_locks' ? 'bounds of the retention need VAST 5.1' : undefined;
}
