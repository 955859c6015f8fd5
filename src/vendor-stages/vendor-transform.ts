import { bridge } from '../bridge/bridge.ts';
import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import { type Place, placeOf } from '../pipeline/place.ts';
import { processors } from '../pipeline/processors.ts';
import { outputBytes } from '../pipeline/slab-pool.ts';
import type { StageEnv, StageInstance, StageRecord } from '../pipeline/stage.ts';
import { type ConfiguredStage, type RegisteredStage, reads } from '../pipeline/stage-registry.ts';
import type { ChunkInfo, ImageInfo, JsonObject } from '../stage-api/index.ts';
import type { TransformDescription } from './description.ts';
import { type LoadedStage, objectOf, type StageConfiguration } from './loaded-stage.ts';
import type { StageSession, StoredResult, TransformCall } from './protocol.ts';
import { type Blame, stageFailure, wrongLength } from './stage-failure.ts';
import { type SecretReferences, splitSecrets } from './stage-secrets.ts';

const MAX_THREADS = 4;

/** Chunks that a stage works on at the same time, and its threads. */
export function concurrencyOf({ concurrency }: { readonly concurrency?: number | undefined }): number {
  return concurrency ?? Math.min(MAX_THREADS, processors());
}

/** A transform of a vendor's as the registry has it: for images that it wrote. */
export function registeredTransform(
  stage: LoadedStage<TransformDescription>,
  secrets: SecretReferences,
): RegisteredStage {
  const { name, version, reads: majors, secrets: wanted } = stage.description;
  return {
    name,
    version,
    reads: (written) => reads(version, written) || majors.includes(Number(written.split('.')[0])),
    resolve: (record) => {
      // A manifest is input: it must not name files that are then read.
      for (const option of Object.keys(wanted))
        if (Object.hasOwn(record.options, option))
          throw stageFailure(
            'VOST_STAGE_OPTIONS',
            'unsupported',
            { name, call: 'options' },
            `the image's record has the secret ${option}`,
          );
      return recordedTransform(stage, record, secrets);
    },
  };
}

/** A transform for new images. Its options must have been checked. */
export function configuredTransform(
  stage: LoadedStage<TransformDescription>,
  configuration: StageConfiguration,
): ConfiguredStage {
  const { name, version } = stage.description;
  const { options } = configuration;
  /** Bound anew for every image: what it makes for one must not serve another. */
  const bind = (record: StageRecord, recorded: JsonObject): ConfiguredStage =>
    boundTransform(stage, record, (image, size) => stage.session(configuration, { recorded, size }, image, version));
  return {
    ...bind({ name, version, options }, {}),
    prepare: async (image, signal) => {
      if (!stage.has('record')) return bind({ name, version, options }, {});
      const session = await stage.session(configuration, {}, image, version);
      const recorded = objectOf((await stage.call(() => ({ call: 'record', session }), session, { signal })).value);
      return bind({ name, version, options: { ...options, recorded } }, recorded);
    },
  };
}

/** For an image that names it: to read it, or to go on writing it as it was begun. */
function recordedTransform(
  stage: LoadedStage<TransformDescription>,
  record: StageRecord,
  secrets: SecretReferences,
): ConfiguredStage {
  const { recorded, sealed, ...rest } = record.options as JsonObject;
  return boundTransform(stage, record, async (image, size) => {
    const options = await stage.checkOptions(rest, 'unsupported');
    const noted = { recorded: objectOf(recorded), sealed: objectOf(sealed), size };
    return stage.session({ options, secrets }, noted, image, record.version);
  });
}

function boundTransform(
  stage: LoadedStage<TransformDescription>,
  record: StageRecord,
  begin: (image: ImageInfo, size: number | undefined) => Promise<StageSession>,
): ConfiguredStage {
  const { factor, bytes } = stage.description.maxExpansion;
  const bound = (length: number): number => Math.floor(length * factor) + bytes;
  const workingBytes = (length: number): number => outputBytes(Math.max(length, bound(length)));
  let session: Promise<StageSession> | undefined;
  const sessionFor = (image: ImageInfo, size?: number): Promise<StageSession> => {
    session ??= begin(image, size);
    session.catch(() => {
      // A secret may be there when the next chunk comes.
      session = undefined;
    });
    return session;
  };
  const instance = (call: 'encode' | 'decode', env: StageEnv): StageInstance => ({
    concurrency: concurrencyOf(stage.description),
    apply: async (chunk, signal) => {
      const before = env.before(chunk.length);
      const maxBytes = call === 'encode' ? bound(sizeOf(chunk.pieces)) : before;
      const info = { index: chunk.index, offset: chunk.offset, length: chunk.length, maxBytes };
      return transform(stage, call, await sessionFor(env.image, env.size), info, chunk, env, signal);
    },
  });
  return {
    record,
    transforms: true,
    bound,
    workingBytes,
    forward: (env) => instance('encode', env),
    inverse: (env) => instance('decode', env),
    ...(stage.has('seal') ? sealing(stage, record, sessionFor) : {}),
  };
}

/** What a stage has to say of an image as a whole. */
function sealing(
  stage: LoadedStage<TransformDescription>,
  record: StageRecord,
  sessionFor: (image: ImageInfo, size?: number) => Promise<StageSession>,
): Required<Pick<ConfiguredStage, 'seal' | 'check'>> {
  return {
    seal: async (image, totals, signal) => {
      const session = await sessionFor(image);
      const { value } = await stage.call(() => ({ call: 'seal', session, totals }), session, { signal });
      return { ...record, options: { ...record.options, sealed: objectOf(value) } };
    },
    check: async (image, size, signal) => {
      const session = await sessionFor(image, size);
      await stage.call(() => ({ call: 'open', session }), session, { signal });
    },
  };
}

async function transform(
  stage: LoadedStage<TransformDescription>,
  call: 'encode' | 'decode',
  session: StageSession,
  info: ChunkInfo,
  chunk: Chunk,
  env: StageEnv,
  signal: AbortSignal,
): Promise<Chunk> {
  const blame = { name: stage.name, call, chunks: [info] };
  const size = sizeOf(chunk.pieces);
  const room = Math.max(size, info.maxBytes);
  const ask = async (output: Place | undefined, input: () => Pick<TransformCall, 'input' | 'copy'>) => {
    const create = () => ({ call, session, chunk: info, output, ...input() }) as const;
    const { stored, changed } = await stage.call(create, session, { bytes: size + room, signal, chunks: [info] });
    if (changed) stage.changing.add(call);
    return stored ?? { from: 'nowhere', offset: 0, bytes: 0, written: 0 };
  };
  /** It returned a part of what it was given. */
  const partOf = ({ offset, bytes }: StoredResult): Chunk => {
    checkLength(blame, bytes, info, chunk.length);
    return { ...chunk, pieces: chunk.pieces.map((piece) => piece.subarray(offset, offset + bytes)) };
  };

  const [only] = chunk.pieces;
  const place = only && chunk.pieces.length === 1 ? placeOf(only) : undefined;
  if (place && !stage.making.has(call)) {
    const result = await ask(undefined, () => ({ input: [place], copy: false }));
    if (result.from === 'input') return partOf(result);
    stage.making.add(call);
  }
  const slab = await env.slabs.acquireOutput(room, env, signal);
  try {
    const output = placeOf(new Uint8Array(slab.memory)) as Place;
    const result = await ask(output, () => inputOf(chunk.pieces, output, stage.changing.has(call)));
    if (result.from === 'input') {
      slab.unused();
      return partOf(result);
    }
    checkLength(blame, result.bytes, info, chunk.length);
    const data = slab.keep(result.bytes, result.written);
    chunk.lease.release();
    return { ...chunk, pieces: [data], lease: slab.lease };
  } catch (error) {
    slab.lease.release();
    throw error;
  }
}

/** Where a chunk's bytes are. What is in no slab (a library's memory, the collector's) is copied into the output. */
function inputOf(pieces: readonly Uint8Array[], output: Place, copy: boolean): Pick<TransformCall, 'input' | 'copy'> {
  const input = pieces.flatMap((piece) => placeOf(piece) ?? []);
  if (input.length === pieces.length) return { input, copy };
  let bytes = 0;
  for (const piece of pieces) {
    bridge.fillSlab(output.address, bytes, piece);
    bytes += piece.byteLength;
  }
  return { input: [{ ...output, bytes }], copy: true };
}

function checkLength(blame: Blame, bytes: number, { maxBytes }: ChunkInfo, length: number): void {
  if (bytes > maxBytes) throw wrongLength(blame, bytes, `at most ${maxBytes}`);
  // No stage before this one has changed the length.
  const exact = blame.call === 'decode' && maxBytes === length;
  if (exact && bytes !== length) throw wrongLength(blame, bytes, String(length));
  if (bytes === 0 && length > 0) throw wrongLength(blame, 0, 'some');
}

/** Options with the secrets taken out and the rest checked. */
export async function configurationOf(
  stage: LoadedStage,
  options: JsonObject,
  signal?: AbortSignal,
): Promise<StageConfiguration> {
  const { options: rest, secrets } = splitSecrets(stage.name, stage.description.secrets, options);
  return { options: await stage.checkOptions(rest, 'usage', signal), secrets };
}
