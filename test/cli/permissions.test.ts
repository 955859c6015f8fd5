import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Host, imageId } from '../ost/support/host.ts';
import { OST_HOST, ostHost } from '../ost/support/ost-host.ts';
import { Served } from '../ost/support/served.ts';
import { promise } from '../support/promise.ts';
import { run } from './support.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

/** Most that anything may be open to, by its place: docs/service.md. The first line that fits counts. */
const PROMISED: readonly (readonly [RegExp, number])[] = [
  [/\/ost\.sock$/, 0o660],
  [/\/ost\.sock\.lock$/, 0o600],
  [/\/restored-/, 0o600],
  [/\/cli\.log$/, 0o600],
  [
    /\/(log|plugin\.log|state\/events-.*|(store|made)\/.+\/[^/]*(image\.meta|index|pending|-[0-9]+|\.parts|\.vost-tmp-[0-9a-f]{32}))$/,
    0o640,
  ],
  [/\/(state|(store|made)\/.+)$/, 0o750],
];

/** Paths below a folder, without those that were there. */
function made(folder: string, before: ReadonlySet<string>): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return all.filter((path) => !before.has(path));
}

for (const umask of [0o000, 0o022]) {
  t.test(`everything that is made, under umask ${umask.toString(8).padStart(3, '0')}`, async (t) => {
    promise({
      row: 'security',
      promise: 'No file, directory or socket is open to more than docs/service.md says, whatever the umask is',
      fault: 'engine, command line and plugin under umask 000 and 022',
    });
    const mine = mkdtempSync(join(tmpdir(), 'vost-modes-'));
    t.teardown(() => rmSync(mine, { recursive: true }));
    const served = await Served.prepare(t, { logFile: true });
    writeFileSync(join(mine, 'in'), Buffer.alloc(3_000_000, 1));
    const before = new Set([...made(served.folder, new Set()), ...made(mine, new Set())]);
    before.add(join(served.folder, 'plugin.conf'));

    const old = process.umask(umask);
    t.teardown(() => process.umask(old));
    const seen = new Map<string, number>();
    const look = (): void => {
      for (const path of [...made(served.folder, before), ...made(mine, before)])
        seen.set(path, lstatSync(path).mode & 0o7777);
    };

    await served.start();
    const plugin = `log_file = ${join(served.folder, 'plugin.log')}`;
    const image = ['--lsu', 'lsu-1', '--image', 'x'];
    const source = ['--file', join(mine, 'in')];
    const sent = await ostHost(served, ['backup', ...image, ...source], { plugin });
    t.equal(sent.code, 0, sent.said);
    const back = await ostHost(served, ['restore', ...image, '--file', join(mine, 'restored-by-host')], { plugin });
    t.equal(back.code, 0, back.said);
    // One that is being written has its temporary files.
    const host = new Host();
    t.teardown(() => host.close());
    await host.connect(served.socket);
    await host.openServer();
    await host.create(1n, imageId('unfinished'), { lsu: 'lsu-2' });
    await host.write(1n, 0, 0, new Uint8Array(1024 * 1024));
    await host.notice('SLOT_FREE', { handle: 1n });
    look();
    await host.disconnect();
    t.equal(await served.stop(), 0);

    const args = ['--store', `file:${mine}/made`, '--log-file', join(mine, 'cli.log')];
    mkdirSync(join(mine, 'made'));
    before.add(join(mine, 'made'));
    for (const command of [
      ['backup', 'lsu', 'y', join(mine, 'in'), '--create-lsu'],
      ['restore', 'lsu', 'y', join(mine, 'restored-by-cli')],
      ['scrub', 'lsu'],
    ]) {
      const { code, stderr } = await run([...args, ...command]);
      t.equal(code, 0, stderr);
    }
    look();

    t.ok(seen.size > 20, `${seen.size} paths`);
    for (const [path, mode] of seen) {
      const promised = PROMISED.find(([place]) => place.test(path))?.[1];
      if (promised === undefined) t.fail(`${path} is not foreseen`);
      else if ((mode & ~promised) !== 0) t.fail(`${path} has mode ${mode.toString(8)}, not ${promised.toString(8)}`);
    }
    t.ok([...seen.keys()].some((path) => path.includes('.vost-tmp-')));
  });
}
