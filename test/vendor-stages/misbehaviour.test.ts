import { writeFileSync } from 'node:fs';
import t from 'tap';
import { MIB, memoryLsu, randomBytes, readImage, writeImage, writerOptions } from '../image/support.ts';
import { refusal } from '../support/refusal.ts';
import { fixture, general, load } from './support.ts';

const data = randomBytes(3 * MIB);

const CASES = [
  ['throw', 'VOST_STAGE_FAILED', /encode of chunk 1: out of ideas/],
  ['reject', 'VOST_STAGE_FAILED', /no luck/],
  ['hang', 'VOST_STAGE_TIMEOUT', /did not answer for 1 second/],
  ['never', 'VOST_STAGE_TIMEOUT', /did not answer/],
  ['memory', 'VOST_STAGE_MEMORY', /MiB of memory/],
  ['exit', 'VOST_STAGE_CRASHED', /ended with code 0/],
  ['later', 'VOST_STAGE_CRASHED', /too late/],
  ['long', 'VOST_STAGE_LENGTH', /returned 1053576 bytes where at most 1052672 were due/],
  ['empty', 'VOST_STAGE_LENGTH', /returned 0 bytes/],
  ['text', 'VOST_STAGE_FAILED', /no Uint8Array/],
] as const;

for (const [name, code, message] of CASES) {
  t.test(`a stage that does “${name}” fails its image only`, async (t) => {
    const store = await memoryLsu();
    const { resources, chain } = await load(t, general(fixture('bad')));
    const stages = chain.transforms;
    const write = (image: string) => writeImage(store, resources, { ...writerOptions(resources, image), stages }, data);
    const [bad, good] = await Promise.allSettled([write(name), write('good')]);
    t.match(bad, { status: 'rejected', reason: { code, failure: 'internal', message } });
    t.match(bad, { reason: { message: /^stage @acme\/vast-ost-stage-bad, /, details: { chunk: 1 } } });
    t.equal(good.status, 'fulfilled');
    if (good.status === 'fulfilled') t.ok((await readImage(store, resources, good.value.imageId)).equals(data));
  });
}

t.test('the same on the way back', async (t) => {
  const store = await memoryLsu();
  const { resources, chain } = await load(t, general(fixture('bad')));
  const read = async (name: string): Promise<Buffer> => {
    const options = { ...writerOptions(resources, `decode-${name}`), stages: chain.transforms };
    const { imageId } = await writeImage(store, resources, options, data);
    return readImage(store, resources, imageId);
  };
  await t.rejects(read('throw'), refusal('integrity', { code: 'VOST_STAGE_DECODE', message: /out of ideas/ }));
  await t.rejects(read('reject'), refusal('internal', { code: 'VOST_STAGE_FAILED' }));
  await t.rejects(read('hang'), refusal('internal', { code: 'VOST_STAGE_TIMEOUT' }));
  await t.rejects(
    read('short'),
    refusal('integrity', { code: 'VOST_STAGE_LENGTH', message: /1048575 bytes where 1048576 were due/ }),
  );
  t.ok((await read('nothing')).equals(data));
});

t.test('a secret that a stage lets slip does not get out', async (t) => {
  const store = await memoryLsu();
  const file = `${t.testdir({})}/key`;
  writeFileSync(file, 'canary-key\n', { mode: 0o600 });
  const { resources, chain } = await load(t, general(`${fixture('bad')}:key=file:${file}`));
  const options = { ...writerOptions(resources, 'secret'), stages: chain.transforms };
  await t.rejects(
    writeImage(store, resources, options, data),
    refusal('credentials', { code: 'VOST_STAGE_SECRET', message: /the key … does not fit/ }),
  );
});

t.test('an abort while a stage hangs', async (t) => {
  const store = await memoryLsu();
  const { resources, chain } = await load(t, general(fixture('bad')));
  const stop = new AbortController();
  const options = { ...writerOptions(resources, 'never', { signal: stop.signal }), stages: chain.transforms };
  const writing = writeImage(store, resources, options, data);
  setImmediate(() => stop.abort());
  await t.rejects(writing, refusal('aborted'));
});
