import { z } from 'zod';
import { EngineError } from '../errors.ts';

/** A package's name, with its scope. */
export const STAGE_NAME = /^(@[a-z0-9][a-z0-9._-]{0,127}\/)?vast-ost-stage-[a-z0-9][a-z0-9-]{0,48}$/;
/** The one version of the interface that there is. */
const API_VERSION = 1;
/** Names that the engine gives a meaning to. */
const RESERVED = ['recorded', 'sealed', 'path'];

const OptionName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/)
  .refine((name) => !RESERVED.includes(name), 'is reserved');
const Count = (from: number, to: number) => z.int().min(from).max(to);

const Functions = z.array(z.string());
const common = {
  name: z.string().regex(STAGE_NAME, 'must be vast-ost-stage-NAME or @scope/vast-ost-stage-NAME'),
  version: z.string().regex(/^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}$/, 'must be a version such as 1.2.3'),
  apiVersion: z.literal(API_VERSION),
  secrets: z.record(OptionName, z.enum(['required', 'optional'])).default({}),
  placement: z.enum(['worker', 'native', 'main']).default('worker'),
  concurrency: Count(1, 16).optional(),
  timeoutSeconds: Count(1, 3600).default(60),
  memoryMb: Count(16, 4096).default(256),
  functions: Functions,
};

const Description = z.discriminatedUnion('kind', [
  z.object({
    ...common,
    kind: z.literal('transform'),
    deterministic: z.boolean().default(false),
    maxExpansion: z
      .strictObject({ factor: z.number().min(1).max(2).default(1), bytes: Count(0, 2 ** 20).default(4096) })
      .prefault({}),
    reads: z.array(Count(0, 999_999)).max(64).default([]),
  }),
  z.object({
    ...common,
    kind: z.literal('observer'),
    sample: z.strictObject({ pieces: Count(1, 4096), bytes: Count(1, 2 ** 20) }).optional(),
  }),
  z.object({ ...common, kind: z.literal('router') }),
]);

/** What a stage says of itself, completed. */
export type StageDescription = z.output<typeof Description>;
export type TransformDescription = Extract<StageDescription, { kind: 'transform' }>;
export type ObserverDescription = Extract<StageDescription, { kind: 'observer' }>;

const NEEDED: Readonly<Record<StageDescription['kind'], readonly string[]>> = {
  transform: ['encode', 'decode'],
  observer: ['observe'],
  router: ['route'],
};

/**
 * Check what a stage says of itself.
 *
 * @param spec as it stands in the configuration, for messages.
 * @throws EngineError VOST_STAGE_API (`unsupported`) for another version of the interface, VOST_STAGE_METADATA (`usage`)
 */
export function checkDescription(found: unknown, spec: string): StageDescription {
  const { apiVersion } = (found ?? {}) as { readonly apiVersion?: unknown };
  if (typeof apiVersion === 'number' && apiVersion !== API_VERSION) {
    throw new EngineError(
      'VOST_STAGE_API',
      'unsupported',
      `the stage ${spec} was made for version ${apiVersion} of the stage interface; this engine has version ${API_VERSION}`,
      { advice: 'install a release of the stage that fits this engine' },
    );
  }
  const parsed = Description.safeParse(found);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'definition'}: ${message}`);
    throw badStage(spec, `does not describe itself as docs/stages.md asks: ${problems.slice(0, 4).join('; ')}`);
  }
  const missing = NEEDED[parsed.data.kind].filter((name) => !parsed.data.functions.includes(name));
  if (missing.length > 0) throw badStage(spec, `is a ${parsed.data.kind} without ${missing.join(' and ')}`);
  return parsed.data;
}

/** VOST_STAGE_METADATA: what a package says of itself is wrong. */
export function badStage(spec: string, what: string): EngineError {
  return new EngineError('VOST_STAGE_METADATA', 'usage', `the stage ${spec} ${what}`, {
    advice: 'ask its maker for a release that fits; vast-ost stage test shows what is wrong',
  });
}
