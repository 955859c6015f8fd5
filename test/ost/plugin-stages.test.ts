import { existsSync } from 'node:fs';
import t from 'tap';
import { fixture } from '../vendor-stages/support.ts';
import { type Ended, OST_HOST, ostHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

const performance = 'chunk_size_mb = 1\npart_size_mb = 1';
const host = (served: Served, command: string, ...args: string[]): Promise<Ended> =>
  ostHost(served, [command, ...args]);

/** What a stage may do, and what is said of it. */
const MISCHIEF = [
  ['throw', /encode of chunk 1: out of ideas/],
  ['hang', /did not answer for 10 seconds/],
  ['memory', /MiB of memory/],
  ['exit', /ended with code 0/],
  ['long', /returned 1053576 bytes/],
  ['empty', /returned 0 bytes/],
] as const;

t.test('a stage that misbehaves fails its image only, and is named', async (t) => {
  const served = await Served.prepare(t, { performance, serverLines: `stages = ${fixture('bad/patient.js')}` });
  await served.start();
  const engine = served.child?.pid;
  const write = (name: string) => host(served, 'backup', '--lsu', 'lsu-1', '--image', name, '--generate', '4M');
  const names = MISCHIEF.map(([name]) => name);
  const [good, ...ended] = await Promise.all([write('good'), ...names.map(write)]);
  t.equal(good.code, 0, good.said);
  for (const [nth, [name, message]] of MISCHIEF.entries()) {
    t.not(ended[nth]?.code, 0, name);
    const told = served.stderr.split('\n').find((line) => line.includes(`${name}_C1_F1`) && message.test(line));
    t.match(told, /stage @acme\/vast-ost-stage-bad, encode of chunk 1: /, name);
  }
  t.equal((await write('after')).code, 0);
  const back = await host(served, 'restore', '--lsu', 'lsu-1', '--image', 'good', '--generate', '4M');
  t.equal(back.code, 0, back.said);
  t.equal(served.child?.pid, engine, 'it is the same engine');
  const listed = await host(served, 'list', '--lsu', 'lsu-1');
  t.notMatch(listed.said, new RegExp(names.map((name) => `^${name}_C1_F1`).join('|'), 'm'));
});

t.test('routers: storage classes and LSUs', async (t) => {
  for (const kind of ['simulator', 'directory'] as const) {
    const served = await Served.prepare(t, {
      kind,
      performance: 'chunk_size_mb = 8\npart_size_mb = 8',
      serverLines: `stages = ${fixture('route')}`,
    });
    await served.start();
    const write = (image: string, policy: string) =>
      host(served, 'backup', '--lsu', 'lsu-1', '--image', image, '--policy', policy, '--generate', '1M');
    const there = await write('there', 'lsu-1');
    t.equal(there.code, 0, there.said);
    t.not((await write('elsewhere', 'lsu-2')).code, 0);
    t.match(served.stderr, /a router wants an image of lsu-1 in lsu-2/);
    if (kind === 'simulator') {
      const standard = await write('standard', 'class:STANDARD');
      t.equal(standard.code, 0, standard.said);
      // The storage is asked for it, and has none of that name.
      t.not((await write('other', 'class:GLACIER')).code, 0);
      t.match(served.stderr, /InvalidStorageClass/);
    } else {
      t.not((await write('class', 'class:STANDARD')).code, 0);
      t.match(served.stderr, /lsu-1 has no storage class STANDARD/);
    }
    t.equal(
      (await host(served, 'restore', '--lsu', 'lsu-1', '--image', 'there', '--policy', 'lsu-1', '--generate', '1M'))
        .code,
      0,
    );
    await served.stop();
  }
});
