import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../../cli/support.ts';
import { filesWith, keyRing, keyText, type Shipped, shipped, stageName } from './support.ts';

const CANARY = 'the canary that nobody may see';
const data = Buffer.alloc(3_000_001, `${CANARY} `);
const small = ['--chunk-size-mb', '1', '--part-size-mb', '1'];

t.test('backup, verify and restore through each stage, from a configuration', async (t) => {
  const dir = t.testdir({ store: {}, history: {}, digests: {} });
  const keys = join(dir, 'ring');
  writeFileSync(keys, keyRing({ first: 1 }), { mode: 0o600 });
  const options: Readonly<Record<Shipped, string>> = {
    zstd: 'level = 1',
    encrypt: `keys = file:${keys}`,
    'entropy-watch': `folder = ${join(dir, 'history')}`,
    throttle: 'rate = 1G\nwindows = mon-sun 00:00-12:00 500M; mon-sun 12:00-24:00 400M',
    'digest-export': `folder = ${join(dir, 'digests')}`,
  };
  const config = join(dir, 'vast-ost.conf');
  const general = `[general]\nstore = file:${join(dir, 'store')}\n`;
  const all = Object.entries(options) as [Shipped, string][];
  const sections = all.map(([name, lines]) => `[stage ${shipped(name)}]\n${lines}\n`).join('');
  const chains: (readonly Shipped[])[] = [
    ...all.map(([name]) => [name]),
    ['digest-export', 'entropy-watch', 'throttle', 'zstd', 'encrypt'],
  ];
  for (const chain of chains) {
    const stages = chain.map(shipped).join(' ');
    writeFileSync(config, `${general}stages = ${stages}\n${sections}`);
    const lsu = chain.length > 1 ? 'all' : (chain[0] ?? '');
    const image = ['--client', 'c', '--policy', 'p', '--date', '5'];
    const made = await run(['--config', config, 'backup', lsu, 'a', '-', '--create-lsu', ...image, ...small], {
      input: data,
    });
    t.equal(made.code, 0, made.stderr);
    const back = await run(['--config', config, 'restore', lsu, 'a']);
    t.ok(back.stdout.equals(data), back.stderr);
    t.equal((await run(['--config', config, 'verify', lsu])).code, 0);
    const shown = String((await run(['--config', config, 'show', lsu, 'a'])).stdout);
    const recorded = ['zstd', 'encrypt'].filter((name) => chain.includes(name as Shipped));
    for (const name of recorded) t.match(shown, stageName(name as Shipped));
    t.equal(/vast-ost-stage/.test(shown), recorded.length > 0);
  }
  t.match(readdirSync(join(dir, 'digests')), [/^all_a_5_/, /^digest-export_a_5_/]);
  t.equal(readdirSync(join(dir, 'history')).length, 2, 'a series for each LSU');
  const secrets = [CANARY, keyText(1), Buffer.alloc(32, 1)];
  t.same(filesWith(join(dir, 'store/encrypt'), secrets), []);
  t.same(filesWith(join(dir, 'store/all'), secrets), []);
  t.ok(filesWith(join(dir, 'store/throttle'), [CANARY]).length > 0, 'the search finds what is there');
  const sizeOf = (lsu: string) =>
    filesWith(join(dir, 'store', lsu), ['']).reduce((sum, path) => sum + readFileSync(path).length, 0);
  t.ok(sizeOf('zstd') < data.length / 100);
});

t.test('keys from a file, the environment and a command; a wrong one', async (t) => {
  const dir = t.testdir({ store: {}, logs: {} });
  const write = (name: string, text: string, mode: number): string => {
    writeFileSync(join(dir, name), text, { mode });
    return join(dir, name);
  };
  const program = write(
    'kmip',
    `#!/bin/sh\nread -r wanted < "${dir}/ids"; [ "$1" = "$wanted" ] && echo ${keyText(3)}\n`,
    0o700,
  );
  write('ids', 'vault-1\n', 0o600);
  const places = {
    file: [`file:${write('ring', keyRing({ 'vault-1': 3 }), 0o600)}`, {}],
    environment: ['env:RING', { RING: keyRing({ 'vault-1': 3 }).replaceAll('\n', ';') }],
    command: [`file:${write('command', `current = vault-1\n* = command:${program}`, 0o600)}`, {}],
    wrong: ['env:RING', { RING: keyRing({ 'vault-1': 4 }) }],
  } as const;
  const store = ['--store', `file:${join(dir, 'store')}`];
  const call = (place: keyof typeof places, ...args: string[]) => {
    const [keys, env] = places[place];
    const log = ['--log-file', join(dir, 'logs', place), '--log-level', 'debug'];
    return run([...store, ...log, '--stage', `${shipped('encrypt')}:keys=${keys}`, ...args], { input: data, env });
  };
  const lists = ['file', 'environment', 'command'] as const;
  for (const [nth, writer] of lists.entries()) {
    const made = await call(writer, 'backup', 'lsu', `image-${nth}`, '-', '--create-lsu', ...small);
    t.equal(made.code, 0, made.stderr);
    const reader = lists[(nth + 1) % lists.length] ?? 'file';
    const back = await call(reader, 'restore', 'lsu', `image-${nth}`);
    t.ok(back.stdout.equals(data), `${writer}, ${reader}: ${back.stderr}`);
  }
  const wrong = await call('wrong', 'restore', 'lsu', 'image-0');
  t.not(wrong.code, 0);
  t.equal(wrong.stdout.length, 0);
  t.match(wrong.stderr, /vast-ost-stage-encrypt, .*the key vault-1 does not open this image.*\[VOST_STAGE_SECRET\]/);
  const other = write('other', `current = other\n* = command:${program}`, 0o600);
  const failed = await run(
    [...store, '--stage', `${shipped('encrypt')}:keys=file:${other}`, 'backup', 'lsu', 'none', '-', ...small],
    { input: data },
  );
  t.match(failed.stderr, /the command \S+kmip for the key other failed \(1\) \[VOST_STAGE_SECRET\]/);
  t.same(filesWith(join(dir, 'store'), [CANARY, keyText(3), Buffer.alloc(32, 3)]), []);
  t.same(filesWith(join(dir, 'logs'), [CANARY, keyText(3), keyText(4)]), []);
});
