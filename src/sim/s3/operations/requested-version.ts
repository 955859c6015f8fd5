import type { Call } from '../call.ts';
import { s3Error } from '../s3-error.ts';
import type { Bucket } from '../state/bucket.ts';
import type { StoredObject } from '../state/records.ts';
import { isMarker, versionIdOf } from '../state/versions.ts';

/** The object of a key, or that version of it. Throws NoSuchKey, NoSuchVersion, and MethodNotAllowed for a delete marker. */
export function storedObject(bucket: Bucket, key: string, id?: string): StoredObject {
  if (id === undefined) {
    const object = bucket.objects.get(key);
    if (object !== undefined) return object;
    const [newest] = bucket.versions(key);
    const headers =
      newest === undefined ? {} : { 'x-amz-delete-marker': 'true', 'x-amz-version-id': versionIdOf(newest) };
    throw s3Error('NoSuchKey', undefined, headers);
  }
  const version = bucket.versions(key).find((each) => versionIdOf(each) === id);
  if (version === undefined) throw s3Error('NoSuchVersion');
  if (isMarker(version)) throw s3Error('MethodNotAllowed', undefined, { 'x-amz-delete-marker': 'true' });
  return version;
}

/** The object that the key and the parameter `versionId` of a request mean. */
export function requestedObject(call: Call, bucket: Bucket): StoredObject {
  return storedObject(bucket, call.key, call.query.get('versionId'));
}

/** What answers about an object of a versioned bucket say. */
export function versionHeader({ version }: { readonly version?: string | undefined }): Record<string, string> {
  return version === undefined ? {} : { 'x-amz-version-id': version };
}
