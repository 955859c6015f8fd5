import { copyImage } from '../image/copy-image.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../image/open-write-handle.ts';
import { openReadHandle } from '../image/read-handle.ts';
import type { ImageBackend } from './backend.ts';

/** The handles of src/image, as the service uses them. */
export const imageHandles: ImageBackend = {
  create: (context, layout, tuning) => createWriteHandle(context, { ...layout, ...tuning }),
  reopen: reopenWriteHandle,
  attach: (context, identity, tuning) => attachWriteHandle(context, identity, 'write', tuning),
  open: openReadHandle,
  copy: copyImage,
};
