import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { tempDir } from '../support/temp-dir.ts';

const bridgeUrl = new URL('../../src/bridge/bridge.ts', import.meta.url).href;

t.test('a process leaves although one of its threads is in a call that does not come back', async (t) => {
  const dir = tempDir();
  mkdirSync(dir, { recursive: true });
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const script = `
import { open } from 'node:fs/promises';
const { bridge } = await import(${JSON.stringify(bridgeUrl)});
void open(${JSON.stringify(fifo)}, 'r');
setImmediate(() => bridge.leave(7));`;
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    timeout: 60_000,
  });
  t.same([status, signal], [7, null]);
});

t.test('codes that are none', async (t) => {
  for (const code of [undefined, null, -1, 256, 1.5, '0', Number.NaN])
    t.throws(() => bridge.leave(code as number), { name: 'TypeError', message: /^leave: / }, String(code));
});
