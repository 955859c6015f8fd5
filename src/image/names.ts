import { isImageId } from './identity.ts';

/** All images of an LSU live under this prefix. */
export const IMAGES_PREFIX = 'netbackup/';

/** Prefix of an image's keys, with the closing slash. */
export function imagePrefix(imageId: string): string {
  return `${IMAGES_PREFIX}${imageId}/`;
}

/** Names of the objects inside an image's folder. */
export const MANIFEST = 'image.meta';
export const INDEX = 'index';
export const PENDING = 'pending';

export const fragmentName = (number: number): string => `fragment-${String(number).padStart(6, '0')}`;
export const journalName = (number: number): string => `journal-${String(number).padStart(6, '0')}`;

const OURS = /^(image\.meta|index|pending|(fragment|journal)-[0-9]{6,}|meta-[0-9]{1,6})$/;

/** Splits a key under {@link IMAGES_PREFIX} into image id and object name; undefined when it is none of ours. */
export function parseKey(key: string): { readonly imageId: string; readonly name: string } | undefined {
  if (!key.startsWith(IMAGES_PREFIX)) return undefined;
  const [imageId = '', name = '', ...more] = key.slice(IMAGES_PREFIX.length).split('/');
  return more.length === 0 && isImageId(imageId) && OURS.test(name) ? { imageId, name } : undefined;
}
