import t from 'tap';
import { readState } from '../../src/console/read-state.ts';
import { takeSample } from '../../src/console/sample.ts';
import { EngineMetrics } from '../../src/metrics/engine-metrics.ts';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { Bench } from '../ost/support/engine.ts';
import { LoadHost } from '../soak/load-host.ts';
import { serveConsole } from './support.ts';

/** Twice as many say what a thousand would. */
const FEW = 120;
const MANY = 2 * FEW;
/** Of one picture, which comes every second. */
const PICTURE_BYTES = 128 * 1024;
const METRICS_BYTES = 1_000_000;

t.test('what is told does not grow with the images that are open', async (t) => {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  const metrics = new EngineMetrics();
  t.teardown(() => metrics.close());
  metrics.watch(engine);
  const load = new LoadHost(await bench.host({ slotCount: 64, journalCount: MANY }), 'lsu');
  const { ask } = await serveConsole(t, engine);
  const look = async (images: number) => {
    await load.openMany(images - load.images.length);
    await load.writeEach();
    const text = await metrics.registry.text();
    const series = text.split('\n').map((line) => line.replace(/ \S+$/, ''));
    const before = takeSample(engine, 0);
    const state = readState(engine, before, takeSample(engine, 1_000));
    return { text, series, state, picture: JSON.stringify(state) };
  };
  const few = await look(FEW);
  const many = await look(MANY);
  t.strictSame(many.series, few.series, 'no series comes with an image');
  t.ok(many.text.length < METRICS_BYTES, `${many.text.length} bytes of metrics`);
  t.match(many.state.images, { running: MANY, shown: { length: 100 } });
  t.ok(many.picture.length < PICTURE_BYTES, `${many.picture.length} bytes in a picture`);
  t.ok(many.picture.length < 1.1 * few.picture.length);

  // The rest comes in pages.
  const ids = new Set<string>();
  for (let offset = 0; offset < MANY; offset += 50) {
    const { json } = await ask(`/api/v1/images?offset=${offset}&limit=50`);
    const { running } = json as { running: { image_id: string }[] };
    t.ok(running.length <= 50);
    for (const image of running) ids.add(image.image_id);
  }
  t.equal(ids.size, MANY);
  t.strictSame((await ask(`/api/v1/images?offset=${MANY}`)).json, { running: [], ended: [] });
  t.equal((await ask('/api/v1/images?limit=1001')).status, 400);
});
