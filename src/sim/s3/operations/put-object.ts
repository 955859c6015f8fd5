import { receiveBlob } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { checksumHeaders } from '../checksum/reply.ts';
import { checkWriteConditions } from '../http/conditions.ts';
import type { Bucket } from '../state/bucket.ts';
import { requestAttributes } from './attributes.ts';
import { lockOfNew, requestedLock } from './object-lock.ts';
import { versionHeader } from './requested-version.ts';

/** Conditions of a write; most VAST releases are taken to ignore them, which is the default. */
export function checkConditionalWrite(call: Call, bucket: Bucket): void {
  if (call.settings.conditionalWrites === '412') checkWriteConditions(call.header, bucket.objects.get(call.key));
}

export async function putObject(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const attributes = { ...requestAttributes(call), ...lockOfNew(call, bucket, requestedLock(call, bucket)) };
  checkConditionalWrite(call, bucket);
  call.state.checkRoom(call.bucket, call.body.length(), bucket.objects.get(call.key) === undefined ? 1 : 0);
  const received = await receiveBlob(call);
  try {
    // Again: another request may have written the key while the body came in.
    checkConditionalWrite(call, bucket);
    const { segments, size, md5: etag, checksum } = received;
    const object = { key: call.key, size, modified: call.now, etag, segments, checksum, ...attributes };
    const version = versionHeader(bucket.putObject(object));
    return { status: 200, headers: { ETag: `"${etag}"`, ...checksumHeaders(checksum), ...version } };
  } finally {
    call.state.blobs.release(received.segments);
  }
}
