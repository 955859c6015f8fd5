/** Run by fault.test.ts with faulty-files.c preloaded: one backup for each line of standard input; a line says what became of it. */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { bridge } from '../../../src/bridge/bridge.ts';
import { VirtualClock } from '../../../src/chaos/virtual-clock.ts';
import { EngineError } from '../../../src/errors.ts';
import { createResources } from '../../../src/pipeline/resources.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { MIB, randomBytes, writeImage, writerOptions } from '../../image/support.ts';

const [, , root = '', faults = ''] = process.argv;
const resources = createResources(bridge, 32 * MIB, builtInStages());
for await (const line of createInterface(process.stdin)) {
  const { lsu, fault } = JSON.parse(line) as { lsu: string; fault: string };
  const storage = new FileStorage(root, { clock: new VirtualClock(1) });
  const store = await storage.open(lsu);
  writeFileSync(faults, fault);
  let outcome = 'ok';
  let message = '';
  try {
    await writeImage(store, resources, writerOptions(resources, 'x'), randomBytes(2 * MIB + 5));
  } catch (error) {
    outcome = error instanceof EngineError ? error.failure : 'other';
    message = String(error);
  }
  writeFileSync(faults, '');
  await storage.close();
  process.stdout.write(`${JSON.stringify({ outcome, message, held: resources.budget.used })}\n`);
}
