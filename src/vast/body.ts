/** Small helpers on bodies and parts, the same for every store. */
import { abortError, EngineError } from '../errors.ts';
import type { Body, PartBody, PartInfo, StoreLimits } from './store.ts';
import { badParts } from './store-errors.ts';

/** Sum of the lengths, bytes. */
export function bodyBytes(body: Body): number {
  let bytes = 0;
  for (const piece of body) bytes += piece.byteLength;
  return bytes;
}

/** The body as views of at most `sliceBytes` each; nothing is copied, empty pieces are dropped. */
export function* slices(body: Body, sliceBytes: number): Generator<Uint8Array, undefined> {
  for (const piece of body) {
    for (let at = 0; at < piece.byteLength; at += sliceBytes) yield piece.subarray(at, at + sliceBytes);
  }
}

/** @throws EngineError (`aborted`) when the signal is aborted */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** Wraps what a source threw, so that it can be told from a failure of the store. */
export class SourceFailure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** Rejects as soon as the signal is aborted, whatever the promise does. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  checkSignal(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * The source's pieces; ends at once when the signal is aborted, even while the source is waiting.
 * What the source throws comes as {@link SourceFailure}.
 */
export async function* watchSource(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await iterator.next();
    } catch (error) {
      ended = true;
      throw new SourceFailure(error);
    }
  };
  try {
    for (;;) {
      const result = await orAborted(next(), signal);
      ended ||= result.done === true;
      if (result.done) return;
      yield result.value;
    }
  } finally {
    // Not awaited: a source that never answers cannot be waited for.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
}

/** The error to show for a failed putStream: the source's own, unchanged, or the store's. */
export function unwrapSource(error: unknown): unknown {
  return error instanceof SourceFailure ? error.error : error;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** @throws EngineError VOST_BAD_OFFSET (`usage`) */
export function checkOffset(offset: number): void {
  if (!isCount(offset)) throw new EngineError('VOST_BAD_OFFSET', 'usage', `not a valid offset: ${offset}`);
}

/** @throws EngineError VOST_OBJECT_TOO_LARGE (`capacity`) */
export function checkObjectBytes(bytes: number, limits: StoreLimits): void {
  if (bytes > limits.maxObjectBytes) {
    throw new EngineError(
      'VOST_OBJECT_TOO_LARGE',
      'capacity',
      `${bytes} bytes are more than the store's largest object, ${limits.maxObjectBytes} bytes`,
    );
  }
}

/** @throws EngineError VOST_BAD_PART (`usage`) */
export function checkPart(part: PartBody, limits: StoreLimits): void {
  const fail = (why: string): never => {
    throw new EngineError('VOST_BAD_PART', 'usage', `part ${part.number}: ${why}`);
  };
  if (!isCount(part.number) || part.number < 1 || part.number > limits.maxParts) {
    fail(`part numbers go from 1 to ${limits.maxParts}`);
  }
  if (!isCount(part.offset)) fail(`not a valid offset: ${part.offset}`);
  if (part.size !== bodyBytes(part.body)) fail(`says ${part.size} bytes and has ${bodyBytes(part.body)}`);
  if (part.size > limits.maxPartBytes) fail(`${part.size} bytes are more than the limit of ${limits.maxPartBytes}`);
}

/**
 * Compare what the caller wants to complete with the parts that the store holds: the same numbers,
 * sizes and markers, ascending, none missing, none too small.
 * @returns the size of the object, bytes
 * @throws EngineError VOST_BAD_PARTS (`usage`)
 */
export function checkParts(
  lsu: string,
  key: string,
  wanted: readonly PartInfo[],
  stored: readonly PartInfo[],
  limits: StoreLimits,
): number {
  const last = wanted.at(-1);
  if (last === undefined) throw badParts(lsu, key, 'no part was named');
  const held = new Map(stored.map((part) => [part.number, part]));
  let total = 0;
  let previous = 0;
  for (const part of wanted) {
    const found = held.get(part.number);
    if (part.number <= previous) throw badParts(lsu, key, `part ${part.number} is out of order`);
    if (found === undefined) throw badParts(lsu, key, `part ${part.number} is not stored`);
    if (found.size !== part.size || found.etag !== part.etag) {
      throw badParts(lsu, key, `part ${part.number} is not the stored one`, { details: { part, found } });
    }
    if (part !== last && part.size < limits.minPartBytes) {
      throw badParts(lsu, key, `part ${part.number} is smaller than ${limits.minPartBytes} bytes`);
    }
    previous = part.number;
    total += part.size;
  }
  if (wanted.length !== held.size) {
    throw badParts(lsu, key, `${held.size} parts are stored and ${wanted.length} were named`);
  }
  checkObjectBytes(total, limits);
  return total;
}
