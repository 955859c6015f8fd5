import t from 'tap';
import { gate, turns, until } from '../support/turns.ts';
import { memoryBench } from './support/engine.ts';
import { imageId } from './support/host.ts';

t.test('whose turn it is: the host fills, all slots are full, one comes back', async (t) => {
  const bench = await memoryBench(t, { engine: 'slots_per_image = 4' });
  const engine = bench.engine;
  if (engine === undefined) throw new Error('no engine');
  const host = await bench.host();
  const stored = gate();
  bench.backend.store = () => stored.promise;
  const { window, chunk_bytes: chunk } = await host.create(1n, imageId('one'));
  const { meters } = engine.services.resources;
  /** What the stage is doing now: time passes in one state only. */
  const doing = async (stage: string): Promise<string[]> => {
    const read = () => meters.totals().find((totals) => totals.stage === stage)?.times;
    const before = read();
    await turns(3);
    const after = read();
    if (before === undefined || after === undefined) return [];
    return (['busy', 'upstream', 'downstream'] as const).filter((state) => after[state] > before[state]);
  };
  t.strictSame(await doing('source'), ['busy'], 'it may ask for a slot');
  for (let at = 0; at < window - 1; at += 1) await host.write(1n, at, at, Buffer.alloc(chunk));
  t.strictSame(await doing('source'), ['busy'], 'there is one more');
  await host.ask('SLOT_WANT', { handle: 1n, chunk: BigInt(window - 1), slot: window - 1 });
  t.strictSame(await doing('source'), ['busy'], 'it fills one');
  const notice = { handle: 1n, chunk: BigInt(window - 1), slot: window - 1, length: chunk, flags: 0 };
  host.tell('SLOT_FULL', notice);
  await until(() => [...engine.services.writers.values()][0]?.counters.slots === window);
  t.strictSame(await doing('source'), ['downstream'], 'all are full');
  stored.open();
  await host.notice('SLOT_FREE', { handle: 1n });
  t.strictSame(await doing('source'), ['busy']);
  const bytes = meters.totals().find(({ stage }) => stage === 'source')?.bytesOut;
  t.equal(bytes, window * chunk);
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(window * chunk) });
  t.match(engine.services.ended.all(), [{ operation: 'write', result: 'complete', bytes: window * chunk }]);

  await host.openRead(2n, imageId('one'));
  t.strictSame(await doing('target'), ['busy'], 'it wants nothing yet');
  t.strictSame(await doing('source'), [], 'the other has ended');
});
