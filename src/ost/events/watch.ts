/** Looks again and again, one look at a time, without keeping the process alive. */
export class Watch {
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  readonly #turn: () => void;

  /** @param look must not throw. */
  constructor(look: (signal: AbortSignal) => Promise<void>, everyMs: number) {
    this.#turn = (): void => {
      // A slow answer makes the next turn fall out.
      if (this.#busy) return;
      this.#busy = true;
      this.#running = look(this.#end.signal).finally(() => {
        this.#busy = false;
      });
    };
    this.#timer = setInterval(this.#turn, everyMs);
    this.#timer.unref();
  }

  /** Look now, beside the schedule. */
  soon(): void {
    this.#turn();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.#running;
  }
}
