import { CopyObjectCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3';
import type { ObjectInfo, PartInfo, RequestOptions } from '../store.ts';
import { noSuchKey, wrongSize } from '../store-errors.ts';
import { headObject, type S3Place } from './head.ts';
import { plainEtag } from './integrity.ts';
import { createS3Upload, discardUpload } from './upload.ts';

/** Ranges copied at the same time. */
const PARALLEL = 4;

/** CopyObject, or UploadPartCopy of ranges for large objects; no byte comes here. */
export async function copyObject(
  place: S3Place,
  from: { readonly lsu: string; readonly key: string },
  key: string,
  options: RequestOptions,
): Promise<ObjectInfo> {
  const { sender, lsu } = place;
  const source = await headObject({ sender, lsu: from.lsu }, from.key, options);
  if (source === undefined) throw noSuchKey(from.lsu, from.key);
  const CopySource = [from.lsu, ...from.key.split('/')].map(encodeURIComponent).join('/');
  if (source.size > sender.settings.copyPartBytes) return copyParts(place, CopySource, source.size, key, options);
  await sender.send({ operation: 'copy', lsu, key, slow: true, signal: options.signal }, (client, http) =>
    client.send(new CopyObjectCommand({ Bucket: lsu, Key: key, CopySource }), http),
  );
  const info = await headObject(place, key, options);
  if (info === undefined) throw noSuchKey(lsu, key);
  if (info.size !== source.size) throw wrongSize(lsu, key, source.size, info.size);
  return info;
}

async function copyParts(
  place: S3Place,
  CopySource: string,
  size: number,
  key: string,
  options: RequestOptions,
): Promise<ObjectInfo> {
  const { sender, lsu } = place;
  const partBytes = Math.max(sender.settings.copyPartBytes, Math.ceil(size / place.limits.maxParts));
  const count = Math.ceil(size / partBytes);
  const upload = await createS3Upload(place, key, options);
  const parts: PartInfo[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < count && !failed) {
      const index = next;
      next += 1;
      const offset = index * partBytes;
      const end = Math.min(size, offset + partBytes);
      const task = { operation: 'copy part', lsu, key, slow: true, signal: options.signal };
      const answer = await sender.send(task, (client, http) =>
        client.send(
          new UploadPartCopyCommand({
            Bucket: lsu,
            Key: key,
            UploadId: upload.id,
            PartNumber: index + 1,
            CopySource,
            CopySourceRange: `bytes=${offset}-${end - 1}`,
          }),
          http,
        ),
      );
      parts[index] = { number: index + 1, size: end - offset, etag: plainEtag(answer.CopyPartResult?.ETag) };
    }
  };
  try {
    const workers = Array.from({ length: Math.min(PARALLEL, count) }, () =>
      worker().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    );
    const ends = await Promise.allSettled(workers);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return await upload.complete(parts, options);
  } catch (error) {
    await discardUpload(upload);
    throw error;
  }
}
