import type { Readable, Writable } from 'node:stream';

/** Let everything that is already under way settle: promise reactions, next ticks and callbacks of several rounds. */
export async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise with its ends, for tests that decide when something happens. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  open(value: T): void;
  fail(error: unknown): void;
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** When a stream has closed, with or without an error. */
export function closed(stream: Readable | Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', () => resolve());
  });
}

/** Wait for something that other threads bring about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}
