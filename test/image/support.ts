import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import type { ImageIdentity } from '../../src/image/identity.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { ImageWriter, type ImageWriterOptions } from '../../src/image/image-writer.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import { createResources, type Resources } from '../../src/pipeline/resources.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { type MemoryOptions, MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore, StoreLimits } from '../../src/vast/store.ts';
import { wrapStore } from '../support/wrap-store.ts';

export const MIB = 1024 * 1024;

/** Resources with a small budget; the test fails when anything of it is still held at its end. */
export function testResources(t: Test, memoryBudget = 32 * MIB): Resources {
  const resources = createResources(bridge, memoryBudget, builtInStages());
  t.teardown(() => {
    resources.slabs.close();
    if (resources.budget.used !== 0)
      throw new Error(`${resources.budget.used} bytes of the budget were never given back`);
  });
  return resources;
}

export async function memoryLsu(limits: Partial<StoreLimits> = {}, options: MemoryOptions = {}): Promise<ObjectStore> {
  const storage = new MemoryStorage(new Map(), options);
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  return wrapStore(store, { limits: { ...store.limits, ...limits } });
}

/** Reproducible bytes that do not compress. */
export function randomBytes(length: number, seed = 'seed'): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0, block = 0; at < length; block += 1) {
    at += createHash('shake256', { outputLength: 1 << 16 })
      .update(`${seed}:${block}`)
      .digest()
      .copy(out, at);
  }
  return out;
}

/** Reproducible bytes that compress well. */
export function textBytes(length: number): Buffer {
  const line = 'Jan 12 10:01:02 host daemon[123]: request 0000 took 12 ms\n';
  return Buffer.from(line.repeat(Math.ceil(length / line.length)).slice(0, length), 'latin1');
}

export const identity = (basename: string, more: Partial<ImageIdentity> = {}): ImageIdentity => ({
  basename,
  date: '1700000000',
  full_name: 'policy',
  qualifiers: [],
  ...more,
});

export function writerOptions(
  resources: Resources,
  name: string,
  more: Partial<ImageWriterOptions> & { compress?: boolean } = {},
): ImageWriterOptions {
  const { compress, ...rest } = more;
  return {
    identity: identity(name),
    metadata: { policy: 'policy', schedule: 'full', client: 'client' },
    stages: compress ? [resources.stages.configure('lz4', {})] : [],
    chunkBytes: MIB,
    partBytes: MIB,
    parallelParts: 3,
    window: 4 * MIB,
    flatDigest: false,
    ...rest,
  };
}

/** Write an image in blocks of `block` bytes and commit it. */
export async function writeImage(
  store: ObjectStore,
  resources: Resources,
  options: ImageWriterOptions,
  data: Uint8Array,
  block = 256 * 1024,
): Promise<{ imageId: string; manifest: Manifest }> {
  const writer = await ImageWriter.create(store, resources, options);
  try {
    for (let at = 0; at < data.byteLength; at += block) await writer.write(at, data.subarray(at, at + block));
    return { imageId: writer.imageId, manifest: await writer.commit() };
  } catch (error) {
    await writer.abort(error as Error);
    throw error;
  }
}

/** Read a range back, checking that it comes in order. */
export async function readImage(
  store: ObjectStore,
  resources: Resources,
  imageId: string,
  range: { offset?: number; length?: number } = {},
): Promise<Buffer> {
  const reader = await ImageReader.open(store, resources, imageId);
  const pieces: Buffer[] = [];
  let next = range.offset ?? 0;
  await reader.read({ ...range, readAhead: 3 }, async (data, offset) => {
    if (offset !== next) throw new Error(`bytes at ${offset} came where ${next} was due`);
    next += data.byteLength;
    pieces.push(Buffer.from(data));
  });
  return Buffer.concat(pieces);
}

/** All bytes of an object. */
export async function objectBytes(store: ObjectStore, key: string): Promise<Buffer> {
  const info = await store.head(key);
  if (info === undefined) throw new Error(`no object ${key}`);
  const bytes = Buffer.alloc(info.size);
  await store.read(key, 0, bytes);
  return bytes;
}

export async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}
