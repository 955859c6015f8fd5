import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { EngineError } from '../../errors.ts';
import { Pace } from '../../image/pace.ts';
import { type ScrubbedImage, scrub } from '../../image/scrub.ts';
import { formatSize } from '../../units.ts';
import { type Context, openLsu } from '../context.ts';
import { printJson } from '../output.ts';

export interface ScrubCommandOptions {
  /** Stored bytes. */
  readonly bytesPerSecond?: number;
  /** Milliseconds. */
  readonly for?: number;
}

/** `vast-ost scrub LSU`: go on verifying its images where the last run ended. */
export async function scrubLsu(context: Context, lsu: string, options: ScrubCommandOptions): Promise<void> {
  const { signal, resources, json, log } = context;
  const { bytesPerSecond } = options;
  const store = await openLsu(context, lsu);
  let first: EngineError | undefined;
  const onImage = ({ imageId, bytes, error }: ScrubbedImage): void => {
    if (error === undefined) {
      if (json) printJson({ image_id: imageId, result: 'ok', bytes });
      else process.stdout.write(`${imageId}  ok  ${formatSize(bytes)}\n`);
      return;
    }
    const passed = error.failure === 'unsupported';
    if (!passed) first ??= error;
    const { code, message, details } = error;
    log.error({ lsu, image: imageId, code, details }, message);
    if (json) printJson({ image_id: imageId, result: passed ? 'passed-over' : 'damaged', code, message, details });
    else process.stdout.write(`${imageId}  ${passed ? 'passed over' : 'DAMAGED'}  ${message}\n`);
  };
  const result = await scrub(store, resources, {
    name: `${hostname()} ${randomUUID()}`,
    pace: bytesPerSecond === undefined ? undefined : new Pace(bytesPerSecond),
    forMs: options.for,
    readAhead: context.readAhead,
    signal,
    onImage,
  });
  const { end, images, bytes, damaged } = result;
  if (json) printJson(result);
  else {
    const rest = {
      finished: 'every image has been verified in this round',
      time: 'the next run goes on from here',
      taken: 'another scrub goes on from here',
      'not-due': '',
    }[end];
    process.stderr.write(`${lsu}: ${images} images, ${formatSize(bytes)} verified, ${damaged} damaged; ${rest}\n`);
  }
  if (first === undefined) return;
  throw new EngineError(
    first.code,
    'integrity',
    `${damaged} image(s) in ${lsu} failed verification; the first: ${first.message}`,
    { cause: first, advice: `vast-ost repair ${lsu} IMAGE --from LSU heals an image from another copy` },
  );
}
