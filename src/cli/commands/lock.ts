import { EngineError } from '../../errors.ts';
import { findImage } from '../../image/catalog.ts';
import { extendLock } from '../../image/image-lock.ts';
import { type Context, openLsu } from '../context.ts';
import { tellSkew, wormFor } from '../lock-policy.ts';
import { printJson } from '../output.ts';

export interface LockOptions {
  /** Milliseconds since the epoch. */
  readonly until?: number;
  /** Milliseconds. */
  readonly for?: number;
}

/** `vast-ost lock LSU IMAGE`: lock a complete image, or for longer. */
export async function lock(context: Context, lsu: string, image: string, options: LockOptions): Promise<void> {
  const { until, for: forMs } = options;
  const wanted = until === undefined ? (forMs === undefined ? undefined : { forMs }) : { until };
  if (wanted === undefined || (until !== undefined && forMs !== undefined)) {
    throw new EngineError('VOST_USAGE', 'usage', 'give either --until or --for');
  }
  const store = await openLsu(context, lsu);
  const entry = await findImage(store, image, context.signal);
  if (entry.state === 'damaged') throw entry.error;
  if (entry.state === 'pending') {
    throw new EngineError('VOST_IMAGE_PENDING', 'usage', `${image} is not complete: only complete images are locked`);
  }
  const { imageId, manifest } = entry;
  const policy = { ...wormFor(context, lsu), onSkew: tellSkew };
  const end = new Date(await extendLock(store, imageId, manifest, wanted, policy, context.signal)).toISOString();
  context.log.info({ lsu, image: imageId, until: end }, 'image locked');
  if (context.json) printJson({ image_id: imageId, lsu, locked_until: end });
  else process.stderr.write(`${image} in ${lsu} is locked until ${end}\n`);
}
