import { EngineError } from '../errors.ts';

export interface PartPlanOptions {
  /** Size of the first parts, bytes. */
  readonly partBytes: number;
  /**
   * Largest target, bytes: parts grow up to this when a fragment gets long. A part is held in memory until it is full, so this is
   * also what memory allows. A part may exceed its target by less than one chunk.
   */
  readonly maxPartBytes: number;
  /** The store's bounds. */
  readonly minPartBytes: number;
  readonly maxParts: number;
  readonly maxFragmentBytes: number;
}

/** Decides how large each part of a fragment should become. */
export interface PartPlan {
  /** Bytes that part `number` (from 1) should at least have before it is sent. The last part of a fragment may have fewer. */
  target(number: number): number;
  /** Whether a part `number` that begins at `offset` and has `size` bytes still fits the fragment. */
  fits(number: number, offset: number, size: number): boolean;
}

/** Share of a fragment's parts that keep the first size before growth begins. */
const STEADY_SHARE = 0.5;

/**
 * A plan for an image of unknown length. Half of the parts that the store allows have the configured size, which suits all but the very
 * largest images; from there on parts grow evenly so that the fragment can reach the store's size limit within
 * its part limit. What does not fit goes into the next fragment.
 */
export function planParts(options: PartPlanOptions): PartPlan {
  const { maxParts, maxFragmentBytes } = options;
  if (options.maxPartBytes < options.minPartBytes || maxParts < 1) {
    throw new EngineError(
      'VOST_PART_PLAN',
      'usage',
      `parts of ${options.maxPartBytes} bytes are allowed, but the store wants at least ${options.minPartBytes}`,
      { advice: 'raise the memory budget' },
    );
  }
  const largest = options.maxPartBytes;
  const first = Math.min(largest, Math.max(options.partBytes, options.minPartBytes));
  const steady = Math.max(1, Math.floor(maxParts * STEADY_SHARE));
  const growing = Math.max(1, maxParts - steady);
  // Sizes rise linearly from `first`, so the mean growth is half of the last one.
  const missing = Math.max(0, maxFragmentBytes - first * maxParts);
  const step = (2 * missing) / (growing * (growing + 1));
  return {
    target: (number) => {
      if (number <= steady) return first;
      return Math.min(largest, Math.ceil(first + step * (number - steady)));
    },
    fits: (number, offset, size) => number <= maxParts && offset + size <= maxFragmentBytes,
  };
}
