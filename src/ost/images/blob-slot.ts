import { invalid } from '../errors.ts';
import { MAX_META_BYTES, MAX_META_INDEX } from '../wire/constants.ts';

/** Refuses a blob number or length that cannot be. */
export function checkBlob(index: number, length: number, slotBytes: number): void {
  if (index >= MAX_META_INDEX) throw invalid(`blob numbers end at ${MAX_META_INDEX - 1}`);
  if (length > MAX_META_BYTES || length > slotBytes) throw invalid(`a blob of ${length} bytes is too long`);
}

/** Put a blob into a slot; resolves to its length. */
export function fillSlot(slot: Uint8Array, blob: Uint8Array): { readonly length: number } {
  if (blob.byteLength > slot.byteLength) throw invalid(`the blob of ${blob.byteLength} bytes needs a longer slot`);
  slot.set(blob);
  return { length: blob.byteLength };
}
