import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { RequestOptions } from '../store.ts';
import type { S3Place } from './head.ts';
import { dateOf, decorate } from './send.ts';

/** The server's clock, by the date of an answer: ListObjectsV2 of at most one key, which whoever may do anything here may do. */
export async function serverTime({ sender, lsu }: S3Place, { signal }: RequestOptions): Promise<number> {
  return sender.send({ operation: 'ask for the time', lsu, signal }, async (client, http) => {
    let time = Date.now();
    const command = new ListObjectsV2Command({ Bucket: lsu, MaxKeys: 1 });
    decorate(command, {}, (headers) => {
      time = dateOf(headers);
    });
    await client.send(command, http);
    return time;
  });
}
