import { deleteImage } from '../../image/delete-image.ts';
import { imagePrefix, MANIFEST } from '../../image/names.ts';
import { notFound } from '../errors.ts';
import type { Session } from '../session.ts';
import { EVENT_TYPE } from '../wire/constants.ts';
import type { ImagePlace } from './open-image.ts';

/**
 * Delete an image, complete or not. Throws `not-found` when there is none, unless `resend`, and `busy` when it is in
 * use. With `later` it resolves as soon as no reader can find the image; the rest goes on. A deletion that has begun is finished even if
 * the host goes away.
 */
export async function removeImage(
  session: Session,
  { server, lsu, identity, imageId, place }: ImagePlace,
  options: { readonly resend: boolean; readonly later: boolean },
): Promise<void> {
  const { services, log } = session;
  const endUse = services.usage.begin(place, 'delete');
  let detached = false;
  try {
    const store = await server.open(lsu);
    if (options.later && (await hide())) {
      detached = true;
      services.drain
        .finish(clear)
        .catch((error: unknown) =>
          log.error({ err: error, lsu, image: imageId }, 'not wholly deleted; gc names the rest'),
        )
        .finally(endUse);
      return;
    }
    const found = await services.drain.finish(clear);
    if (!found && !options.resend) throw notFound(`there is no such image in ${lsu}`);

    /** Whether there was a complete image; no reader finds it any more. */
    async function hide(): Promise<boolean> {
      const key = `${imagePrefix(imageId)}${MANIFEST}`;
      if ((await store.head(key)) === undefined) return false;
      await store.delete([key]);
      return true;
    }
    async function clear(): Promise<boolean> {
      const cleared = await deleteImage(store, imageId);
      if (!cleared && !detached) return false;
      log.info({ lsu, image: imageId }, 'image deleted');
      const payload = JSON.stringify({ image_id: imageId });
      await server.events.append({ type: EVENT_TYPE.IMAGE_DELETED, lsu, image: identity, payload });
      return true;
    }
  } finally {
    if (!detached) endUse();
  }
}
