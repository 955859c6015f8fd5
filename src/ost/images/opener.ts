import { type EngineError, failureOf } from '../../errors.ts';
import type { WriteHandle, WriteTuning } from '../../image/image-backend.ts';
import { LivingWriters, processOf } from '../../image/living-writers.ts';
import type { ObjectStore } from '../../vast/store.ts';
import type { ImageBackend, ImageContext } from '../backend.ts';
import { fateOf } from '../creator.ts';
import { engineError, invalid } from '../errors.ts';
import type { Session } from '../session.ts';
import { ATTACHED, OPEN_MODE } from '../wire/constants.ts';
import type { WireImageAttach, WireImageCreate, WireImageOpen, WireImageOpened } from '../wire/groups.ts';
import { EndedImage } from './ended-image.ts';
import type { ImagePlace, OpenImage } from './open-image.ts';
import { openReader } from './open-reader.ts';
import { openWriter } from './open-writer.ts';
import { placeOf } from './place.ts';

/** IMAGE_CREATE: a new image. */
export function createImage(session: Session, question: WireImageCreate, resend: boolean): Promise<WireImageOpened> {
  const { backend } = session.services;
  return open(session, question.handle, placeOf(session, question), (place) =>
    openWriter(session, question, place, async (context, layout, tuning) => {
      const own = resend ? await takeUp(backend, context, place, tuning) : undefined;
      return own ?? backend.create(context, layout, tuning);
    }),
  );
}

/** IMAGE_OPEN: a complete image for reading, or one that is not complete for writing. */
export function openImage(session: Session, question: WireImageOpen, resend: boolean): Promise<WireImageOpened> {
  const { backend } = session.services;
  const { mode, handle } = question;
  if (mode !== OPEN_MODE.READ && mode !== OPEN_MODE.WRITE) throw invalid(`${mode} is no mode`);
  return open(session, handle, placeOf(session, question), (place) =>
    mode === OPEN_MODE.READ
      ? openReader(session, handle, place)
      : openWriter(session, question, place, async (context, _, tuning) => {
          const own = resend ? await takeUp(backend, context, place, tuning) : undefined;
          const takeOver = (creator: string, touched: number) => mayTake(session, context.store, creator, touched);
          return own ?? backend.reopen(context, place.identity, { ...tuning, takeOver });
        }),
  );
}

/** What a process left open when it ended can be taken from it, or when nothing was heard of it, wherever it is, for the time of a lease. */
async function mayTake(
  { services: { machine, settings }, signal }: Session,
  store: ObjectStore,
  creator: string,
  touched: number,
): Promise<boolean> {
  const fate = fateOf(processOf(creator), machine);
  if (fate !== 'unknown') return fate === 'gone';
  const writers = await LivingWriters.read(store, settings.engine.writer_lease, signal);
  return writers.isSilent(creator, touched);
}

/**
 * IMAGE_ATTACH: a handle from before the connection broke. A failure is final: the handle stays, and only its
 * close is left.
 */
export async function attachImage(session: Session, question: WireImageAttach): Promise<{ readonly state: number }> {
  const place = placeOf(session, question);
  let failure: EngineError | undefined;
  const image = await session.handles.open(question.handle, async () => {
    try {
      return (await attach(session, question, place)) ?? new EndedImage(place, undefined);
    } catch (error) {
      failure = engineError(error);
      return new EndedImage(place, failure);
    }
  });
  if (failure !== undefined) throw failure;
  return { state: image instanceof EndedImage ? ATTACHED.COMMITTED : ATTACHED.OPEN };
}

/** Undefined when the image was committed before the connection broke. */
async function attach(session: Session, question: WireImageAttach, place: ImagePlace): Promise<OpenImage | undefined> {
  const { backend } = session.services;
  const { mode, handle, slots } = question;
  if (mode !== OPEN_MODE.READ && mode !== OPEN_MODE.WRITE) throw invalid(`${mode} is no mode`);
  const opened =
    mode === OPEN_MODE.READ
      ? await openReader(session, handle, place)
      : await openWriter(session, question, place, async (context, _, tuning) => {
          const found = await backend.attach(context, place.identity, tuning);
          return found.committed ? undefined : found.handle;
        });
  if (opened === undefined) return undefined;
  try {
    opened.image.adopt(slots);
    return opened.image;
  } catch (error) {
    await opened.image.drop();
    throw error;
  }
}

/** The engine before us may have begun the image and died before it answered. Undefined when it did not. */
async function takeUp(
  backend: ImageBackend,
  context: ImageContext,
  { identity }: ImagePlace,
  tuning: WriteTuning,
): Promise<WriteHandle | undefined> {
  try {
    const { handle } = await backend.attach(context, identity, tuning);
    return handle;
  } catch (error) {
    // Somebody else's, or nobody's: what creating or opening says about that is the answer.
    if (['not-found', 'busy', 'exists', 'access'].includes(failureOf(error))) return undefined;
    throw error;
  }
}

/** Open under the host's number. While the engine drains, nothing new is opened here. */
async function open(
  session: Session,
  number: bigint,
  place: ImagePlace,
  opener: (place: ImagePlace) => Promise<{ readonly image: OpenImage; readonly answer: WireImageOpened } | undefined>,
): Promise<WireImageOpened> {
  let answer: WireImageOpened | undefined;
  await session.handles.open(number, async () => {
    const { drain } = session.services;
    if (drain.draining) await drain.hold(session.signal);
    const opened = await opener(place);
    answer = opened?.answer;
    return opened?.image ?? new EndedImage(place, invalid('the image is complete'));
  });
  if (answer === undefined) throw invalid('the image is complete');
  const { chunk_bytes, window } = answer;
  place.log.info({ handle: number.toString(), chunk_bytes, window }, 'image opened');
  return answer;
}
