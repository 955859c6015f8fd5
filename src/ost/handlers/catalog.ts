import { lockedUntil } from '../../image/image-lock.ts';
import { notFound } from '../errors.ts';
import { removeImage } from '../images/delete-image.ts';
import { findManifest, findPending } from '../images/find-image.ts';
import { busyFlags, entryOf, infoOfManifest, infoOfPending, pendingNow } from '../images/image-info.ts';
import { listPage } from '../images/list-page.ts';
import { placeOf } from '../images/place.ts';
import { DELETE_ASYNC } from '../wire/constants.ts';
import type { Handlers } from './handler.ts';

/** What is in an LSU, without opening it. */
export const catalogHandlers: Handlers<'IMAGE_PROP_BYNAME' | 'IMAGE_LIST' | 'IMAGE_DELETE'> = {
  IMAGE_PROP_BYNAME: async (session, question) => {
    const { services, signal } = session;
    const { server, lsu, identity, imageId, place } = placeOf(session, question);
    const store = await server.open(lsu);
    const busy = busyFlags(services, place);
    const manifest = await findManifest(store, identity, signal);
    if (manifest !== undefined) {
      return entryOf(identity, infoOfManifest(manifest, busy, await lockedUntil(store, imageId, signal)));
    }
    const pending = await findPending(store, identity, signal);
    if (pending === undefined) throw notFound(`there is no such image in ${lsu}`);
    return entryOf(identity, infoOfPending(pending, busy, pendingNow(services, place, pending)));
  },

  IMAGE_LIST: (session, question) => {
    const { services, signal } = session;
    const server = session.server(question.server);
    const listings = services.listings.of(server.storageOf(question.lsu).name);
    return listings.run(() => listPage(services, server, question, signal), signal);
  },

  IMAGE_DELETE: async (session, question, resend) => {
    const later = (question.flags & DELETE_ASYNC) !== 0;
    await removeImage(session, placeOf(session, question), { resend, later });
    return {};
  },
};
