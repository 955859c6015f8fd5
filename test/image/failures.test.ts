import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { Stage } from '../../src/pipeline/stage.ts';
import { configureStage } from '../../src/pipeline/stage-registry.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import type { ObjectStore, Upload } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { keysOf, MIB, memoryLsu, randomBytes, readImage, testResources, writeImage, writerOptions } from './support.ts';

type Step =
  | 'list'
  | 'createUpload'
  | 'put pending'
  | 'putPart'
  | 'complete'
  | 'put index'
  | 'put image.meta'
  | 'put fragment'
  | 'delete'
  | 'abort';

/** A store whose n-th call of one step fails with an error of its own. */
function failing(
  store: ObjectStore,
  step: Step,
  nth: number,
): { store: ObjectStore; hits: () => number; fault: EngineError } {
  const fault = new EngineError('VOST_TEST_FAULT', 'access', `${step} ${nth} fails`);
  let calls = 0;
  const check = (now: string): void => {
    if (!now.startsWith(step)) return;
    calls += 1;
    if (calls === nth) throw fault;
  };
  const upload = (inner: Upload): Upload => ({
    key: inner.key,
    id: inner.id,
    putPart: async (part, options) => {
      check('putPart');
      return inner.putPart(part, options);
    },
    listParts: (options) => inner.listParts(options),
    complete: async (parts, options) => {
      check('complete');
      return inner.complete(parts, options);
    },
    abort: async (options) => {
      check('abort');
      return inner.abort(options);
    },
  });
  const faulty: Partial<ObjectStore> = {
    list: async function* (options) {
      check('list');
      yield* store.list(options);
    },
    put: async (key, body, options) => {
      check(`put ${key.split('/').at(-1)}`);
      return store.put(key, body, options);
    },
    delete: async (keys, options) => {
      check('delete');
      return store.delete(keys, options);
    },
    createUpload: async (key, options) => {
      check('createUpload');
      return upload(await store.createUpload(key, options));
    },
    resumeUpload: (key, id) => upload(store.resumeUpload(key, id)),
  };
  return { store: wrapStore(store, faulty), hits: () => calls, fault };
}

/** What gc names, oldest possible age. */
async function garbage(store: ObjectStore, dryRun: boolean): Promise<string[]> {
  const found: string[] = [];
  const options = { olderThanMs: 0, pendingOlderThanMs: 0, dryRun, now: Date.now() + 1000 };
  for await (const { kind, key } of collectGarbage(store, options)) found.push(`${kind} ${key}`);
  return found;
}

const steps: [Step, number, size: number][] = [
  ['list', 1, 4 * MIB],
  ['createUpload', 1, 4 * MIB],
  ['put pending', 1, 4 * MIB],
  ['putPart', 1, 4 * MIB],
  ['putPart', 3, 4 * MIB],
  ['putPart', 5, 4 * MIB + 1],
  ['list', 2, 4 * MIB],
  ['complete', 1, 4 * MIB],
  ['put index', 1, 4 * MIB],
  ['list', 3, 4 * MIB],
  ['put image.meta', 1, 4 * MIB],
  ['put fragment', 1, 1000],
  ['put index', 1, 1000],
  ['put image.meta', 1, 1000],
];

for (const [step, nth, size] of steps) {
  t.test(
    `a failure at ${step} (call ${nth}, ${size} bytes) leaves no image and nothing that gc does not name`,
    async (t) => {
      promise({
        row: 'gc',
        promise: 'A backup that fails leaves no visible image, and nothing that gc does not name',
        fault: 'each request of a backup fails for good, in turn',
      });
      const resources = testResources(t);
      const inner = await memoryLsu({ minPartBytes: 1 });
      const { store, hits, fault } = failing(inner, step, nth);
      await t.rejects(
        writeImage(store, resources, writerOptions(resources, 'x', { compress: nth === 5 }), randomBytes(size)),
        fault,
      );
      t.ok(hits() >= nth, 'the planned fault was met');
      t.equal(resources.budget.used, 0, 'no memory is held');
      const complete = [];
      for await (const entry of listImages(inner)) if (entry.state !== 'pending') complete.push(entry);
      t.same(complete, [], 'no visible image');
      t.same(await orphans(inner), [], 'gc names all that is left');
      await garbage(inner, false);
      t.same(await keysOf(inner), [], 'gc removed every object');
      const uploads = [];
      for await (const upload of inner.listUploads('')) uploads.push(upload);
      t.same(uploads, [], 'and every upload');
      if (step !== 'put image.meta' && step !== 'list') t.same(await garbage(inner, true), []);
      // The same image can be written again.
      const { imageId } = await writeImage(inner, resources, writerOptions(resources, 'x'), randomBytes(size));
      t.ok((await readImage(inner, resources, imageId)).equals(randomBytes(size)));
    },
  );
}

t.test('when cleaning up fails too, the first error is the one reported and gc finds the rest', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  const first = failing(inner, 'putPart', 2);
  const second = failing(first.store, 'abort', 1);
  const writer = await ImageWriter.create(second.store, resources, writerOptions(resources, 'x'));
  const error = await writer
    .write(0, randomBytes(6 * MIB))
    .then(() => writer.commit())
    .catch((caught: unknown) => caught);
  t.equal(error, first.fault);
  t.same(await writer.abort(error as Error), [second.fault]);
  t.match(await garbage(inner, true), [/^pending-image /]);
  t.same(await orphans(inner), []);
  await garbage(inner, false);
  t.same(await keysOf(inner), []);
});

t.test('an abort by signal stops the writer, cleans up and is told apart from a failure', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const controller = new AbortController();
  const writer = await ImageWriter.create(
    store,
    resources,
    writerOptions(resources, 'x', { signal: controller.signal }),
  );
  await writer.write(0, randomBytes(3 * MIB));
  controller.abort(new EngineError('VOST_INTERRUPTED', 'aborted', 'stopped'));
  await t.rejects(writer.write(3 * MIB, randomBytes(MIB)), refusal('aborted', { code: 'VOST_INTERRUPTED' }));
  t.same(await writer.abort(new Error('stopped')), []);
  t.same(await keysOf(store), []);
});

t.test('two writers of one image: the second to publish gives way and harms nothing', async (t) => {
  promise({
    row: '18',
    promise: 'Of two writers of one image one wins whole, the other is told; their bytes never mix',
    fault: 'an image is published while another writer of it is at work, small and large',
  });
  const resources = testResources(t);
  for (const size of [1000, 3 * MIB]) {
    const store = await memoryLsu();
    const options = writerOptions(resources, 'twin');
    const slow = await ImageWriter.create(store, resources, options);
    const { imageId } = await writeImage(store, resources, options, randomBytes(size, 'winner'));
    await slow.write(0, randomBytes(2 * MIB + 5, 'loser'));
    const error = await slow.commit().catch((caught: unknown) => caught);
    t.match(error, refusal('exists'));
    await slow.abort(error as Error);
    t.ok(
      (await readImage(store, resources, imageId)).equals(randomBytes(size, 'winner')),
      `the winner's ${size} bytes are whole`,
    );
    t.same(await orphans(store), []);
  }
});

t.test('an unfinished image of another writer is not taken over', async (t) => {
  promise({
    row: '18',
    promise: 'An image that somebody is writing cannot be begun again',
    fault: 'a second create while parts are under way',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  const options = writerOptions(resources, 'twin');
  const first = await ImageWriter.create(store, resources, options);
  await first.write(0, randomBytes(2 * MIB));
  while (first.progress.acknowledged === 0) await new Promise(setImmediate);
  await t.rejects(ImageWriter.create(store, resources, options), refusal('exists', { code: 'VOST_IMAGE_PENDING' }));
  await first.commit();
});

/** A stage that fails on its third chunk, in the way given. */
function failingStage(how: 'throws' | 'rejects' | 'flush' | 'close', fault: Error): Stage<object> {
  return {
    name: 'vendor',
    version: '1.0.0',
    options: z.strictObject({}),
    transforms: false,
    bound: (length) => length,
    workingBytes: () => 0,
    inverse: () => ({ concurrency: 1, apply: (chunk) => chunk }),
    forward: () => ({
      concurrency: 2,
      apply: (chunk) => {
        if (chunk.index !== 2 || how === 'flush' || how === 'close') return chunk;
        if (how === 'throws') throw fault;
        return Promise.reject(fault);
      },
      flush: async () => {
        if (how === 'flush') throw fault;
      },
      close: async () => {
        if (how === 'close') throw fault;
      },
    }),
  };
}

const openDescriptors = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

t.test(
  'a stage that fails in any way ends the image with its own error, on a directory without a file left open',
  async (t) => {
    promise({
      row: '17',
      promise: 'A stage that fails ends its image with its own error; no file, upload or memory is left',
      fault: 'a stage that throws, rejects, fails in flush or in close, on a directory',
    });
    const dir = t.testdir({ lsu: {} });
    const storage = openStorage(`file:${dir}`);
    t.teardown(() => storage.close());
    const store = await storage.open('lsu');
    for (const how of ['throws', 'rejects', 'flush', 'close'] as const) {
      const resources = testResources(t);
      const fault = new Error(`the stage ${how}`);
      const stages = [configureStage(failingStage(how, fault), {})];
      const options = writerOptions(resources, 'x', { stages });
      await t.rejects(writeImage(store, resources, options, randomBytes(6 * MIB)), fault);
      t.same(await keysOf(store), []);
      t.same(await garbage(store, true), []);
      t.same(await orphans(store, `${dir}/lsu`), []);
      t.equal(resources.budget.used, 0);
    }
    t.same(
      openDescriptors().filter((path) => path.startsWith(dir)),
      [],
    );
  },
);

t.test('a digest that fails ends the image, and so does a source that fails', async (t) => {
  promise({
    row: '10',
    promise: 'A source that fails ends its backup and leaves nothing',
    fault: 'a source that fails in mid-part; a digest that fails',
  });
  const store = await memoryLsu();
  const fault = new Error('the addon fails');
  const broken = { ...testResources(t) };
  let digests = 0;
  const failing: Resources['bridge'] = {
    ...broken.bridge,
    leafDigests: async (data) => {
      digests += 1;
      if (digests === 3) throw fault;
      return broken.bridge.leafDigests(data);
    },
  };
  await t.rejects(
    writeImage(store, { ...broken, bridge: failing }, writerOptions(broken, 'x'), randomBytes(6 * MIB)),
    fault,
  );
  t.same(await keysOf(store), []);

  const writer = await ImageWriter.create(store, broken, writerOptions(broken, 'x'));
  await writer.write(0, randomBytes(3 * MIB));
  t.same(await writer.abort(new Error('the source fails')), []);
  await t.rejects(writer.write(3 * MIB, randomBytes(1)), { message: 'the source fails' });
  t.same(await keysOf(store), []);
  t.equal(broken.budget.used, 0);
});
