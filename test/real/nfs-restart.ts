/** The NFS server dies in mid-backup and comes back: a hard mount goes on. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { jsonLines } from '../cli/support.ts';
import { ServerFault } from './server-fault.ts';
import { Backup, restoredDigest, setting, vastOst } from './support.ts';

const down = new ServerFault('down');

for (const mount of ['NFS_V3', 'NFS_V41', 'NFS_V42']) {
  t.test(`the server is killed and starts again: ${mount}`, async (t) => {
    const url = `file:${setting(mount)}`;
    const lsu = `restart-${mount.replace('NFS_', '').toLowerCase()}-${process.pid}`;
    const backup = new Backup(url, lsu, `restart-${mount}`);
    await backup.feed(40);
    await down.begin();
    const rest = backup.feed(80);
    // Long enough for the source to wait for storage; the fault is the pause.
    await delay(3_000);
    t.notOk(backup.ended, 'the backup waits');
    await down.end();
    await rest;
    const outcome = await backup.end();
    t.equal(outcome.code, 0, outcome.stderr);
    t.match(jsonLines(outcome), [{ size: 120 * 2 ** 20 }]);
    t.equal((await vastOst(url, ['verify', lsu])).code, 0);
    t.equal(await restoredDigest(url, lsu, `restart-${mount}`), outcome.sha256);
  });
}
