import type { Test } from 'tap';
import type { ObjectStore, PartBody, PartInfo, Upload } from '../../../src/vast/store.ts';
import { refusal } from '../../support/refusal.ts';
import { all, fetch, keysOf, pattern, type Subject } from './support.ts';

const GONE = refusal('not-found', { code: 'VOST_NO_SUCH_UPLOAD' });
const WRONG = refusal('usage');

/** The parts of `bytes`, each of `partBytes` but the last, some of several pieces. */
function partsOf(bytes: Buffer, partBytes: number): PartBody[] {
  const parts: PartBody[] = [];
  for (let offset = 0; offset < bytes.length; offset += partBytes) {
    const slice = bytes.subarray(offset, offset + partBytes);
    const number = parts.length + 1;
    const cut = Math.floor(slice.length / 2);
    const body = number % 2 === 0 ? [slice] : [slice.subarray(0, cut), slice.subarray(cut)];
    parts.push({ number, offset, body, size: slice.length });
  }
  return parts;
}

async function begin(store: ObjectStore, key: string, parts: readonly PartBody[]): Promise<[Upload, PartInfo[]]> {
  const upload = await store.createUpload(key);
  return [upload, await Promise.all(parts.map((part) => upload.putPart(part)))];
}

export async function uploadConformance(t: Test, { storage, features, fresh }: Subject): Promise<void> {
  const size = features.partBytes * 3 + 1234;
  const bytes = pattern(size, 7);
  const parts = partsOf(bytes, features.partBytes);

  await t.test('parts in any order, at the same time', async (t) => {
    const store = await fresh();
    const upload = await store.createUpload('u/x');
    t.equal(upload.key, 'u/x');
    t.same(await upload.listParts(), [], 'no part yet');
    const sent = await Promise.all([...parts].reverse().map((part) => upload.putPart(part)));
    const ascending = [...sent].reverse();
    t.same(await upload.listParts(), ascending, 'listed in order of numbers, as answered');
    t.equal(await store.head('u/x'), undefined, 'nothing is visible before complete');
    t.same(await keysOf(store), []);
    const info = await upload.complete(ascending);
    t.match(info, { key: 'u/x', size });
    t.match(await store.head('u/x'), { size, etag: info.etag });
    t.ok(bytes.equals(await fetch(store, 'u/x')), 'every byte in its place');
    t.same(await all(store.listUploads('')), [], 'the upload is over');
  });

  await t.test('one short part; one empty part', async (t) => {
    const store = await fresh();
    for (const length of [1, 0]) {
      const [upload, sent] = await begin(store, 'u/y', [
        { number: 1, offset: 0, body: [bytes.subarray(0, length)], size: length },
      ]);
      t.match(await upload.complete(sent), { size: length });
      t.equal((await store.head('u/y'))?.size, length, 'and it replaces an older object');
    }
  });

  await t.test('a part sent again replaces the old one', async (t) => {
    const store = await fresh();
    const wrong = partsOf(pattern(size, 8), features.partBytes);
    const [upload, old] = await begin(store, 'u/r', wrong);
    const sent = await Promise.all(parts.map((part) => upload.putPart(part)));
    t.same(await upload.listParts(), sent);
    await t.rejects(upload.complete(old), WRONG, 'the old markers are refused');
    await upload.complete(sent);
    t.ok(bytes.equals(await fetch(store, 'u/r')));
  });

  await t.test('a shorter last part replaces a longer one', async (t) => {
    const store = await fresh();
    const [upload, sent] = await begin(store, 'u/s', parts);
    const last = parts.at(-1);
    if (last === undefined) throw new Error('no parts');
    const short = await upload.putPart({ ...last, body: [bytes.subarray(last.offset, last.offset + 10)], size: 10 });
    await upload.complete([...sent.slice(0, -1), short]);
    t.ok(bytes.subarray(0, last.offset + 10).equals(await fetch(store, 'u/s')));
  });

  await t.test('several pages of parts', async (t) => {
    const store = await fresh();
    const upload = await store.createUpload('u/p');
    const count = features.pageSize * 2 + 1;
    const many = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      offset: index * 10,
      body: [pattern(10, index)],
      size: 10,
    }));
    const sent: PartInfo[] = [];
    for (let at = 0; at < count; at += 20) {
      sent.push(...(await Promise.all(many.slice(at, at + 20).map((part) => upload.putPart(part)))));
    }
    t.same(await upload.listParts(), sent);
    await upload.abort();
  });

  await t.test('another process goes on', async (t) => {
    const store = await fresh();
    const [upload, sent] = await begin(store, 'dir/resumed', parts.slice(0, 2));
    const other = features.reopen();
    const theirs = (await other.open(store.lsu)).resumeUpload('dir/resumed', upload.id);
    t.same(await theirs.listParts(), sent, 'acknowledged parts are there');
    const rest = await Promise.all(parts.slice(2).map((part) => theirs.putPart(part)));
    t.match(await theirs.complete([...sent, ...rest]), { size });
    t.ok(bytes.equals(await fetch(store, 'dir/resumed')));
    await t.rejects(upload.listParts(), GONE, 'for us it is over');
    await other.close();
  });

  await t.test('wrong parts are refused', async (t) => {
    const store = await fresh();
    const [upload, sent] = await begin(store, 'u/w', parts);
    const first = sent[0] ?? { number: 1, size: 0, etag: '' };
    const rest = sent.slice(1);
    await t.rejects(upload.complete([]), WRONG, 'no part');
    await t.rejects(upload.complete(rest), WRONG, 'the first is missing');
    await t.rejects(upload.complete(sent.slice(0, -1)), WRONG, 'the last is missing');
    await t.rejects(upload.complete([...sent].reverse()), WRONG, 'not ascending');
    await t.rejects(upload.complete([first, ...sent]), WRONG, 'one is named twice');
    await t.rejects(upload.complete([...sent, { number: 9, size: 1, etag: first.etag }]), WRONG, 'one too many');
    await t.rejects(
      upload.complete([{ ...first, etag: 'ffffffffffffffffffffffffffffffff' }, ...rest]),
      WRONG,
      'marker',
    );
    await t.rejects(upload.complete([{ ...first, size: first.size + 1 }, ...rest]), WRONG, 'size');
    t.equal(await store.head('u/w'), undefined, 'nothing was published');
    t.same(await upload.listParts(), sent, 'and nothing lost');
    await upload.complete(sent);
    t.ok(bytes.equals(await fetch(store, 'u/w')));
  });

  await t.test('bad parts are refused', async (t) => {
    const store = await fresh();
    const upload = await store.createUpload('u/b');
    const good: PartBody = { number: 1, offset: 0, body: [pattern(10)], size: 10 };
    for (const bad of [{ number: 0 }, { number: -1 }, { number: 1.5 }, { number: store.limits.maxParts + 1 }]) {
      await t.rejects(upload.putPart({ ...good, ...bad }), WRONG, `number ${bad.number}`);
    }
    for (const bad of [{ offset: -1 }, { offset: 0.5 }, { size: 9 }, { size: 11 }, { body: [] }]) {
      await t.rejects(upload.putPart({ ...good, ...bad }), WRONG, JSON.stringify(bad));
    }
    t.same(await upload.listParts(), []);
    await upload.abort();
  });

  if (features.partBytes > 1) {
    await t.test('small parts', async (t) => {
      const store = await fresh();
      const small: PartBody[] = [0, 10].map((offset, index) => ({
        number: index + 1,
        offset,
        body: [bytes.subarray(offset, offset + 10)],
        size: 10,
      }));
      const [upload, sent] = await begin(store, 'u/small', small);
      if (store.limits.minPartBytes > 10) await t.rejects(upload.complete(sent), WRONG, 'refused below minPartBytes');
      else t.match(await upload.complete(sent), { size: 20 });
      await upload.abort();
    });
  }

  await t.test('abort', async (t) => {
    const store = await fresh();
    await store.put('u/a', [Buffer.from('old')]);
    const [upload, sent] = await begin(store, 'u/a', parts.slice(0, 1));
    await upload.abort();
    await upload.abort();
    await t.rejects(upload.listParts(), GONE);
    await t.rejects(upload.complete(sent), GONE);
    await t.rejects(upload.putPart({ number: 1, offset: 0, body: [pattern(10)], size: 10 }), GONE);
    t.same(await all(store.listUploads('')), []);
    t.equal((await fetch(store, 'u/a')).toString(), 'old', 'the older object stays');
    await store.resumeUpload('u/a', upload.id).abort();
    await store.resumeUpload('u/other', 'f'.repeat(32)).abort();
    await store.resumeUpload('none/other', 'f'.repeat(32)).abort();
  });

  await t.test('after complete', async (t) => {
    const store = await fresh();
    const [upload, sent] = await begin(store, 'u/c', parts.slice(0, 1));
    await upload.complete(sent);
    await t.rejects(upload.listParts(), GONE);
    await t.rejects(upload.complete(sent), GONE);
    await t.rejects(upload.putPart({ number: 2, offset: 0, body: [pattern(10)], size: 10 }), GONE);
    await upload.abort();
    t.equal((await store.head('u/c'))?.size, parts[0]?.size, 'abort comes too late');
  });

  await t.test('ids of others', async (t) => {
    const store = await fresh();
    const [upload] = await begin(store, 'u/k', parts.slice(0, 1));
    await t.rejects(store.resumeUpload('u/l', upload.id).listParts(), GONE, 'the key belongs to the upload');
    await store.resumeUpload('u/l', upload.id).abort();
    for (const id of ['', '../x', 'f'.repeat(32)]) {
      await t.rejects(store.resumeUpload('u/k', id).listParts(), GONE, JSON.stringify(id));
    }
    t.equal((await upload.listParts()).length, 1);
    await upload.abort();
  });

  await t.test('list uploads', async (t) => {
    const store = await fresh();
    const before = Date.now();
    const keys = ['one/a', 'one/b', 'one/b', 'onetwo/c', 'two/d'];
    const uploads = await Promise.all(keys.map((key) => store.createUpload(key)));
    const found = await all(store.listUploads(''));
    const pairs = (list: readonly { key: string; id: string }[]): string[] =>
      list.map(({ key, id }) => `${key} ${id}`).sort();
    t.same(pairs(found), pairs(uploads), 'all of them, two of one key too');
    t.ok(found.every((info) => Math.abs(info.initiated - before) < 60_000));
    for (const prefix of ['one/', 'one', 'one/b', 'two/d', 'x/', 'one/b/']) {
      const wanted = uploads.filter((upload) => upload.key.startsWith(prefix));
      t.same(pairs(await all(store.listUploads(prefix))), pairs(wanted), `prefix ${prefix}`);
    }
    const many = await Promise.all(
      Array.from({ length: features.pageSize * 2 }, (_, index) => store.createUpload(`pages/${index}`)),
    );
    t.same(pairs(await all(store.listUploads('pages/'))), pairs(many), 'several pages');
    for (const upload of [...uploads, ...many]) await upload.abort();
    t.same(await all(store.listUploads('')), []);
    t.same(await all((await storage.open(store.lsu)).listFolders('')), [], 'no folder is left');
  });
}
