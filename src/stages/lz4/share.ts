/**
 * How many of the chunks to compress, found out. Compression makes a backup faster where the way to the storage holds it back and the threads
 * compress faster than that way takes bytes; elsewhere it only costs. Which of these it is nobody can know beforehand, and what was
 * measured may mislead (on a busy machine all stages wait): so it is tried, and given up when the image does not move faster.
 */

/** What was measured since the last change, of the last few seconds. Rates are bytes per second. */
export interface Measures {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Since when. */
  readonly since: number;
  /** When the first of the images now under way began, or one after a pause. */
  readonly began: number;
  /** Share of the time in which the others waited for what comes after compression, 0 to 1. */
  readonly link: number;
  /** And for compression. */
  readonly own: number;
  /** Share of the time in which nothing was on its way to the storage. */
  readonly idle: number;
  /** What entered the stage. */
  readonly taken: number;
  /** What was handed to the storage. */
  readonly sent: number;
  /** What the storage has acknowledged. */
  readonly stored: number;
  /** Data as it comes that all threads together would compress; undefined before anything was. */
  readonly speed: number | undefined;
  /** What is left of a byte that is compressed. */
  readonly left: number;
}

/** What was decided. */
export interface Mind {
  /** Of the chunks that could be compressed, 0 to 1. */
  readonly share: number;
  /** What the way to the storage took when it was waited for last, bytes per second. */
  readonly rate: number;
  /** When the share was changed last. */
  readonly changed: number;
  /** It was made less then. */
  readonly fell: boolean;
  /** Grows with every time that less was too little, 1 at first. */
  readonly patience: number;
  /** While it is being tried: what the storage acknowledged before. */
  readonly trial: { readonly before: number } | undefined;
  /** No trial before this moment, and how long to wait after the next one that fails. */
  readonly notBefore: number;
  readonly restMs: number;
}

/** The others wait for the storage for so much of the time that fewer bytes for it would help. */
const LIMITING = 0.25;
/** Below this it is not the storage that they wait for. */
const FREE = 0.1;
/** By how much a share changes at once; twice that where it is much too large. */
const STEP = 1 / 8;
/** Measures of less than this say little, milliseconds. */
const LEAST_MS = 1000;
/** So much of the time without anything on its way is a way that is not made use of. */
const UNUSED = 0.3;
/**
 * For how long nobody must have waited for the storage before less is compressed: when they wait for compression while the way is not made use of, and otherwise. The
 * host may have paused, and memory takes a while to fill up with what is compressed already.
 */
const FREE_MS = { unused: 2000, else: 15_000 } as const;
const MOST_PATIENCE = 8;
/** How long a trial takes; one in which the storage has nothing to do ends earlier. */
const TRIAL_MS = 1500;
/** Once it has begun, compression may be slower than the way to the storage by this factor. */
const ENOUGH = 0.8;
/** What a trial must bring. */
const GAIN = 1.05;
const REST_MS = { first: 5000, last: 60_000 } as const;

/** Nothing is known: nothing is compressed. */
export const UNDECIDED: Mind = {
  share: 0,
  rate: 0,
  changed: Number.NEGATIVE_INFINITY,
  fell: false,
  patience: 1,
  trial: undefined,
  notBefore: Number.NEGATIVE_INFINITY,
  restMs: REST_MS.first,
};

/** Whether a trial may begin, as far as the streams say; whether it does is a matter of how fast the data can be compressed. */
export function mayTry(mind: Mind, { now, since, link }: Measures): boolean {
  return mind.share === 0 && link >= LIMITING && now >= mind.notBefore && now - since >= LEAST_MS;
}

/** The next decision. */
export function nextMind(before: Mind, measures: Measures): Mind {
  const { now, since, link, taken, sent } = measures;
  if (before.share === 0) return begin(before, measures);
  const mind = link >= LIMITING ? { ...before, rate: sent } : before;
  if (now - since < LEAST_MS) return mind;
  if (mind.trial !== undefined) {
    if (link >= FREE && now - since < TRIAL_MS) return mind;
    if (taken < mind.trial.before * GAIN) return giveUp(mind, now);
    return { ...mind, trial: undefined, restMs: REST_MS.first };
  }
  const share = Math.min(1, Math.max(0, better(mind, measures)));
  if (share === mind.share) return mind;
  const fell = share < mind.share;
  const patience = fell === mind.fell ? 1 : fell ? mind.patience : Math.min(MOST_PATIENCE, mind.patience * 2);
  return { ...mind, share, changed: now, fell, patience, notBefore: share === 0 ? now + mind.restMs : mind.notBefore };
}

function better({ share, rate, changed, patience }: Mind, measures: Measures): number {
  const { now, began, link, own, idle, sent, speed = 0 } = measures;
  // A link that takes bytes faster than they can be compressed is not worth the effort, even if it is what the others wait for.
  if (link >= LIMITING) return share + (speed >= sent * ENOUGH ? STEP : -STEP);
  if (link >= FREE) return share;
  // When threads have become slow, steps would take too long.
  const most = balance(measures, rate);
  if (own >= LIMITING && most < share - STEP) return most;
  const unused = own >= LIMITING && idle >= UNUSED;
  if (now - Math.max(changed, began) < patience * (unused ? FREE_MS.unused : FREE_MS.else)) return share;
  return share - (unused ? 2 * STEP : STEP);
}

function begin(mind: Mind, measures: Measures): Mind {
  const { now, sent, stored, speed } = measures;
  if (speed === undefined || speed < sent || !mayTry(mind, measures)) return mind;
  const share = Math.max(STEP, balance(measures, sent));
  return { ...mind, share, rate: sent, changed: now, fell: false, patience: 1, trial: { before: stored } };
}

/** The share with which the threads and a way that takes so many bytes a second are done with their parts at the same time. */
function balance({ speed = 0, left }: Measures, rate: number): number {
  return speed === 0 ? 0 : Math.min(1, speed / (rate + speed * (1 - left)));
}

function giveUp({ restMs }: Mind, now: number): Mind {
  return { ...UNDECIDED, changed: now, notBefore: now + restMs, restMs: Math.min(REST_MS.last, restMs * 2) };
}
