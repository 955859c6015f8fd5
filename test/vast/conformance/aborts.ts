import type { Test } from 'tap';
import { EngineError } from '../../../src/errors.ts';
import type { ObjectStore, RequestOptions, Upload } from '../../../src/vast/store.ts';
import { refusal } from '../../support/refusal.ts';
import { all, keysOf, pattern, type Subject, streamOf } from './support.ts';

type Call = (store: ObjectStore, upload: Upload, options: RequestOptions) => Promise<unknown>;

/** Every call of a store, on objects that exist. */
function calls(partBytes: number): Record<string, Call> {
  const body = pattern(partBytes);
  return {
    put: (store, _, options) => store.put('new/put', [body], options),
    putStream: (store, _, options) => store.putStream('new/stream', streamOf(body), options),
    read: (store, _, options) => store.read('old', 0, Buffer.alloc(100), options),
    head: (store, _, options) => store.head('old', options),
    list: (store, _, options) => all(store.list(options)),
    listFolders: (store, _, options) => all(store.listFolders('', options)),
    delete: (store, _, options) => store.delete(['absent'], options),
    createUpload: (store, _, options) => store.createUpload('new/upload', options),
    listUploads: (store, _, options) => all(store.listUploads('', options)),
    copy: (store, _, options) => store.copy({ lsu: store.lsu, key: 'old' }, 'new/copy', options),
    putPart: (_, upload, options) => upload.putPart({ number: 1, offset: 0, body: [body], size: partBytes }, options),
    listParts: (_, upload, options) => upload.listParts(options),
    complete: (_, upload, options) => upload.complete([{ number: 1, size: partBytes, etag: 'x' }], options),
    abort: (_, upload, options) => upload.abort(options),
  };
}

export async function abortConformance(t: Test, { storage, features, fresh }: Subject): Promise<void> {
  await t.test('aborted before', async (t) => {
    const store = await fresh();
    await store.put('old', [pattern(1000)]);
    const upload = await store.createUpload('held');
    const signal = AbortSignal.abort();
    for (const [name, call] of Object.entries(calls(features.partBytes))) {
      await t.rejects(call(store, upload, { signal }), refusal('aborted', { code: 'VOST_ABORTED' }), name);
    }
    await t.rejects(storage.lsus({ signal }), refusal('aborted'), 'lsus');
    await t.rejects(storage.createLsu('conformance-aborted', { signal }), refusal('aborted'), 'createLsu');
    await t.rejects(storage.open(store.lsu, { signal }), refusal('aborted'), 'open');
    t.notOk((await storage.lsus()).includes('conformance-aborted'));
    t.same(await keysOf(store), ['old'], 'nothing was written');
    t.same(await upload.listParts(), []);
    await upload.abort();
  });

  await t.test('aborted in flight', async (t) => {
    const store = await fresh();
    await store.put('old', [pattern(1000)]);
    const upload = await store.createUpload('held');
    const table = calls(features.partBytes);
    for (const name of ['put', 'putStream', 'read', 'putPart', 'copy']) {
      const stop = new AbortController();
      const running = table[name]?.(store, upload, { signal: stop.signal });
      stop.abort();
      await t.rejects(running ?? Promise.resolve(), refusal('aborted'), name);
    }
    t.same(await keysOf(store), ['old'], 'nothing is visible');
    t.same(await all(store.listFolders('')), []);
    await upload.abort();
    t.same(await all(store.listUploads('')), [], 'and nothing is left');
  });

  await t.test('a listing is aborted between two keys', async (t) => {
    const store = await fresh();
    const keys = Array.from({ length: features.pageSize + 2 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => store.put(key, [])));
    const stop = new AbortController();
    const seen: string[] = [];
    const listing = (async () => {
      for await (const info of store.list({ signal: stop.signal })) {
        seen.push(info.key);
        stop.abort();
      }
    })();
    await t.rejects(listing, refusal('aborted'));
    t.equal(seen.length, 1);
  });

  await t.test('the reason of the caller comes through', async (t) => {
    const store = await fresh();
    const reason = new EngineError('VOST_TEST', 'busy', 'enough');
    const error: unknown = await store.put('x', [], { signal: AbortSignal.abort(reason) }).catch((e: unknown) => e);
    t.equal(error, reason);
  });
}
