import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type Mapping, mappingsOf } from '../support/mappings.ts';
import { memoryBench } from './support/engine.ts';
import { OST_HOST, startHost } from './support/ost-host.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

const shared = (pid: number | 'self'): Mapping[] =>
  mappingsOf(pid).filter(({ name }) => name.startsWith('/memfd:vast-ost'));

t.test('backup data in shared memory is in no core dump: of the host, of the engine', async (t) => {
  const bench = await memoryBench(t);
  const host = startHost(bench, ['backup', '--lsu', 'lsu', '--image', 'dump']);
  t.teardown(() => host.kill('SIGKILL'));
  host.stdin.write(Buffer.alloc(1024 * 1024));
  const { pid = 0 } = host;
  while (shared(pid).length === 0 || shared('self').length === 0) {
    if (host.exitCode !== null) throw new Error('the host has ended');
    await delay(10);
  }
  for (const [who, mappings] of [
    ['host', shared(pid)],
    ['engine', shared('self')],
  ] as const) {
    t.ok(
      mappings.every(({ flags }) => flags.includes('dd')),
      `${who}: ${mappings.map(({ bytes }) => bytes)} bytes`,
    );
  }
});
