/** Bytes of payload that go to the kernel in one turn of the event loop, over all connections. */
export const TURN_BYTES = 2 * 2 ** 20;

const waiting: (() => number)[] = [];

/**
 * Call `put` in a turn of the event loop that has put less than {@link TURN_BYTES}; who came first is first.
 *
 * A socket whose other side takes as fast as we give is never full: whatever is offered is written in the same turn, a body after the other, and
 * everything else in this thread waits for some 40 ms.
 *
 * @param put returns how many bytes it put.
 */
export function inTurn(put: () => number): void {
  if (waiting.push(put) === 1) setImmediate(turn);
}

function turn(): void {
  // What they put makes others come, who have a turn of their own.
  const here = waiting.length;
  let bytes = 0;
  let done = 0;
  for (; done < here && bytes < TURN_BYTES; done += 1) bytes += waiting[done]?.() ?? 0;
  waiting.splice(0, done);
  if (waiting.length > 0) setImmediate(turn);
}
