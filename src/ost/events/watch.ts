/** Looks again and again, one look at a time, without keeping the process alive. */
export class Watch {
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #busy = false;

  /** @param look must not throw. */
  constructor(look: (signal: AbortSignal) => Promise<void>, everyMs: number) {
    const turn = (): void => {
      // A slow answer makes the next turn fall out.
      if (this.#busy) return;
      this.#busy = true;
      this.#running = look(this.#end.signal).finally(() => {
        this.#busy = false;
      });
    };
    this.#timer = setInterval(turn, everyMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.#running;
  }
}
