import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { jsonLines, run } from './support.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/stages/${name}`, import.meta.url));
const data = createHash('shake256', { outputLength: 3_000_001 }).update('stages').digest();
const small = ['--chunk-size-mb', '1', '--part-size-mb', '1'];

t.test('backup, verify, scrub, repair and restore with a stage', async (t) => {
  const dir = t.testdir({ store: {} });
  const store = ['--store', `file:${join(dir, 'store')}`];
  const xor = [...store, '--stage', `${fixture('xor')}:mask=3`, '--stage', fixture('watch')];
  const same = ['a', '-', '--create-lsu', '--date', '5', '--compression', 'lz4', ...small];
  for (const lsu of ['one', 'two']) {
    const made = await run([...xor, 'backup', lsu, ...same], { input: data });
    t.equal(made.code, 0, made.stderr);
    t.match(made.stderr, /a: vast-ost-stage-watch: warning: seen bytes=12288 leaves=3 chunks=3 complete=1/);
  }
  t.match(String((await run([...store, 'show', 'one', 'a'])).stdout), /lz4 1\.0\.0 → vast-ost-stage-xor 1\.2\.0/);
  const back = await run([...xor, 'restore', 'one', 'a']);
  t.ok(back.stdout.equals(data), back.stderr);
  const range = await run([...xor, 'restore', 'one', 'a', '-', '--offset', '1048570', '--length', '20']);
  t.ok(range.stdout.equals(data.subarray(1048570, 1048590)), range.stderr);
  t.equal((await run([...xor, 'verify', 'one'])).code, 0);

  const without = await run([...store, 'restore', 'one', 'a']);
  t.equal(without.code, 9);
  t.match(without.stderr, /stage vast-ost-stage-xor version 1\.2\.0, which is not installed \[VOST_STAGE_MISSING\]/);

  const folder = join(dir, 'store/one/netbackup', readdirSync(join(dir, 'store/one/netbackup'))[0] ?? '');
  const fragment = join(folder, 'fragment-000001');
  const bytes = readFileSync(fragment);
  bytes.writeUInt8(bytes.readUInt8(500_000) ^ 1, 500_000);
  writeFileSync(fragment, bytes);
  const scrubbed = await run([...xor, '--json', 'scrub', 'one']);
  t.equal(scrubbed.code, 7, scrubbed.stderr);
  const healed = await run([...xor, '--json', 'repair', 'one', 'a', '--from', 'two']);
  t.equal(healed.code, 0, healed.stderr);
  t.match(
    jsonLines(healed).filter(({ state }) => state !== 'good'),
    [{ object: 'fragment-000001', state: 'healed' }],
  );
  t.ok((await run([...xor, 'restore', 'one', 'a'])).stdout.equals(data));
});

t.test('from the configuration, by the name of a package, with a router', async (t) => {
  const dir = t.testdir({
    store: { gold: {} },
    stages: { node_modules: { '@acme': {}, 'vast-ost-stage-xor': t.fixture('symlink', fixture('xor')) } },
  });
  const config = join(dir, 'vast-ost.conf');
  const store = `file:${join(dir, 'store')}`;
  const common = `[general]\nstore = ${store}\nstage_dir = ${join(dir, 'stages')}\n`;
  writeFileSync(
    config,
    `${common}[server x]\nstore = ${store}\nstages = vast-ost-stage-xor ${fixture('route')}
[lsu x/plain]\nstages = none\nquota = 1T\n[policy masked]\nstages = vast-ost-stage-xor\n[stage vast-ost-stage-xor]\nmask = 5\n`,
  );
  const made = await run(['--config', config, '--json', 'backup', 'silver', 'a', '--policy', 'gold', ...small], {
    input: data,
  });
  t.equal(made.code, 0, made.stderr);
  t.match(jsonLines(made), [{ lsu: 'gold' }]);
  const back = await run(['--config', config, 'restore', 'gold', 'a']);
  t.ok(back.stdout.equals(data), back.stderr);
  const plain = await run(['--config', config, 'backup', 'plain', 'a', '--create-lsu', ...small], { input: data });
  t.equal(plain.code, 0, plain.stderr);
  t.notMatch(String((await run(['--config', config, 'show', 'plain', 'a'])).stdout), /xor/);
  const masked = await run(['--config', config, 'backup', 'plain', 'b', '--policy', 'masked', ...small], {
    input: data,
  });
  t.equal(masked.code, 0, masked.stderr);
  t.match(String((await run(['--config', config, 'show', 'plain', 'b'])).stdout), /xor/, 'a policy’s list wins');

  writeFileSync(config, `${common}read_stages = vast-ost-stage-xor\n`);
  const later = await run(['--config', config, 'restore', 'gold', 'a']);
  t.ok(later.stdout.equals(data), later.stderr);
});

t.test('mistakes end the command at once', async (t) => {
  const dir = t.testdir({ store: { lsu: {} } });
  const list = (...stage: string[]) =>
    run([
      '--store',
      `file:${join(dir, 'store')}`,
      '--stage-dir',
      dir,
      ...stage.flatMap((one) => ['--stage', one]),
      'list',
    ]);
  const refused = async (code: number, message: RegExp, ...stage: string[]): Promise<void> => {
    const outcome = await list(...stage);
    t.equal(outcome.code, code, outcome.stderr);
    t.match(outcome.stderr, message);
  };
  await refused(2, /mask: must be a number from 1 to 255 \[VOST_STAGE_OPTIONS\]/, `${fixture('xor')}:mask=0`);
  await refused(2, /vast-ost-stage-none is not there.*\[VOST_STAGE_LOAD\]/, 'vast-ost-stage-none');
});
