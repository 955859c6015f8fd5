/** Worker side of {@link Lz4Codec}: one frame per request, in and out by transfer. */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import type { CodecAnswer, CodecRequest } from './codec.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

const waiting: CodecRequest[] = [];
let working = false;

port.on('message', (request: CodecRequest) => {
  waiting.push(request);
  if (!working) void work();
});

/**
 * One request per turn of the event loop: lz4-napi lets go of its memory only between turns, so a queue worked off in one turn
 * would keep all of it at once.
 */
async function work(): Promise<void> {
  working = true;
  for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
    const answer = perform(request);
    port?.postMessage(answer, answer.data ? [answer.data.buffer] : []);
    await turn();
  }
  working = false;
}

function perform({ id, operation, data }: CodecRequest): CodecAnswer {
  try {
    const input = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const output =
      operation === 'compress' ? compressFrameSync(input, { contentChecksum: true }) : decompressFrameSync(input);
    // A copy, because the library's memory cannot leave this thread; the rest is freed without waiting for the collector.
    const copy = new Uint8Array(output);
    free(output);
    return { id, data: copy };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  } finally {
    free(data);
  }
}

function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength) bytes.buffer.transfer(0);
}
