import t from 'tap';
import { promise } from '../support/promise.ts';
import { runKilled, type Script } from './handle-plugin.ts';
import { MIB, randomBytes, textBytes } from './support.ts';

const scripts: Record<string, Script> = {
  'plain parts of one chunk, and a journal that fills': {
    data: randomBytes(10 * MIB + 512),
    minPartBytes: 1,
    slots: 3,
    swap: true,
    journalBytes: 6144,
  },
  'parts of several chunks, blobs': {
    data: randomBytes(8 * MIB),
    minPartBytes: 2 * MIB,
    slots: 4,
    metas: 3,
    swap: true,
  },
  'compressed chunks that are held': {
    data: Buffer.concat([textBytes(4 * MIB), randomBytes(2 * MIB), textBytes(5 * MIB + 1024)]),
    minPartBytes: 300 * 1024,
    slots: 2,
    options: { compress: true },
  },
  'suspended twice': {
    data: randomBytes(6 * MIB + 512),
    minPartBytes: 2 * MIB,
    slots: 3,
    suspensions: [MIB + 512, 4 * MIB],
    metas: 1,
  },
};

for (const [name, script] of Object.entries(scripts)) {
  t.test(`killed at every step: ${name}`, async (t) => {
    promise({
      row: '16',
      promise: 'Killed before and after any request of a backup, the next engine ends it whole',
      fault: 'an engine that dies at each step of write, flush, close',
    });
    // How many steps there are depends a little on what happens first.
    const { steps } = await runKilled(t, script, 0);
    const seen = new Set<string>();
    const kill = async (at: number | string): Promise<void> => {
      seen.add((await runKilled(t, script, at)).where.replace(/[0-9]+/g, 'n'));
    };
    for (let at = 1; at <= steps + 5; at += 1) await kill(at);
    // A step's number differs a little from run to run, so one may have been passed over: what matters most has a name.
    for (const where of ['before complete image.meta', 'after complete image.meta']) {
      if (!seen.has(where)) await kill(where);
      t.ok(seen.has(where), `${where}, beside ${[...seen].sort().join(', ')}`);
    }
  });
}

t.test('the plain digest goes on where the dead engine was', async (t) => {
  const script: Script = {
    data: Buffer.concat([textBytes(4 * MIB), randomBytes(2 * MIB), textBytes(3 * MIB + 1024)]),
    minPartBytes: 300 * 1024,
    slots: 2,
    suspensions: [5 * MIB + 512],
    options: { compress: true, flatDigest: true },
  };
  const { steps } = await runKilled(t, script, 0);
  // A few steps: every engine starts a worker, which takes its time.
  for (let at = 10; at < steps; at += 17) await runKilled(t, script, at);
  t.pass('always the digest of the whole');
});
