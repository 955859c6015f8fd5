import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Reply } from '../call.ts';
import type { S3Error } from '../s3-error.ts';
import type { BlobStore } from '../state/blob-store.ts';
import type { Segment } from '../state/records.ts';
import { xmlDocument } from '../xml/xml-writer.ts';

const READ_BYTES = 1024 * 1024;

/** Send an answer; resolves when its last byte went to the socket. */
export async function sendReply(response: ServerResponse, reply: Reply, blobs: BlobStore): Promise<void> {
  const { status, headers = {}, xml, content = [] } = reply;
  if (xml !== undefined) {
    sendXml(response, status, xml, headers);
    return;
  }
  const length: Record<string, string> =
    status === 204 || status === 304 || 'Content-Length' in headers ? {} : { 'Content-Length': '0' };
  response.writeHead(status, { ...headers, ...length });
  if (content.length === 0) response.end();
  else await pipeline(readSegments(content, blobs), response);
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
