import { StageClock, type StageState } from '../../../src/pipeline/stage-clock.ts';
import { StageMeters } from '../../../src/pipeline/stage-meters.ts';
import { type Lz4Decision, Lz4Pilot } from '../../../src/stages/lz4/pilot.ts';

const MIB = 1024 * 1024;
/** In MiB, as all that follows. */
const CHUNK = 64;
const BUDGET = 512;
const PARTS_AT_ONCE = 4;
/** What compression takes while it works on a chunk, and keeps free meanwhile. */
const WORKING = 2 * CHUNK;
const HASH_RATE = 2500;
const COPY_MS = 12;
/** The state of everything is looked at so often. */
const TICK_MS = 2;
/** By how much compression of one chunk may take longer or shorter than of another. */
const JITTER = 0.3;
/** Between two images. */
const PAUSE_MS = 300;

/** Where images are written. Rates in MiB per second. */
export interface World {
  /** Of the way to the storage. */
  readonly link: number;
  /** Of all threads that compress. */
  readonly speed: number;
  /** What is left of a compressed byte; 1: samples show that nothing can be done. */
  readonly left: number;
}

export type Mode = 'none' | 'lz4' | 'auto';

export interface Written {
  /** MiB per second. */
  readonly rate: number;
  readonly compressed: number;
  readonly chunks: number;
}

interface SentPart {
  left: number;
  readonly size: number;
  /** Memory of its chunks. */
  readonly chunks: readonly number[];
}

/** One stream's clock, driven. */
class Driven {
  readonly clock: StageClock;
  #state: StageState = 'upstream';

  constructor(now: () => number) {
    this.clock = new StageClock(now);
  }

  be(state: StageState): void {
    if (state === this.#state) return;
    if (this.#state === 'busy') this.clock.end();
    this.#state = state;
    this.clock.hold(state === 'downstream');
    if (state === 'busy') this.clock.begin();
  }
}

/**
 * The chain of a backup in virtual time, with the memory that it has and a source that never has to be waited for: what is full, and who waits for whom, as
 * in the real one. The pilot is the real one.
 */
export class ChainModel {
  readonly decisions: Lz4Decision[] = [];
  readonly #flow = new StageMeters();
  readonly #pilot: Lz4Pilot;
  readonly #mode: Mode;
  #now = 0;
  #random = 7;

  constructor(mode: Mode) {
    this.#mode = mode;
    this.#pilot = new Lz4Pilot(
      this.#flow,
      2,
      (decision) => this.decisions.push(decision),
      () => this.#now,
    );
  }

  /** Write one image. */
  write(world: World, chunks: number): Written {
    this.#pilot.begin();
    const streams = ['aggregator', 'checksum', 'lz4', 'packer', 'part-uploader'] as const;
    const [aggregator, checksum, lz4, packer, uploader] = streams.map(() => new Driven(() => this.#now)) as [
      Driven,
      Driven,
      Driven,
      Driven,
      Driven,
    ];
    const ends = [aggregator, checksum, lz4, packer, uploader].map(({ clock }, at) =>
      this.#flow.begin(streams[at] ?? '', 'backup', clock),
    );
    const started = this.#now;
    let used = 0;
    let filling = 0;
    let filled = 0;
    let hashing = 0;
    let hashed = 0;
    let working = 0;
    let workMs = 0;
    let compressed = 0;
    let packed = 0;
    let stored = 0;
    const made: number[] = [];
    let gathered: number[] = [];
    const ready: SentPart[] = [];
    let sending: SentPart[] = [];
    while (stored < chunks) {
      for (let part = ready[0]; part !== undefined && sending.length < PARTS_AT_ONCE; part = ready[0]) {
        sending.push(part);
        ready.shift();
        uploader.clock.bytesIn += part.size * MIB;
      }
      const each = (world.link * TICK_MS) / 1000 / Math.max(1, sending.length);
      for (const part of sending) {
        part.left -= each;
        if (part.left > 0) continue;
        for (const memory of part.chunks) used -= memory;
        stored += part.chunks.length;
        uploader.clock.bytesOut += part.size * MIB;
      }
      sending = sending.filter(({ left }) => left > 0);
      uploader.be(sending.length > 0 ? 'busy' : 'upstream');

      for (let size = made[0]; size !== undefined && ready.length < 2; size = made[0]) {
        made.shift();
        gathered.push(size);
        packed += 1;
        const sum = gathered.reduce((total, one) => total + one, 0);
        if (sum < CHUNK && packed < chunks) continue;
        ready.push({ left: sum, size: sum, chunks: gathered });
        gathered = [];
      }
      packer.be(ready.length < 2 ? 'upstream' : 'downstream');

      if (working > 0) {
        working -= TICK_MS;
        if (working <= 0) {
          const left = CHUNK * world.left;
          used += left - CHUNK - WORKING;
          made.push(left);
          compressed += 1;
          this.#pilot.saw({ bytes: CHUNK * MIB, left: left * MIB, milliseconds: workMs * 2 });
        }
      }
      if (working <= 0 && hashed > 0 && made.length < 3) {
        hashed -= 1;
        lz4.clock.bytesIn += CHUNK * MIB;
        if (this.#compresses(world)) {
          used += WORKING;
          workMs = (CHUNK / world.speed) * 1000 * (1 + JITTER * (2 * this.#chance() - 1));
          working = workMs;
        } else {
          made.push(CHUNK);
        }
      }
      lz4.be(working > 0 ? 'busy' : made.length > 0 ? 'downstream' : 'upstream');

      if (hashing > 0) {
        hashing -= TICK_MS;
        if (hashing <= 0) hashed += 1;
      }
      if (hashing <= 0 && hashed === 0 && filled > 0) {
        filled -= 1;
        hashing = (CHUNK / HASH_RATE) * 1000;
      }
      checksum.be(hashing > 0 ? 'busy' : hashed > 0 ? 'downstream' : 'upstream');

      const begun = packed + made.length + (working > 0 ? 1 : 0) + hashed + (hashing > 0 ? 1 : 0) + filled;
      const reserve = this.#mode === 'none' ? 0 : WORKING;
      const room = used + CHUNK <= BUDGET - reserve || used === 0;
      if (filling <= 0 && filled === 0 && begun < chunks && room) {
        used += CHUNK;
        filling = COPY_MS;
      } else if (filling > 0) {
        filling -= TICK_MS;
        if (filling <= 0) filled += 1;
      }
      aggregator.be(filling <= 0 && begun < chunks ? 'downstream' : 'upstream');
      this.#now += TICK_MS;
    }
    for (const end of ends) end();
    const rate = (chunks * CHUNK * 1000) / (this.#now - started);
    this.#now += PAUSE_MS;
    return { rate, compressed, chunks };
  }

  #compresses({ speed, left }: World): boolean {
    if (this.#mode !== 'auto') return this.#mode === 'lz4';
    const verdict = this.#pilot.ask(CHUNK * MIB);
    if (verdict === 'store' || left === 1) return false;
    if (verdict === 'compress') return true;
    // A quarter of a MiB, by one of two threads.
    this.#pilot.saw({ bytes: MIB / 4, left: (left * MIB) / 4, milliseconds: (0.25 / (speed / 2)) * 1000 });
    return this.#pilot.ask(CHUNK * MIB) === 'compress';
  }

  #chance(): number {
    this.#random = (this.#random * 1_103_515_245 + 12_345) & 0x7fffffff;
    return this.#random / 0x7fffffff;
  }
}
