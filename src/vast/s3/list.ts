import { ListMultipartUploadsCommand, ListObjectsV2Command, type ListObjectsV2CommandInput } from '@aws-sdk/client-s3';
import { checkSignal } from '../body.ts';
import { isKey } from '../names.ts';
import type { ListOptions, ObjectInfo, RequestOptions, UploadInfo } from '../store.ts';
import type { S3Place } from './head.ts';
import { plainEtag } from './integrity.ts';
import { pages } from './pages.ts';

/** Stops between two items when the signal is aborted. */
async function* interruptible<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, undefined> {
  checkSignal(signal);
  for await (const item of items) {
    checkSignal(signal);
    yield item;
  }
}

async function listPage(
  { sender, lsu }: S3Place,
  input: Omit<ListObjectsV2CommandInput, 'Bucket'>,
  token: string | undefined,
  options: RequestOptions,
) {
  const position = token === undefined ? {} : { ContinuationToken: token };
  const answer = await sender.send({ operation: 'list', lsu, signal: options.signal }, (client, http) =>
    client.send(
      new ListObjectsV2Command({ Bucket: lsu, MaxKeys: sender.settings.pageSize, ...input, ...position }),
      http,
    ),
  );
  return { answer, next: answer.IsTruncated ? answer.NextContinuationToken : undefined };
}

/** ListObjectsV2; keys outside our grammar (of other programs) are left out. */
export async function* listObjects(place: S3Place, options: ListOptions): AsyncGenerator<ObjectInfo, undefined> {
  const { prefix = '', startAfter = '' } = options;
  const input = { Prefix: prefix, ...(startAfter === '' ? {} : { StartAfter: startAfter }) };
  const objects = pages(async (token: string | undefined) => {
    const { answer, next } = await listPage(place, input, token, options);
    const items: ObjectInfo[] = [];
    for (const { Key: key = '', Size: size = 0, LastModified, ETag } of answer.Contents ?? []) {
      if (isKey(key)) items.push({ key, size, modified: LastModified?.getTime() ?? 0, etag: plainEtag(ETag) });
    }
    return { items, next };
  });
  yield* interruptible(objects, options.signal);
}

/** The common prefixes below `prefix`, without it and without their last '/'. */
export async function* listFolders(
  place: S3Place,
  prefix: string,
  options: RequestOptions,
): AsyncGenerator<string, undefined> {
  const folders = pages(async (token: string | undefined) => {
    const { answer, next } = await listPage(place, { Prefix: prefix, Delimiter: '/' }, token, options);
    const paths = (answer.CommonPrefixes ?? []).map((common) => (common.Prefix ?? '').slice(0, -1));
    return { items: paths.filter(isKey).map((path) => path.slice(prefix.length)), next };
  });
  yield* interruptible(folders, options.signal);
}

interface UploadMarker {
  readonly KeyMarker: string;
  readonly UploadIdMarker: string;
}

/** ListMultipartUploads. */
export async function* listUploads(
  { sender, lsu }: S3Place,
  prefix: string,
  options: RequestOptions,
): AsyncGenerator<UploadInfo, undefined> {
  const uploads = pages(async (marker: UploadMarker | undefined) => {
    const answer = await sender.send({ operation: 'list uploads', lsu, signal: options.signal }, (client, http) =>
      client.send(
        new ListMultipartUploadsCommand({
          Bucket: lsu,
          Prefix: prefix,
          MaxUploads: sender.settings.pageSize,
          ...marker,
        }),
        http,
      ),
    );
    const items: UploadInfo[] = [];
    for (const { Key: key = '', UploadId: id = '', Initiated } of answer.Uploads ?? []) {
      if (isKey(key) && key.startsWith(prefix)) items.push({ key, id, initiated: Initiated?.getTime() ?? 0 });
    }
    const { IsTruncated, NextKeyMarker: KeyMarker = '', NextUploadIdMarker: UploadIdMarker = '' } = answer;
    return { items, next: IsTruncated ? { KeyMarker, UploadIdMarker } : undefined };
  });
  yield* interruptible(uploads, options.signal);
}
