import t from 'tap';
import { imageIdOf } from '../../src/image/identity.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { attachWriteHandle, createWriteHandle } from '../../src/image/open-write-handle.ts';
import type { ObjectStore, Upload } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const NAME = identity('late');
const PREFIX = imagePrefix(imageIdOf(NAME));
const DATA = randomBytes(MIB + 512);

interface Held {
  readonly store: ObjectStore;
  /** The commit has been sent. */
  readonly sent: Promise<void>;
  /** Let it arrive. */
  readonly arrive: () => void;
}

/** The store of an engine whose commit is on its way for as long as we like. */
function holding(store: ObjectStore): Held {
  const sent = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const upload = (inner: Upload): Upload => ({
    key: inner.key,
    id: inner.id,
    putPart: (part, options) => inner.putPart(part, options),
    listParts: (options) => inner.listParts(options),
    abort: (options) => inner.abort(options),
    complete: async (parts, options) => {
      if (inner.key.endsWith(MANIFEST)) {
        sent.resolve();
        await gate.promise;
      }
      return inner.complete(parts, options);
    },
  });
  return {
    store: wrapStore(store, {
      createUpload: async (key, options) => upload(await store.createUpload(key, options)),
      resumeUpload: (key, id) => upload(store.resumeUpload(key, id)),
    }),
    sent: sent.promise,
    arrive: gate.resolve,
  };
}

t.test('a commit that was on its way when its engine was lost counts, or comes too late for good', async (t) => {
  promise({
    row: 'restart',
    promise: 'A commit that a lost engine had on its way is found by the next one, or changes nothing any more',
    fault: 'the completion of the manifest arrives before the next engine has its fence, and after it',
  });
  const resources = testResources(t);
  for (const early of [true, false]) {
    const inner = await memoryLsu({ minPartBytes: 1 });
    const old = holding(inner);
    const handle = await createWriteHandle(context(old.store, resources), layout(resources, 'late'));
    await feed(handle, new Slots(4), DATA);
    const closing = handle.close('complete', DATA.byteLength).then(
      () => undefined,
      (error: unknown) => error,
    );
    await old.sent;
    const store = wrapStore(inner, {
      createUpload: async (key, options) => {
        if (early) {
          old.arrive();
          await closing;
        }
        return inner.createUpload(key, options);
      },
    });
    const found = await attachWriteHandle(context(store, resources), NAME, 'write', TUNING);
    t.equal(found.committed, early);
    old.arrive();
    if (found.handle === undefined) t.equal(await closing, undefined);
    else {
      t.match(await closing, refusal('busy', { code: 'VOST_CLAIM_LOST' }));
      await feed(found.handle, new Slots(4), DATA);
      await found.handle.close('complete', DATA.byteLength);
    }
    t.ok((await readImage(inner, resources, imageIdOf(NAME))).equals(DATA));
    t.same(
      (await keysOf(inner)).map((key) => key.slice(PREFIX.length)),
      ['fragment-000001', 'image.meta', 'index'],
    );
    t.same(await orphans(inner), []);
  }
});
