import { CompleteMultipartUploadCommand } from '@aws-sdk/client-s3';
import { EngineError, failureOf } from '../../errors.ts';
import type { ObjectInfo, PartInfo, RequestOptions } from '../store.ts';
import { noSuchKey, wrongSize } from '../store-errors.ts';
import { headObject, type S3Place } from './head.ts';
import { type Digests, plainEtag } from './integrity.ts';
import { dateOf, decorate } from './send.ts';

const MD5_HEX = /^[0-9a-f]{32}$/;
const JOINED = /^[0-9a-f]{32}-[0-9]{1,5}$/;

/**
 * The ETag that S3 gives a completed upload: MD5 over the MD5s of the parts, and their count (AWS,
 * RadosGW, VAST). Undefined when the parts' ETags are no MD5s.
 */
export async function joinedEtag(parts: readonly PartInfo[], digests: Digests): Promise<string | undefined> {
  if (!parts.every((part) => MD5_HEX.test(part.etag))) return undefined;
  const md5 = await digests.md5(parts.map((part) => Buffer.from(part.etag, 'hex')));
  return `${md5.toString('hex')}-${parts.length}`;
}

/**
 * CompleteMultipartUpload and a HEAD that checks the size. The HEAD is left out when the parts are known to have come as they were sent, and the answer has
 * the ETag of just these (`proven`). When an answer was lost and the server
 * then knows no such upload, the HEAD decides whether the first request did its work: size and, where
 * it can be computed, ETag must be those of our parts, or an older object would pass for ours.
 */
export async function completeUpload(
  place: S3Place,
  upload: { readonly key: string; readonly id: string },
  parts: readonly PartInfo[],
  { size, proven }: { readonly size: number; readonly proven: string | undefined },
  options: RequestOptions,
): Promise<ObjectInfo> {
  const { sender, lsu } = place;
  const { key, id } = upload;
  const task = { operation: 'complete', lsu, key, slow: true, signal: options.signal };
  const Parts = parts.map((part) => ({ PartNumber: part.number, ETag: `"${part.etag}"` }));
  const state = { attempts: 0 };
  let answered: ObjectInfo;
  try {
    answered = await sender.send(task, async (client, http, number) => {
      state.attempts = number;
      let modified = 0;
      const input = { Bucket: lsu, Key: key, UploadId: id, MultipartUpload: { Parts } };
      const command = decorate(new CompleteMultipartUploadCommand(input), {}, (headers) => {
        modified = dateOf(headers);
      });
      // The SDK turns an error inside a 200 answer into an exception. RadosGW's ETag is "" at first.
      const { ETag } = await client.send(command, http);
      return { key, size, modified, etag: plainEtag(ETag) };
    });
  } catch (error) {
    if (state.attempts < 2 || failureOf(error) !== 'not-found') throw error;
    return lostAnswer(place, key, parts, size, options, error);
  }
  if (answered.etag === proven) return answered;
  const info = await headObject(place, key, options);
  if (info === undefined) throw noSuchKey(lsu, key);
  if (info.size !== size) throw wrongSize(lsu, key, size, info.size);
  return info;
}

async function lostAnswer(
  place: S3Place,
  key: string,
  parts: readonly PartInfo[],
  size: number,
  options: RequestOptions,
  cause: unknown,
): Promise<ObjectInfo> {
  const expected = await joinedEtag(parts, place.digests);
  const info = await headObject(place, key, options);
  const comparable = expected !== undefined && info !== undefined && JOINED.test(info.etag);
  if (info?.size === size && (!comparable || info.etag === expected)) return info;
  throw cause instanceof EngineError ? cause : new EngineError('VOST_S3', 'internal', 'complete', { cause });
}
