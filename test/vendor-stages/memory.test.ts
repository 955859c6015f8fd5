import { setTimeout as later } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { LeaseScope, noLease } from '../../src/pipeline/lease.ts';
import type { StageEnv } from '../../src/pipeline/stage.ts';
import { performCall } from '../../src/vendor-stages/perform-call.ts';
import { StageHost } from '../../src/vendor-stages/stage-host.ts';
import { refusal } from '../support/refusal.ts';
import { fixture, general, type Loaded, load } from './support.ts';

const BYTES = 300_000;
const PAGE = 4096;
const signal = new AbortController().signal;

interface Place {
  readonly loaded: Loaded;
  env(image: string): StageEnv;
  /** A chunk in slabs, filled with a number; cut behind each of the lengths. */
  chunk(index: number, fill: number, lengths?: readonly number[]): Promise<Chunk>;
  readonly released: number[];
}

async function place(t: Test, stage: string): Promise<Place> {
  const loaded = await load(t, general(fixture(stage)));
  const { budget, slabs } = loaded.resources;
  const scope = new LeaseScope();
  const released: number[] = [];
  t.teardown(() => scope.releaseAll());
  return {
    loaded,
    released,
    env: (name) => ({
      budget,
      scope,
      bridge,
      slabs,
      image: { lsu: 'l', name, date: '1', policy: '', schedule: '', client: '' },
      before: (length) => length,
    }),
    chunk: async (index, fill, lengths = [BYTES]) => {
      const { bytes, lease } = await slabs.acquire(BYTES, scope);
      bytes.fill(fill);
      const pieces = lengths.map((length, nth) => {
        const from = lengths.slice(0, nth).reduce((sum, one) => sum + one, 0);
        return bytes.subarray(from, from + length);
      });
      const release = scope.add(() => {
        released.push(index);
        lease.release();
      });
      return { index, offset: index * BYTES, length: BYTES, pieces, lease: release };
    },
  };
}

async function encode(place: Place, way: string, chunk: Chunk): Promise<Chunk> {
  const env = place.env(way);
  // Bound anew for each image.
  const stage = await place.loaded.chain.transforms[0]?.prepare?.(env.image, signal);
  if (stage === undefined) throw new Error('no stage');
  return stage.forward(env).apply(chunk, signal);
}

const bytesOf = ({ pieces }: Chunk): Buffer => Buffer.concat(pieces);

t.test('what is returned as it came is not copied, and takes no memory', async (t) => {
  const at = await place(t, 'memory');
  const chunk = await at.chunk(0, 9);
  const before = at.loaded.resources.budget.peak;
  const same = await encode(at, 'same', chunk);
  t.equal(same.pieces[0]?.buffer, chunk.pieces[0]?.buffer);
  t.equal(same.pieces[0]?.byteLength, BYTES);
  t.equal(same.lease, chunk.lease);
  t.equal(at.loaded.resources.budget.peak, before);
  const part = await encode(at, 'part', chunk);
  t.equal(part.pieces[0]?.buffer, chunk.pieces[0]?.buffer);
  t.equal(part.pieces[0]?.byteOffset, 5000);
  t.equal(part.pieces[0]?.byteLength, 4000);
  chunk.lease.release();
});

t.test('what is made anew lies in whole pages, and the chunk itself is not touched', async (t) => {
  const at = await place(t, 'memory');
  for (const round of [1, 2]) {
    for (const [way, length, first] of [
      ['change', BYTES, 9 ^ 255],
      ['shift', BYTES - 100, 9 ^ 255],
      ['fresh', 100_000, 3],
      ['wasm', 131_072, 6],
      ['same', BYTES, 9],
    ] as const) {
      const chunk = await at.chunk(round, 9);
      const [piece] = chunk.pieces;
      const result = await encode(at, way, chunk);
      const [made] = result.pieces;
      t.equal(made?.byteLength, length, way);
      t.equal(made?.[0], first, way);
      t.equal(made?.[length - 1], way === 'fresh' || way === 'wasm' ? first : 9, way);
      t.ok(((bridge.addressOf(made?.buffer as ArrayBuffer) ?? 1) + (made?.byteOffset ?? 1)) % PAGE === 0, way);
      t.ok(
        piece?.every((byte) => byte === 9),
        `${way} leaves the chunk alone`,
      );
      result.lease.release();
    }
  }
  t.equal(at.loaded.resources.budget.used, 0);
});

t.test('more than was given is made of copies', async (t) => {
  const at = await place(t, 'memory');
  await encode(at, 'change', await at.chunk(0, 1)).then(({ lease }) => lease.release());
  const result = await encode(at, 'beyond', await at.chunk(1, 9));
  const bytes = bytesOf(result);
  t.equal(bytes.byteLength, BYTES);
  t.ok(bytes.subarray(0, BYTES - 10).every((byte) => byte === 9));
  result.lease.release();
});

t.test('chunks in pieces, and in memory that is no slab', async (t) => {
  const at = await place(t, 'memory');
  for (const way of ['same', 'change']) {
    const cut = await at.chunk(0, 9, [PAGE, 1, BYTES - PAGE - 1]);
    const joined = await encode(at, way, cut);
    t.equal(joined.pieces.length, 1);
    t.same(bytesOf(joined), Buffer.alloc(BYTES, 9).fill(way === 'same' ? 9 : 9 ^ 255, 0, 1));
    joined.lease.release();
    const pieces = [new Uint8Array(1000).fill(4), new Uint8Array(10_000).fill(4)];
    const foreign = { ...cut, length: 11_000, pieces, lease: noLease };
    const copied = await encode(at, way, foreign);
    t.same(bytesOf(copied), Buffer.alloc(11_000, 4).fill(way === 'same' ? 4 : 4 ^ 255, 0, 1));
    t.equal(pieces[0]?.[0], 4);
    copied.lease.release();
  }
});

for (const way of ['keep', 'steal']) {
  t.test(`a stage that would ${way} its memory sees nothing of others, and changes nothing`, async (t) => {
    const at = await place(t, 'memory');
    const first = await at.chunk(0, 50);
    const result = await encode(at, way, first);
    const other = await at.chunk(1, 60);
    const seen = await encode(at, 'peek', other);
    t.same([...bytesOf(seen)], [0, 60]);
    for (const chunk of [first, other])
      t.ok(bytesOf(chunk).every((byte) => byte === 50 || byte === 60 || chunk.pieces[0]?.byteLength === 0));
    seen.lease.release();
    result.lease.release();
  });
}

t.test('a call that is given up in this thread loses its memory', async (t) => {
  const at = await place(t, 'memory');
  const chunk = await at.chunk(0, 9);
  const host = new StageHost(() => import(`${fixture('memory')}/index.js`));
  const [piece] = chunk.pieces;
  if (piece === undefined) throw new Error('no piece');
  const input = [{ address: bridge.addressOf(piece.buffer) ?? 0, offset: 0, bytes: BYTES }];
  const { image } = at.env('late');
  const session = { id: 'late', options: {}, recorded: {}, sealed: {}, secrets: {}, image, writtenBy: '1.0.0' };
  const info = { index: 0, offset: 0, length: BYTES, maxBytes: BYTES };
  const [place0] = input;
  const gone = new AbortController();
  // Shown the slab itself, as a stage is that changes what it is given.
  const call = { call: 'encode', session, chunk: info, input, output: place0, copy: true } as const;
  void performCall(host, call, signal, gone.signal);
  gone.abort();
  await later(20);
  t.ok(piece.every((byte) => byte === 9));
  chunk.lease.release();
});

t.test('observers see chunks as they are, and cannot change them', async (t) => {
  const at = await place(t, 'look');
  const [observer] = at.loaded.chain.observers;
  if (observer === undefined) throw new Error('no observer');
  const instance = observer.observe(at.env('scribble'));
  for (const index of [0, 1, 2]) {
    const passed = await instance.apply(await at.chunk(index, 40 + index), signal);
    t.equal(bytesOf(passed)[0], 40 + index);
    passed.lease.release();
  }
  await instance.flush?.();
  await instance.close?.();
  t.same(
    at.loaded.reports.map(({ text }) => text),
    ['7 7 7'],
  );
  t.equal(at.loaded.resources.budget.used, 0);
});

t.test('the image does not wait for an observer, unless it is far behind; memory waits', async (t) => {
  const at = await place(t, 'look');
  const [observer] = at.loaded.chain.observers;
  if (observer === undefined) throw new Error('no observer');
  const stop = new AbortController();
  const instance = observer.observe(at.env('wait'));
  for (const index of [0, 1]) {
    const passed = await instance.apply(await at.chunk(index, 1), stop.signal);
    passed.lease.release();
  }
  let third: string | undefined;
  const waiting = Promise.resolve(instance.apply(await at.chunk(2, 1), stop.signal)).then(
    () => {
      third = 'passed';
    },
    () => {
      third = 'refused';
    },
  );
  await later(50);
  t.equal(third, undefined);
  t.same(at.released, []);
  stop.abort();
  await waiting;
  t.equal(third, 'refused');
  await instance.close?.();
  t.same(at.released.toSorted(), [0, 1]);
});

t.test('what an observer refuses is told by the next chunk, or at the end', async (t) => {
  const at = await place(t, 'look');
  const [observer] = at.loaded.chain.observers;
  if (observer === undefined) throw new Error('no observer');
  const instance = observer.observe(at.env('refuse'));
  const passed = await instance.apply(await at.chunk(0, 1), signal);
  passed.lease.release();
  const ended = Promise.resolve(instance.flush?.());
  await t.rejects(ended, refusal('internal', { code: 'VOST_STAGE_FAILED', message: /not chunk 0/ }));
  const next = await at.chunk(1, 1);
  await t.rejects(Promise.resolve(instance.apply(next, signal)), refusal('internal', { code: 'VOST_STAGE_FAILED' }));
  next.lease.release();
});
