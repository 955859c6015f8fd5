/** Work in progress that touches slots; its owner waits for it before the memory goes. */
export class Running {
  readonly #work = new Set<Promise<unknown>>();

  async run<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    try {
      return await work;
    } finally {
      this.#work.delete(work);
    }
  }

  /** Resolves when all of it has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#work);
  }
}
