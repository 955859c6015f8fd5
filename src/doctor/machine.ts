import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { bridge } from '../bridge/bridge.ts';
import { planLanes } from '../config/lanes.ts';
import type { Settings } from '../config/settings.ts';
import { formatSize } from '../units.ts';
import { type Findings, look, ok, type Seen, warning } from './finding.ts';

const SUBJECT = 'machine';
/** The engine holds a few descriptors for every host, image and connection. */
const ENOUGH_FILES = 8192;
/** What the engine takes beside its budget. */
const BESIDE_BUDGET = 200 * 2 ** 20;

/** What the engine runs on. */
export async function* examineMachine({ engine, performance }: Settings): Findings {
  yield await look(SUBJECT, 'Node', () => ok(`${process.version}, ${availableParallelism()} CPUs`));
  yield await look(SUBJECT, 'lanes', () => {
    const { count, why } = planLanes(engine.lanes);
    return ok(`${count === 0 ? 'none, images are worked on in the main thread' : count} (${why})`);
  });
  yield await look(SUBJECT, 'digests', () => {
    const { sha256, threads } = bridge.implementation;
    return ok(`SHA-256 by ${sha256} on ${threads} threads`);
  });
  yield await look(SUBJECT, 'memory', () => memory(performance.memory_budget_mb));
  yield await look(SUBJECT, 'open files', openFiles);
}

function memory(budget: number): Seen {
  const seen = `a budget of ${formatSize(budget)}, and ${formatSize(totalmem())} of memory`;
  if (budget + BESIDE_BUDGET < totalmem() / 2) return ok(seen);
  return warning(seen, 'lower memory_budget_mb: NetBackup and the page cache need memory too');
}

async function openFiles(): Promise<Seen> {
  const [, soft, hard] = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(
    await readFile('/proc/self/limits', 'latin1'),
  ) ?? [undefined, '0', '0'];
  const most = hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
  const seen = `at most ${soft}, can be raised to ${hard}`;
  if (most >= ENOUGH_FILES) return ok(seen);
  return warning(seen, `many images at once need more: LimitNOFILE=${ENOUGH_FILES} or more in the unit`);
}
