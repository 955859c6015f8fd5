import { deleteImage } from '../../image/delete-image.ts';
import { imagePrefix, MANIFEST } from '../../image/names.ts';
import { notFound } from '../errors.ts';
import type { Session } from '../session.ts';
import { EVENT_TYPE } from '../wire/constants.ts';
import type { ImagePlace } from './open-image.ts';

/**
 * Delete an image, complete or not. Throws `not-found` when there is none, unless `resend`, and `busy` when it is in
 * use. With `later` it resolves as soon as no reader can find the image; the rest goes on.
 */
export async function removeImage(
  session: Session,
  { server, lsu, identity, imageId, place }: ImagePlace,
  options: { readonly resend: boolean; readonly later: boolean },
): Promise<void> {
  const { services, log } = session;
  const endUse = services.usage.begin(place, 'delete');
  const store = await server.open(lsu).catch((error: unknown) => {
    endUse();
    throw error;
  });
  // A deletion that has begun is finished even if the host goes away.
  const work = services.drain
    .finish(async () => {
      const found = await deleteImage(store, imageId);
      if (!found) return false;
      log.info({ lsu, image: imageId }, 'image deleted');
      await server.events.append({
        type: EVENT_TYPE.IMAGE_DELETED,
        lsu,
        image: identity,
        payload: JSON.stringify({ image_id: imageId }),
      });
      return true;
    })
    .finally(endUse);
  if (options.later && (await isComplete())) {
    work.catch((error: unknown) =>
      log.error({ err: error, lsu, image: imageId }, 'image not wholly deleted; gc names the rest'),
    );
    await untilInvisible();
    return;
  }
  const found = await work;
  if (!found && !options.resend) throw notFound(`there is no such image in ${lsu}`);

  async function isComplete(): Promise<boolean> {
    return (await store.head(`${imagePrefix(imageId)}${MANIFEST}`)) !== undefined;
  }
  async function untilInvisible(): Promise<void> {
    await store.delete([`${imagePrefix(imageId)}${MANIFEST}`]);
  }
}
