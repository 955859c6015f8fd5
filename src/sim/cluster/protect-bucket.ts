import type { DefaultRetention, Protection } from '../s3/state/locks.ts';
import type { FileSystem } from './file-system.ts';
import type { View } from './records.ts';

/** Make the bucket of a new view keep versions and locks as the view says. Neither is ever taken away. */
export function protectBucket(view: View, files: FileSystem): void {
  const directory = files.directory(view.tenant_id, view.path);
  if (directory === undefined || view['s3_versioning'] !== true) return;
  const bucket = files.bucket(directory);
  const objectLock = view['locking'] === true || view['s3_locks'] === true || bucket.protection.objectLock;
  const defaultRetention = defaultOf(view) ?? bucket.protection.defaultRetention;
  const protection: Protection = { versioning: true, objectLock, ...(defaultRetention ? { defaultRetention } : {}) };
  bucket.protect(protection);
}

/** `2d`, `1y`; hours, which S3 cannot say, count as whole days. */
function defaultOf(view: View): DefaultRetention | undefined {
  const mode = view['s3_locks_retention_mode'];
  const period = view['default_retention_period'] ?? view['s3_locks_retention_period'];
  const [, number, unit] = /^([0-9]{1,5})([hdy])$/.exec(String(period ?? '')) ?? [];
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || Number(number ?? 0) === 0) return undefined;
  if (unit === 'y') return { mode, unit: 'Years', count: Number(number) };
  return { mode, unit: 'Days', count: unit === 'd' ? Number(number) : Math.ceil(Number(number) / 24) };
}
