import t from 'tap';
import { MIB, memoryLsu, randomBytes, readImage, writeImage, writerOptions } from '../image/support.ts';
import { refusal } from '../support/refusal.ts';
import { fixture, general, load } from './support.ts';

const data = randomBytes(2 * MIB + 1000);

t.test('an observer sees every chunk, reports, and leaves no trace', async (t) => {
  const store = await memoryLsu();
  const { resources, chain, reports } = await load(t, general(fixture('watch')));
  const write = (name: string) =>
    writeImage(store, resources, { ...writerOptions(resources, name), observers: chain.observers }, data);
  const { imageId, manifest } = await write('a');
  t.same(
    manifest.chain.map(({ name }) => name),
    ['checksum'],
  );
  t.same(reports, [
    {
      stage: 'vast-ost-stage-watch',
      image: 'a',
      severity: 'warning',
      text: 'seen',
      values: { bytes: 4096 * 2 + 1000, leaves: 3, chunks: 3, complete: 1 },
    },
  ]);
  await t.rejects(
    write('refused'),
    refusal('internal', {
      code: 'VOST_STAGE_FAILED',
      message: /vast-ost-stage-watch, observe of chunk \d: this one not/,
    }),
  );
  const without = await load(t, '');
  t.ok((await readImage(store, without.resources, imageId)).equals(data));
});

t.test('a router', async (t) => {
  const { chain } = await load(t, general(fixture('route')));
  const image = { lsu: 'l', name: 'a', date: '1', policy: 'gold', schedule: '', client: '' };
  const [router] = chain.routers;
  if (router === undefined) throw new Error('no router');
  t.same(await router.route(image, undefined), { lsu: 'gold' });
  t.same(await router.route({ ...image, policy: '' }, undefined), {});
  const bad = router.route({ ...image, policy: '../x' }, undefined);
  await t.rejects(bad.then(), refusal('internal', { code: 'VOST_STAGE_ROUTE' }));
});
