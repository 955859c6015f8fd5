/** Positional writes of bodies, buffered or past the page cache. Nothing is copied. */
import { constants } from 'node:fs';
import { EngineError } from '../../errors.ts';
import { bodyBytes, checkSignal, slices } from '../body.ts';
import type { Body, PartBody } from '../store.ts';
import { ALIGNMENT, directly } from './direct-io.ts';
import type { Files, OpenFile } from './files.ts';

/** Bytes handed to one system call: large enough to be cheap, small enough for a quick abort. */
const STEP_BYTES = 16 * 1024 * 1024;
/** Below this a direct write saves nothing. */
const MIN_DIRECT_BYTES = 256 * 1024;

/** Pieces of a body that add up to at most STEP_BYTES. */
function* steps(body: Body): Generator<Uint8Array[], undefined> {
  let step: Uint8Array[] = [];
  let bytes = 0;
  for (const slice of slices(body, STEP_BYTES)) {
    if (bytes + slice.byteLength > STEP_BYTES) {
      yield step;
      step = [];
      bytes = 0;
    }
    step.push(slice);
    bytes += slice.byteLength;
  }
  if (bytes > 0) yield step;
}

/** What is left of the pieces after `written` bytes. */
function rest(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = written;
  for (const piece of pieces) {
    if (skip < piece.byteLength) left.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.byteLength);
  }
  return left;
}

async function writeFully(file: OpenFile, pieces: readonly Uint8Array[], position: number): Promise<number> {
  let left = [...pieces];
  let at = position;
  while (left.length > 0) {
    const bytesWritten = await file.writev(left, at);
    if (bytesWritten === 0)
      throw new EngineError('VOST_IO', 'internal', 'the system wrote no bytes and named no error');
    at += bytesWritten;
    left = rest(left, bytesWritten);
  }
  return at;
}

/**
 * Write the whole body at `position`; the signal is looked at between steps.
 * @returns the position behind the last byte
 */
export async function writeBody(
  file: OpenFile,
  body: Body,
  position: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let at = position;
  for (const step of steps(body)) {
    checkSignal(signal);
    at = await writeFully(file, step, at);
  }
  return at;
}

/**
 * The longest beginning of the body that direct I/O can take, and the rest. The base address of an
 * ArrayBuffer cannot be seen from JavaScript; slabs are page-aligned, and where it is not aligned
 * the kernel says EINVAL.
 */
export function splitAligned(body: Body, offset: number): { readonly direct: Body; readonly buffered: Body } {
  const direct: Uint8Array[] = [];
  const buffered: Uint8Array[] = [];
  let aligned = offset % ALIGNMENT === 0;
  for (const piece of body) {
    const take = aligned && piece.byteOffset % ALIGNMENT === 0 ? piece.byteLength - (piece.byteLength % ALIGNMENT) : 0;
    if (take > 0) direct.push(piece.subarray(0, take));
    if (take < piece.byteLength) buffered.push(piece.subarray(take));
    aligned &&= take === piece.byteLength;
  }
  return { direct, buffered };
}

/**
 * Write a part into the file at `path`, with `directIo` past the page cache as far as alignment and filesystem
 * allow, and flush it to stable storage (fdatasync).
 * @returns how many bytes were written directly
 */
export async function writePart(
  files: Files,
  path: string,
  { body, offset }: Pick<PartBody, 'body' | 'offset'>,
  directIo: boolean,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { direct, buffered } = splitAligned(body, offset);
  const bytes = bodyBytes(direct);
  const worthIt = directIo && bytes >= MIN_DIRECT_BYTES;
  const access = constants.O_WRONLY | constants.O_NOFOLLOW;
  const done = worthIt && (await directly(files, path, access, (file) => writeBody(file, direct, offset, signal)));
  await using file = await files.open(path, access);
  if (done) await writeBody(file, buffered, offset + bytes, signal);
  else await writeBody(file, body, offset, signal);
  await file.datasync();
  return done ? bytes : 0;
}
