import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ChaosStorage } from '../../src/chaos/chaos-storage.ts';
import { KillSwitch, parseKillPoint } from '../../src/chaos/kill-switch.ts';
import { storePlan } from '../../src/chaos/store-faults.ts';
import { parseStoreRates } from '../../src/chaos/store-rates.ts';
import { journalMemory, steppedJournal } from '../../src/image/journal-memory.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import { refusal } from '../support/refusal.ts';

t.test('points', async (t) => {
  t.strictSame(parseKillPoint('17'), { where: undefined, nth: 17 });
  t.strictSame(parseKillPoint('after:put'), { where: 'after:put', nth: 1 });
  t.strictSame(parseKillPoint('before:put:image.meta#3'), { where: 'before:put:image.meta', nth: 3 });
  for (const bad of ['', '0', 'put', 'after:', 'after:put#0', 'after:put:#1', 'during:put', 'after:put:x:y'])
    t.equal(parseKillPoint(bad), undefined, bad);
});

t.test('the setting', async (t) => {
  t.strictSame(parseStoreRates('7,kill-at=after:part'), {
    seed: 7,
    rules: [],
    kill: { where: 'after:part', nth: 1 },
  });
  const both = parseStoreRates('7, kill-at=3, throttle=0.5');
  t.match(both, { kill: { nth: 3 }, rules: [{ name: 'throttle', rate: 0.5 }] });
  t.equal(both.rules.length, 1);
  t.equal(parseStoreRates('7').kill, undefined);
  for (const bad of ['7,kill-at=', '7,kill-at=soon', '7,kill-at=1,kill-at=2', 'kill-at=1'])
    t.throws(() => parseStoreRates(bad), refusal('usage', { code: 'VOST_BAD_CHAOS' }), bad);
});

t.test('what is a step, and when it is the last one', async (t) => {
  const ends: string[] = [];
  const all = new Set<string>();
  const counted = new KillSwitch({ where: 'after:put:fragment', nth: 2 }, (last) => ends.push(last));
  const steps = {
    dead: false,
    step: (where: string) => {
      all.add(where);
      return counted.step(where);
    },
  };
  const storage = new ChaosStorage(new MemoryStorage(new Map()), storePlan(1, []), {}, steps);
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  for (const nth of [1, 2, 3]) await store.put(`x/fragment-00000${nth}`, [new Uint8Array(1)]);
  await store.put('x/image.meta', []);
  await t.rejects(store.read('x/none', 0, new Uint8Array(1)), refusal('not-found'));
  const journal = steppedJournal(journalMemory(new Uint8Array(64)), steps);
  journal.set(new Uint8Array([1, 2]), 8);
  journal.publish(4, 7);
  t.strictSame([...journal.bytes.subarray(4, 10)], [7, 0, 0, 0, 1, 2]);
  journal.clear(4, 5);
  t.strictSame([...journal.bytes.subarray(4, 10)], [0, 0, 0, 0, 0, 2]);
  t.strictSame(ends, ['after:put:fragment, step 8']);
  t.strictSame(
    [...all],
    [
      ...['before:create-lsu:lsu', 'after:create-lsu:lsu', 'before:open:lsu', 'after:open:lsu'],
      ...['before:put:fragment', 'after:put:fragment', 'before:put:image.meta', 'after:put:image.meta'],
      ...['before:read:none', 'amid:journal-write', 'after:journal-write'],
      ...['before:journal-publish', 'after:journal-publish', 'before:journal-clear', 'after:journal-clear'],
    ],
  );
});

t.test('a write that its process does not outlive arrives as far as it came', async (t) => {
  const memory = new Uint8Array(64);
  let dead = false;
  const steps = {
    get dead() {
      return dead;
    },
    step: () => {
      dead = true;
      return true;
    },
  };
  const journal = steppedJournal(journalMemory(memory), steps);
  journal.set(new Uint8Array([1, 2, 3, 4]), 0);
  t.strictSame([...memory.subarray(0, 4)], [1, 2, 0, 0]);
  journal.set(new Uint8Array([9]), 0);
  journal.publish(4, 9);
  journal.clear(0, 64);
  t.strictSame([...memory.subarray(0, 8)], [1, 2, 0, 0, 0, 0, 0, 0], 'the dead do nothing');
});

t.test('the process dies as by kill -9, and has said where', async (t) => {
  const url = fileURLToPath(new URL('../../src/chaos/kill-switch.ts', import.meta.url));
  const program = `import { KillSwitch } from '${url}';
    process.on('exit', () => console.log('orderly'));
    new KillSwitch({ where: undefined, nth: 2 }).step('before:a');
    const kills = new KillSwitch({ where: 'after:b', nth: 1 });
    kills.step('after:bc');
    kills.step('after:b:c');
    console.log('alive');`;
  const { signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  t.equal(signal, 'SIGKILL');
  t.equal(stdout.toString(), '');
  t.match(stderr.toString(), /planned kill at after:b:c, step 2\n/);
});
