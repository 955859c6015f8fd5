/**
 * Worker side of {@link Lz4Codec}: one frame per request, in and out by transfer. A request comes after the answer to the one before, so
 * in a later turn of the event loop: lz4-napi lets go of its memory only between turns.
 */
import { parentPort } from 'node:worker_threads';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { READY } from '../../pipeline/worker-pool.ts';
import type { CodecAnswer, CodecRequest } from './codec.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

port.on('message', (request: CodecRequest) => {
  const answer = perform(request);
  port.postMessage(answer, 'data' in answer ? [answer.data.buffer] : []);
});

port.postMessage(READY);

function perform({ operation, data }: CodecRequest): CodecAnswer {
  const begin = performance.now();
  try {
    const input = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const output =
      operation === 'compress' ? compressFrameSync(input, { contentChecksum: true }) : decompressFrameSync(input);
    // A copy, because the library's memory cannot leave this thread; the rest is freed without waiting for the collector.
    const copy = new Uint8Array(output);
    free(output);
    return { data: copy, milliseconds: performance.now() - begin };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    free(data);
  }
}

function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength) bytes.buffer.transfer(0);
}
