import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { imagePrefix, PENDING } from '../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { readRecord } from '../../src/image/read-record.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, layout, TUNING } from './handle-support.ts';
import { identity, memoryLsu, objectBytes, testResources } from './support.ts';

const KEY = 'record';

/** As records are: what is cut off does not decode. */
function decode(bytes: Uint8Array, where: string): string {
  const text = Buffer.from(bytes).toString('latin1');
  if (!/^\(.*\)$/.test(text)) throw new EngineError('VOST_BAD_RECORD', 'integrity', `${where} is ${text}`);
  return text;
}

/** Between the request for a record's size and the one for its bytes, somebody does something, once for each entry. */
function interrupted(inner: ObjectStore, key: string, acts: (() => Promise<unknown>)[]): ObjectStore {
  return wrapStore(inner, {
    read: async (read, ...more) => {
      if (read === key) await acts.shift()?.();
      return inner.read(read, ...more);
    },
  });
}

t.test('a record that is replaced while it is read', async (t) => {
  const store = await memoryLsu();
  const put = (text: string) => () => store.put(KEY, [Buffer.from(text)]);
  const read = (acts: (() => Promise<unknown>)[]) =>
    readRecord(interrupted(store, KEY, acts), KEY, 100, decode, undefined);
  await put('(first)')();
  for (const other of ['(longer than it was)', '(x)', '(equal)']) {
    t.equal(await read([put(other)]), other);
    await put('(first)')();
  }
  t.equal(await read([put('(second one)'), put('(3)')]), '(3)', 'and again');
  const forever = Array.from({ length: 9 }, (_, nth) => put(`(${'x'.repeat(nth)})`));
  await t.rejects(read(forever), refusal('busy', { code: 'VOST_RECORD_BUSY' }));
  await t.rejects(read([() => store.delete([KEY])]), refusal('not-found'));
  await put('(not whole')();
  await t.rejects(read([]), refusal('integrity'), 'one that stands still is damaged');
  await put(`(${'x'.repeat(100)})`)();
  await t.rejects(read([]), refusal('integrity'), 'one that is too large');
});

t.test('a pending record that its writer replaces is neither damaged nor gone', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const writer = await createWriteHandle(context(store, resources), layout(resources, 'x'));
  const key = `${imagePrefix(imageIdOf(identity('x')))}${PENDING}`;
  const record = await objectBytes(store, key);
  const replacements = [Buffer.from(JSON.stringify(JSON.parse(record.toString()))), record];
  const replacing = () =>
    interrupted(
      store,
      key,
      replacements.map((bytes) => () => store.put(key, [bytes])),
    );
  const states: string[] = [];
  for await (const { state } of listImages(replacing())) states.push(state);
  t.strictSame(states, ['pending']);
  const reopen = reopenWriteHandle(context(replacing(), resources, { creator: 'session/2' }), identity('x'), TUNING);
  await t.rejects(reopen, refusal('busy', { code: 'VOST_IMAGE_BUSY' }));
  await writer.close('abandon', 0);
});
