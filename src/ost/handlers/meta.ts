import type { Handlers } from './handler.ts';

export const metaHandlers: Handlers<'META_WRITE' | 'META_READ'> = {
  META_WRITE: async (session, question) => {
    await session.handles.call(question.handle, (image) => image.writeMeta(question));
    return {};
  },
  META_READ: (session, question) => session.handles.call(question.handle, (image) => image.readMeta(question)),
};
