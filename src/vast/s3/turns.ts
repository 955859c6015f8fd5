/** Bytes of payload that go to the kernel in one turn of the event loop, over all connections. */
export const TURN_BYTES = 2 * 2 ** 20;
/** Requests that begin in one: the SDK takes a millisecond or two for each. */
const TURN_REQUESTS = 2;

/** Has work of many wait for turns of the event loop, each of which does so much of it; who came first is first. */
class Turns {
  readonly #most: number;
  readonly #waiting: (() => number)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Call `work`, which returns how much it was, in a turn that has done less than the most. */
  run(work: () => number): void {
    if (this.#waiting.push(work) === 1) setImmediate(() => this.#turn());
  }

  #turn(): void {
    const waiting = this.#waiting;
    // What they do makes others come, who have a turn of their own.
    const here = waiting.length;
    let done = 0;
    for (let at = 0; at < here && done < this.#most; at += 1) done += waiting.shift()?.() ?? 0;
    if (waiting.length > 0) setImmediate(() => this.#turn());
  }
}

/**
 * What comes in. A socket whose other side sends as fast as we read is never empty: Node reads 8 MiB of each before it looks at anything else, and has
 * up to 300 ms of that in one turn.
 */
class Reading {
  #bytes = 0;
  readonly #resting = new Set<() => void>();

  /** So many bytes have come: whether the connection may go on in this turn. If not, `goOn` is called in the next one. */
  goesOn(bytes: number, goOn: () => void): boolean {
    if (this.#bytes === 0) setImmediate(() => this.#turn());
    this.#bytes += bytes;
    if (this.#bytes < TURN_BYTES) return true;
    this.#resting.add(goOn);
    return false;
  }

  #turn(): void {
    this.#bytes = 0;
    const resting = [...this.#resting];
    this.#resting.clear();
    for (const goOn of resting) goOn();
  }
}

export const reading = new Reading();

const payload = new Turns(TURN_BYTES);
const requests = new Turns(TURN_REQUESTS);

/**
 * Call `put`, which returns how many bytes it gave to a socket, in a turn of its own.
 *
 * A socket whose other side takes as fast as we give is never full: whatever is offered is written in the same turn, a body after the other, and
 * everything else in this thread waits for some 40 ms.
 */
export function inTurn(put: () => number): void {
  payload.run(put);
}

/** Wait for a turn in which a request may begin. Many images that begin or end together would hold everybody else up for 200 ms. */
export function requestTurn(): Promise<void> {
  return new Promise((resolve) => {
    requests.run(() => {
      resolve();
      return 1;
    });
  });
}
