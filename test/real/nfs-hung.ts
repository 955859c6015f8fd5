/**
 * The NFS server of two mounts hangs, dies and comes back under a running engine, which goes on with a third storage. Runs where the server is
 * outside of the guest.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { HungScene } from '../ost/support/hung-storage.ts';
import { promise } from '../support/promise.ts';
import { ServerFault } from './server-fault.ts';
import { setting, WORK } from './support.ts';

/** What is installed, not the sources: it starts faster. */
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const HUNG = 'hung';

t.test('an engine whose NFS server hangs, dies and comes back', async (t) => {
  promise({
    row: '15',
    promise:
      'Images on a local storage begin, continue, complete, restore and are listed and deleted while an NFS server is away; polls are answered; its images go on when it is back, on NFS 3 and 4.1',
    fault:
      'SIGSTOP and SIGCONT, SIGKILL and restart of NFS-Ganesha under 12 images and 16 listings on kernel mounts, in an engine with 8 threads',
  });
  promise({
    row: '15',
    promise:
      'SIGTERM ends an engine whose NFS server hangs, the log names the mount, and the job goes on with the next engine',
    fault: 'SIGTERM while NFS-Ganesha is stopped',
  });
  const [v3, v41] = [join(setting('NFS_V3'), HUNG, 'v3'), join(setting('NFS_V41'), HUNG, 'v41')];
  for (const path of [v3, v41]) mkdirSync(path, { recursive: true });
  const [held, down] = [new ServerFault('held'), new ServerFault('down')];
  t.teardown(() => Promise.all([held.end(), down.end()]));
  const checked = (path: string, exported: string) => ({ path, lines: `data = nfs\nview_path = ${exported}` });
  // Version 4 shows paths below the export, version 3 those of the server.
  const hung = [checked(v3, join(WORK, 'export', HUNG, 'v3')), checked(v41, `/export/${HUNG}/v41`)] as const;
  // A folder of the guest's own memory.
  const scene = await HungScene.start(t, hung, { path: '/run/well' }, {}, MAIN);
  await scene.goesOn(held);
  await scene.goesOn(down);
  await scene.stops(held);
});
