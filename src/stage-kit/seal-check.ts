import { checkSame, errorOf, KIT_IMAGE, NotGood, type TransformBench } from './bench.ts';
import { sampleBytes } from './samples.ts';

const LENGTH = 100_000;
const CHUNKS = 2;

/** What is recorded of a whole image lets it be read again; one that was cut may be refused, as damage. */
export async function sealed(bench: TransformBench): Promise<string> {
  const stage = await bench.prepared();
  const encoder = bench.encoder(stage);
  const chunks = Array.from({ length: CHUNKS }, (_, index) => sampleBytes('text', LENGTH, String(index)));
  const stored = await Promise.all(chunks.map((data, index) => bench.apply(encoder, data, { index })));
  const record = await stage.seal?.(KIT_IMAGE, { size: CHUNKS * LENGTH, chunks: CHUNKS }, bench.signal);
  if (record === undefined) throw new NotGood('it recorded nothing');
  const whole = bench.decoder({ record }, CHUNKS * LENGTH);
  for (const [index, bytes] of stored.entries()) {
    const back = await bench.apply(whole, bytes, { index, length: LENGTH });
    checkSame(`chunk ${index} of a sealed image`, back, chunks[index] as Uint8Array);
  }
  const cut = bench.decoder({ record }, LENGTH);
  const error = await errorOf(bench.apply(cut, stored[0] as Uint8Array, { index: 0, length: LENGTH }));
  if (error !== undefined && error.failure !== 'integrity')
    throw new NotGood(`an image that was cut was not taken for damaged: ${error.message}`);
  return error === undefined ? 'an image that was cut is read' : 'an image that was cut is refused';
}
