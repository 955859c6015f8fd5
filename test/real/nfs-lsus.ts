/** LSUs of an S3 server that are reached through kernel NFS mounts. Runs where the kernel's own server is: in test/real/uml. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { MANIFEST } from '../../src/image/names.ts';
import { Host, refuses } from '../ost/support/host.ts';
import { OST_HOST, ostHost } from '../ost/support/ost-host.ts';
import { Served } from '../ost/support/served.ts';
import { setting } from './support.ts';

const EXPORT = setting('EXPORT_DIR');
const V3 = setting('NFS_V3');
const V42 = setting('NFS_V42');
/** A folder of the guest's own, not of the machine's. */
const OWN_MOUNT = '/mnt/own';
const run = promisify(execFile);

async function mountOwn(): Promise<void> {
  await run('mount', ['-t', 'nfs', '-o', 'vers=4.2', '127.0.0.1:/own', OWN_MOUNT]);
}

t.test(
  'buckets and mounts side by side',
  { skip: existsSync(OST_HOST) ? false : 'ost-host is not built' },
  async (t) => {
    for (const folder of ['below-v3', 'below-v42', 'own']) await mkdir(join(EXPORT, folder));
    await mkdir(OWN_MOUNT);
    await mountOwn();
    const section = (lsu: string, mountPoint: string, path: string): string =>
      `[lsu test/${lsu}]\ndata = nfs\nmount_point = ${mountPoint}\npath = ${path}\n`;
    const served = await Served.prepare(t, {
      kind: 'simulator',
      // Version 4 shows paths below the export, version 3 those of the server.
      sections:
        section('below-v3', join(V3, 'below-v3'), join(EXPORT, 'below-v3')) +
        section('below-v42', join(V42, 'below-v42'), '/below-v42') +
        section('own', OWN_MOUNT, '/own') +
        section('wrong', join(V42, 'own'), '/elsewhere'),
    });
    await served.start();
    const said = async (t: Test, ...args: string[]): Promise<void> => {
      const { code, said } = await ostHost(served, args);
      t.equal(code, 0, `${args.join(' ')}: ${said.split('\n').at(-2)}`);
    };
    const image = (lsu: string): string[] => ['--lsu', lsu, '--image', 'daily', '--generate', '4M', '--seed', '5'];
    for (const lsu of ['lsu-1', 'below-v3', 'below-v42', 'own']) {
      await said(t, 'backup', ...image(lsu));
      await said(t, 'restore', ...image(lsu));
      if (lsu === 'lsu-1') continue;
      const files = (await readdir(join(EXPORT, lsu), { recursive: true })).filter((name) => name.endsWith(MANIFEST));
      t.ok(files.length > 0, `${lsu}: images are files of the export`);
    }

    const host = new Host();
    t.teardown(() => host.close());
    await host.connect(served.socket);
    await host.openServer();
    const properties = (lsu: string) => host.ask('LSU_PROP', { server: 1n, lsu });
    t.match(await properties('own'), { description: `file:${OWN_MOUNT}` });
    await refuses(t, properties('wrong'), 'AGAIN', 'a mount of something else');
    await run('umount', [OWN_MOUNT]);
    await refuses(t, properties('own'), 'AGAIN', 'a mount that went away');
    t.not((await ostHost(served, ['backup', ...image('own')])).code, 0);
    t.same(await readdir(OWN_MOUNT), [], 'nothing is written into the empty directory');
    await said(t, 'restore', ...image('lsu-1'));
    await mountOwn();
    await said(t, 'restore', ...image('own'));
    t.equal(await served.stop(), 0);
    await run('umount', [OWN_MOUNT]);
  },
);
