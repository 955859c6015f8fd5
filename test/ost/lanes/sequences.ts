import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BroadcastChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { pino } from 'pino';
import { Lanes } from '../../../src/ost/lanes/lanes.ts';
import { HandlePlace } from '../support/handle-place.ts';
import { LaneRun, type LaneRunParts, LaneTally, laneSequence } from './lane-sequence.ts';
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
      try {
        for (const [nth, steps] of sequences.slice(at, at + TOGETHER).entries())
          await run({ place, folder, lsu: `lsu-${nth}`, steps, trouble, tally }, `seed ${seed}, sequence ${at + nth}`);
        await place.close();
      } finally {
        await place.backend.close?.();
        rmSync(folder, { recursive: true });
      }
    }
    return tally;
  } finally {
    channel.close();
  }
}

async function run(parts: LaneRunParts, where: string): Promise<void> {
  try {
    await LaneRun.run(parts);
  } catch (cause) {
    throw new Error(`${where}: ${JSON.stringify(parts.steps)}`, { cause });
  }
}
