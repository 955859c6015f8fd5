import { bridge } from '../bridge/bridge.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { ObserverDescription } from '../vendor-stages/description.ts';
import type { LoadedStage, StageConfiguration } from '../vendor-stages/loaded-stage.ts';
import { configuredObserver } from '../vendor-stages/vendor-observer.ts';
import { configuredRouter } from '../vendor-stages/vendor-router.ts';
import { type Bench, errorOf, KIT_IMAGE, NotGood } from './bench.ts';
import type { Check } from './check.ts';
import { CONTENTS, EDGE_SIZES, sampleBytes } from './samples.ts';

/** What every observer has to stand. */
export function observerChecks(
  stage: LoadedStage<ObserverDescription>,
  configuration: StageConfiguration,
  bench: Bench,
): Check[] {
  let changed = false;
  const onChange = (): void => {
    changed = true;
  };
  const observing = (suspends = false) =>
    configuredObserver(stage, configuration, onChange).observe({
      ...bench.env(new LeaseScope()),
      suspends: () => suspends,
    });
  return [
    {
      name: 'chunks of all kinds',
      run: async () => {
        for (const content of CONTENTS) {
          const instance = observing();
          for (const [index, size] of EDGE_SIZES.entries()) {
            const data = sampleBytes(content, size);
            const leaves = new Uint8Array(await bridge.leafDigests(data));
            await bench.apply(instance, data, { index, leaves });
          }
          await instance.flush?.();
        }
        bench.checkMemory();
        if (changed)
          throw new NotGood(
            'it writes to the chunk that it is shown: the image has another one, but each page is copied',
          );
        return `${EDGE_SIZES.length} sizes of ${CONTENTS.join(', ')}`;
      },
    },
    {
      name: 'many chunks at once, in any order',
      run: async () => {
        const instance = observing();
        const data = sampleBytes('text', 300_000);
        await Promise.all(Array.from({ length: 32 }, (_, at) => bench.apply(instance, data, { index: 31 - at })));
        await instance.flush?.();
        return '32';
      },
    },
    {
      name: 'a part of an image, and none',
      run: async () => {
        const rest = observing();
        await bench.apply(rest, sampleBytes('noise', 1000), { index: 7 });
        await rest.flush?.();
        await observing().flush?.();
        await observing(true).flush?.();
        return 'finish copes with what is missing';
      },
    },
    {
      name: 'abort',
      run: async () => {
        const stop = new AbortController();
        const signal = AbortSignal.any([stop.signal, bench.signal]);
        const instance = observing();
        const work = errorOf(
          bench.apply(instance, sampleBytes('text', 2 ** 20), { signal }).then(() => instance.flush?.()),
        );
        stop.abort();
        const error = await work;
        await instance.close?.();
        if (error !== undefined && error.failure !== 'aborted') throw new NotGood(`it ended with: ${error.message}`);
        bench.checkMemory();
        return 'ended';
      },
    },
  ];
}

/** What every router has to stand. */
export function routerChecks(stage: LoadedStage, configuration: StageConfiguration, bench: Bench): Check[] {
  const images = [
    KIT_IMAGE,
    { ...KIT_IMAGE, policy: '', schedule: '', client: '' },
    { ...KIT_IMAGE, name: 'ünïcode “name”', date: 'some day', client: 'x'.repeat(1000) },
  ];
  return [
    {
      name: 'routes',
      run: async () => {
        const router = configuredRouter(stage, configuration);
        const routes = [];
        for (const image of images) routes.push(JSON.stringify(await router.route(image, bench.signal)));
        return routes.join(', ');
      },
    },
  ];
}
