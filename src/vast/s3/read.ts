import { GetObjectCommand } from '@aws-sdk/client-s3';
import { EngineError } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import { noSuchKey, shortRead } from '../store-errors.ts';
import { s3CodeOf } from './classify.ts';
import { type DataAnswer, ended, sendData } from './data-request.ts';
import { headObject, type S3Place } from './head.ts';
import { Receipt } from './receipt.ts';

function broken(what: string): EngineError {
  return new EngineError('VOST_STORE_UNAVAILABLE', 'retryable', what);
}

/** The bytes that the answer holds, from its headers. */
function rangeOf(headers: DataAnswer['headers']): { offset: number; length: number } | undefined {
  const range = headers['content-range'];
  const length = /^\d{1,16}$/.test(headers['content-length'] ?? '') ? Number(headers['content-length']) : undefined;
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(?:\d{1,16}|\*)$/.exec(range ?? '');
  if (match === null) return range === undefined && length !== undefined ? { offset: 0, length } : undefined;
  const offset = Number(match[1]);
  const end = Number(match[2]) + 1;
  return length === undefined || length === end - offset ? { offset, length: end - offset } : undefined;
}

/** A ranged GetObject straight into `into`. */
export async function readObject(
  place: S3Place,
  key: string,
  offset: number,
  into: Uint8Array,
  options: RequestOptions,
): Promise<void> {
  const { sender, lsu } = place;
  const wanted = into.byteLength;
  if (wanted === 0) return readNothing(place, key, offset, options);
  const what = `read ${lsu}/${key}`;
  const task = { operation: 'read', lsu, key, bytes: wanted, signal: options.signal };
  try {
    await sender.send(task, async (client, http) => {
      const Range = `bytes=${offset}-${offset + wanted - 1}`;
      const receipt = new Receipt(into);
      let stream: DataAnswer['body'] | undefined;
      try {
        const answer = await sendData(
          place,
          client,
          { ...http, receipt },
          {
            method: 'GET',
            key,
            headers: { range: Range },
            explain: (http) => client.send(new GetObjectCommand({ Bucket: lsu, Key: key, Range }), http),
          },
        );
        stream = answer.body;
        const range = rangeOf(answer.headers);
        if (range?.offset !== offset || range.length > wanted) throw broken(`${what}: the answer is another range`);
        if (range.length < wanted) throw shortRead(lsu, key, offset, wanted);
        await ended(stream);
        const { received } = receipt;
        if (received < wanted) throw broken(`${what}: the answer ended after ${received} of ${wanted} bytes`);
      } catch (error) {
        // Leaving a stream makes it fail with an event of its own.
        stream?.once('error', () => undefined);
        stream?.destroy();
        throw receipt.exceeded ? broken(`${what}: more bytes than asked for`) : error;
      } finally {
        // The memory is the caller's again, whatever may still come.
        receipt.end();
      }
    });
  } catch (error) {
    if (s3CodeOf(error) === 'InvalidRange') throw shortRead(lsu, key, offset, wanted, error);
    throw error;
  }
}

/** HTTP has no empty range. */
async function readNothing(place: S3Place, key: string, offset: number, options: RequestOptions): Promise<void> {
  const info = await headObject(place, key, options);
  if (info === undefined) throw noSuchKey(place.lsu, key);
  if (offset > info.size) throw shortRead(place.lsu, key, offset, 0);
}
