import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { creatorOf, isGone, thisMachine } from '../../src/ost/creator.ts';

const machine = thisMachine();
const key = '0123456789abcdef'.repeat(2);

t.test('a creator is the same for every connection of a process, and fits its record', async (t) => {
  const peer = { pid: process.pid, uid: 0, gid: 0 };
  const creator = creatorOf(key, peer, machine)(7n);
  t.equal(creatorOf(key, { ...peer, uid: 5 }, machine)(7n), creator);
  t.not(creatorOf(key, peer, machine)(8n), creator);
  t.not(creatorOf('f'.repeat(32), peer, machine)(7n), creator);
  t.ok(creatorOf(key, { ...peer, pid: 4_194_304 }, machine)(2n ** 64n - 1n).length <= 256);
});

t.test('a process that ended is gone; whatever is not known is not', async (t) => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const creator = creatorOf(key, { pid: child.pid ?? 0, uid: 0, gid: 0 }, machine)(1n);
  t.equal(isGone(creator, machine), false, 'it lives');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  t.equal(isGone(creator, machine), true, 'it ended');
  t.equal(isGone(creator, { ...machine, id: 'another' }), false, 'another machine’s process');
  t.equal(isGone(creator, { ...machine, boot: 'another' }), true, 'the machine began anew');
  t.equal(isGone(creator, { ...machine, boot: '' }), false, 'the machine cannot tell');
  const unseen = creatorOf(key, { pid: 0, uid: 0, gid: 0 }, machine)(1n);
  for (const text of [unseen, '', 'session 1', `${key}:1`, `${key}:1:${machine.id}:${machine.boot}:x:y`]) {
    t.equal(isGone(text, machine), false, text);
  }
});
