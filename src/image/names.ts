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

const numbered =
  (kind: string) =>
  (number: number): string =>
    `${kind}-${String(number).padStart(6, '0')}`;
export const fragmentName = numbered('fragment');
export const journalName = numbered('journal');
export const tailName = numbered('tail');
export const heldName = numbered('held');
export const metaName = (number: number): string => `meta-${number}`;

/**
 * A term: what names of objects end in, after a dot, that a writer made who took the image from one that had left it open. Its number
 * orders terms, the rest keeps two writers apart who take the same image at the same time.
 */
export const TERM = '[0-9]{6}-[0-9a-f]{12}';
/** A name as it is in a term; without one the name itself. */
export const inTerm = (name: string, term: string | undefined): string =>
  term === undefined ? name : `${name}.${term}`;
/** Whether the object is a pending record, of any term. */
export const isPendingName = (name: string): boolean => name === PENDING || name.startsWith(`${PENDING}.`);
/** The number in an object's name. */
export const numberOf = (name: string): number => Number(/-([0-9]+)/.exec(name)?.[1] ?? 0);

const OURS = new RegExp(
  `^(image\\.meta|(index|pending|(fragment|journal|tail|held)-[0-9]{6,9}|meta-[0-9]{1,9})(\\.${TERM})?)$`,
);

/** Splits a key under {@link IMAGES_PREFIX} into image id and object name; undefined when it is none of ours. */
export function parseKey(key: string): { readonly imageId: string; readonly name: string } | undefined {
  if (!key.startsWith(IMAGES_PREFIX)) return undefined;
  const [imageId = '', name = '', ...more] = key.slice(IMAGES_PREFIX.length).split('/');
  return more.length === 0 && isImageId(imageId) && OURS.test(name) ? { imageId, name } : undefined;
}
