import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import type { ObjectInfo, RequestOptions, StoreLimits } from '../store.ts';
import { type Digests, plainEtag } from './integrity.ts';
import type { S3Sender } from './send.ts';

/** One LSU of an S3 storage, as the operations see it. */
export interface S3Place {
  readonly sender: S3Sender;
  readonly digests: Digests;
  readonly lsu: string;
  readonly limits: StoreLimits;
}

/** HeadObject; undefined when there is no such key. */
export async function headObject(
  { sender, lsu }: Pick<S3Place, 'sender' | 'lsu'>,
  key: string,
  options: RequestOptions,
): Promise<ObjectInfo | undefined> {
  try {
    return await sender.send({ operation: 'head', lsu, key, signal: options.signal }, async (client, http) => {
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
