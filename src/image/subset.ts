import { randomInt } from 'node:crypto';
import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { parseSize } from '../units.ts';

/** Chooses chunks of an image for verification. */
export type Subset = (chunk: StoredChunk) => boolean | Promise<boolean>;

/**
 * `n/t`: the n-th of t equal shares, so that t runs cover everything; `x%`: a random share of that size; a
 * size such as `10G`: random chunks of about that many logical bytes. Throws class `usage` for anything else.
 *
 * @param imageSize logical bytes of the image.
 */
export function parseSubset(text: string, imageSize: number): Subset {
  const share = /^([0-9]+)\/([0-9]+)$/.exec(text);
  if (share) {
    const [nth, total] = [Number(share[1]), Number(share[2])];
    if (nth >= 1 && nth <= total) return ({ index }) => index % total === nth - 1;
  }
  const percent = /^([0-9]+(?:\.[0-9]+)?)%$/.exec(text);
  if (percent) {
    const ratio = Number(percent[1]) / 100;
    if (ratio > 0 && ratio <= 1) return random(ratio);
  }
  const bytes = share || percent ? undefined : parseSize(text);
  if (bytes !== undefined && bytes > 0) return random(Math.min(1, bytes / Math.max(1, imageSize)));
  throw new EngineError('VOST_SUBSET', 'usage', `${text} is not a subset`, {
    advice: 'use n/t (1/7), a share (5%) or a size (10G)',
  });
}

function random(ratio: number): Subset {
  const RESOLUTION = 1_000_000;
  return () => randomInt(RESOLUTION) < ratio * RESOLUTION;
}
