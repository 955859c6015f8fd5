import { bridge } from '../../bridge/bridge.ts';
import { Arena } from '../arena.ts';
import type { LaneArena } from './protocol.ts';

/** The hosts' memory, mapped once more for a lane, from the first image of a host that it works on until the host has gone. */
export class LaneArenas {
  readonly #arenas = new Map<number, Arena>();

  /** Throws errno codes. */
  map({ number, descriptor, layout }: LaneArena): Arena {
    const known = this.#arenas.get(number);
    if (known !== undefined) return known;
    const arena = new Arena(bridge, descriptor, layout);
    this.#arenas.set(number, arena);
    return arena;
  }

  unmap(number: number): void {
    this.#arenas.get(number)?.unmap();
    this.#arenas.delete(number);
  }

  unmapAll(): void {
    for (const number of [...this.#arenas.keys()]) this.unmap(number);
  }
}
