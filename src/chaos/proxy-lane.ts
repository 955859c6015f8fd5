import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { DueFault } from './fault-plan.ts';
import type { Direction, ProxyEffect } from './proxy-faults.ts';

/** What breaks a connection off. */
export type Break = 'reset' | 'truncate';

interface Strike {
  readonly kind: 'reset' | 'truncate' | 'flip' | 'black-hole';
  readonly at: number;
  readonly bit: number;
  readonly hit: () => void;
}

/** One direction of a connection: what goes in comes out, but for the faults. */
export class ProxyLane extends Transform {
  readonly #latency: readonly { readonly ms: number; hit: () => void }[];
  readonly #onBreak: (how: Break) => void;
  readonly #signal: AbortSignal;
  #strikes: readonly Strike[];
  #passed = 0;
  #over = false;
  /** Nothing passes any more, not even the end. */
  blackHole = false;

  constructor(
    direction: Direction,
    faults: readonly DueFault<ProxyEffect>[],
    signal: AbortSignal,
    onBreak: (how: Break) => void,
  ) {
    super();
    this.#signal = signal;
    this.#onBreak = onBreak;
    this.#latency = faults.flatMap(({ effect, hit }) =>
      effect.kind === 'latency' ? [{ ms: effect.ms, hit: once(hit) }] : [],
    );
    const strikes = faults.flatMap((fault) => strikeOf(fault, direction));
    this.#strikes = strikes.sort((a, b) => a.at - b.at);
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#pass(chunk).then(
      () => done(),
      () => this.destroy(),
    );
  }

  override _flush(done: TransformCallback): void {
    if (!this.blackHole) done();
  }

  async #pass(chunk: Buffer): Promise<void> {
    for (const { ms, hit } of this.#latency) {
      hit();
      await delay(ms, undefined, { signal: this.#signal });
    }
    if (this.#over) return;
    const end = this.#passed + chunk.byteLength;
    const due = this.#strikes.filter(({ at }) => at < end);
    this.#strikes = this.#strikes.filter(({ at }) => at >= end);
    const bytes = due.some(({ kind }) => kind === 'flip') ? Buffer.from(chunk) : chunk;
    for (const { kind, at, bit, hit } of due) {
      hit();
      const place = at - this.#passed;
      if (kind === 'flip') bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      else return this.#end(kind, bytes.subarray(0, place));
    }
    this.#passed = end;
    this.push(bytes);
  }

  /** What came before the fault still goes out. */
  #end(kind: Exclude<Strike['kind'], 'flip'>, before: Buffer): void {
    this.#over = true;
    if (before.byteLength > 0) this.push(before);
    if (kind === 'black-hole') this.blackHole = true;
    else this.#onBreak(kind);
  }
}

function strikeOf({ effect, share, hit }: DueFault<ProxyEffect>, direction: Direction): Strike[] {
  if (effect.kind === 'refuse' || effect.kind === 'latency' || effect.direction !== direction) return [];
  const [from, below] = typeof effect.at === 'number' ? [effect.at, effect.at + 1] : effect.at;
  const place = from + share * (below - from);
  const at = Math.floor(place);
  return [{ kind: effect.kind, at, bit: Math.floor((place - at) * 8), hit }];
}

/** A latency counts once for each direction, not for every piece. */
function once(hit: () => void): () => void {
  let done = false;
  return () => {
    if (!done) hit();
    done = true;
  };
}
