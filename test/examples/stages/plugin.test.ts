import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { metricsPort, seriesOf } from '../../metrics/support.ts';
import { type Ended, OST_HOST, ostHost } from '../../ost/support/ost-host.ts';
import { Served, type ServedOptions } from '../../ost/support/served.ts';
import { filesWith, keyRing, keyText, SHIPPED, type Shipped, shipped, stageName } from './support.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

const CANARY = 'the canary that nobody may see';
const performance = 'chunk_size_mb = 1\npart_size_mb = 1';

/** An engine on a directory with an LSU for each stage, and one for all of them. */
async function site(t: Test, more: ServedOptions = {}): Promise<{ served: Served; folder: string }> {
  const folder = t.testdir({ history: {}, digests: {} });
  writeFileSync(join(folder, 'ring'), keyRing({ first: 1 }), { mode: 0o600 });
  const options: Readonly<Record<Shipped, string>> = {
    zstd: 'level = 1',
    encrypt: `keys = file:${join(folder, 'ring')}`,
    'entropy-watch': `folder = ${join(folder, 'history')}\nlearn = 2`,
    throttle: 'rate = 1G',
    'digest-export': `folder = ${join(folder, 'digests')}`,
  };
  const lists = SHIPPED.map((name): [lsu: string, stages: string] => [name, shipped(name)]);
  lists.push([
    'all',
    ['digest-export', 'entropy-watch', 'throttle', 'zstd', 'encrypt'].map((name) => shipped(name as Shipped)).join(' '),
  ]);
  const served = await Served.prepare(t, {
    ...more,
    performance,
    sections:
      lists.map(([lsu, stages]) => `[lsu test/${lsu}]\nstages = ${stages}\n`).join('') +
      SHIPPED.map((name) => `[stage ${shipped(name)}]\n${options[name]}\n`).join('') +
      (more.sections ?? ''),
  });
  for (const [lsu] of lists) mkdirSync(join(served.folder, 'store', lsu));
  return { served, folder };
}

const host = (served: Served, command: string, ...args: string[]): Promise<Ended> =>
  ostHost(served, [command, ...args]);

t.test('each shipped stage by LSU, and all of them at once', async (t) => {
  const { served, folder } = await site(t, { logFile: true });
  const file = join(folder, 'data');
  writeFileSync(file, Buffer.alloc(3_000_001, `${CANARY} `));
  await served.start();
  for (const lsu of [...SHIPPED, 'all', 'lsu-1']) {
    const image = ['--lsu', lsu, '--image', 'client_1700000000', '--policy', 'daily'];
    const made = await host(served, 'backup', ...image, '--file', file);
    t.equal(made.code, 0, `${lsu}: ${made.said}`);
    const copy = join(folder, `copy-${lsu}`);
    const back = await host(served, 'restore', ...image, '--file', copy);
    t.equal(back.code, 0, back.said);
    t.ok(readFileSync(copy).equals(readFileSync(file)), lsu);
  }
  t.match(readdirSync(join(folder, 'digests')).sort(), [
    /^all_client-1700000000-C1-/,
    /^all_/,
    /^digest-export_/,
    /^digest-export_/,
  ]);
  t.equal(await served.stop(), 0);
  const secrets = [CANARY, keyText(1), Buffer.alloc(32, 1)];
  for (const place of ['store/encrypt', 'store/all', 'state'])
    t.same(filesWith(join(served.folder, place), secrets), [], place);
  t.notMatch(readFileSync(served.log, 'utf8'), new RegExp(`${CANARY}|${keyText(1)}`));
  t.ok(filesWith(join(served.folder, 'store/lsu-1'), [CANARY]).length > 0, 'the search finds what is there');

  // The same engine, with another key.
  writeFileSync(join(folder, 'ring'), keyRing({ first: 2 }), { mode: 0o600 });
  await served.start();
  const wrong = await host(
    served,
    'restore',
    '--lsu',
    'encrypt',
    '--image',
    'client_1700000000',
    '--policy',
    'daily',
    '--file',
    join(folder, 'wrong'),
  );
  t.not(wrong.code, 0);
  t.notOk(readFileIfThere(join(folder, 'wrong')).includes(CANARY));
  t.match(readFileSync(served.log, 'utf8'), /vast-ost-stage-encrypt, .*the key first does not open this image/);
});

t.test('a policy’s images, wherever they go', async (t) => {
  const { served, folder } = await site(t, {
    engine: 'lanes = 2',
    sections: `[policy payroll]\nstages = ${shipped('encrypt')}\n`,
  });
  const file = join(folder, 'data');
  writeFileSync(file, `${CANARY} `.repeat(100_000));
  await served.start();
  const backup = async (policy: string): Promise<void> => {
    const image = ['--lsu', 'lsu-1', '--image', 'client_1700000000', '--policy', policy];
    const made = await host(served, 'backup', ...image, '--file', file);
    t.equal(made.code, 0, made.said);
    const copy = join(folder, `copy-${policy}`);
    const back = await host(served, 'restore', ...image, '--file', copy);
    t.equal(back.code, 0, back.said);
    t.ok(readFileSync(copy).equals(readFileSync(file)), policy);
  };
  const store = join(served.folder, 'store/lsu-1');
  await backup('payroll');
  t.same(filesWith(store, [CANARY]), []);
  await backup('other');
  t.ok(filesWith(store, [CANARY]).length > 0, 'the search finds what is there');
});

const readFileIfThere = (path: string): Buffer => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0));

t.test('a client whose data is encrypted all at once: log, event, metric, console', async (t) => {
  const { served } = await site(t, { engine: 'lanes = 2', metrics: 'listen = 127.0.0.1:0' });
  await served.start();
  const text = join(served.folder, 'text');
  const lines = Array.from({ length: 250_000 }, (_, nth) => `Nov 21 10:00:00 host daemon[1]: all is well, ${nth}\n`);
  writeFileSync(text, lines.join(''));
  const backup = async (day: number, ...what: string[]): Promise<void> => {
    const image = ['--lsu', 'entropy-watch', '--image', `client_170000000${day}`, '--policy', 'daily'];
    const { code, said } = await host(served, 'backup', ...image, ...what);
    t.equal(code, 0, said);
  };
  for (const day of [1, 2, 3, 4]) await backup(day, '--file', text);
  t.notMatch(served.stderr, /is unlike the images before it/);
  await backup(5, '--generate', '12M');
  while (!served.stderr.includes('is unlike the images before it')) await delay(10);
  const stage = stageName('entropy-watch');
  const line = served.stderr.split('\n').find((one) => one.includes('is unlike')) ?? '';
  t.match(JSON.parse(line), { level: 40, stage, lsu: 'entropy-watch', values: { unusual: 2, changed_share: 1 } });
  const { said } = await host(served, 'events', '--interval', '0');
  t.match(said, /lsu\tentropy-watch\t.*"severity":"WARNING","stage":"@vast-ost\/vast-ost-stage-entropy-watch"/);
  const port = await metricsPort(served);
  const get = async (path: string): Promise<string> => (await request(`http://127.0.0.1:${port}${path}`)).body.text();
  const series = seriesOf(await get('/metrics'));
  t.equal(series.get(`vast_ost_stage_reports_total{stage="${stage}",severity="warning"}`), 1);
  t.equal(series.get(`vast_ost_stage_reported{stage="${stage}",name="unusual"}`), 2);
  t.ok((series.get(`vast_ost_stage_reported{stage="${stage}",name="entropy_bits"}`) ?? 0) > 7);
  t.match(JSON.parse(await get('/api/v1/errors')), {
    errors: [
      {
        code: 'VOST_STAGE_WARNING',
        where: /write entropy-watch\/client-1700000005/,
        message: /unlike the images before it/,
      },
    ],
  });
});
