import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Reply } from '../call.ts';
import type { S3Error } from '../s3-error.ts';
import type { BlobStore } from '../state/blob-store.ts';
import type { Segment } from '../state/records.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { Reset } from './reset.ts';

const READ_BYTES = 1024 * 1024;

/** Where the bytes lie, and after how many of them the connection is to break. */
export interface SendOptions {
  readonly blobs: BlobStore;
  readonly truncateAfter?: number | undefined;
}

/** Send an answer; resolves when its last byte went to the socket. */
export async function sendReply(response: ServerResponse, reply: Reply, options: SendOptions): Promise<void> {
  const { status, headers = {}, xml, content = [] } = reply;
  const { blobs, truncateAfter } = options;
  if (xml !== undefined) {
    if (truncateAfter !== undefined) throw new Reset();
    sendXml(response, status, xml, headers);
    return;
  }
  const length: Record<string, string> =
    status === 204 || status === 304 || 'Content-Length' in headers ? {} : { 'Content-Length': '0' };
  response.writeHead(status, { ...headers, ...length });
  if (content.length === 0) response.end();
  else await pipeline(cut(readSegments(content, blobs), truncateAfter), response);
}

/** Let so many bytes pass, then fail, which breaks the connection. */
async function* cut(pieces: AsyncIterable<Uint8Array>, bytes = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of pieces) {
    yield piece.subarray(0, left);
    left -= piece.length;
    if (left < 0) throw new Reset();
  }
}

async function* readSegments(segments: readonly Segment[], blobs: BlobStore): AsyncGenerator<Uint8Array> {
  for (const { blob, offset, length } of segments) {
    yield* createReadStream(blobs.path(blob), {
      start: offset,
      end: offset + length - 1,
      highWaterMark: READ_BYTES,
    }) as AsyncIterable<Uint8Array>;
  }
}

/** Send an error document; node leaves its body out for HEAD. */
export function sendError(response: ServerResponse, error: S3Error, resource: string, requestId: string): void {
  const xml = xmlDocument(
    'Error',
    [
      ['Code', error.code],
      ['Message', error.message],
      ['Resource', resource],
      ['RequestId', requestId],
    ],
    false,
  );
  sendXml(response, error.status, xml, error.headers);
}

function sendXml(
  response: ServerResponse,
  status: number,
  xml: string,
  headers: Readonly<Record<string, string>>,
): void {
  const length = String(Buffer.byteLength(xml));
  response.writeHead(status, { 'Content-Type': 'application/xml', 'Content-Length': length, ...headers });
  response.end(xml);
}
