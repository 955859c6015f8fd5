import { existsSync } from 'node:fs';
import t from 'tap';
import { checkKilled } from './support/killed-job.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';
import { FULL_LSU, Served } from './support/served.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

// A few points for each store, in the order in which a job comes to them; `make restarts` has all of them.
t.test('a directory, with LZ4: kill -9 while two streams are written, published and read', async (t) => {
  const writing = ['after:create-upload', 'before:journal-publish#3', 'after:complete'];
  await checkKilled(t, { kind: 'directory', compression: 'lz4' }, { writing, reading: ['after:read:fragment#3'] });
});

t.test('an S3 endpoint: the same', async (t) => {
  const writing = ['after:part', 'amid:journal-write#6', 'after:complete:image.meta'];
  await checkKilled(t, { kind: 'simulator', compression: 'none' }, { writing, reading: ['before:read:index'] });
});

t.test(
  'an engine that fails a job and dies before it says so: the host hears the cause from the next one',
  async (t) => {
    const served = await Served.prepare(t, { kind: 'simulator' });
    // Out of space; it dies when it has given the slots back and lets go of the image.
    served.chaos('1,kill-at=before:put:pending#2');
    await served.start();
    const backup = ostHost(served, ['backup', '--lsu', FULL_LSU, '--image', 'full', '--generate', '3M']);
    await served.closed;
    t.match(served.stderr, /planned kill/);
    served.chaos(undefined);
    await served.start();
    const { code, said } = await backup;
    t.equal(code, 1, said);
    t.match(said, /2060902/, 'STS_ENOSPC');
  },
);
