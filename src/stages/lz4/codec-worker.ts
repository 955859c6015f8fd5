/** Worker side of {@link Lz4Codec}: one frame per message, in and out by transfer. */
import { parentPort } from 'node:worker_threads';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import type { CodecAnswer, CodecRequest } from './codec.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

port.on('message', ({ id, operation, data }: CodecRequest) => {
  let answer: CodecAnswer;
  try {
    const input = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const output =
      operation === 'compress' ? compressFrameSync(input, { contentChecksum: true }) : decompressFrameSync(input);
    // A copy, because the library's memory cannot leave this thread; the rest is freed without waiting for the collector.
    answer = { id, data: new Uint8Array(output) };
    free(output);
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) };
  }
  free(data);
  port.postMessage(answer, answer.data ? [answer.data.buffer] : []);
});

function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength) bytes.buffer.transfer(0);
}
