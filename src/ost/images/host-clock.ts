import { StageClock } from '../../pipeline/stage-clock.ts';
import type { Flow, StageMeters } from '../../pipeline/stage-meters.ts';

/**
 * The host as one more stage of its image's chain: busy while it is its turn, else waiting for us. Without it nobody could tell a host that is
 * slow from one that got no slot.
 */
export class HostClock {
  readonly #clock = new StageClock();
  readonly #end: () => void;
  #turn = true;

  /** @param stage `source` of a backup, `target` of a restore. It is the host's turn. */
  constructor(stage: 'source' | 'target', flow: Flow, meters: StageMeters) {
    // Whoever waits for us while it writes waits for room; while it reads, for bytes.
    this.#clock.hold(stage === 'source');
    this.#clock.begin();
    this.#end = meters.begin(stage, flow, this.#clock);
  }

  /** Whether the host can go on without us. */
  turn(hosts: boolean): void {
    if (hosts === this.#turn) return;
    this.#turn = hosts;
    if (hosts) this.#clock.begin();
    else this.#clock.end();
  }

  /** The host handed over bytes, or was given some. */
  moved(bytes: number): void {
    this.#clock.bytesIn += bytes;
    this.#clock.bytesOut += bytes;
  }

  end(): void {
    this.#end();
  }
}
