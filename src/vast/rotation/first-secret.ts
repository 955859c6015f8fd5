import { EngineError, failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import { NONE, type RotationJournal, type RotationState } from './journal.ts';
import type { Rotated } from './rotation.ts';

/** After so long, milliseconds, one that we do not know may as well be somebody else's. */
const OURS_MS = 3_600_000;

/**
 * Make the first secret, where rotation finds it. Does nothing when there is one. Noted before it is made: one whose answer was lost is
 * removed by the next try. One call at a time.
 * @throws EngineError VOST_ROTATION (`capacity`) when there are as many as there may be
 */
export async function makeFirst(
  rotated: Rotated,
  journal: RotationJournal,
  now: () => number = Date.now,
  options: RequestOptions = {},
): Promise<void> {
  if ((await rotated.current()) !== undefined) return;
  const before = await withoutLost(rotated, await journal.read(), now, options);
  if (before.length >= rotated.most) {
    throw new EngineError(
      'VOST_ROTATION',
      'capacity',
      `there are ${before.length} already, so no new one can be made`,
      {
        advice: 'delete the ones that nobody uses',
      },
    );
  }
  await journal.write({ since: now(), making: { old: NONE, before } });
  const made = await rotated.make(options).catch(async (error: unknown) => {
    // Nothing was made for certain, so nothing is to be looked for.
    if (!['retryable', 'integrity', 'aborted', 'internal'].includes(failureOf(error))) {
      await journal.write({ since: now() });
    }
    throw error;
  });
  try {
    await made.save();
  } catch (error) {
    await rotated.remove(made.id, options);
    await journal.write({ since: now() });
    throw error;
  }
  await journal.write({ since: now() });
}

/** What is there, without what a try that came to no end has made. */
async function withoutLost(
  rotated: Rotated,
  state: RotationState | undefined,
  now: () => number,
  options: RequestOptions,
): Promise<string[]> {
  const there = await rotated.existing(options);
  const age = now() - (state?.since ?? 0);
  if (state?.making?.old !== NONE || age < 0 || age > OURS_MS) return [...there];
  const { before } = state.making;
  for (const id of there) if (!before.includes(id)) await rotated.remove(id, options);
  return there.filter((id) => before.includes(id));
}
