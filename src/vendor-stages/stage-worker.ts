/** A thread that runs a vendor's stage: one call at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { ABORT } from '../pipeline/worker-pool.ts';
import { collector, memoryTaken } from './collect.ts';
import type { StageAnswer, StageCall } from './protocol.ts';
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

async function answer(call: StageCall): Promise<void> {
  running = new AbortController();
  const result = await host.call(call, running.signal);
  running = undefined;
  send(result);
  if (memoryTaken() > enough) collect();
}

function send(result: StageAnswer): void {
  const { data, spare } = 'error' in result ? {} : result;
  const returned = spare === undefined ? [] : [spare];
  try {
    port?.postMessage(result, data === undefined ? returned : [data.buffer, ...returned]);
  } catch {
    // Memory of an addon's may not be transferable.
    const copy = new Uint8Array(data ?? []);
    port?.postMessage({ ...result, data: copy }, [copy.buffer, ...returned]);
  }
}
