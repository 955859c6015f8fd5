/** A thread that runs a vendor's stage: one call at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { windowBytes } from '../pipeline/slab-window.ts';
import { ABORT, READY } from '../pipeline/worker-pool.ts';
import { collector, memoryTaken } from './collect.ts';
import { performCall } from './perform-call.ts';
import type { StageCall } from './protocol.ts';
import { provideApi } from './provide-api.ts';
import { StageHost } from './stage-host.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

provideApi();
const { url, enough } = workerData as { readonly url: string; readonly enough: number };
const collect = collector();
const host = new StageHost(() => import(url));
let running: AbortController | undefined;

port.on('message', (call: StageCall | typeof ABORT) => {
  if (call === ABORT) running?.abort();
  else void answer(call);
});

port.postMessage(READY);

async function answer(call: StageCall): Promise<void> {
  running = new AbortController();
  const result = await performCall(host, call, running.signal);
  running = undefined;
  port?.postMessage(result);
  if (memoryTaken() - windowBytes() > enough) collect();
}
