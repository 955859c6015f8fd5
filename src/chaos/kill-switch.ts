import { writeSync } from 'node:fs';

/** Something that may end a process at any of its steps. */
export interface Steps {
  /** Nothing that happens has an effect any more. */
  readonly dead: boolean;
  /** A moment at which it may end, as `WHEN:WHAT` or `WHEN:WHAT:NAME`; whether it did. */
  step(where: string): boolean;
}

/** Where a process is to end: at its n-th step of all, or at the n-th one of a kind. */
export interface KillPoint {
  /** Undefined for all. */
  readonly where: string | undefined;
  readonly nth: number;
}

const POINT = /^(?:((?:before|amid|after):[a-z-]+(?::[a-z.-]+)?)(?:#([1-9][0-9]{0,8}))?|([1-9][0-9]{0,8}))$/;

/** `N`, `WHEN:WHAT[:NAME]` or that with `#N`; undefined when it is none of them. */
export function parseKillPoint(text: string): KillPoint | undefined {
  const match = POINT.exec(text);
  return match === null ? undefined : { where: match[1], nth: Number(match[2] ?? match[3] ?? 1) };
}

/** Ends this process as `kill -9` does when it comes to a point. A point without a name stands for all names. */
export class KillSwitch implements Steps {
  readonly dead = false;
  readonly #point: KillPoint;
  readonly #end: (last: string) => void;
  #steps = 0;
  #met = 0;

  /** @param end what to do then. */
  constructor(point: KillPoint, end: (last: string) => void = endProcess) {
    this.#point = point;
    this.#end = end;
  }

  step(where: string): boolean {
    this.#steps += 1;
    const { where: wanted, nth } = this.#point;
    if (wanted !== undefined && where !== wanted && !where.startsWith(`${wanted}:`)) return false;
    this.#met += 1;
    if (this.#met !== nth) return false;
    this.#end(`${where}, step ${this.#steps}`);
    return true;
  }
}

/** No handler runs and nothing is flushed; the last words are written before it. */
function endProcess(last: string): void {
  writeSync(2, `planned kill at ${last}\n`);
  process.kill(process.pid, 'SIGKILL');
}
