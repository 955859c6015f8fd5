/** A lane that does what a message on a channel says: end by an error, or never turn its loop again. */
import { BroadcastChannel, workerData } from 'node:worker_threads';
import type { LaneStart } from '../../../src/ost/lanes/protocol.ts';
import '../../../src/ost/lanes/lane-entry.ts';

export const CHANNEL = 'troubled-lane';

/** Which lane, and what happens to it. */
export interface Trouble {
  readonly lane: number;
  readonly what: 'throws' | 'hangs';
}

const channel = new BroadcastChannel(CHANNEL);
channel.unref();
channel.onmessage = (event: unknown) => {
  const { lane, what } = (event as { readonly data: Trouble }).data;
  if (lane !== (workerData as LaneStart).lane) return;
  if (what === 'throws') throw new Error('a bug in a lane');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
};
