/** A lane: a worker thread with images of its own; see lane-host.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { LaneHost } from './lane-host.ts';
import type { LaneStart, ToLane } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker');

const host = await LaneHost.start(workerData as LaneStart, {
  post: (batch) => port.postMessage(batch),
  onEnd: () => port.close(),
});
port.on('message', (batch: readonly ToLane[]) => {
  for (const message of batch) host.hear(message);
});
