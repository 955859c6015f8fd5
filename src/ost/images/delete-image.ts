import { deleteImage, imageKeys } from '../../image/delete-image.ts';
import { refuseLocked } from '../../image/image-lock.ts';
import { imageSpan } from '../../image/image-span.ts';
import { imagePrefix, MANIFEST } from '../../image/names.ts';
import type { ObjectStore } from '../../vast/store.ts';
import { notFound } from '../errors.ts';
import type { Session } from '../session.ts';
import { EVENT_TYPE } from '../wire/constants.ts';
import type { ImagePlace } from './open-image.ts';
import { subjectOf } from './place.ts';

/**
 * Delete an image, complete or not. Throws `not-found` when there is none, unless `resend`, and `busy` when it is in
 * use. With `later` it resolves as soon as no reader can find the image; the rest goes on. A deletion that has begun is finished even if
 * the host goes away.
 */
export async function removeImage(
  session: Session,
  image: ImagePlace,
  options: { readonly resend: boolean; readonly later: boolean },
): Promise<void> {
  const { services } = session;
  const { server, lsu, imageId, place, log } = image;
  await services.deletions.settled(place);
  const endUse = services.usage.begin(place, 'delete');
  const hidden = Promise.withResolvers<boolean>();
  const work = services.drain
    .finish(() =>
      imageSpan('delete', subjectOf(session, image), async (tell) => {
        const store = await server.open(lsu);
        const hid = options.later && (await hide(store, imageId));
        hidden.resolve(hid);
        const found = (await deleteImage(store, imageId)) || hid;
        tell({ result: found ? 'complete' : 'not-found' });
        if (found) await told(image);
        return found;
      }),
    )
    .finally(endUse);
  services.deletions.note(place, work);
  const { images } = services.counters;
  work.then(
    (found) => found && images.end('delete', 'complete'),
    () => images.end('delete', 'failed'),
  );
  work.catch(() => hidden.resolve(false));
  if (await hidden.promise) {
    work.catch((error: unknown) => log.error({ err: error }, 'not wholly deleted; gc names the rest'));
    return;
  }
  const found = await work;
  if (!found && !options.resend) throw notFound(`there is no such image in ${lsu}`);
}

/** Whether there was a complete image; no reader finds it any more. */
async function hide(store: ObjectStore, imageId: string): Promise<boolean> {
  const key = `${imagePrefix(imageId)}${MANIFEST}`;
  if ((await store.head(key)) === undefined) return false;
  // Hiding is deleting.
  await refuseLocked(store, imageId, await imageKeys(store, imageId));
  await store.delete([key]);
  return true;
}

async function told({ server, lsu, identity, imageId, log }: ImagePlace): Promise<void> {
  log.info('image deleted');
  const payload = JSON.stringify({ image_id: imageId });
  await server.events.append({ type: EVENT_TYPE.IMAGE_DELETED, lsu, image: identity, payload });
}
