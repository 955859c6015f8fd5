import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { ImageUsage } from '../../src/ost/image-usage.ts';

t.test('uses that exclude each other', async (t) => {
  const usage = new ImageUsage();
  const endRead = usage.begin('a', 'read');
  const endWrite = usage.begin('a', 'write');
  t.throws(() => usage.begin('a', 'write'), { code: 'VOST_IMAGE_IN_USE', message: 'the image is being written' });
  t.throws(() => usage.begin('a', 'delete'), { message: 'the image is being read' });
  t.strictSame([usage.size, usage.writing, usage.has('a', 'write'), usage.has('a', 'delete')], [1, 1, true, false]);
  endWrite();
  endWrite();
  endRead();
  t.strictSame([usage.size, usage.writing], [0, 0]);
  usage.begin('a', 'delete')();
});

t.test('those of sessions that have ended are waited for', async (t) => {
  const usage = new ImageUsage();
  const session = new AbortController();
  const end = usage.begin('a', 'write', session.signal);
  await usage.left('a');
  t.pass('who is there is not waited for');
  session.abort();
  let left = false;
  const leaving = usage.left('a').then(() => {
    left = true;
  });
  await delay(1);
  t.notOk(left);
  end();
  await leaving;
  usage.begin('a', 'delete');
});
