import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { promise } from '../support/promise.ts';
import { jsonLines, run, start } from './support.ts';

const data = Buffer.concat([
  Buffer.alloc(3_000_000, 'compressible '),
  createHash('shake256', { outputLength: 3_000_001 }).digest(),
]);
const small = ['--chunk-size-mb', '1', '--part-size-mb', '1'];

t.test('backup, list, show, verify, restore, delete on a directory', async (t) => {
  const dir = t.testdir({ store: {}, 'in.bin': data });
  const store = ['--store', `file:${join(dir, 'store')}`];
  for (const compression of ['none', 'lz4', 'auto']) {
    const name = `image-${compression}`;
    const made = await run([
      ...store,
      '--json',
      'backup',
      'lsu',
      name,
      join(dir, 'in.bin'),
      '--create-lsu',
      '--sha256',
      '--compression',
      compression,
      '--date',
      '5',
      '--policy',
      'p',
      '--schedule',
      's',
      '--client',
      'c',
      ...small,
    ]);
    t.equal(made.code, 0, made.stderr);
    const [result] = jsonLines(made);
    t.match(result, {
      image: name,
      size: data.byteLength,
      sha256: createHash('sha256').update(data).digest('hex'),
      retries: 0,
    });
    const piped = await run([...store, 'restore', 'lsu', name]);
    t.equal(piped.code, 0, piped.stderr);
    t.ok(piped.stdout.equals(data));
    const ranged = await run([...store, 'restore', 'lsu', `${name}:5`, '-', '--offset', '1M', '--length', '3000000']);
    t.ok(ranged.stdout.equals(data.subarray(1048576, 4048576)), ranged.stderr);
    const file = join(dir, `out-${compression}`);
    t.equal((await run([...store, 'restore', 'lsu', name, file])).code, 0);
    t.ok(readFileSync(file).equals(data));
    t.notOk(existsSync(`${file}.partial`));
  }
  const fromStdin = await run([...store, 'backup', 'lsu', 'piped', ...small], { input: data });
  t.equal(fromStdin.code, 0, fromStdin.stderr);
  t.match(fromStdin.stderr, /piped:\d+ is complete in lsu: 5\.72 MiB/);

  const listed = await run([...store, 'list', 'lsu']);
  t.match(
    String(listed.stdout),
    /IMAGE +DATE +STATE[\s\S]*image-auto +5 +complete +5\.72 MiB[\s\S]*image-lz4 +5 +complete +5\.72 MiB[\s\S]*image-none +5 +complete[\s\S]*piped/,
  );
  t.same(jsonLines(await run([...store, '--json', 'list'])), [{ lsu: 'lsu' }]);
  t.match(jsonLines(await run([...store, '--json', 'list', 'lsu']))[0], {
    state: 'complete',
    identity: { basename: 'image-auto' },
  });
  const shown = String((await run([...store, 'show', 'lsu', 'image-lz4'])).stdout);
  t.match(shown, /stages +checksum 1\.0\.0 → lz4 1\.0\.0/);
  t.match(shown, /checksum +sha256-tree:[0-9a-f]{64}/);
  const verified = await run([...store, 'verify', 'lsu']);
  t.equal(verified.code, 0, verified.stderr);
  t.equal(String(verified.stdout).match(/ ok /g)?.length, 4);
  t.equal((await run([...store, 'verify', 'lsu', 'piped', '--subset', '1/2'])).code, 0);

  t.equal((await run([...store, 'delete', 'lsu', 'piped'])).code, 0);
  t.equal((await run([...store, 'delete', 'lsu', 'piped'])).code, 3);
  t.equal((await run([...store, '--json', 'gc', 'lsu', '--older-than', '0s'])).stdout.byteLength, 0);
  t.notMatch(readdirSync(join(dir, 'store/lsu/netbackup')).join(' '), /piped/);
});

t.test('the same on the embedded S3 endpoint', async (t) => {
  const dir = t.testdir({});
  const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
  const sim = start(['--json', 'sim', '--dir', join(dir, 's3'), '--port', '0'], env);
  const [line] = (await once(sim.stdout, 'data')) as [Buffer];
  const ready = JSON.parse(String(line)) as Record<string, string>;
  const url = ready['url'] ?? '';
  t.match(ready, { urls: [url], tlsUrls: [/^https:/], vmsUrl: /^https:/, adminUrl: /^http:/, dns: { port: Number } });
  t.match(readFileSync(ready['credentialsFile'] ?? '', 'utf8'), /"accessKey": "key"/);
  t.match(readFileSync(ready['caFile'] ?? '', 'utf8'), /BEGIN CERTIFICATE/);
  t.notMatch(String(line), /secret/i, 'secrets are in files');
  const store = ['--store', `s3:${url}`];
  const made = await run(
    [
      ...store,
      'backup',
      'lsu-1',
      'a',
      '--create-lsu',
      '--compression',
      'lz4',
      '--part-size-mb',
      '5',
      '--chunk-size-mb',
      '1',
    ],
    { input: Buffer.concat([data, data, data]), env },
  );
  t.equal(made.code, 0, made.stderr);
  const back = await run([...store, 'restore', 'lsu-1', 'a'], { env });
  t.ok(back.stdout.equals(Buffer.concat([data, data, data])), back.stderr);
  const denied = await run([...store, 'list', 'lsu-1'], { env: { ...env, AWS_SECRET_ACCESS_KEY: 'wrong-canary' } });
  t.equal(denied.code, 5);
  t.notMatch(denied.stderr, /canary/);
  t.equal((await run([...store, 'list', 'nowhere'], { env })).code, 3);
  sim.kill('SIGTERM');
  const [code] = (await once(sim, 'close')) as [number];
  t.equal(code, 0);
  const gone = await run([...store, '--retry-seconds', '0', 'list'], { env });
  t.equal(gone.code, 8, gone.stderr);
});

t.test('the simulator wants both halves of a key pair, or makes one up', async (t) => {
  const dir = t.testdir({});
  const half = await run(['sim', '--dir', dir], { env: { AWS_ACCESS_KEY_ID: 'key' } });
  t.equal(half.code, 2);
  t.match(half.stderr, /half of a key pair[\s\S]*VOST_NO_CREDENTIALS/);
  const sim = start(['--json', 'sim', '--dir', dir, '--port', '0', '--plain', '--vips', '2', '--release', '5.0']);
  const [line] = (await once(sim.stdout, 'data')) as [Buffer];
  const { urls, tlsUrls, credentialsFile } = JSON.parse(String(line)) as Record<string, string>;
  t.match(urls, [/^http:\/\/127\.0\.1\.1:/, /^http:\/\/127\.0\.1\.2:/]);
  t.same(tlsUrls, []);
  t.match(JSON.parse(readFileSync(credentialsFile ?? '', 'utf8')), { accessKey: /^[0-9A-F]{20}$/, username: 'admin' });
  sim.kill('SIGTERM');
  const [code] = (await once(sim, 'close')) as [number];
  t.equal(code, 0);
});

t.test('errors say what happened, where, and what to do; exit codes tell them apart', async (t) => {
  const dir = t.testdir({
    store: { lsu: {} },
    file: 'x',
    'bad.conf': '[general]\nstore = file:/x\n[performance]\nchunk_size = 3\n',
  });
  const store = ['--store', `file:${join(dir, 'store')}`];
  const cases: [args: string[], code: number, text: RegExp][] = [
    [['list'], 2, /no store was named/],
    [['--config', join(dir, 'bad.conf'), 'list'], 2, /bad\.conf:4: \[performance\] has no key chunk_size\b/],
    [['--store', 'ftp:x', 'list'], 2, /VOST_BAD_STORAGE_URL/],
    [[...store, 'list', 'none'], 3, /has no LSU none[\s\S]*--create-lsu/],
    [[...store, 'restore', 'lsu', 'none'], 3, /vast-ost list lsu/],
    [[...store, 'backup', 'lsu', 'x', join(dir, 'missing')], 2, /cannot read .*missing/],
    [[...store, 'backup', 'lsu', 'x', dir], 2, /is a directory[\s\S]*tar -cf/],
    [[...store, 'backup', 'lsu', 'x', '--chunk-size-mb', '2000'], 2, /--chunk-size-mb/],
    [[...store, '--memory-budget-mb', '64', 'backup', 'lsu', 'x'], 2, /too small/],
    [[...store, 'verify', 'lsu', 'x', '--subset', 'half'], 3, /there is no image x/],
    [['frobnicate'], 2, /unknown command/],
  ];
  for (const [args, code, text] of cases) {
    const outcome = await run(args);
    t.equal(outcome.code, code, `${args.join(' ')}: ${outcome.stderr}`);
    t.match(outcome.stderr, text);
    t.equal(outcome.stdout.byteLength, 0);
  }
  await run([...store, 'backup', 'lsu', 'x', '--date', '1'], { input: Buffer.from('x') });
  t.equal((await run([...store, 'backup', 'lsu', 'x', '--date', '1'], { input: Buffer.from('x') })).code, 4);
  t.match(jsonLines(await run([...store, '--json', 'show', 'lsu', 'y']))[0], {
    error: { code: 'VOST_NOT_FOUND', failure: 'not-found' },
  });
});

t.test('damage is found by verify and refused by restore, which leaves no file', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A restore of a damaged image fails and leaves no file',
    fault: 'a byte of a fragment changed',
  });
  const dir = t.testdir({ store: {} });
  const store = ['--store', `file:${join(dir, 'store')}`];
  await run([...store, 'backup', 'lsu', 'x', '--create-lsu', ...small], { input: data });
  await run([...store, 'backup', 'lsu', 'y', ...small], { input: data });
  const images = join(dir, 'store/lsu/netbackup');
  const [id] = readdirSync(images).filter((name) => name.startsWith('x_'));
  const fragment = join(images, id ?? '', 'fragment-000001');
  const bytes = readFileSync(fragment);
  bytes[2_500_000] = (bytes[2_500_000] ?? 0) ^ 4;
  writeFileSync(fragment, bytes);
  const verified = await run([...store, 'verify', 'lsu']);
  t.equal(verified.code, 7);
  t.match(String(verified.stdout), /x_.* DAMAGED .*chunk 2, leaf 0[\s\S]*y_.* ok /);
  const restored = await run([...store, 'restore', 'lsu', 'x', join(dir, 'out')]);
  t.equal(restored.code, 7);
  t.notOk(existsSync(join(dir, 'out')));
  t.notOk(existsSync(join(dir, 'out.partial')));
});

t.test('Ctrl-C once stops and cleans up', async (t) => {
  promise({
    row: '17',
    promise: 'Ctrl-C stops a backup and leaves nothing',
    fault: 'SIGINT amid a backup, once and twice',
  });
  const dir = t.testdir({ store: { lsu: {} } });
  const child = start(['--store', `file:${join(dir, 'store')}`, 'backup', 'lsu', 'x', ...small]);
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += String(text);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.write(data);
  const images = join(dir, 'store/lsu/netbackup');
  const begun = (): boolean =>
    existsSync(images) && readdirSync(images).some((id) => existsSync(join(images, id, 'pending')));
  while (!begun()) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  t.equal(code, 130);
  t.match(stderr, /stopping and cleaning up[\s\S]*VOST_INTERRUPTED/);
  const left = existsSync(images) ? readdirSync(images, { recursive: true }) : [];
  t.same(
    left.filter((name) => statSync(join(images, String(name))).isFile()),
    [],
  );
});

t.test('settings come from a file, and the log tells what happened', async (t) => {
  const dir = t.testdir({ store: {} });
  const log = join(dir, 'log');
  const config = join(dir, 'conf');
  writeFileSync(
    config,
    `[general]\nnfs_mount_point = ${join(dir, 'store')}\n[performance]\nchunk_size_mb = 1\nparallel_streams = 2\nuse_direct_io = false\nretry_count = 3\n[logging]\nlog_file = ${log}\n`,
  );
  const env = { VAST_OST_CONFIG: config };
  t.equal((await run(['backup', 'lsu', 'x', '--create-lsu'], { input: data, env })).code, 0);
  t.match(jsonLines(await run(['--json', 'show', 'lsu', 'x'], { env }))[0], { record: { chunk_size: 1048576 } });
  t.equal((await run(['list', 'none'], { env })).code, 3);
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(lines, [
    { msg: 'image complete', size: data.byteLength },
    { msg: 'command failed', err: { code: 'VOST_NO_SUCH_LSU' } },
  ]);
  t.equal(statSync(log).mode & 0o777, 0o600);
});
