import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { makeFirst } from '../../../src/vast/rotation/first-secret.ts';
import { fileJournal } from '../../../src/vast/rotation/journal.ts';
import { type Rotated, Rotation } from '../../../src/vast/rotation/rotation.ts';
import { refusal } from '../../support/refusal.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The secrets of a cluster, and the one in the file. What `fail` names goes wrong. */
class Desk implements Rotated {
  readonly most = 2;
  file: string | undefined;
  cluster: string[] = [];
  fail: 'nothing' | 'refused' | 'lost' | 'save' | 'died' = 'nothing';
  #next = 0;

  current = async (): Promise<string | undefined> => this.file;
  existing = async (): Promise<string[]> => [...this.cluster];
  make = async () => {
    if (this.fail === 'refused') throw new EngineError('X', 'access', 'not allowed');
    this.#next += 1;
    const id = `k${this.#next}`;
    this.cluster.push(id);
    if (this.fail === 'lost') throw new EngineError('X', 'retryable', 'no answer');
    return {
      id,
      save: async () => {
        if (this.fail === 'save') throw new EngineError('X', 'access', 'disk full');
        this.file = id;
        if (this.fail === 'died') throw new Error('died');
      },
    };
  };
  remove = async (id: string): Promise<void> => {
    // Who died removes nothing.
    if (this.fail === 'died') throw new Error('died');
    this.cluster = this.cluster.filter((one) => one !== id);
  };
}

function site(t: Test) {
  const journal = fileJournal(join(t.testdir({}), 'rotation.json'));
  const time = { now: 1e12 };
  const desk = new Desk();
  const now = () => time.now;
  const first = () => makeFirst(desk, journal, now);
  const rotation = () => new Rotation(desk, { journal, everyMs: DAY, graceMs: HOUR, now }).run();
  return { journal, time, desk, first, rotation };
}

t.test('made once, and rotated from then on', async (t) => {
  const { time, desk, first, rotation } = site(t);
  await first();
  await first();
  t.same([desk.file, desk.cluster], ['k1', ['k1']]);
  t.equal(await rotation(), 'waiting');
  time.now += DAY;
  t.equal(await rotation(), 'replaced');
  time.now += HOUR;
  t.equal(await rotation(), 'retired');
  t.same(desk.cluster, ['k2']);
});

t.test('a refusal leaves nothing to look for', async (t) => {
  const { desk, first } = site(t);
  for (const fail of ['refused', 'save'] as const) {
    desk.fail = fail;
    await t.rejects(first(), refusal('access'));
    t.same(desk.cluster, [], fail);
  }
  desk.fail = 'nothing';
  desk.cluster = ['somebody’s'];
  await first();
  t.same(desk.cluster, ['somebody’s', desk.file], 'what came meanwhile is not ours');
});

t.test('one whose answer was lost is found and removed, unless that was long ago', async (t) => {
  for (const [age, left] of [
    [1000, 2],
    [2 * HOUR, 3],
  ] as const) {
    const { time, desk, first } = site(t);
    desk.cluster = ['somebody’s'];
    desk.fail = 'lost';
    await t.rejects(first(), refusal('retryable'));
    t.equal(desk.cluster.length, 2);
    desk.fail = 'nothing';
    time.now += age;
    if (left === 2) await first();
    else await t.rejects(first(), refusal('capacity'), 'it may be somebody else’s');
    t.equal(desk.cluster.length, 2);
    t.ok(desk.cluster.includes('somebody’s'));
    t.equal(desk.file === undefined, left === 3);
  }
});

t.test('dead right after it was saved', async (t) => {
  const { journal, desk, first, rotation } = site(t);
  desk.fail = 'died';
  await t.rejects(first(), /died/);
  t.same([desk.file, desk.cluster], ['k1', ['k1']]);
  desk.fail = 'nothing';
  desk.cluster.push('somebody’s');
  t.equal(await rotation(), 'repaired');
  t.same(desk.cluster, ['k1', 'somebody’s']);
  t.same(Object.keys((await journal.read()) ?? {}), ['since']);
  t.equal(await rotation(), 'waiting');
});
