import type { ServerResponse } from 'node:http';
import { limitReached } from '../ost/errors.ts';
import type { Sampler } from './sampler.ts';

/** People who look at the same time. */
const MAX_CLIENTS = 16;
/** Pictures that a client may miss because it does not take them; then it is gone, or will never come after. */
const MAX_MISSED = 30;

/** Server-sent events: every picture, to a few who look. One that is slow misses pictures; nothing piles up. */
export class LiveClients {
  readonly #sampler: Sampler;
  readonly #clients = new Set<ServerResponse>();

  constructor(sampler: Sampler) {
    this.#sampler = sampler;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** @throws EngineError VOST_LIMIT (`capacity`) */
  add(response: ServerResponse): void {
    if (this.#clients.size >= MAX_CLIENTS)
      throw limitReached(`${MAX_CLIENTS} look already`, 'close a window of the console');
    this.#clients.add(response);
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    let missed = 0;
    const end = this.#sampler.watch((_, json) => {
      if (response.writableNeedDrain) {
        missed += 1;
        if (missed >= MAX_MISSED) response.destroy();
        return;
      }
      missed = 0;
      response.write(`event: state\ndata: ${json}\n\n`);
    });
    response.once('close', () => {
      this.#clients.delete(response);
      end();
    });
  }

  close(): void {
    for (const response of this.#clients) response.destroy();
  }
}
