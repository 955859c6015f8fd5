import { z } from 'zod';

const delay = z.union([
  z.number().min(0).max(600_000),
  z.tuple([z.number().min(0).max(600_000), z.number().min(0).max(600_000)]),
]);

const effect = z.discriminatedUnion('kind', [
  /** Answered at once with this; nothing is done. `code` is the S3 error code, `body` what VMS says. */
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(400).max(599),
    code: z.string().default('SlowDown'),
    body: z.unknown().optional(),
  }),
  /** Waits, milliseconds or a range of them, then goes on normally. */
  z.strictObject({ kind: z.literal('delay'), ms: delay }),
  /** The connection breaks at once; nothing is done. */
  z.strictObject({ kind: z.literal('reset') }),
  /** Carried out, then the connection breaks before the answer. */
  z.strictObject({ kind: z.literal('lose-answer') }),
  /** The answer breaks off after so many bytes of its body. */
  z.strictObject({ kind: z.literal('truncate'), bytes: z.int().min(0) }),
]);

/** A fault and the requests it meets. All conditions that are given must hold. */
export const faultRule = z.strictObject({
  name: z.string().max(100).optional(),
  where: z.enum(['vms', 's3']),
  /** HTTP method. */
  method: z.string().optional(),
  /** VMS: what the path below `/api/<version>` begins with, `/views/`. S3: what the key begins with. */
  path: z.string().optional(),
  /** S3 operation, `UploadPart`. */
  operation: z.string().optional(),
  bucket: z.string().optional(),
  /** Address that the request came in on. */
  vip: z.string().optional(),
  /** Let so many matching requests pass first. */
  after: z.int().min(0).default(0),
  /** Meet so many, then no more; absent: all. */
  count: z.int().min(1).optional(),
  /** Meet this share of them, drawn with the seed. */
  share: z.number().min(0).max(1).default(1),
  effect,
});

/** How the cluster behaves while nothing is wrong with a single request. */
export const faultModes = z.strictObject({
  /** Status of an expired or unknown token. */
  expiredStatus: z.union([z.literal(401), z.literal(403)]).default(403),
  /** A path without its trailing slash. */
  missingSlash: z.enum(['404', '301']).default('404'),
  /** Newest row of every metric is null. */
  nullMetrics: z.boolean().default(true),
  /** Columns of metrics come in another order than asked for. */
  permuteProperties: z.boolean().default(false),
  /** What tasks begun from now on come to. */
  taskEnd: z.enum(['COMPLETED', 'FAILED', 'TIMEOUT', 'PARTIALLY_COMPLETED']).default('COMPLETED'),
  taskMs: z.int().min(0).max(3_600_000).default(1000),
  /** Task states in lower case, as some releases write them. */
  lowerCaseTasks: z.boolean().default(false),
  /** Folders can be deleted through VMS and by the header `x-amz-delete-contents`. */
  trash: z.boolean().default(true),
  /** What S3 answers a write beyond a hard limit. */
  quotaFull: z.enum(['507', '403']).default('507'),
  /** Paths whose quota counts as used up. */
  fullPaths: z.array(z.string()).max(1000).default([]),
  checksums: z.enum(['reject', 'ignore', 'full']).default('ignore'),
  conditionalWrites: z.enum(['ignore', '412']).default('ignore'),
  /** Added to the cluster's clock: Date headers, signatures, token life. */
  clockSkewMs: z.int().default(0),
  /** Addresses per DNS answer. */
  dnsAnswers: z.int().min(1).max(16).default(1),
});

/** What `PUT /faults` takes. */
export const faultPlan = z.strictObject({
  /** Begins the random numbers anew. */
  seed: z.int().optional(),
  /** Replaces all rules. */
  rules: z.array(faultRule).max(1000).optional(),
  /** Replaces the modes that are named. */
  modes: faultModes.partial().optional(),
});

export type Effect = z.output<typeof effect>;
export type FaultRule = z.output<typeof faultRule>;
export type FaultModes = z.output<typeof faultModes>;
/** Defaults may be left out. */
export type FaultPlan = z.input<typeof faultPlan>;
