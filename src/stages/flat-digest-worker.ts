/**
 * Worker side of {@link FlatDigest}: a running SHA-256 in hash-wasm, the one implementation whose
 * state can be saved and loaded again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { createSHA256 } from 'hash-wasm';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

const hasher = await createSHA256();
const saved = workerData as Uint8Array | null;
if (saved === null) hasher.init();
else hasher.load(saved);

port.on('message', (slice: Uint8Array) => {
  hasher.update(slice);
  const state = hasher.save();
  port.postMessage({ state, digest: hasher.digest('binary') });
  // digest() ends the computation; go on from the state before it.
  hasher.load(state);
});
