import { attachImage, createImage, openImage } from '../images/opener.ts';
import type { Handlers } from './handler.ts';

/** What concerns one open image; the handle keeps the order. */
export const imageHandlers: Handlers<
  | 'IMAGE_CREATE'
  | 'IMAGE_OPEN'
  | 'IMAGE_ATTACH'
  | 'SLOT_WANT'
  | 'IMAGE_FLUSH'
  | 'IMAGE_CLOSE'
  | 'IMAGE_READ'
  | 'IMAGE_PROP'
> = {
  IMAGE_CREATE: createImage,
  IMAGE_OPEN: openImage,
  IMAGE_ATTACH: attachImage,

  SLOT_WANT: (session, question) => session.handles.call(question.handle, (image) => image.want(question)),

  IMAGE_FLUSH: async (session, { handle }) => {
    await session.handles.call(handle, (image) => image.flush());
    return {};
  },

  // The handle ends whatever the answer is.
  IMAGE_CLOSE: (session, question) =>
    session.services.drain.finish(async () => {
      const report = await session.handles.close(question.handle, async (image) => {
        const report = await image.close(question);
        image.place.log.info({ handle: question.handle.toString(), report }, 'image closed');
        return report;
      });
      return { report };
    }),

  IMAGE_READ: (session, question) => session.handles.call(question.handle, (image) => image.read(question)),

  IMAGE_PROP: (session, { handle }) => session.handles.call(handle, (image) => image.info()),
};
