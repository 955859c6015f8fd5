import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { bridge } from '../../../src/bridge/bridge.ts';
import { ByteBudget } from '../../../src/pipeline/byte-budget.ts';
import type { Chunk } from '../../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../../src/pipeline/lease.ts';
import { configureStage } from '../../../src/pipeline/stage-registry.ts';
import { createLz4Stage } from '../../../src/stages/lz4/lz4-stage.ts';
import { refusal } from '../../support/refusal.ts';
import { stageEnv } from '../../support/stage-env.ts';

const MIB = 1024 * 1024;
const noise = (length: number): Buffer => createHash('shake256', { outputLength: length }).digest();
const text = (length: number): Buffer => Buffer.alloc(length, 'Jan 12 10:01:02 host daemon[7]: request took 12 ms\n');

function setUp(t: Test, total = 64 * MIB) {
  const budget = new ByteBudget(total);
  const scope = new LeaseScope();
  t.teardown(() => {
    scope.releaseAll();
    if (budget.used !== 0) throw new Error(`${budget.used} bytes were never given back`);
  });
  const env = stageEnv({ budget, scope, bridge });
  const stage = configureStage(createLz4Stage(), {});
  const signal = new AbortController().signal;
  const chunkOf = async (data: Buffer): Promise<Chunk> => ({
    index: 0,
    offset: 0,
    length: data.byteLength,
    pieces: [data],
    lease: scope.addTicket(await budget.take(data.byteLength)),
  });
  return {
    budget,
    scope,
    stage,
    encode: async (data: Buffer) => stage.forward(env).apply(await chunkOf(data), signal),
    decode: async (chunk: Chunk, length = chunk.length) => {
      const stored = Buffer.concat(chunk.pieces);
      chunk.lease.release();
      return stage.inverse(env).apply({ ...(await chunkOf(stored)), length }, signal);
    },
    signal,
    env,
  };
}

t.test('every kind of data comes back, and never grows beyond the bound', async (t) => {
  const { stage, encode, decode, budget } = setUp(t);
  const mixed = Buffer.concat([text(5 * MIB), noise(3 * MIB), text(100)]);
  for (const data of [
    text(1),
    noise(1),
    text(64 * 1024),
    text(4 * MIB - 1),
    text(4 * MIB),
    text(4 * MIB + 1),
    noise(4 * MIB + 1),
    noise(9 * MIB),
    mixed,
  ]) {
    const encoded = await encode(data);
    const stored = encoded.pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    t.ok(stored <= stage.bound(data.byteLength));
    const decoded = await decode(encoded);
    t.ok(Buffer.concat(decoded.pieces).equals(data), `${data.byteLength} bytes as ${stored}`);
    decoded.lease.release();
    t.equal(budget.used, 0);
  }
});

t.test('incompressible chunks are stored as they are, from their own memory', async (t) => {
  const { encode, budget } = setUp(t);
  const data = noise(6 * MIB);
  const before = budget.peak;
  const encoded = await encode(data);
  t.ok(encoded.pieces.some((piece) => piece.buffer === data.buffer));
  t.equal(budget.peak, before + 6 * MIB, 'no room was taken for output');
  encoded.lease.release();
});

t.test('compressed chunks hold only what they became, and their memory is freed with the lease', async (t) => {
  const { encode, budget } = setUp(t);
  const encoded = await encode(text(16 * MIB));
  const stored = encoded.pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  t.ok(stored < MIB);
  t.equal(budget.used, stored);
  encoded.lease.release();
  t.same(
    encoded.pieces.map(({ byteLength }) => byteLength),
    [0, 0, 0, 0],
  );
});

t.test('lz4 -d reads the concatenation of chunks of both kinds', async (t) => {
  if (spawnSync('lz4', ['--version']).status !== 0) return t.comment('lz4 is not installed');
  const { encode } = setUp(t);
  const parts = [text(5 * MIB), noise(5 * MIB), text(10)];
  const stored: Uint8Array[] = [];
  for (const part of parts) {
    const { pieces, lease } = await encode(part);
    stored.push(Buffer.concat(pieces));
    lease.release();
  }
  const { stdout, status } = spawnSync('lz4', ['-dc'], { input: Buffer.concat(stored), maxBuffer: 64 * MIB });
  t.equal(status, 0);
  t.ok(stdout.equals(Buffer.concat(parts)));
});

t.test('damaged frames are refused with the class integrity, and nothing is held afterwards', async (t) => {
  const { encode, decode, scope, budget } = setUp(t);
  for (const data of [text(9 * MIB), noise(5 * MIB)]) {
    const { pieces, lease } = await encode(data);
    const good = Buffer.concat(pieces);
    lease.release();
    for (const at of [0, 4, 5, 7, 9, Math.floor(good.byteLength / 2), good.byteLength - 1]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x41;
      const chunk: Chunk = {
        index: 3,
        offset: 0,
        length: data.byteLength,
        pieces: [bad],
        lease: { release: () => undefined },
      };
      const outcome = await Promise.resolve(decode(chunk)).catch((error: unknown) => error);
      // Bytes inside stored blocks, and the checksum over them, are the checksum stage's to judge.
      if (outcome instanceof Error) t.match(outcome, refusal('integrity'), `byte ${at}`);
      else t.ok(at >= good.byteLength - 4 || !Buffer.concat((outcome as Chunk).pieces).equals(data), `byte ${at}`);
      scope.releaseAll();
      t.equal(budget.used, 0);
    }
  }
});

t.test('a chunk that decodes to another length is refused', async (t) => {
  const { encode, decode, scope } = setUp(t);
  const encoded = await encode(text(5 * MIB));
  await t.rejects(decode(encoded, 5 * MIB + 1), refusal('integrity', { code: 'VOST_CORRUPT_FRAME' }));
  scope.releaseAll();
});

t.test('an abort stops between two frames', async (t) => {
  const { stage, env, budget, scope } = setUp(t);
  const controller = new AbortController();
  const data = text(32 * MIB);
  const lease = scope.addTicket(await budget.take(data.byteLength));
  const work = stage
    .forward(env)
    .apply({ index: 0, offset: 0, length: data.byteLength, pieces: [data], lease }, controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(Promise.resolve(work));
  lease.release();
  t.equal(budget.used, 0);
});

t.test('resident memory does not grow with the number of chunks', async (t) => {
  const { encode, decode } = setUp(t);
  const data = Buffer.concat([text(4 * MIB), noise(2 * MIB), text(2 * MIB)]);
  const round = async (): Promise<void> => {
    for (let nth = 0; nth < 12; nth += 1) {
      const decoded = await decode(await encode(data));
      decoded.lease.release();
    }
  };
  await round();
  const before = process.memoryUsage.rss();
  for (let nth = 0; nth < 4; nth += 1) await round();
  const grown = process.memoryUsage.rss() - before;
  // With lz4-napi's asynchronous functions this grew by hundreds of MiB.
  t.ok(grown < 96 * MIB, `grown by ${Math.round(grown / MIB)} MiB`);
});
