import { findImage } from '../../image/catalog.ts';
import { deleteImage } from '../../image/delete-image.ts';
import { imageSpan } from '../../image/image-span.ts';
import { type Context, openLsu } from '../context.ts';
import { printJson } from '../output.ts';

/** `vast-ost delete LSU IMAGE`: a complete image, or one left unfinished. */
export async function remove(context: Context, lsu: string, image: string): Promise<void> {
  const store = await openLsu(context, lsu);
  const { imageId, state } = await findImage(store, image, context.signal);
  await imageSpan('delete', { lsu, imageId }, async (tell) => {
    await deleteImage(store, imageId, context.signal);
    tell({ result: 'complete' });
  });
  context.log.info({ lsu, image: imageId, state }, 'image deleted');
  if (context.json) printJson({ image_id: imageId, lsu, state, deleted: true });
  else process.stderr.write(`${image} (${state}) deleted from ${lsu}\n`);
}
