import { copyImage } from '../image/copy-image.ts';
import type { ImageIdentity } from '../image/identity.ts';
import type { HandleContext, ImageLayout, WriteTuning } from '../image/image-backend.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../image/open-write-handle.ts';
import { openReadHandle } from '../image/read-handle.ts';
import type { ImageBackend } from './backend.ts';

/** The handles of src/image, as the service uses them: in the thread that asks. */
export const imageHandles = {
  create: (context: HandleContext, layout: ImageLayout, tuning: WriteTuning) =>
    createWriteHandle(context, { ...layout, ...tuning }),
  reopen: reopenWriteHandle,
  attach: (context: HandleContext, identity: ImageIdentity, tuning: WriteTuning) =>
    attachWriteHandle(context, identity, 'write', tuning),
  open: openReadHandle,
  copy: copyImage,
} satisfies ImageBackend;
