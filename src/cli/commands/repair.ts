import { EngineError } from '../../errors.ts';
import { findImage } from '../../image/catalog.ts';
import { isImageId } from '../../image/identity.ts';
import { type RepairedObject, repairImage } from '../../image/repair-image.ts';
import type { ObjectStore } from '../../vast/store.ts';
import { type Context, openAt, openLsu } from '../context.ts';
import { printJson } from '../output.ts';

export interface RepairCommandOptions {
  /** `LSU`, or `LSU:IMAGE` where the copy has another name. */
  readonly from?: string;
  readonly fromSnapshot?: string;
  readonly dryRun?: boolean;
}

/** `vast-ost repair LSU IMAGE --from LSU2[:IMAGE]`, `… --from-snapshot NAME`: heal damaged objects of an image from another copy. */
export async function repair(
  context: Context,
  lsu: string,
  image: string,
  options: RepairCommandOptions,
): Promise<void> {
  const { fromSnapshot, dryRun } = options;
  const { signal, resources, log, json } = context;
  const colon = options.from?.indexOf(':') ?? -1;
  const fromLsu = (colon < 0 ? options.from : options.from?.slice(0, colon)) ?? lsu;
  const fromImage = colon < 0 ? undefined : options.from?.slice(colon + 1);
  const store = await openLsu(context, lsu);
  const copies = await openAt(context, fromLsu, fromSnapshot === undefined ? {} : { snapshot: fromSnapshot });
  const to = { store, imageId: await idIn(store, image, fromImage === undefined ? copies : undefined, signal) };
  const imageId = fromImage === undefined ? to.imageId : await idIn(copies, fromImage, undefined, signal);
  if (fromLsu === lsu && fromSnapshot === undefined && imageId === to.imageId) {
    throw new EngineError('VOST_NOT_A_COPY', 'usage', 'an image cannot be repaired from itself', {
      advice: 'name another copy: --from LSU, --from LSU:IMAGE or --from-snapshot NAME',
    });
  }
  const onObject = ({ name, state, error }: RepairedObject): void => {
    if (error !== undefined) log.warn({ lsu, image: to.imageId, object: name, state, code: error.code }, error.message);
    if (json) {
      const why = error === undefined ? {} : { code: error.code, message: error.message, details: error.details };
      printJson({ image_id: to.imageId, object: name, state, ...why });
    } else process.stdout.write(`${name}  ${state}${error === undefined ? '' : `  ${error.message}`}\n`);
  };
  const { read_ahead: readAhead } = context.settings.performance;
  const objects = await repairImage(to, { store: copies, imageId }, resources, {
    dryRun: dryRun === true,
    readAhead,
    signal,
    onObject,
  });
  const lost = objects.filter(({ state }) => state === 'lost');
  const damaged = objects.filter(({ state }) => state === 'damaged');
  const healed = objects.filter(({ state }) => state === 'healed');
  if (!json) {
    const counts = `${objects.length} objects looked at, ${healed.length} healed, ${damaged.length} damaged, ${lost.length} lost`;
    process.stderr.write(`${lsu}/${to.imageId}: ${counts}\n`);
  }
  const first = lost[0] ?? damaged[0];
  if (first === undefined) return;
  const what = lost.length > 0 ? 'cannot be healed from this copy' : 'are damaged; nothing was changed';
  throw new EngineError(
    first.error?.code ?? 'VOST_CORRUPT',
    'integrity',
    `${lost.length || damaged.length} object(s) of ${lsu}/${to.imageId} ${what}; the first: ${first.error?.message}`,
    { cause: first.error, advice: lost.length > 0 ? 'repair it from another copy' : 'run it without --dry-run' },
  );
}

/** The id of the image meant. One whose manifest is damaged has no name here: the copy tells which it is. */
async function idIn(
  store: ObjectStore,
  image: string,
  copies: ObjectStore | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (isImageId(image)) return image;
  try {
    return (await findImage(store, image, signal)).imageId;
  } catch (error) {
    if (copies === undefined || !(error instanceof EngineError) || error.failure !== 'not-found') throw error;
    return (await findImage(copies, image, signal)).imageId;
  }
}
