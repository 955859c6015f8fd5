import type { VipSource } from '../../vast/vip-pool/vip-source.ts';
import type { FromLane, ToLane } from './protocol.ts';

/** Asks the main thread where the data VIPs of servers are: it is the one that talks to their management. */
export class Lookups {
  readonly #send: (message: FromLane) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<Extract<ToLane, { say: 'vips' }>>>();
  #numbers = 0;

  constructor(send: (message: FromLane) => void) {
    this.#send = send;
  }

  source(server: string): VipSource {
    let maxAge: number | undefined;
    const resolve: VipSource['resolve'] = async (signal) => {
      this.#numbers += 1;
      const id = this.#numbers;
      const answer = Promise.withResolvers<Extract<ToLane, { say: 'vips' }>>();
      const onAbort = (): void => answer.reject(signal.reason);
      this.#waiting.set(id, answer);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#send({ say: 'look-up', id, server });
      try {
        const { addresses, maxAgeMs } = await answer.promise;
        maxAge = maxAgeMs;
        return addresses;
      } finally {
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(id);
      }
    };
    return {
      resolve,
      get maxAgeMs() {
        return maxAge ?? 60_000;
      },
    };
  }

  found(message: Extract<ToLane, { say: 'vips' }>): void {
    this.#waiting.get(message.id)?.resolve(message);
  }

  failed(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
  }
}
