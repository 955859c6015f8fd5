import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { mappingsOf } from '../support/mappings.ts';

const MIB = 1024 * 1024;
const exec = promisify(execFile);
const bridgeUrl = new URL('../../src/bridge/bridge.ts', import.meta.url).href;
const NOBODY = 65_534;

t.test('no core dump holds what is in a slab', (t) => {
  const kept = (): number =>
    mappingsOf('self').reduce((sum, { bytes, flags }) => sum + (flags.includes('dd') ? bytes : 0), 0);
  const before = kept();
  const slab = bridge.allocSlab(7 * MIB);
  t.ok(kept() - before >= 7 * MIB);
  bridge.freeSlab(slab);
  t.ok(kept() - before < 7 * MIB);
  t.end();
});

/** A process that is not root: the owner of its files below /proc before and after, and what it still may do there. */
async function hidden(t: Test, limit: string): Promise<unknown> {
  const script = `
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
const { bridge } = await import(${JSON.stringify(bridgeUrl)});
const owner = () => statSync('/proc/self/environ').uid;
const before = owner() === process.getuid();
const off = bridge.forbidDumps();
const file = openSync('/proc/self/exe');
const linked = readFileSync('/proc/self/fd/' + file, { flag: 'r' }).length > 0 && readFileSync('/proc/self/smaps').length > 0;
closeSync(file);
console.log(JSON.stringify({ before, off, root: owner() === 0, linked }));`;
  const who = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const command = `ulimit -S -c ${limit} && exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, '--input-type=module', '--eval', script];
  const { stdout } = await exec('sh', args, { ...who, cwd: '/', env: { PATH: process.env['PATH'] } });
  t.comment(stdout.trim());
  return JSON.parse(stdout);
}

/** Whether those who are not root can read this project and start its Node. */
function openToAll(): boolean {
  if (process.getuid?.() !== 0) return true;
  for (const file of [process.execPath, new URL(bridgeUrl).pathname]) {
    for (let at = file; at !== '/'; at = at.slice(0, at.lastIndexOf('/')) || '/') {
      accessSync(at, constants.R_OK);
      if ((statSync(at).mode & (statSync(at).isDirectory() ? 0o001 : 0o004)) === 0) return false;
    }
  }
  return true;
}

t.test('where core dumps are off, nobody but root sees the memory', { skip: !openToAll() }, async (t) => {
  t.same(await hidden(t, '0'), { before: true, off: true, root: true, linked: true });
  const { stdout } = await exec('sh', ['-c', 'ulimit -H -c']);
  if (stdout.trim() === '0') return t.comment('core dumps cannot be turned on here');
  t.same(await hidden(t, '1'), { before: true, off: false, root: false, linked: true });
});
