import { z } from 'zod';
import { DIGEST_BYTES, LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import type { Stage, StageMemory } from '../pipeline/stage.ts';

const Options = z.strictObject({ algorithm: z.literal('sha256-tree').default('sha256-tree') });

/** Chunks hashed at the same time: one being hashed, one ready to follow without a pause. */
const CONCURRENCY = 2;

/**
 * Digests of the image's own bytes, before any other stage touches them: SHA-256 of every 1 MiB leaf. The inverse recomputes them and
 * compares with those of the index, so corruption anywhere between is caught, to the leaf.
 */
export const checksumStage: Stage<z.output<typeof Options>> = {
  name: 'checksum',
  version: '1.0.0',
  options: Options,
  transforms: false,
  bound: (length) => length,
  workingBytes: () => 0,
  forward: (_options, env) => ({
    concurrency: CONCURRENCY,
    apply: async (chunk) => ({ ...chunk, leaves: await leavesOf(chunk, env) }),
  }),
  inverse: (_options, env) => ({
    concurrency: CONCURRENCY,
    apply: async (chunk) => {
      verifyLeaves(chunk, await leavesOf(chunk, env));
      return chunk;
    },
  }),
};

/** Pieces of a restored chunk are whole leaves except for the last one (see decompress), so each can be hashed alone. */
async function leavesOf(chunk: Chunk, env: StageMemory): Promise<Uint8Array> {
  const [first] = chunk.pieces;
  if (chunk.pieces.length === 1 && first !== undefined) return env.bridge.leafDigests(first);
  return Buffer.concat(await Promise.all(chunk.pieces.map((piece) => env.bridge.leafDigests(piece))));
}

function verifyLeaves(chunk: Chunk, actual: Uint8Array): void {
  const expected = chunk.leaves;
  const details = { chunk: chunk.index, offset: chunk.offset };
  const size = sizeOf(chunk.pieces);
  if (size !== chunk.length) {
    const message = `chunk ${chunk.index} has ${size} bytes where the index says ${chunk.length}`;
    throw new EngineError('VOST_CORRUPT', 'integrity', message, { details });
  }
  if (expected?.byteLength !== actual.byteLength) {
    const digests = (expected?.byteLength ?? 0) / DIGEST_BYTES;
    const message = `the index has ${digests} digests for chunk ${chunk.index}, which has ${actual.byteLength / DIGEST_BYTES} leaves`;
    throw new EngineError('VOST_CORRUPT', 'integrity', message, { details });
  }
  for (let at = 0; at < expected.byteLength; at += DIGEST_BYTES) {
    if (Buffer.compare(expected.subarray(at, at + DIGEST_BYTES), actual.subarray(at, at + DIGEST_BYTES)) === 0)
      continue;
    const leaf = at / DIGEST_BYTES;
    const offset = chunk.offset + leaf * LEAF_BYTES;
    throw new EngineError(
      'VOST_CORRUPT',
      'integrity',
      `the bytes from offset ${offset} on (chunk ${chunk.index}, leaf ${leaf}) are not those that were backed up: their SHA-256 differs`,
      {
        advice: 'restore from another copy, and run verify on the whole image',
        details: { chunk: chunk.index, leaf, offset },
      },
    );
  }
}
