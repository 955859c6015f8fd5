import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { creatorOf, fateOf, processOfPeer, thisMachine } from '../../src/ost/creator.ts';

const machine = thisMachine();
const key = '0123456789abcdef'.repeat(2);

t.test('a creator is the same for every connection of a process, and fits its record', async (t) => {
  const peer = { pid: process.pid, uid: 0, gid: 0 };
  const creator = creatorOf(key, processOfPeer(peer, machine))(7n);
  t.equal(creatorOf(key, processOfPeer({ ...peer, uid: 5 }, machine))(7n), creator);
  t.not(creatorOf(key, processOfPeer(peer, machine))(8n), creator);
  t.not(creatorOf('f'.repeat(32), processOfPeer(peer, machine))(7n), creator);
  t.ok(creatorOf(key, processOfPeer({ ...peer, pid: 4_194_304 }, machine))(2n ** 64n - 1n).length <= 256);
});

t.test('a process that ended is gone; whatever is not known is not', async (t) => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const known = processOfPeer({ pid: child.pid ?? 0, uid: 0, gid: 0 }, machine);
  t.equal(fateOf(known, machine), 'lives', 'it lives');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  t.equal(fateOf(known, machine), 'gone', 'it ended');
  t.equal(fateOf(known, { ...machine, id: 'another' }), 'unknown', 'another machine’s process');
  t.equal(fateOf(known, { ...machine, boot: 'another' }), 'gone', 'the machine began anew');
  t.equal(fateOf(known, { ...machine, boot: '' }), 'unknown', 'the machine cannot tell');
  const unseen = processOfPeer({ pid: 0, uid: 0, gid: 0 }, machine);
  for (const text of [unseen, '', 'x', `${machine.id}:${machine.boot}:x:y`]) {
    t.equal(fateOf(text, machine), 'unknown', text);
  }
});
