/** Deletions in progress, by place. Whoever wants an image that is on its way out waits until it is gone. */
export class Deletions {
  readonly #running = new Map<string, Promise<unknown>>();

  /** Note a deletion until it has ended. */
  note(place: string, work: Promise<unknown>): void {
    this.#running.set(place, work);
    const end = (): void => {
      if (this.#running.get(place) === work) this.#running.delete(place);
    };
    work.then(end, end);
  }

  /** Resolves when no deletion of the place runs. Never rejects. */
  async settled(place: string): Promise<void> {
    for (let work = this.#running.get(place); work !== undefined; work = this.#running.get(place)) {
      await work.catch(() => undefined);
    }
  }
}
