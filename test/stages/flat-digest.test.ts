import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { Chain } from '../../src/pipeline/chain.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { runStage } from '../../src/pipeline/run-stage.ts';
import { FlatDigest } from '../../src/stages/flat-digest.ts';
import { chunkOf, never, noise } from '../support/chunks.ts';
import { tempDir } from '../support/temp-dir.ts';

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** Every worker thread that was started, and whether it runs. */
const started: Worker[] = [];
process.on('worker', (worker) => started.push(worker));
const running = (): number => started.filter(({ threadId }) => threadId >= 0).length;

function feed(
  flat: FlatDigest,
  chunks: Iterable<Chunk>,
  seen: (chunk: Chunk) => void = () => undefined,
): Promise<void> {
  const sink = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write: (chunk: Chunk, _encoding, callback) => {
      seen(chunk);
      callback();
    },
  });
  return new Chain<never>([Readable.from(chunks, { highWaterMark: 1 }), runStage('flat', flat.stage()), sink]).done;
}

t.test('the digest of node:crypto, over chunks in pieces and Buffers in shared memory', async (t) => {
  const data = noise(5 * 1024 * 1024 + 17);
  const copy = Buffer.from(data);
  const cuts = [0, 1, 1000, 1024 * 1024, 3 * 1024 * 1024 + 5, data.byteLength];
  const chunks = cuts.slice(1).map((end, nth) => {
    const part = data.subarray(cuts[nth], end);
    const middle = part.byteLength >> 1;
    return { ...chunkOf(part), index: nth, pieces: [part.subarray(0, middle), part.subarray(middle)] };
  });
  const flat = new FlatDigest();
  t.strictSame([flat.state, flat.digest], [undefined, undefined]);
  const seen: Chunk[] = [];
  await feed(flat, chunks, (chunk) => seen.push(chunk));
  t.equal(hex(flat.digest), sha256(data));
  t.ok(seen.every((chunk, nth) => chunk === chunks[nth]) && seen.length === chunks.length, 'chunks pass unchanged');
  t.ok(data.equals(copy), 'and so does their memory');
});

t.test('an empty image has the digest of nothing', async (t) => {
  const flat = new FlatDigest();
  await feed(flat, []);
  t.equal(hex(flat.digest), sha256(Buffer.alloc(0)));
});

t.test('the state after any chunk, given to another instance, leads to the same digest', async (t) => {
  const data = noise(3 * 1024 * 1024);
  const part = 1_300_001;
  for (let cut = 0; cut < data.byteLength; cut += part) {
    const first = new FlatDigest();
    const chunks: Chunk[] = [];
    for (let at = 0; at < cut; at += part) chunks.push(chunkOf(data.subarray(at, Math.min(cut, at + part))));
    await feed(first, chunks);
    const second = new FlatDigest(first.state);
    await feed(second, [chunkOf(data.subarray(cut))]);
    t.equal(hex(second.digest), sha256(data), `${cut} bytes before`);
  }
  const whole = new FlatDigest();
  await feed(whole, [chunkOf(data)]);
  const again = new FlatDigest(whole.state);
  await feed(again, []);
  t.equal(hex(again.digest), sha256(data), 'nothing follows');
});

t.test('the state is that of whole chunks, also while one is being hashed', async (t) => {
  const data = noise(4 * 1024 * 1024);
  const flat = new FlatDigest();
  const stage = flat.stage();
  await stage.apply(chunkOf(data.subarray(0, 1000)), never);
  const before = hex(flat.state);
  const controller = new AbortController();
  const states: string[] = [];
  const pieces = [0, 1, 2, 3].map((nth) => data.subarray(nth * 1024 * 1024, (nth + 1) * 1024 * 1024));
  // Looks at the state whenever the stage takes up the next piece.
  const watched = {
    *[Symbol.iterator]() {
      for (const piece of pieces) {
        states.push(hex(flat.state));
        yield piece;
      }
      states.push(hex(flat.state));
      controller.abort(new EngineError('VOST_TEST', 'aborted', 'between slices'));
      yield data;
    },
  };
  await t.rejects(
    async () => stage.apply({ ...chunkOf(data), pieces: watched as unknown as Uint8Array[] }, controller.signal),
    { code: 'VOST_TEST' },
  );
  t.strictSame(states, [before, before, before, before, before]);
  t.equal(hex(flat.state), before, 'a chunk that was given up does not count');
  await stage.close?.();
});

t.test('the worker is gone after close, also when the chain fails midway', async (t) => {
  await feed(new FlatDigest(), [chunkOf(noise(10))]);
  t.equal(running(), 0);
  const count = started.length;
  await t.rejects(
    feed(new FlatDigest(), [chunkOf(noise(10)), chunkOf(noise(10))], () => {
      t.equal(running(), 1, 'it is there while it is needed');
      throw new Error('downstream');
    }),
    { message: 'downstream' },
  );
  t.strictSame([running(), started.length], [0, count + 1]);
  await new FlatDigest().stage().close?.();
  t.equal(started.length, count + 1, 'none is started for nothing');
});

t.test('a state that is none is an error of the chain, not a crash', async (t) => {
  for (const state of [new Uint8Array(0), noise(112)]) {
    await t.rejects(feed(new FlatDigest(state), [chunkOf(noise(10))]), {
      code: 'VOST_FLAT_DIGEST',
      failure: 'internal',
      cause: Error,
    });
  }
});

t.test('the process stays alive until the digest is there', async (t) => {
  const module = new URL('../../src/stages/flat-digest.ts', import.meta.url).href;
  const script = `
    const { FlatDigest } = await import(${JSON.stringify(module)});
    const flat = new FlatDigest();
    const stage = flat.stage();
    await stage.apply({ pieces: [Buffer.from('abc')] }, new AbortController().signal);
    await stage.close();
    console.log(Buffer.from(flat.digest).toString('hex'));`;
  const file = `${tempDir({ 'run.mjs': script })}/run.mjs`;
  const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  t.strictSame([status, stdout.trim()], [0, sha256(Buffer.from('abc'))]);
});
