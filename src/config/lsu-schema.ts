import { resolve } from 'node:path';
import { z } from 'zod';
import { parseDuration, parseSize } from '../units.ts';
import { stageFields } from './stage-fields.ts';
import { wormSchema } from './worm-schema.ts';

const Size = z
  .string()
  .transform((text) => parseSize(text))
  .pipe(z.number('give a size such as 10T').int().positive());
/** Months and minutes share a letter in the published schema, so neither may be used. */
const Period = z.string().regex(/^[1-9][0-9]{0,5}[hdy]$/, 'give a period such as 12h, 30d or 7y');
const Flag = z.enum(['true', 'false', 'yes', 'no', '1', '0']).transform((text) => ['true', 'yes', '1'].includes(text));

/** `[lsu SERVER/NAME]`: an LSU that `vast-ost provision SERVER` makes. Documented in docs/vast.md. */
export const lsuSchema = {
  /** Directory on the cluster; default: the server's view_path and the LSU's name. */
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._-]+)+$/, 'give an absolute path without a trailing slash')
    .max(1024)
    .optional(),
  /** How its images reach the cluster. Default: as those of the server. */
  data: z.enum(['s3', 'nfs']).optional(),
  /** Where its directory is mounted, with `data = nfs` on a server with an S3 store. */
  mount_point: z
    .string()
    .refine((text) => text !== '/' && resolve(text) === text, 'give an absolute path without a trailing slash')
    .max(1024)
    .optional(),
  /** Writes end here, bytes; without it the cluster's space is the bound. */
  quota: Size.optional(),
  /** The cluster raises an alarm here, bytes. */
  soft_quota: Size.optional(),
  versioning: Flag.default(false),
  /** Cannot be taken back. */
  object_lock: z.enum(['none', 'governance', 'compliance']).default('none'),
  /** Lock of objects that ask for none. Never set unless asked for. */
  default_retention: Period.optional(),
  min_retention: Period.optional(),
  max_retention: Period.optional(),
  /** Take a snapshot of the LSU's directory when jobs have ended, and let the cluster keep it for so long. */
  snapshot_keep: Period.regex(/[hd]$/, 'give hours or days, such as 12h or 30d')
    .transform((text) => parseDuration(text))
    .pipe(z.number())
    .optional(),
  ...wormSchema,
  ...stageFields,
} as const;
