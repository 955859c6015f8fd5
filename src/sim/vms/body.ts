import type { IncomingMessage } from 'node:http';
import { detailError } from './vms-error.ts';

/** Largest request, bytes. */
const MAX_BYTES = 1024 * 1024;

/** The JSON object of a request; `{}` when it has no body. Throws 400 and 413 answers. */
export async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_BYTES) throw detailError(413, 'Request too large.');
    pieces.push(piece);
  }
  if (size === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    throw detailError(400, 'JSON parse error - Expecting value: line 1 column 1 (char 0)');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw detailError(400, 'Invalid data. Expected a dictionary.');
  }
  return value as Record<string, unknown>;
}
