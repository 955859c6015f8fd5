import type { StageInstance } from '../pipeline/stage.ts';
import type { TransformBench } from './bench.ts';
import { CONTENTS, type Content, sampleBytes } from './samples.ts';

/** How fast a transform is, and what it costs. */
export interface Throughput {
  readonly direction: 'encode' | 'decode';
  readonly content: Content;
  /** Bytes of the image a second. */
  readonly bytesPerSecond: number;
  /** Of all threads together, for a GiB of the image. */
  readonly cpuSecondsPerGib: number;
  /** Stored bytes for each of the image. */
  readonly ratio: number;
}

const CHUNK_BYTES = 16 * 2 ** 20;
const GIB = 2 ** 30;
const MIN_ROUNDS = 4;

/** Measure for some time each, with as many chunks at once as the stage works on. */
export async function measure(bench: TransformBench, seconds: number): Promise<Throughput[]> {
  const results: Throughput[] = [];
  for (const content of CONTENTS) {
    const stage = await bench.prepared();
    const data = sampleBytes(content, CHUNK_BYTES);
    const [encoder, decoder] = [bench.encoder(stage), bench.decoder(stage)];
    // The first call starts threads.
    const stored = await bench.apply(encoder, data);
    await bench.apply(decoder, stored, { length: CHUNK_BYTES });
    const ratio = stored.byteLength / CHUNK_BYTES;
    results.push({ direction: 'encode', content, ratio, ...(await speed(bench, encoder, data, seconds)) });
    results.push({ direction: 'decode', content, ratio, ...(await speed(bench, decoder, stored, seconds)) });
  }
  return results;
}

async function speed(
  bench: TransformBench,
  instance: StageInstance,
  bytes: Uint8Array,
  seconds: number,
): Promise<Pick<Throughput, 'bytesPerSecond' | 'cpuSecondsPerGib'>> {
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  let rounds = 0;
  const lane = async (): Promise<void> => {
    for (let done = 0; done < MIN_ROUNDS || performance.now() - began < seconds * 1000; done += 1) {
      await bench.apply(instance, bytes, { length: CHUNK_BYTES });
      rounds += 1;
    }
  };
  await Promise.all(Array.from({ length: instance.concurrency }, lane));
  const { user, system } = process.cpuUsage(cpuBefore);
  const total = rounds * CHUNK_BYTES;
  return {
    bytesPerSecond: Math.round((total * 1000) / (performance.now() - began)),
    cpuSecondsPerGib: Number((((user + system) / 1e6 / total) * GIB).toFixed(3)),
  };
}
