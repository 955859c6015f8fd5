import type { VipSource } from '../../vast/vip-pool/vip-source.ts';
import type { FoundVips, FromLane, LaneQuestion } from './protocol.ts';

/** What a lane asks the main thread, which alone talks to the management of clusters and knows the hosts. */
export class Questions {
  readonly #send: (message: FromLane) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #numbers = 0;

  constructor(send: (message: FromLane) => void) {
    this.#send = send;
  }

  /** Where the data VIPs of a server are. */
  vipsOf(server: string): VipSource {
    let maxAge = 60_000;
    return {
      resolve: async (signal) => {
        const { addresses, maxAgeMs } = (await this.#ask({ about: 'vips', server }, signal)) as FoundVips;
        maxAge = maxAgeMs ?? maxAge;
        return addresses;
      },
      get maxAgeMs() {
        return maxAge;
      },
    };
  }

  /** As `takeOver` of ReopenOptions. */
  async mayTake(image: number, creator: string, touched: number): Promise<boolean> {
    return (await this.#ask({ about: 'take-over', image, creator, touched })) === true;
  }

  answered(id: number, value: unknown): void {
    this.#waiting.get(id)?.resolve(value);
  }

  failed(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
  }

  async #ask(question: LaneQuestion, signal?: AbortSignal): Promise<unknown> {
    this.#numbers += 1;
    const id = this.#numbers;
    const answer = Promise.withResolvers<unknown>();
    const onAbort = (): void => answer.reject(signal?.reason);
    this.#waiting.set(id, answer);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#send({ say: 'question', id, question });
    try {
      return await answer.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#waiting.delete(id);
    }
  }
}
