/**
 * Finds how many requests with payload should be in flight, from nothing but how much was moved: nobody knows the network, the
 * servers' limits or who else is on them, and all of it changes. Time is cut into trials, each at one limit; a limit is kept if it
 * moved more than the one before, or as much with less. Hill climbing on goodput, with TCP's start (doubling) and TCP's answer to "too busy"
 * (RFC 5681); what is not limited by us is not judged (as BBR does, draft-cardwell-iccrg-bbr-congestion-control, "app-limited").
 */

/** Why a limit was changed. */
export const REASONS = [
  'try-more',
  'faster',
  'no-faster',
  'try-less',
  'as-fast-with-less',
  'slower-with-less',
  'enough',
  'busy',
] as const;
export type Reason = (typeof REASONS)[number];

export interface Decision {
  readonly from: number;
  readonly to: number;
  readonly reason: Reason;
  /** Bytes per second of the trial that led to it; undefined before the first. */
  readonly goodput: number | undefined;
}

/** One request that has ended. */
export interface Ended {
  /** Monotonic, milliseconds. */
  readonly at: number;
  /** Payload that was moved; 0 when it failed. */
  readonly bytes: number;
  /** The server said that it is too busy. */
  readonly busy: boolean;
  /** As many requests were in flight as were allowed, or more were waiting. */
  readonly full: boolean;
  /** How long our own thread has been at work so far, milliseconds. */
  readonly worked: number;
}

export interface HillClimbOptions {
  /** Limit to begin with. */
  readonly start: number;
  /** Largest limit. */
  readonly most: number;
  readonly onDecision?: ((decision: Decision) => void) | undefined;
}

/** A limit that moves less than this much more than a smaller one is not worth its memory. */
const GAIN = 1.03;
/** A smaller limit may move this much of the best and still be kept. */
const ENOUGH = 0.98;
/** So much more is no luck; a smaller gain has to be seen twice before more is kept for it, and what is only as fast before less is. */
const CLEARLY = 1.08;
/** After a change of the world by so much, seen twice, everything is tried anew. */
const CHANGED = 0.7;
/** Trials are not shorter, milliseconds: shorter ones measure chance. */
const TRIAL_MS = 250;
/** Requests after which the limit is more than a guess. */
const ENOUGH_ENDED = 64;
/** Share of a trial's requests that must have found us the bound. */
const FULL_SHARE = 0.75;
/** Share of a trial's time that our own thread was at work: then it is what bounds, and nothing but chance makes more look faster. */
const AT_WORK = 0.97;
/** Trials of rest after a round that changed nothing; doubles up to the last. */
const REST = { first: 2, last: 32 } as const;
/** Trials for which a limit that was too much is not tried again. */
const CEILING_TRIALS = 64;

type Phase = 'begin' | 'double' | 'more' | 'less' | 'rest';

interface Trial {
  since: number;
  worked: number;
  bytes: number;
  ended: number;
  full: number;
  /** Requests that began before the limit changed. */
  skip: number;
}

export class HillClimb {
  readonly #options: HillClimbOptions;
  #limit: number;
  #phase: Phase = 'begin';
  #trial: Trial | undefined;
  /** What is tried is compared with this. */
  #base: { limit: number; goodput: number } = { limit: 0, goodput: 0 };
  /** The most that was moved lately: many small losses must not add up. */
  #peak = 0;
  #ended = 0;
  /** What the last trial said is to be confirmed by this one. */
  #seen = false;
  #rest: number = REST.first;
  #resting = 0;
  #ceiling: { limit: number; trials: number } | undefined;
  /** Requests that are still to end of those in flight when the server was too busy: one cut answers them all. */
  #cutFor = 0;

  constructor(options: HillClimbOptions) {
    this.#options = options;
    this.#limit = Math.min(options.start, options.most);
  }

  /** Requests that may be in flight now, at least 1. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether enough has ended for the limit to be more than a guess, or not to be what bounds us. */
  get tried(): boolean {
    return this.#ended >= ENOUGH_ENDED;
  }

  /** Note the end of a request. */
  ended({ at, bytes, busy, full, worked }: Ended): void {
    this.#ended += 1;
    if (this.#cutFor > 0) this.#cutFor -= 1;
    if (busy) {
      this.#onBusy();
      return;
    }
    const trial = this.#trial;
    if (trial === undefined) {
      this.#trial = { since: at, worked, bytes: 0, ended: 0, full: 0, skip: 0 };
      return;
    }
    if (trial.skip > 0) {
      trial.skip -= 1;
      trial.since = at;
      trial.worked = worked;
      return;
    }
    trial.bytes += bytes;
    trial.ended += 1;
    if (full) trial.full += 1;
    const elapsed = at - trial.since;
    if (elapsed < TRIAL_MS || trial.ended < Math.max(8, 2 * this.#limit)) return;
    this.#trial = { since: at, worked, bytes: 0, ended: 0, full: 0, skip: 0 };
    if (trial.full < trial.ended * FULL_SHARE) return;
    this.#judge((trial.bytes / elapsed) * 1000, worked - trial.worked >= elapsed * AT_WORK);
  }

  /** What was not limited by us tells nothing: forget the trial that runs. */
  idle(): void {
    this.#trial = undefined;
  }

  #onBusy(): void {
    if (this.#cutFor > 0) return;
    this.#ceiling = { limit: this.#limit, trials: CEILING_TRIALS };
    this.#cutFor = this.#limit;
    // If it was for what we tried, what was taken before is taken again; if it was not, we hear of it soon.
    const taken = this.#phase === 'double' || this.#phase === 'more' ? this.#base.limit : 0;
    this.#phase = 'begin';
    this.#rest = REST.first;
    this.#peak = 0;
    this.#move(Math.max(Math.floor(this.#limit * 0.75), taken), 'busy', undefined);
  }

  #judge(goodput: number, atWork: boolean): void {
    if (this.#ceiling !== undefined) {
      this.#ceiling.trials -= 1;
      if (this.#ceiling.trials === 0) this.#ceiling = undefined;
    }
    this.#peak = Math.max(this.#peak * 0.999, goodput);
    if (atWork) {
      this.#onWork(goodput);
      return;
    }
    switch (this.#phase) {
      case 'begin':
        this.#base = { limit: this.#limit, goodput };
        this.#try(this.#ceiling === undefined ? 'double' : 'more', goodput);
        return;
      case 'double':
      case 'more':
        if (goodput < this.#base.goodput * GAIN) this.#refuseMore(goodput);
        else if (goodput >= this.#base.goodput * CLEARLY || this.#twice()) this.#accept(this.#phase, goodput);
        return;
      case 'less':
        if (goodput < this.#peak * ENOUGH) this.#relax(goodput, 'slower-with-less');
        else if (goodput >= this.#base.goodput * GAIN || this.#twice()) this.#acceptLess(goodput);
        return;
      case 'rest':
        this.#onRest(goodput);
    }
  }

  #accept(phase: 'double' | 'more', goodput: number): void {
    this.#base = { limit: this.#limit, goodput };
    this.#rest = REST.first;
    this.#try(phase, goodput, 'faster');
  }

  #refuseMore(goodput: number): void {
    // A doubling may have gone past the top.
    const past = this.#phase === 'double' && this.#base.limit > 2;
    this.#try(past ? 'more' : 'less', goodput, 'no-faster');
  }

  #acceptLess(goodput: number): void {
    this.#base = { limit: this.#limit, goodput };
    this.#try('less', goodput, 'as-fast-with-less');
  }

  /**
   * What bounds us is our own thread: more in flight would only cost more, and less that keeps it at work is as good, whatever chance says. Not below what
   * we began with: the rest of what the thread does must not starve these requests.
   */
  #onWork(goodput: number): void {
    const { start, most } = this.#options;
    if (this.#phase === 'rest' && this.#rested(goodput) > 0) return;
    this.#base = { limit: Math.max(this.#limit, Math.min(start, most)), goodput };
    if (this.#base.limit > start) this.#try('less', goodput, 'enough');
    else this.#relax(goodput, 'enough');
  }

  /** Whether this is the second time, one after the other. */
  #twice(): boolean {
    this.#seen = !this.#seen;
    return !this.#seen;
  }

  #relax(goodput: number, reason: Reason): void {
    this.#phase = 'rest';
    this.#resting = this.#rest;
    this.#rest = Math.min(REST.last, this.#rest * 2);
    this.#move(this.#base.limit, reason, goodput);
  }

  #onRest(goodput: number): void {
    if (this.#rested(goodput) > 0) return;
    this.#peak = this.#base.goodput;
    this.#try('more', goodput);
  }

  /** @returns trials of rest that are left */
  #rested(goodput: number): number {
    const { limit, goodput: before } = this.#base;
    const other = goodput < before * CHANGED || goodput * CHANGED > before;
    if (!other) this.#seen = false;
    const changed = other && this.#twice();
    // Smoothed, so that one lucky trial does not make all that follow look bad.
    this.#base = { limit, goodput: changed ? goodput : before * 0.75 + goodput * 0.25 };
    if (changed) {
      this.#peak = goodput;
      this.#rest = REST.first;
      this.#resting = 0;
    }
    this.#resting -= 1;
    return this.#resting;
  }

  /** Go on to the next limit of a phase, or to what follows the phase when there is none. */
  #try(phase: Exclude<Phase, 'begin' | 'rest'>, goodput: number, reason?: Reason): void {
    const { limit } = this.#base;
    const step = Math.max(1, Math.floor(limit / 4));
    this.#phase = phase;
    if (phase === 'less') {
      if (limit > 1) this.#move(Math.max(1, limit - step), reason ?? 'try-less', goodput);
      else this.#relax(goodput, reason ?? 'no-faster');
      return;
    }
    const top = Math.min(this.#options.most, (this.#ceiling?.limit ?? Number.POSITIVE_INFINITY) - 1);
    const next = Math.min(top, phase === 'double' ? limit * 2 : limit + step);
    if (next > limit) this.#move(next, reason ?? 'try-more', goodput);
    else this.#try('less', goodput, reason);
  }

  #move(to: number, reason: Reason, goodput: number | undefined): void {
    const from = this.#limit;
    this.#seen = false;
    this.#limit = Math.max(1, Math.min(this.#options.most, to));
    // What is in flight was begun under the old limit.
    if (this.#trial !== undefined)
      this.#trial = { since: 0, worked: 0, bytes: 0, ended: 0, full: 0, skip: Math.max(from, this.#limit) };
    if (this.#limit !== from) this.#options.onDecision?.({ from, to: this.#limit, reason, goodput });
  }
}
