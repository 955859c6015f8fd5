import { HeadObjectCommand, ListObjectsV2Command, type StorageClass } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import type { ObjectInfo, RequestOptions, StoreLimits } from '../store.ts';
import { isUnexplained } from './classify.ts';
import { type Digests, plainEtag } from './integrity.ts';
import type { Attempt, S3Sender, SendTask } from './send.ts';

/** One LSU of an S3 storage, as the operations see it. */
export interface S3Place {
  readonly sender: S3Sender;
  readonly digests: Digests;
  readonly lsu: string;
  readonly limits: StoreLimits;
  /** What new objects are stored as. Default: what the server takes. */
  readonly storageClass?: string | undefined;
}

/** The part of a request that makes an object. */
export function storageClassOf({ storageClass }: S3Place): { StorageClass?: StorageClass } {
  return storageClass === undefined ? {} : { StorageClass: storageClass as StorageClass };
}

/**
 * Send a HEAD request. Its answer has no body, so a wrong key, a wrong clock and a missing right all look alike (403);
 * a listing of one key fails for the same reason and names it. Its retries bring new credentials and set the clock of
 * the signatures right, so that the HEAD is worth a second try when the listing works.
 */
export async function sendHead<T>(sender: S3Sender, task: SendTask & { lsu: string }, head: Attempt<T>): Promise<T> {
  try {
    return await sender.send(task, head);
  } catch (error) {
    if (!isUnexplained(error)) throw error;
    await sender.send(task, (client, http) =>
      client.send(new ListObjectsV2Command({ Bucket: task.lsu, MaxKeys: 1 }), http),
    );
    return sender.send(task, head);
  }
}

/** HeadObject; undefined when there is no such key. */
export async function headObject(
  { sender, lsu }: Pick<S3Place, 'sender' | 'lsu'>,
  key: string,
  options: RequestOptions,
): Promise<ObjectInfo | undefined> {
  try {
    return await sendHead(sender, { operation: 'head', lsu, key, signal: options.signal }, async (client, http) => {
      const answer = await client.send(new HeadObjectCommand({ Bucket: lsu, Key: key }), http);
      return {
        key,
        size: answer.ContentLength ?? 0,
        modified: answer.LastModified?.getTime() ?? 0,
        etag: plainEtag(answer.ETag),
      };
    });
  } catch (error) {
    if (failureOf(error) === 'not-found') return undefined;
    throw error;
  }
}
