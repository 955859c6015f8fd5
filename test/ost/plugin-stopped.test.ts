import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { listImages } from '../../src/image/catalog.ts';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import { limitMemory } from './support/memory-limit.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';
import { SlowJob } from './support/slow-job.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = 'dist/cli/main.js';

if (!existsSync(OST_HOST) || !existsSync(join(ROOT, BUILT))) t.bailout('build/ost-host or dist is missing: run make');

/** What was built, once more, as another version. */
function otherVersion(t: Test, version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'vost-build-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['node_modules', 'build']) symlinkSync(join(ROOT, name), join(folder, name));
  const about = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...about, version }));
  return join(folder, BUILT);
}

async function writtenBy(served: Served): Promise<string[]> {
  const store = await new FileStorage(join(served.folder, 'store')).open('lsu-1');
  const versions: string[] = [];
  for await (const entry of listImages(store)) if (entry.state === 'complete') versions.push(entry.manifest.written_by);
  return versions;
}

t.test('an upgrade in the middle of a backup: the old engine ends in order, another version goes on', async (t) => {
  const served = await Served.prepare(t);
  await served.start();
  const job = new SlowJob(served);
  await job.halfway();
  t.equal(await served.stop(), 0);
  served.main = otherVersion(t, '9.9.9');
  await served.start();
  const { code, said } = await job.finish();
  t.equal(code, 0, said);
  t.ok(await job.restored(), 'bit for bit');
  t.strictSame(new Set(await writtenBy(served)), new Set(['vast-ost/9.9.9']));
});

t.test('an engine that hangs for longer than a plugin waits for it, and comes back', async (t) => {
  const served = await Served.prepare(t);
  await served.start();
  const job = new SlowJob(served, 'engine_timeout_ms = 500');
  await job.halfway();
  served.child?.kill('SIGSTOP');
  const finished = job.finish();
  // It left the engine, and tries to come back in vain.
  while (!/; 1 images open/.test(job.log)) await delay(20);
  served.child?.kill('SIGCONT');
  const { code, said } = await finished;
  t.equal(code, 0, said);
  t.match(job.log, /\(connection [1-9]/);
  t.ok(await job.restored(), 'bit for bit');
});

t.test('an engine that the kernel kills for its memory', async (t) => {
  const served = await Served.prepare(t);
  const child = await served.start();
  const job = new SlowJob(served);
  await job.halfway();
  if (!limitMemory(t, child.pid ?? 0)) {
    t.comment('this user cannot make a memory cgroup: killed by hand instead');
    child.kill('SIGKILL');
  }
  const finished = job.finish();
  await served.closed;
  t.equal(child.signalCode, 'SIGKILL');
  await served.start();
  const { code, said } = await finished;
  t.equal(code, 0, said);
  t.ok(await job.restored(), 'bit for bit');
});

t.test(
  'an engine that does not come back in time: the job fails by an STS number, and leaves what can be deleted',
  async (t) => {
    const served = await Served.prepare(t);
    await served.start();
    const job = new SlowJob(served, 'reconnect_patience_ms = 300');
    await job.halfway();
    await served.kill();
    const { code, said } = await job.finish();
    t.equal(code, 1, said);
    t.match(said, /20600(12|19)/, 'STS_EAGAIN or STS_ESOCK');
    t.match(job.log, /giving up/);
    await served.start();
    const { said: listed } = await ostHost(served, ['list', '--lsu', 'lsu-1', '--pending']);
    t.match(listed, /slow/);
    const deleted = await ostHost(served, ['delete', ...job.image]);
    t.equal(deleted.code, 0, deleted.said);
    t.notMatch((await ostHost(served, ['list', '--lsu', 'lsu-1', '--pending'])).said, /slow/);
  },
);
