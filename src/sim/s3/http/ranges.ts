import { s3Error } from '../s3-error.ts';
import type { Segment } from '../state/records.ts';

/** First and last byte, both inside the object. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The one range that a Range header asks for. A header that is malformed, or names several ranges,
 * is ignored as RFC 9110 allows; a range outside the object is InvalidRange.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (first > last) throw s3Error('InvalidRange', undefined, { 'Content-Range': `bytes */${size}` });
  return { first, last };
}

/** The part of a run of segments that a range covers. */
export function sliceSegments(segments: readonly Segment[], range: ByteRange): Segment[] {
  const slices: Segment[] = [];
  let at = 0;
  for (const { blob, offset, length } of segments) {
    const from = Math.max(range.first - at, 0);
    const to = Math.min(range.last + 1 - at, length);
    if (from < to) slices.push({ blob, offset: offset + from, length: to - from });
    at += length;
  }
  return slices;
}
