import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { buffer, text } from 'node:stream/consumers';
import t from 'tap';
import { openTarget } from '../../src/cli/target.ts';
import { noise } from '../support/chunks.ts';
import { promise } from '../support/promise.ts';
import { tempDir } from '../support/temp-dir.ts';

const dir = tempDir({
  // Writes to standard output through a target until that fails, and says how.
  'stdout.mjs': `
    const { openTarget } = await import(${JSON.stringify(new URL('../../src/cli/target.ts', import.meta.url).href)});
    const target = await openTarget('-');
    const count = Number(process.argv[2]);
    try {
      for (let nth = 0; nth < count; nth += 1) await target.write(Buffer.alloc(65536, nth));
      await target.finish();
      process.stderr.write('done ' + target.name);
    } catch (error) {
      await target.discard();
      process.stderr.write([error.code, error.failure].join(' '));
    }`,
});

t.test('a file gets its name only at the end, readable by its owner only', async (t) => {
  const path = `${dir}/file`;
  const data = noise(300_000);
  const target = await openTarget(path);
  t.equal(target.name, path);
  await target.write(data.subarray(0, 1));
  await target.write(data.subarray(1, 1));
  await target.write(data.subarray(1));
  t.strictSame([existsSync(path), existsSync(`${path}.partial`)], [false, true]);
  await target.finish();
  t.strictSame([existsSync(path), existsSync(`${path}.partial`)], [true, false]);
  t.ok(readFileSync(path).equals(data));
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('an older file stays until the new one is complete; an older partial one is replaced', async (t) => {
  const path = `${dir}/older`;
  writeFileSync(path, 'old content');
  writeFileSync(`${path}.partial`, 'left over from a crash');
  const target = await openTarget(path);
  await target.write(Buffer.from('new'));
  t.equal(readFileSync(path, 'utf8'), 'old content');
  await target.finish();
  t.equal(readFileSync(path, 'utf8'), 'new');
});

t.test('what lies where the partial file shall be is neither followed nor kept', async (t) => {
  promise({
    row: 'security',
    promise: 'A restore writes to no file that somebody else put in its way',
    fault: 'a link, and a file that everybody may read, under the name of the partial file',
  });
  const path = `${dir}/in-the-way`;
  writeFileSync(`${dir}/elsewhere`, 'keep');
  symlinkSync(`${dir}/elsewhere`, `${path}.partial`);
  const first = await openTarget(path);
  await first.write(Buffer.from('new'));
  await first.discard();
  t.equal(readFileSync(`${dir}/elsewhere`, 'utf8'), 'keep');
  writeFileSync(`${path}.partial`, 'left', { mode: 0o666 });
  const second = await openTarget(path);
  await second.finish();
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('discard removes the partial file and leaves an older one alone', async (t) => {
  const path = `${dir}/discarded`;
  writeFileSync(path, 'old content');
  const target = await openTarget(path);
  await target.write(Buffer.from('new'));
  await target.discard();
  await target.discard();
  t.strictSame(
    readdirSync(dir).filter((name) => name.startsWith('discarded')),
    ['discarded'],
  );
  t.equal(readFileSync(path, 'utf8'), 'old content');
});

t.test('a finish that fails can still be discarded', async (t) => {
  const path = `${dir}/late`;
  const target = await openTarget(path);
  // Somebody makes a directory of that name meanwhile.
  mkdirSync(path);
  await t.rejects(target.finish(), { code: 'VOST_NO_OUTPUT', failure: 'usage', message: /cannot write .*late/ });
  await target.discard();
  t.notOk(existsSync(`${path}.partial`));
});

t.test('what cannot be written', async (t) => {
  await t.rejects(openTarget(dir), { code: 'VOST_NO_OUTPUT', failure: 'usage', message: /is a directory/ });
  await t.rejects(openTarget(`${dir}/missing/file`), {
    code: 'VOST_NO_OUTPUT',
    failure: 'usage',
    message: /missing\/file\.partial: ENOENT/,
  });
});

t.test('devices are written to directly; a full one is an error of capacity', async (t) => {
  const nothing = await openTarget('/dev/null');
  await nothing.write(noise(1000));
  await nothing.finish();
  const full = await openTarget('/dev/full');
  await t.rejects(full.write(noise(10)), { code: 'VOST_NO_OUTPUT', failure: 'capacity', message: /ENOSPC/ });
  await full.discard();
  t.ok(existsSync('/dev/full') && existsSync('/dev/null'));
});

t.test('a named pipe', async (t) => {
  const path = `${dir}/fifo`;
  execFileSync('mkfifo', [path]);
  const read = buffer(createReadStream(path));
  const target = await openTarget(path);
  const data = noise(200_000);
  await target.write(data);
  await target.finish();
  t.ok((await read).equals(data));
  t.ok(statSync(path).isFIFO());

  const reader = createReadStream(path);
  const lonely = await openTarget(path);
  reader.destroy();
  await once(reader, 'close');
  await t.rejects(lonely.write(data), { code: 'VOST_NO_OUTPUT', failure: 'aborted', message: /EPIPE/ });
  await lonely.discard();
});

t.test('standard output: whole, and closed by its reader', async (t) => {
  const whole = spawn(process.execPath, [`${dir}/stdout.mjs`, '40']);
  const [bytes, note] = await Promise.all([buffer(whole.stdout), text(whole.stderr)]);
  t.strictSame([bytes.byteLength, bytes.at(-1), note], [40 * 65_536, 39, 'done standard output']);

  const cut = spawn(process.execPath, [`${dir}/stdout.mjs`, '1000']);
  cut.stdout.once('data', () => cut.stdout.destroy());
  const [said, [status]] = await Promise.all([text(cut.stderr), once(cut, 'exit')]);
  t.strictSame([said, status], ['VOST_OUTPUT_CLOSED aborted', 0]);

  const command = '{ "$NODE" stdout.mjs 1000 2>&3 | head -c 1000 >/dev/null; } 3>&1';
  const env = { ...process.env, NODE: process.execPath };
  t.equal(execFileSync('sh', ['-c', command], { encoding: 'utf8', cwd: dir, env }), 'VOST_OUTPUT_CLOSED aborted');
});
