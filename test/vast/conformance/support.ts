// Keeps a file open from its first use on, which is no descriptor that a store forgot.
import '../../../src/bridge/bridge.ts';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import type { ObjectStore, Storage } from '../../../src/vast/store.ts';

/** What the suite must know about the store under test. */
export interface StoreFeatures {
  /** Another Storage on the same data, as another process would have it. */
  reopen(): Storage;
  /** Size of the parts that the suite sends, bytes; at least the store's minPartBytes. */
  readonly partBytes: number;
  /** Size of the pieces in which putStream sends, bytes. */
  readonly streamPartBytes: number;
  /** A new, empty LSU that has locks; absent where there are none. */
  readonly lockingLsu?: () => Promise<ObjectStore>;
  /** Its LSUs lie in storages of their own, so nothing can be copied across. Default: it can. */
  readonly apart?: boolean;
  /** Keys or parts on one page of a listing. */
  readonly pageSize: number;
}

export interface MadeStorage {
  readonly storage: Storage;
  readonly features: StoreFeatures;
  cleanup(): Promise<void>;
}

export type MakeStorage = (t: Test) => Promise<MadeStorage>;

/** What every group of the suite works with. */
export interface Subject {
  readonly storage: Storage;
  readonly features: StoreFeatures;
  /** A new, empty LSU. */
  fresh(): Promise<ObjectStore>;
}

/** Bytes that differ from place to place, so that a shifted or swapped piece shows. */
export function pattern(bytes: number, seed = 1): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  const words = bytes - (bytes % 4);
  for (let at = 0; at < words; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    buffer.writeInt32LE(state | 0, at);
  }
  for (let at = words; at < bytes; at += 1) buffer[at] = (seed + at) & 255;
  return buffer;
}

/** The whole object. */
export async function fetch(store: ObjectStore, key: string): Promise<Buffer> {
  const info = await store.head(key);
  if (info === undefined) throw new Error(`no ${key}`);
  const into = Buffer.alloc(info.size);
  await store.read(key, 0, into);
  return into;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

export async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  return (await all(store.list({ prefix }))).map((info) => info.key);
}

export async function* streamOf(...pieces: Uint8Array[]): AsyncGenerator<Uint8Array, undefined> {
  yield* pieces;
}

/** Files and sockets that this process has open. */
export async function descriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

/** Waits for sockets that close after the call that closed them; false when some never do. */
export async function descriptorsAtMost(limit: number): Promise<boolean> {
  for (let round = 0; round < 500; round += 1) {
    if ((await descriptors()) <= limit) return true;
    await delay(10);
  }
  return false;
}
