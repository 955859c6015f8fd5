import { execFileSync, spawnSync } from 'node:child_process';
import { compressFrame } from 'lz4-napi';
import t from 'tap';
import { ByteBudget } from '../../../src/pipeline/byte-budget.ts';
import { type Chunk, sizeOf } from '../../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../../src/pipeline/lease.ts';
import type { StageEnv } from '../../../src/pipeline/stage.ts';
import { configureStage } from '../../../src/pipeline/stage-registry.ts';
import { storedFrameBytes } from '../../../src/stages/lz4/frame.ts';
import { lz4Stage } from '../../../src/stages/lz4/lz4-stage.ts';
import { chunkOf, countingLease, LEAF_BYTES, never, noise, prose } from '../../support/chunks.ts';
import { JsBridge } from '../../support/js-bridge.ts';
import { frameOf } from '../../support/lz4-frames.ts';
import { until } from '../../support/turns.ts';
import { xxh32 } from '../../support/xxh32.ts';

const MIB = 1024 * 1024;
const BLOCK = 4 * MIB;

interface Rig extends StageEnv {
  readonly budget: ByteBudget;
  forward(chunk: Chunk, signal?: AbortSignal): Promise<Chunk>;
  inverse(chunk: Chunk, signal?: AbortSignal): Promise<Chunk>;
}

function rig(options: object = {}, total = 64 * MIB): Rig {
  const env = { budget: new ByteBudget(total), scope: new LeaseScope(), bridge: new JsBridge() };
  const stage = configureStage(lz4Stage, options);
  const [forward, inverse] = [stage.forward(env), stage.inverse(env)];
  return {
    ...env,
    forward: async (chunk, signal = never) => forward.apply(chunk, signal),
    inverse: async (chunk, signal = never) => inverse.apply(chunk, signal),
  };
}

/** Compressible and other stretches in turn. */
function mixture(length: number): Buffer {
  const data = noise(length, 5);
  for (let at = 0; at < length; at += 200_000) prose(Math.min(100_000, length - at)).copy(data, at);
  return data;
}

/** The stored bytes as the fetcher reads them: in one piece, in memory of their own. */
const fetched = (chunk: Chunk): Chunk => ({ ...chunk, pieces: [Buffer.concat(chunk.pieces)], lease: countingLease() });

const sizes = [1, 2, 100, LEAF_BYTES, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3 * LEAF_BYTES + 5];

t.test('there and back: every kind of data and edge size; tickets and leases balance', async (t) => {
  for (const make of [prose, noise, mixture]) {
    for (const size of sizes) {
      const env = rig();
      const data = make(size);
      const lease = countingLease();
      const encoded = await env.forward(chunkOf(data, { index: 3, offset: 7, lease }));
      t.strictSame([encoded.index, encoded.offset, encoded.length], [3, 7, size]);
      const length = sizeOf(encoded.pieces);
      const kept = encoded.lease === lease;
      t.ok(length <= storedFrameBytes(size), `${make.name} ${size}: ${length} bytes`);
      t.ok(kept || length < size, 'compressed only when that is smaller');
      t.strictSame([lease.released, env.scope.size, env.budget.used], kept ? [0, 0, 0] : [1, 1, length]);

      const stored = fetched(encoded);
      const decoded = await env.inverse(stored);
      t.ok(Buffer.concat(decoded.pieces).equals(data), `${make.name} ${size}`);
      t.ok(
        decoded.pieces.slice(0, -1).every(({ byteLength }) => byteLength % LEAF_BYTES === 0),
        'pieces are whole leaves but for the last',
      );
      decoded.lease.release();
      encoded.lease.release();
      t.strictSame([env.budget.used, env.scope.size, (stored.lease as typeof lease).released], [0, 0, 1]);
    }
  }
});

t.test('what compresses is compressed, what does not is stored without a copy', async (t) => {
  const env = rig();
  const text = await env.forward(chunkOf(prose(5 * MIB)));
  t.ok(sizeOf(text.pieces) < MIB);
  const data = noise(9 * MIB);
  const lease = countingLease();
  const stored = await env.forward(chunkOf(data, { lease }));
  t.equal(stored.lease, lease);
  t.equal(
    sizeOf(stored.pieces.filter(({ buffer }) => buffer === data.buffer)),
    data.byteLength,
    'the pieces refer to the chunk’s memory',
  );
  t.ok(env.budget.peak < 11 * MIB, 'no ticket was taken for it');
  const views = await env.inverse(fetched(stored));
  t.ok(views.pieces.length === 3 && views.pieces.every(({ buffer }) => buffer === views.pieces[0]?.buffer));
});

t.test('the wanted saving', async (t) => {
  // A tenth of it shrinks.
  const data = noise(2 * MIB);
  for (let at = 0; at < data.byteLength; at += 10_000) data.fill(0, at, at + 1000);
  const eager = await rig({ minSaving: 0.02 }).forward(chunkOf(data));
  t.ok(sizeOf(eager.pieces) < 0.95 * data.byteLength);
  const picky = await rig({ minSaving: 0.5 }).forward(chunkOf(data));
  t.equal(sizeOf(picky.pieces), storedFrameBytes(data.byteLength));
  t.throws(() => configureStage(lz4Stage, { minSaving: 1 }), { code: 'VOST_STAGE_OPTIONS' });
  t.throws(() => configureStage(lz4Stage, { level: 9 }), { code: 'VOST_STAGE_OPTIONS' });
});

t.test('frames of others: stored blocks that are no whole leaves, block checksums', async (t) => {
  const env = rig();
  const data = noise(200_000);
  const blocks = [0, 1, 2, 3].map((nth) => ({ data: data.subarray(nth * 50_000, (nth + 1) * 50_000), stored: true }));
  const frame = frameOf(blocks, {
    size: 4,
    contentChecksum: xxh32([data]),
    blockChecksum: true,
    contentSize: 200_000n,
  });
  const decoded = await env.inverse(chunkOf(frame, { length: data.byteLength }));
  t.ok(Buffer.concat(decoded.pieces).equals(data));
  t.equal(decoded.pieces.length, 1);
  t.equal(env.budget.used, data.byteLength);
  decoded.lease.release();
  t.equal(env.budget.used, 0);
});

const noLz4 = spawnSync('lz4', ['--version']).error ? 'there is no lz4 on PATH' : false;

t.test('lz4 -d decodes concatenated frames of both kinds', { skip: noLz4 }, async (t) => {
  const env = rig();
  const parts = [prose(3 * MIB), noise(BLOCK + 9), mixture(2 * MIB), noise(1), prose(100)];
  const pieces: Uint8Array[] = [];
  for (const part of parts) pieces.push(...(await env.forward(chunkOf(part))).pieces);
  const output = execFileSync('lz4', ['-d', '-c'], { input: Buffer.concat(pieces), maxBuffer: 64 * MIB });
  t.ok(output.equals(Buffer.concat(parts)));
});

t.test('a frame that cannot be decoded is named, and nothing stays held', async (t) => {
  const env = rig();
  const data = prose(300_000);
  const frame = await compressFrame(data, { contentChecksum: true });
  for (let at = 20; at < frame.byteLength; at += 97) {
    const broken = Buffer.from(frame);
    broken[at] = (broken[at] as number) ^ 0x55;
    const lease = countingLease();
    await t.rejects(
      env.inverse(chunkOf(broken, { index: 12, offset: 34, length: data.byteLength, lease })),
      { code: 'VOST_CORRUPT_FRAME' },
      `byte ${at}`,
    );
    t.strictSame([env.budget.used, env.scope.size, lease.released], [0, 0, 0], 'the input is left to the scope');
  }
  const broken = Buffer.from(frame);
  broken.fill(0xff, broken.byteLength - 4);
  await t.rejects(env.inverse(chunkOf(broken, { index: 12, offset: 34, length: data.byteLength })), {
    failure: 'integrity',
    message: /chunk 12/,
    details: { chunk: 12, offset: 34 },
    cause: Error,
  });
  await t.rejects(env.inverse(chunkOf(noise(100), { length: 100 })), { code: 'VOST_CORRUPT_FRAME' });
});

t.test('a bomb never reaches the decoder', async (t) => {
  const env = rig();
  const bomb = await compressFrame(Buffer.alloc(64 * MIB));
  await t.rejects(env.inverse(chunkOf(bomb, { length: MIB })), { code: 'VOST_CORRUPT_FRAME', message: /more than/ });
  t.equal(env.budget.peak, 0);
});

t.test('chunks in several pieces are a mistake in the chain', async (t) => {
  const env = rig();
  const pieces = [noise(10), noise(10)];
  await t.rejects(env.forward({ ...chunkOf(noise(20)), pieces }), /one piece/);
  await t.rejects(env.inverse({ ...chunkOf(noise(20)), pieces }), /one piece/);
});

t.test('waiting for room: granted when the other is done, given up when aborted', async (t) => {
  const data = prose(MIB);
  const frame = await compressFrame(data, { contentChecksum: true });
  for (const direction of ['forward', 'inverse'] as const) {
    const env = rig({}, 2 * MIB);
    await env.budget.take(MIB);
    const overdraft = await env.budget.takeForOutput(2 * MIB);
    const chunk = direction === 'forward' ? chunkOf(data) : chunkOf(frame, { length: MIB });
    const controller = new AbortController();
    const aborted = env[direction](chunk, controller.signal);
    const patient = env[direction](chunk);
    await until(() => env.budget.waiting === 2);
    controller.abort();
    await t.rejects(aborted, { code: 'VOST_ABORTED' });
    overdraft.release();
    const done = await patient;
    t.equal(env.scope.size, 1);
    done.lease.release();
    t.strictSame([env.budget.used, env.scope.size, env.budget.waiting], [MIB, 0, 0]);
  }
});

t.test('a chunk whose output can never fit says so', async (t) => {
  await t.rejects(rig({}, MIB).forward(chunkOf(prose(MIB))), { code: 'VOST_BUDGET', failure: 'usage' });
});
