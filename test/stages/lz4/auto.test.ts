import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { bridge } from '../../../src/bridge/bridge.ts';
import { ByteBudget } from '../../../src/pipeline/byte-budget.ts';
import { type Chunk, sizeOf } from '../../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../../src/pipeline/lease.ts';
import { StageMeters } from '../../../src/pipeline/stage-meters.ts';
import { configureStage } from '../../../src/pipeline/stage-registry.ts';
import { createLz4Stage } from '../../../src/stages/lz4/lz4-stage.ts';
import type { Lz4Work, Verdict } from '../../../src/stages/lz4/pilot.ts';
import { noise, prose } from '../../support/chunks.ts';
import { refusal } from '../../support/refusal.ts';
import { stageEnv } from '../../support/stage-env.ts';

const MIB = 1024 * 1024;

/** The stage with a pilot that says what it is told to; in the end it says `store`. */
function setUp(t: Test, verdicts: Verdict[]) {
  const budget = new ByteBudget(64 * MIB);
  const scope = new LeaseScope();
  t.teardown(() => {
    scope.releaseAll();
    if (budget.used !== 0) throw new Error(`${budget.used} bytes were never given back`);
  });
  const flow = new StageMeters(new StageMeters());
  const seen: Lz4Work[] = [];
  const pilot = {
    begin: () => undefined,
    ask: () => verdicts.shift() ?? 'store',
    saw: (work: Lz4Work) => seen.push(work),
  };
  const stage = configureStage(
    createLz4Stage(undefined, () => pilot),
    { auto: true },
  );
  const env = stageEnv({ budget, scope, bridge, flow });
  const { signal } = new AbortController();
  const forward = stage.forward(env);
  const chunkOf = async (data: Buffer): Promise<Chunk> => ({
    index: 0,
    offset: 0,
    length: data.byteLength,
    pieces: [data],
    lease: scope.addTicket(await budget.take(data.byteLength)),
  });
  return {
    stage,
    flow,
    seen,
    budget,
    encode: async (data: Buffer): Promise<Chunk> => forward.apply(await chunkOf(data), signal),
    decode: async (stored: Buffer, length: number): Promise<Chunk> =>
      stage.inverse(env).apply({ ...(await chunkOf(stored)), length }, signal),
  };
}

t.test('a chunk that is not compressed goes out from its own memory, and takes none', async (t) => {
  const { encode, decode, budget, flow, stage } = setUp(t, ['store']);
  const data = prose(9 * MIB);
  const encoded = await encode(data);
  const own = encoded.pieces.filter(({ buffer }) => buffer === data.buffer);
  t.same(
    own.map(({ byteLength }) => byteLength),
    [4 * MIB, 4 * MIB, MIB],
  );
  t.equal(sizeOf(encoded.pieces) - data.byteLength, 7 + 3 * 4 + 4, 'no content checksum');
  t.ok(sizeOf(encoded.pieces) <= stage.bound(data.byteLength));
  t.equal(budget.peak, data.byteLength);
  t.same(flow.outcomes, { compressed: 0, incompressible: 0, unneeded: 1 });
  const stored = Buffer.concat(encoded.pieces);
  encoded.lease.release();
  const decoded = await decode(stored, data.byteLength);
  t.ok(Buffer.concat(decoded.pieces).equals(data));
  t.ok(
    decoded.pieces.every(({ buffer }) => buffer === stored.buffer),
    'nor does its way back',
  );
});

t.test('a chunk that is compressed tells the pilot what that took', async (t) => {
  const { encode, seen, flow } = setUp(t, ['compress']);
  const encoded = await encode(prose(9 * MIB));
  const size = sizeOf(encoded.pieces);
  t.ok(size < MIB);
  t.equal(seen.length, 2, 'samples, and the chunk');
  t.match(seen[1], { bytes: 9 * MIB, left: size });
  t.ok(seen.every(({ milliseconds }) => milliseconds > 0));
  t.same(flow.outcomes, { compressed: 1, incompressible: 0, unneeded: 0 });
});

t.test('a look is one of samples; the pilot may change its mind', async (t) => {
  const { encode, seen, flow } = setUp(t, ['look', 'store', 'look', 'compress']);
  const first = await encode(prose(2 * MIB));
  t.ok(sizeOf(first.pieces) > 2 * MIB);
  t.equal(seen.length, 1);
  t.equal(seen[0]?.bytes, MIB / 4);
  const second = await encode(prose(2 * MIB));
  t.ok(sizeOf(second.pieces) < MIB);
  t.same(flow.outcomes, { compressed: 1, incompressible: 0, unneeded: 1 });
});

t.test('random data is looked at once in a while, and never compressed', async (t) => {
  const all = 300;
  const { encode, seen, flow, budget } = setUp(
    t,
    Array.from({ length: all + 128 }, () => 'compress'),
  );
  const data = noise(2 * MIB);
  let lookedAt = 0;
  const { lz4Codec } = await import('../../../src/stages/lz4/codec.ts');
  const compress = lz4Codec.compress.bind(lz4Codec);
  lz4Codec.compress = (...pieces) => {
    lookedAt += 1;
    return compress(...pieces);
  };
  t.teardown(() => {
    lz4Codec.compress = compress;
  });
  for (let nth = 0; nth < all; nth += 1) (await encode(data)).lease.release();
  t.same(flow.outcomes, { compressed: 0, incompressible: all, unneeded: 0 });
  t.equal(lookedAt, 4, 'of 600 MiB: the first chunk, then after 64, 256 and 256 MiB');
  t.same(seen, []);
  t.equal(budget.peak, data.byteLength);
  for (let nth = 0; nth < 128 && lookedAt < 5; nth += 1) (await encode(prose(2 * MIB))).lease.release();
  t.ok(seen.length > 0, 'text that follows is found');
});

const verdict = fc.constantFrom<Verdict>('store', 'look', 'compress');
const kind = fc.record({ text: fc.boolean(), length: fc.integer({ min: 1, max: 5 * MIB }) });

t.test('whatever is decided: the bytes come back, and lz4 -d reads them', async (t) => {
  if (spawnSync('lz4', ['--version']).status !== 0) return t.comment('lz4 is not installed');
  await fc.assert(
    fc.asyncProperty(
      fc.array(verdict, { maxLength: 12 }),
      fc.array(fc.array(kind, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 4 }),
      async (verdicts, chunks) => {
        const { encode, decode, stage } = setUp(t, verdicts);
        const all = chunks.map((parts) =>
          Buffer.concat(parts.map(({ text, length }) => (text ? prose(length) : noise(length)))),
        );
        const stored: Buffer[] = [];
        for (const data of all) {
          const encoded = await encode(data);
          const bytes = Buffer.concat(encoded.pieces);
          encoded.lease.release();
          if (bytes.byteLength > stage.bound(data.byteLength)) return false;
          const decoded = await decode(bytes, data.byteLength);
          if (!Buffer.concat(decoded.pieces).equals(data)) return false;
          decoded.lease.release();
          stored.push(bytes);
        }
        const lz4 = spawnSync('lz4', ['-dc'], { input: Buffer.concat(stored), maxBuffer: 64 * MIB });
        return lz4.status === 0 && lz4.stdout.equals(Buffer.concat(all));
      },
    ),
    { numRuns: 12, seed: 20_261_121 },
  );
});

t.test('sizes of stored blocks that were tampered with are refused, or found out by the digests', async (t) => {
  const { encode, decode } = setUp(t, []);
  const data = noise(5 * MIB);
  const encoded = await encode(data);
  const good = Buffer.concat(encoded.pieces);
  encoded.lease.release();
  const second = 7 + 4 + 4 * MIB;
  const damage: readonly [string, number, number][] = [
    ['longer than a block may be', 7, 0x80000000 + 4 * MIB + 1],
    ['longer than the chunk', second, 0x80000000 + MIB + 1],
    ['shorter', second, 0x80000000 + MIB - 1],
    ['nothing at all', 7, 0],
    ['as if it was compressed', 7, 4 * MIB],
    ['beyond 31 bits', second, 0xffffffff],
  ];
  for (const [what, at, value] of damage) {
    const bad = Buffer.from(good);
    bad.writeUInt32LE(value >>> 0, at);
    await t.rejects(decode(bad, data.byteLength), refusal('integrity', { code: 'VOST_CORRUPT_FRAME' }), what);
  }
  await t.rejects(decode(good, data.byteLength - 1), refusal('integrity'), 'more than the chunk');
  await t.rejects(decode(good, data.byteLength + 1), refusal('integrity'), 'less than the chunk');
});
