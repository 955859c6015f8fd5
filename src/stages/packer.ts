import { EngineError } from '../errors.ts';
import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import type { Lease } from '../pipeline/lease.ts';
import { type Emit, StepTransform } from '../pipeline/step-transform.ts';
import type { PartPlan } from './part-planner.ts';

/** Where one chunk lies in storage. */
export interface StoredChunk {
  readonly index: number;
  /** Logical place. */
  readonly offset: number;
  readonly length: number;
  /** Fragment number, from 1, and the place of the encoded bytes in it. */
  readonly fragment: number;
  readonly storedOffset: number;
  readonly storedLength: number;
  /** Leaf digests, 32 bytes each. */
  readonly leaves: Uint8Array;
}

/** What goes to storage in one request: consecutive encoded chunks of one fragment. */
export interface Part {
  readonly fragment: number;
  /** Part number in the fragment, from 1. */
  readonly number: number;
  /** Place in the fragment, bytes. */
  readonly offset: number;
  readonly size: number;
  readonly pieces: readonly Uint8Array[];
  readonly chunks: readonly StoredChunk[];
  /** Hold the memory of `pieces`: release when storage has acknowledged the part. */
  readonly leases: readonly Lease[];
  /** The part is all that its fragment will ever have, so it need not be a multipart upload. */
  readonly whole: boolean;
}

export interface PackerOptions {
  readonly plan: PartPlan;
  /** Fragment to begin with, when a pending image is continued. Default 1. */
  readonly firstFragment?: number;
}

/** Gathers encoded chunks into parts and parts into fragments, as the plan says. A chunk never spans two parts. */
export function createPacker(options: PackerOptions): StepTransform<Chunk, Part> {
  const { plan } = options;
  let fragment = options.firstFragment ?? 1;
  let number = 1;
  let offset = 0;
  let size = 0;
  let held: { chunk: Chunk; stored: StoredChunk }[] = [];

  const send = async (emit: Emit<Part>, whole: boolean): Promise<void> => {
    const part: Part = {
      fragment,
      number,
      offset,
      size,
      pieces: held.flatMap(({ chunk }) => chunk.pieces),
      chunks: held.map(({ stored }) => stored),
      leases: held.map(({ chunk }) => chunk.lease),
      whole,
    };
    number += 1;
    offset += size;
    size = 0;
    held = [];
    await emit(part);
  };

  /** End the fragment; its last part may be smaller than the plan's target. */
  const endFragment = async (emit: Emit<Part>): Promise<void> => {
    if (held.length > 0) await send(emit, number === 1);
    fragment += 1;
    number = 1;
    offset = 0;
  };

  return new StepTransform<Chunk, Part>({
    name: 'packer',
    step: async (chunk, emit) => {
      const length = sizeOf(chunk.pieces);
      if (chunk.leaves === undefined)
        throw new EngineError('VOST_NO_DIGEST', 'internal', `chunk ${chunk.index} came without digests`);
      if (!plan.fits(number, offset, size + length)) {
        await endFragment(emit);
        if (!plan.fits(number, offset, length)) {
          throw new EngineError(
            'VOST_CHUNK_TOO_LARGE',
            'usage',
            `a chunk of ${length} bytes exceeds what the store allows for an object`,
            {
              advice: 'lower the chunk size',
            },
          );
        }
      }
      held.push({
        chunk,
        stored: {
          index: chunk.index,
          offset: chunk.offset,
          length: chunk.length,
          fragment,
          storedOffset: offset + size,
          storedLength: length,
          leaves: chunk.leaves,
        },
      });
      size += length;
      if (size >= plan.target(number)) await send(emit, false);
    },
    finish: endFragment,
  });
}
