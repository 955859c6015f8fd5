/** Run by fault.test.ts with faulty-files.c preloaded: eight backups that hang, one that does not. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { bridge } from '../../../src/bridge/bridge.ts';
import { createResources } from '../../../src/pipeline/resources.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { MIB, randomBytes, writeImage, writerOptions } from '../../image/support.ts';

const [, , dir = '', faults = ''] = process.argv;
const COUNT = 8;
const resources = createResources(bridge, 128 * MIB, builtInStages());
const data = randomBytes(MIB + 5);
const say = (line: string): unknown => process.stdout.write(`${line}\n`);

async function backUp(folder: string, name: string): Promise<void> {
  const storage = new FileStorage(`${dir}/${folder}`);
  await writeImage(await storage.open('lsu'), resources, writerOptions(resources, name), data);
  await storage.close();
}

writeFileSync(faults, `sync -1 1 ${1e6}`);
const hung = Array.from({ length: COUNT }, (_, at) => backUp('hangs', `x${at}`));
const hanging = (): number => (existsSync(`${faults}.hits`) ? statSync(`${faults}.hits`).size : 0);
while (hanging() < COUNT) await setTimeout(10);
say(`${hanging()} hang`);
await backUp('well', 'y');
say('well: complete');
writeFileSync(faults, '');
await Promise.all(hung);
say(`hangs: ${hung.length} complete`);
