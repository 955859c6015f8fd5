import { deleteImage } from '../../image/delete-image.ts';
import { imageSpan } from '../../image/image-span.ts';
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
  await services.usage.left(place);
  const endUse = services.usage.begin(place, 'delete');
  const hidden = Promise.withResolvers<boolean>();
  const work = services.drain
    .finish(() =>
      imageSpan('delete', subjectOf(session, image), async (tell) => {
        const store = await server.open(lsu);
        const found = await deleteImage(store, imageId, undefined, () => hidden.resolve(options.later));
        hidden.resolve(false);
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

async function told({ server, lsu, identity, imageId, log }: ImagePlace): Promise<void> {
  log.info('image deleted');
  const payload = JSON.stringify({ image_id: imageId });
  await server.events.append({ type: EVENT_TYPE.IMAGE_DELETED, lsu, image: identity, payload });
}
