import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BroadcastChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { pino } from 'pino';
import { Lanes } from '../../../src/ost/lanes/lanes.ts';
import { HandlePlace } from '../support/handle-place.ts';
import { LaneRun, LaneTally, laneSequence } from './lane-sequence.ts';
import type { Trouble } from './troubled-lane.ts';

const FILE = new URL('./troubled-lane.ts', import.meta.url);
/** Lanes that end one soon after the other are started ever later; these are new after so many sequences. */
const TOGETHER = 5;
const log = pino({ level: 'silent' });

/** Random sequences with lanes that end and a directory with faults; resolves to what happened. The first that goes wrong is what it rejects with. */
export async function runLaneSequences(count: number, seed: number): Promise<LaneTally> {
  const tally = new LaneTally();
  const channel = new BroadcastChannel('troubled-lane');
  const trouble = (what: Trouble): void => channel.postMessage(what);
  const sequences = fc.sample(laneSequence, { numRuns: count, seed });
  try {
    for (let at = 0; at < count; at += TOGETHER) {
      const folder = mkdtempSync(join(tmpdir(), 'vost-lanes-'));
      const place = await HandlePlace.open(
        folder,
        ({ settings, resources: { budget } }) => Lanes.open({ settings, count: 2, budget, log, file: FILE }),
        `chaos = ${(seed + at) % 2 ** 31}`,
      );
      for (const [nth, steps] of sequences.slice(at, at + TOGETHER).entries()) {
        const where = `seed ${seed}, sequence ${at + nth}`;
        try {
          await LaneRun.run({ place, folder, lsu: `lsu-${nth}`, steps, trouble, tally });
        } catch (cause) {
          throw new Error(`${where}: ${JSON.stringify(steps)}`, { cause });
        }
      }
      await place.close();
      rmSync(folder, { recursive: true });
    }
    return tally;
  } finally {
    channel.close();
  }
}
