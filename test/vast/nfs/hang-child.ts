/** Run by fault.test.ts with faulty-files.c preloaded: more backups that hang than there are threads, one that does not. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { bridge } from '../../../src/bridge/bridge.ts';
import { createResources } from '../../../src/pipeline/resources.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { callShare, poolThreads } from '../../../src/vast/nfs/call-share.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { MIB, randomBytes, writeImage, writerOptions } from '../../image/support.ts';

const [, , dir = '', faults = ''] = process.argv;
const COUNT = 3 * poolThreads();
const calls = callShare(2);
const resources = createResources(bridge, 128 * MIB, builtInStages());
const data = randomBytes(MIB + 5);
const say = (line: string): unknown => process.stdout.write(`${line}\n`);
const [hangs, well] = ['hangs', 'well'].map((folder) => new FileStorage(`${dir}/${folder}`, { calls })) as [
  FileStorage,
  FileStorage,
];

async function backUp(storage: FileStorage, name: string): Promise<void> {
  await writeImage(await storage.open('lsu'), resources, writerOptions(resources, name), data);
}

writeFileSync(faults, `sync -1 1 ${1e6}`);
const hung = Array.from({ length: COUNT }, (_, at) => backUp(hangs, `x${at}`));
const hanging = (): number => (existsSync(`${faults}.hits`) ? statSync(`${faults}.hits`).size : 0);
while (hanging() < calls || hangs.calls().waiting < COUNT - calls) await setTimeout(10);
say(`${hanging()} hang`);
await backUp(well, 'y');
say('well: complete');
writeFileSync(faults, '');
await Promise.all(hung);
say(`hangs: ${hung.length} complete, ${hangs.calls().inFlight + hangs.calls().waiting} calls left`);
