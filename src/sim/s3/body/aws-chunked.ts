import { createHash } from 'node:crypto';
import { ChunkSigner, type ChunkSigning } from '../auth/chunk-signing.ts';
import { sameDigest } from '../auth/signature.ts';
import { s3Error } from '../s3-error.ts';
import { ByteSource } from './byte-source.ts';

const MAX_LINE_BYTES = 512;
const MAX_TRAILERS = 8;
const CHUNK_HEADER = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/;

export interface ChunkedOptions {
  /** Chunks carry signatures made with this. */
  readonly signing: ChunkSigning | undefined;
  /** Header lines follow the last chunk. */
  readonly trailer: boolean;
  /** Length of the decoded body, bytes. */
  readonly length: number;
  /** Receives the trailing headers, lower-case names. */
  readonly trailers: Map<string, string>;
}

/**
 * Decode an aws-chunked body: `<hex size>[;chunk-signature=…]` lines, each followed by that many
 * bytes. Data is passed on before its chunk's signature can be checked; an error thrown later
 * takes it back, because nothing is published before the end.
 */
export async function* decodeAwsChunked(
  body: AsyncIterable<Uint8Array>,
  options: ChunkedOptions,
): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(body);
  const signer = options.signing === undefined ? undefined : new ChunkSigner(options.signing);
  let total = 0;
  for (;;) {
    const [, hex, signature] = CHUNK_HEADER.exec(await source.line(MAX_LINE_BYTES)) ?? [];
    if (hex === undefined) throw s3Error('IncompleteBody', 'A chunk header is malformed.');
    const size = Number.parseInt(hex, 16);
    total += size;
    if (total > options.length)
      throw s3Error('IncompleteBody', 'The body is longer than x-amz-decoded-content-length.');
    const digest = signer === undefined ? undefined : createHash('sha256');
    for await (const piece of source.take(size)) {
      digest?.update(piece);
      yield piece;
    }
    if (signer !== undefined && digest !== undefined) {
      if (!sameDigest(signer.chunk(digest.digest('hex')), signature ?? '')) throw s3Error('SignatureDoesNotMatch');
    }
    if (size === 0) break;
    if ((await source.line(MAX_LINE_BYTES)) !== '') throw s3Error('IncompleteBody', 'A chunk is malformed.');
  }
  if (total < options.length) throw s3Error('IncompleteBody');
  await readTrailers(source, signer, options);
}

async function readTrailers(
  source: ByteSource,
  signer: ChunkSigner | undefined,
  options: ChunkedOptions,
): Promise<void> {
  let signed = '';
  let signature = '';
  for (let count = 0; ; count += 1) {
    const line = await source.line(MAX_LINE_BYTES);
    if (line === '') break;
    const colon = line.indexOf(':');
    if (!options.trailer || count >= MAX_TRAILERS || colon <= 0) {
      throw s3Error('IncompleteBody', 'The trailing headers are malformed.');
    }
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') {
      signature = value;
    } else {
      options.trailers.set(name, value);
      signed += `${name}:${value}\n`;
    }
  }
  if (signer !== undefined && options.trailer && !sameDigest(signer.trailer(signed), signature)) {
    throw s3Error('SignatureDoesNotMatch');
  }
}
