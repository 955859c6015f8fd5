/** Run by descriptors.test.ts with few descriptors allowed: takes all of them, backs up, gives them back, backs up. A line for each backup. */
import { closeSync, openSync } from 'node:fs';
import { bridge } from '../../../src/bridge/bridge.ts';
import { VirtualClock } from '../../../src/chaos/virtual-clock.ts';
import { EngineError } from '../../../src/errors.ts';
import { createResources } from '../../../src/pipeline/resources.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { openStorage } from '../../../src/vast/open-storage.ts';
import { MIB, randomBytes, writeImage, writerOptions } from '../../image/support.ts';

const [, , url = ''] = process.argv;
const credentials = { accessKeyId: 'WIREKEY', secretAccessKey: 'wire/secret' };
const resources = createResources(bridge, 32 * MIB, builtInStages());
const data = randomBytes(2 * MIB + 5);

async function backUp(name: string): Promise<void> {
  const storage = openStorage(url, { clock: new VirtualClock(1), s3: { credentials } });
  let result: object = { outcome: 'ok' };
  try {
    await writeImage(await storage.open('lsu'), resources, writerOptions(resources, name), data);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    result = { outcome: error.failure, code: error.code, message: error.message, advice: error.advice };
  }
  await storage.close();
  process.stdout.write(`${JSON.stringify({ ...result, held: resources.budget.used })}\n`);
}

// What is loaded on first use has its descriptors then.
await backUp('before');
const taken: number[] = [];
for (let full = false; !full; ) {
  try {
    taken.push(openSync('/dev/null', 'r'));
  } catch {
    full = true;
  }
}
await backUp('during');
for (const fd of taken) closeSync(fd);
await backUp('during');
