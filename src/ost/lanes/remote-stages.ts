import type { StageTimes } from '../../pipeline/stage-clock.ts';
import { OUTCOMES, type ReadClock, type StageMeters } from '../../pipeline/stage-meters.ts';
import type { ImageStages } from './protocol.ts';

/** A clock of a lane as it was told last. */
class ToldClock implements ReadClock {
  bytesIn = 0;
  bytesOut = 0;
  times: Readonly<StageTimes> = { busy: 0, upstream: 0, downstream: 0 };

  read(): Readonly<StageTimes> {
    return this.times;
  }
}

/** The clocks that a lane keeps of an image, among those of this thread. */
export class RemoteStages {
  readonly #meters: StageMeters;
  readonly #flow: StageMeters;
  readonly #clocks = new Map<string, { readonly clock: ToldClock; readonly end: () => void }>();
  #mismatches = 0;
  #healed = 0;

  /** @param flow of the image's storage. */
  constructor(meters: StageMeters, flow: StageMeters) {
    this.#meters = meters;
    this.#flow = flow;
  }

  told({ totals, mismatches, healed, decided }: ImageStages): void {
    for (const { stage, flow, bytesIn, bytesOut, times } of totals) {
      const key = `${flow} ${stage}`;
      let known = this.#clocks.get(key);
      if (known === undefined) {
        const clock = new ToldClock();
        known = { clock, end: this.#meters.begin(stage, flow, clock) };
        this.#clocks.set(key, known);
      }
      Object.assign(known.clock, { bytesIn, bytesOut, times });
    }
    for (; this.#mismatches < mismatches; this.#mismatches += 1) this.#meters.mismatch();
    for (; this.#healed < healed; this.#healed += 1) this.#meters.heal();
    for (const outcome of OUTCOMES) for (let n = decided[outcome]; n > 0; n -= 1) this.#flow.decided(outcome);
  }

  /** What was told stays; what comes after it counts anew. */
  end(): void {
    for (const { end } of this.#clocks.values()) end();
    this.#clocks.clear();
    this.#mismatches = 0;
    this.#healed = 0;
  }
}
