import { GetBucketPolicyCommand } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { S3Place } from './head.ts';

/** The bucket's policy, undefined when there is none. Throws `access` where this user may not read it. */
export async function readPolicy({ sender, lsu }: S3Place, { signal }: RequestOptions): Promise<string | undefined> {
  try {
    const answer = await sender.send({ operation: 'read the policy of', lsu, signal }, (client, http) =>
      client.send(new GetBucketPolicyCommand({ Bucket: lsu }), http),
    );
    return answer.Policy;
  } catch (error) {
    if (failureOf(error) === 'not-found') return undefined;
    throw error;
  }
}
