/** Messages to one other thread: those of one turn of the event loop's queue go together, in order. */
export class Outbox<Message> {
  readonly #post: (batch: readonly Message[]) => void;
  #batch: Message[] = [];

  constructor(post: (batch: readonly Message[]) => void) {
    this.#post = post;
  }

  send(message: Message): void {
    this.#batch.push(message);
    if (this.#batch.length === 1) queueMicrotask(() => this.flush());
  }

  flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length > 0) this.#post(batch);
  }
}
