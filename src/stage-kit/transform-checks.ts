import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { Chain } from '../pipeline/chain.ts';
import type { Chunk } from '../pipeline/chunk.ts';
import { noLease } from '../pipeline/lease.ts';
import { ParallelSink } from '../pipeline/parallel-sink.ts';
import { runStage } from '../pipeline/run-stage.ts';
import { concurrencyOf } from '../vendor-stages/vendor-transform.ts';
import { checkSame, errorOf, NotGood, type TransformBench } from './bench.ts';
import type { Check } from './check.ts';
import { CONTENTS, EDGE_SIZES, sampleBytes } from './samples.ts';
import { sealed } from './seal-check.ts';

const MIB = 2 ** 20;
const CHUNKS_AT_ONCE = 32;
const CHUNKS_THROUGH = 64;
/** Kept, each of them would exceed any memory that a stage may have by default. */
const CHUNKS_FOR_LEAKS = 512;
/** Streams on either side of a stage, with the chunks that each may hold. */
const CHUNKS_BESIDE = 6;
/** What a stage may not do whatever it is given. */
const UNFORGIVABLE = ['VOST_STAGE_TIMEOUT', 'VOST_STAGE_MEMORY', 'VOST_STAGE_CRASHED'];

/** What every transform has to stand. */
export function transformChecks(bench: TransformBench): Check[] {
  const { deterministic } = bench.stage.description;
  return [
    { name: 'round trip', run: () => roundTrip(bench) },
    { name: 'parts of an image', run: () => parts(bench) },
    ...(deterministic ? [{ name: 'deterministic', run: () => same(bench) }] : []),
    ...(bench.stage.has('seal') ? [{ name: 'seal', run: () => sealed(bench) }] : []),
    { name: 'many chunks at once', run: () => many(bench) },
    { name: 'backpressure', run: () => backpressure(bench) },
    { name: 'abort', run: () => aborts(bench) },
    { name: 'memory', run: () => memory(bench, concurrencyOf(bench.stage.description)) },
    { name: 'damaged input', run: () => damage(bench) },
  ];
}

async function roundTrip(bench: TransformBench): Promise<string> {
  for (const content of CONTENTS) {
    const stage = await bench.prepared();
    const [encoder, decoder] = [bench.encoder(stage), bench.decoder(stage)];
    for (const [index, size] of EDGE_SIZES.entries()) {
      const data = sampleBytes(content, size);
      const stored = await bench.apply(encoder, data, { index });
      const back = await bench.apply(decoder, stored, { index, length: size });
      checkSame(`${size} bytes of ${content}`, back, data);
    }
  }
  return `${EDGE_SIZES.length} sizes of ${CONTENTS.join(', ')}`;
}

/** Any chunk alone, in any order, by somebody who did not see it being written. */
async function parts(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const encoder = bench.encoder(stage);
  const chunks = CONTENTS.map((content, index) => ({ index, data: sampleBytes(content, 100_000 + index) }));
  const stored = await Promise.all(chunks.map(({ data, index }) => bench.apply(encoder, data, { index })));
  for (const { index, data } of chunks.toReversed()) {
    const back = bench.apply(bench.decoder(stage), stored[index] as Uint8Array, { index, length: data.byteLength });
    checkSame(`chunk ${index} alone`, await back, data);
  }
  return `${chunks.length} chunks, last one first`;
}

async function same(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  for (const content of CONTENTS) {
    const data = sampleBytes(content, MIB + 1);
    const first = await bench.apply(bench.encoder(stage), data);
    checkSame(`${content}, encoded again`, await bench.apply(bench.encoder(stage), data), first);
  }
  return 'the same bytes twice';
}

async function many(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const [encoder, decoder] = [bench.encoder(stage), bench.decoder(stage)];
  await Promise.all(
    Array.from({ length: CHUNKS_AT_ONCE }, async (_, index) => {
      const data = sampleBytes(index % 2 ? 'text' : 'noise', 300_000 - index, String(index));
      const stored = await bench.apply(encoder, data, { index });
      const back = await bench.apply(decoder, stored, { index, length: data.byteLength });
      checkSame(`chunk ${index} of ${CHUNKS_AT_ONCE}`, back, data);
    }),
  );
  return `${CHUNKS_AT_ONCE}, ${encoder.concurrency} at work at the same time`;
}

/** Whoever takes the results is slow: nothing may pile up, and order stays. */
async function backpressure(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const encoder = bench.encoder(stage);
  const data = sampleBytes('text', 50_000);
  let produced = 0;
  let consumed = 0;
  let most = 0;
  const source = function* (): Generator<Chunk> {
    for (let index = 0; index < CHUNKS_THROUGH; index += 1) {
      produced += 1;
      most = Math.max(most, produced - consumed);
      yield { index, offset: index * data.byteLength, length: data.byteLength, pieces: [data], lease: noLease };
    }
  };
  const sink = new ParallelSink<Chunk>({
    name: 'slow',
    concurrency: () => 1,
    consume: async ({ index, lease }) => {
      if (index !== consumed) throw new NotGood(`chunk ${index} came where ${consumed} was due`);
      for (let turns = 0; turns < 20; turns += 1) await turn();
      consumed += 1;
      lease.release();
    },
  });
  const streams = [Readable.from(source(), { highWaterMark: 1 }), runStage(bench.stage.name, encoder), sink] as const;
  await new Chain<never>([...streams], { signal: bench.signal }).done;
  const bound = encoder.concurrency + CHUNKS_BESIDE;
  if (most > bound) throw new NotGood(`${most} chunks were on their way where ${bound} may be`);
  return `at most ${most} of ${CHUNKS_THROUGH} chunks on their way`;
}

/** At once, while it works, and when it is nearly done; then it works on as if nothing had been. */
async function aborts(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const data = sampleBytes('text', 4 * MIB);
  const encoder = bench.encoder(stage);
  const began = performance.now();
  const stored = await bench.apply(encoder, data);
  const took = performance.now() - began;
  const decoder = bench.decoder(stage);
  let ended = 0;
  const points = [0, 0.1, 0.3, 0.6, 0.9];
  for (const [instance, bytes] of [
    [encoder, data],
    [decoder, stored],
  ] as const) {
    for (const point of points) {
      const stop = new AbortController();
      const options = { length: data.byteLength, signal: AbortSignal.any([stop.signal, bench.signal]) };
      const work = errorOf(bench.apply(instance, bytes, options));
      const timer = setTimeout(() => stop.abort(), took * point);
      const error = await work;
      clearTimeout(timer);
      if (error === undefined) ended += 1;
      else if (error.failure !== 'aborted') throw new NotGood(`an abort ended with: ${error.message}`);
      bench.checkMemory();
    }
  }
  checkSame('after aborts', await bench.apply(decoder, stored, { length: data.byteLength }), data);
  return `${2 * points.length} of them, ${ended} came too late`;
}

async function memory(bench: TransformBench, concurrency: number): Promise<string> {
  const stage = await bench.prepared();
  const [encoder, decoder] = [bench.encoder(stage), bench.decoder(stage)];
  const data = sampleBytes('text', MIB);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < CHUNKS_FOR_LEAKS; index = next++) {
      const stored = await bench.apply(encoder, data, { index });
      await bench.apply(decoder, stored, { index, length: data.byteLength });
    }
  };
  const lost = bench.lostThreads;
  await Promise.all(Array.from({ length: concurrency }, lane));
  bench.checkMemory();
  // The engine tries such a chunk once more, on a new thread, so nothing failed.
  const more = bench.lostThreads - lost;
  if (more > 0) throw new NotGood(`${more} threads had to be replaced: does it keep what it was given?`);
  return `${CHUNKS_FOR_LEAKS} chunks of 1 MiB within ${bench.stage.description.memoryMb} MiB for each thread`;
}

/** Each is refused, or gives other bytes, which the digests of the image catch; none may hang, crash, or take memory without end. */
async function damage(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const data = sampleBytes('text', 200_000);
  const stored = await bench.apply(bench.encoder(stage), data, { index: 3 });
  const decoder = bench.decoder(stage);
  let refused = 0;
  const inputs = damaged(stored);
  for (const { what, bytes } of inputs) {
    const error = await errorOf(bench.apply(decoder, bytes, { index: 3, length: data.byteLength }));
    if (error === undefined) continue;
    if (UNFORGIVABLE.includes(error.code)) throw new NotGood(`${what}: ${error.message}`);
    if (error.failure !== 'integrity')
      throw new NotGood(
        `${what} was not taken for damage (throw StageError 'corrupt', or any other error): ${error.message}`,
      );
    refused += 1;
  }
  checkSame('after all that', await bench.apply(decoder, stored, { index: 3, length: data.byteLength }), data);
  return `${refused} of ${inputs.length} refused; the image's digests catch the others`;
}

function damaged(stored: Uint8Array): { readonly what: string; readonly bytes: Uint8Array }[] {
  const flips = [
    0,
    1,
    2,
    3,
    7,
    11,
    15,
    16,
    40,
    ...[0.25, 0.5, 0.75].map((share) => Math.floor(stored.byteLength * share)),
  ];
  const flipped = [...flips, stored.byteLength - 1]
    .filter((at) => at < stored.byteLength)
    .map((at) => ({ what: `a flipped bit of byte ${at}`, bytes: stored.with(at, (stored[at] ?? 0) ^ 0x10) }));
  const cut = [0, 1, 4, Math.floor(stored.byteLength / 2), stored.byteLength - 1].map((length) => ({
    what: `only the first ${length} bytes`,
    bytes: stored.subarray(0, length),
  }));
  const longer = new Uint8Array(stored.byteLength + 100);
  longer.set(stored);
  return [
    ...flipped,
    ...cut,
    { what: 'more bytes at the end', bytes: longer },
    { what: 'zeros', bytes: new Uint8Array(stored.byteLength) },
    { what: 'ones', bytes: new Uint8Array(stored.byteLength).fill(255) },
    { what: 'noise', bytes: sampleBytes('noise', stored.byteLength) },
  ];
}
