import { Socket } from 'node:net';
import { abortError } from '../errors.ts';

/**
 * Read a pipe or socket by its descriptor into one buffer of our own, block by block: node's `onread`, which allocates nothing
 * per read. Ends at the end of the stream; throws the signal's reason as soon as the signal fires.
 */
export async function* readSocket(fd: number, blockBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(blockBytes);
  let arrived = 0;
  let ended = false;
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  const socket = new Socket({
    fd,
    writable: false,
    signal,
    onread: {
      buffer,
      callback: (bytes) => {
        arrived = bytes;
        wake();
        return false;
      },
    },
  });
  socket.once('end', () => {
    ended = true;
    wake();
  });
  socket.once('error', (error) => {
    failure = signal.aborted ? abortError(signal) : error;
    wake();
  });
  try {
    for (;;) {
      if (arrived === 0 && !ended && failure === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          socket.resume();
        });
      }
      if (failure !== undefined) throw failure;
      if (arrived > 0) {
        const block = buffer.subarray(0, arrived);
        arrived = 0;
        yield block;
      } else if (ended) {
        return;
      }
    }
  } finally {
    socket.destroy();
  }
}
