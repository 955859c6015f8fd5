import { createHash } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { ATTACH_SLOT, OPEN_MODE } from '../../src/ost/wire/constants.ts';
import type { Notice } from '../../src/ost/wire/messages.ts';
import { promise } from '../support/promise.ts';
import { Host, imageId, refuses } from './support/host.ts';
import { readIfThere, Served, type StoreKind } from './support/served.ts';

const MIB = 1024 * 1024;

/** Bytes that do not compress, the same in every run. */
const noise = (length: number): Buffer => createHash('shake256', { outputLength: length }).update('vast-ost').digest();

async function connected(t: Test, served: Served, slotBytes: number): Promise<Host> {
  const host = new Host({ slotBytes, slotCount: 16 });
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  return host;
}

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/stages/${name}`, import.meta.url));

const cases: { kind: StoreKind; chunk: number; compression: string; serverLines?: string }[] = [
  {
    kind: 'directory',
    chunk: 1,
    compression: 'lz4',
    serverLines: `stages = ${fixture('xor')}:mask=9 ${fixture('watch')}`,
  },
  { kind: 'directory', chunk: 1, compression: 'none' },
  { kind: 'directory', chunk: 1, compression: 'lz4' },
  { kind: 'simulator', chunk: 8, compression: 'none' },
];

for (const { kind, chunk, compression, serverLines = '' } of cases) {
  t.test(`killed in the middle of a backup (${kind}, ${compression}${serverLines && ', stages'})`, async (t) => {
    promise({
      row: 'restart',
      promise: 'A backup goes on when the engine was killed',
      fault: 'SIGKILL of the engine in mid-backup; directory and S3, lz4 or not, stages of vendors',
    });
    const performance = `chunk_size_mb = ${chunk}\npart_size_mb = ${chunk}\ncompression = ${compression}`;
    const served = await Served.prepare(t, { kind, performance, serverLines });
    await served.start();
    const chunkBytes = chunk * MIB;
    const host = await connected(t, served, chunkBytes);
    const chunks = 12;
    const data = noise(chunks * chunkBytes - 512);
    const id = imageId('image');
    const piece = (n: number) => data.subarray(n * chunkBytes, (n + 1) * chunkBytes);
    await host.create(1n, id, { lsu: 'lsu-1' });

    /** Slots that the engine has not given back. */
    const full = new Map<number, number>();
    const free = [0, 1, 2, 3, 4, 5];
    const collect = (): void => {
      for (const { name, value } of host.notices.splice(0)) {
        const { slot } = value as Notice<'SLOT_FREE'>;
        if (name !== 'SLOT_FREE' || !full.delete(slot)) throw new Error(`unexpected ${name}`);
        free.push(slot);
      }
    };
    let next = 0;
    let kills = 0;
    while (next < chunks) {
      while (free.length === 0) {
        host.notices.push({ name: 'SLOT_FREE', value: await host.notice('SLOT_FREE') });
        collect();
      }
      const slot = free.shift() as number;
      const bytes = piece(next);
      await host.write(1n, next, slot, bytes, bytes.byteLength < chunkBytes);
      full.set(slot, next);
      next += 1;
      if (next % 4 !== 0) continue;
      await served.kill();
      kills += 1;
      await served.start();
      collect();
      await host.connect(served.socket);
      await host.openServer();
      const slots = [...full].map(([slot, n]) => ({
        slot,
        state: ATTACH_SLOT.FULL,
        chunk: BigInt(n),
        start: 0n,
        length: piece(n).byteLength,
        flags: n === chunks - 1 ? 1 : 0,
      }));
      const attach = {
        handle: 1n,
        server: 1n,
        lsu: 'lsu-1',
        id,
        mode: OPEN_MODE.WRITE,
        journal: 1,
        chunk_bytes: chunkBytes,
      };
      t.equal((await host.ask('IMAGE_ATTACH', { ...attach, slots }, true)).state, 0);
    }
    t.equal(kills, 3);
    const { report } = await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(data.byteLength) });
    t.match(report, new RegExp(` size=${data.byteLength} `));
    t.ok((await host.restore(2n, id, 'lsu-1')).equals(data));
    if (serverLines) t.match(served.stderr, /"values":\{"bytes":\d+,"leaves":\d+,"chunks":\d+,"complete":0\}/);
    if (serverLines)
      t.match(readIfThere(`${served.folder}/state/events-test.jsonl`), /WARNING.*vast-ost-stage-watch.*seen/);
    const { images } = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu-1', kinds: 3, max: 9, cursor: '' });
    t.match(images, [{ id: { basename: 'image' }, info: { size: BigInt(data.byteLength), flags: 2 } }]);
  });
}

t.test('SIGTERM lets a commit end; the next engine goes on with the rest', async (t) => {
  promise({
    row: '16',
    promise: 'SIGTERM lets commits end; the next engine goes on with the rest',
    fault: 'SIGTERM amid backups',
  });
  const served = await Served.prepare(t);
  await served.start();
  const host = await connected(t, served, MIB);
  const [id, other] = [imageId('closing'), imageId('open')];
  await host.create(1n, id, { lsu: 'lsu-1' });
  await host.create(2n, other, { lsu: 'lsu-1' });
  await host.write(1n, 0, 0, noise(MIB));
  await host.write(2n, 0, 1, noise(MIB));
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) });
  const pinged = host.ask('PING', {});
  await pinged;
  t.equal(await served.stop(), 0);
  t.match((await closed).report, /state=complete/);
  await served.start();
  await host.connect(served.socket);
  await host.openServer();
  const slots = [{ slot: 1, state: ATTACH_SLOT.FULL, chunk: 0n, start: 0n, length: MIB, flags: 0 }];
  const attach = {
    handle: 2n,
    server: 1n,
    lsu: 'lsu-1',
    id: other,
    mode: OPEN_MODE.WRITE,
    journal: 2,
    chunk_bytes: MIB,
  };
  await host.ask('IMAGE_ATTACH', { ...attach, slots }, true);
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 1, size: BigInt(MIB) });
  t.ok((await host.restore(3n, other, 'lsu-1')).equals(noise(MIB)));
});

t.test('one engine owns a socket, until it is gone', async (t) => {
  const served = await Served.prepare(t);
  const first = await served.start();
  await t.rejects(served.start(), /VOST_ENGINE_RUNNING/);
  t.equal(served.child?.exitCode, 4);
  served.child = first;
  await served.kill();
  await t.resolves(served.start(), 'what a killed engine leaves is no obstacle');
});

t.test('wrong configuration is said at once', async (t) => {
  const served = await Served.prepare(t, { engine: 'socket_mode = loud' });
  await t.rejects(served.start(), /vast-ost\.conf:\d+: socket_mode = loud: give an octal mode/);
});

t.test('an image whose writer lives is not taken from it', async (t) => {
  promise({
    row: '18',
    promise: 'An image whose writer lives is not taken from it, even by another engine',
    fault: 'reopen by a second host',
  });
  const served = await Served.prepare(t);
  await served.start();
  const host = await connected(t, served, MIB);
  await host.create(1n, imageId('left'), { lsu: 'lsu-1' });
  await host.disconnect();
  while (!served.stderr.includes('session ended')) await delay(5);
  const second = await connected(t, served, MIB);
  const open = { handle: 1n, server: 1n, lsu: 'lsu-1', id: imageId('left'), mode: OPEN_MODE.WRITE, journal: 0 };
  // The process behind the first session is this one, and it lives.
  await refuses(t, second.ask('IMAGE_OPEN', open), 'BUSY');
  await second.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu-1', id: imageId('left'), flags: 0 });
});

t.test('the log has no secrets and says who came', async (t) => {
  const served = await Served.prepare(t, { kind: 'simulator', performance: 'chunk_size_mb = 8' });
  await served.start();
  const host = await connected(t, served, 8 * MIB);
  await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu-1' });
  await refuses(t, host.ask('LSU_PROP', { server: 1n, lsu: 'nowhere' }), 'NOT_FOUND');
  await host.disconnect();
  while (!served.stderr.includes('session ended')) await delay(5);
  t.match(served.stderr, /"program":"test"/);
  const keys = [
    ...(served.stderr.split('\n').find((line) => line.includes('session began')) ?? '').matchAll(/"(\w+)":/g),
  ];
  t.equal(new Set(keys.map(([, key]) => key)).size, keys.length, 'no key stands twice');
  t.notMatch(served.stderr, /hush|served\/secret/);
});

t.test('SIGHUP opens the log file anew', async (t) => {
  const served = await Served.prepare(t, { logFile: true });
  const child = await served.start();
  renameSync(served.log, `${served.log}.1`);
  child.kill('SIGHUP');
  while (!existsSync(served.log)) await delay(5);
  const host = await connected(t, served, MIB);
  await host.ask('PING', {});
  t.match(readIfThere(served.log), /session began/);
  t.notMatch(readIfThere(`${served.log}.1`), /session began/);
});
