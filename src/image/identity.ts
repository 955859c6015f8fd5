import { createHash } from 'node:crypto';
import { z } from 'zod';
import { EngineError } from '../errors.ts';

/** Text of a host's field: bounded, without control characters. May be empty. */
const Field = z
  .string()
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'has control characters');

/**
 * Everything by which a host tells two images of an LSU apart. The basename alone does not:
 * NetBackup names an image by basename, date, policy-like full name and further fields.
 */
export const ImageIdentitySchema = z.strictObject({
  basename: Field.min(1),
  /** As the host gives it; NetBackup uses seconds since the epoch. */
  date: Field,
  full_name: Field,
  /** Further fields of the host's image definition, in its order. */
  qualifiers: z.array(Field).max(8),
});
export type ImageIdentity = z.output<typeof ImageIdentitySchema>;

/** Check an identity that came from outside. Throws class `usage`. */
export function checkIdentity(identity: ImageIdentity): ImageIdentity {
  const parsed = ImageIdentitySchema.safeParse(identity);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError(
    'VOST_IMAGE_NAME',
    'usage',
    `the image's ${issue?.path.join('.')} is not usable: ${issue?.message}`,
  );
}

/**
 * The folder name of an image: readable parts for people, and a hash over the whole identity that makes it
 * unique. Grammar in docs/image-format.md.
 */
export function imageIdOf(identity: ImageIdentity): string {
  const hash = createHash('sha256');
  for (const field of [identity.basename, identity.date, identity.full_name, ...identity.qualifiers]) {
    const bytes = Buffer.from(field, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    hash.update(length).update(bytes);
  }
  return `${idPrefixOf(identity.basename)}${safe(identity.date, 24)}_${hash.digest('hex').slice(0, 16)}`;
}

/** What the ids of all images of that basename begin with; others' may, too. */
export function idPrefixOf(basename: string): string {
  return `${safe(basename, 96)}_`;
}

function safe(text: string, length: number): string {
  return text.replace(/[^A-Za-z0-9.=-]/g, '-').slice(0, length);
}

const IMAGE_ID = /^[A-Za-z0-9.=-]{1,96}_[A-Za-z0-9.=-]{0,24}_[0-9a-f]{16}$/;

/** Whether a folder name can be an image's. */
export function isImageId(name: string): boolean {
  return IMAGE_ID.test(name);
}
