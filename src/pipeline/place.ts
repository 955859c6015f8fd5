import { bridge } from '../bridge/bridge.ts';

/** Bytes in a slab, as any thread of the process can find them while the slab is not freed. */
export interface Place {
  readonly address: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Where bytes are; undefined when they are in no slab. */
export function placeOf({ buffer, byteOffset, byteLength }: Uint8Array): Place | undefined {
  const address = bridge.addressOf(buffer);
  return address === undefined ? undefined : { address, offset: byteOffset, bytes: byteLength };
}
