import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { processors, shareProcessors } from '../../src/pipeline/processors.ts';

const FILE = new URL('../../src/pipeline/processors.ts', import.meta.url).href;

async function ofThread(): Promise<unknown> {
  const code = `import(${JSON.stringify(FILE)}).then((m) => require('node:worker_threads').parentPort.postMessage(m.processors()))`;
  const worker = new Worker(code, { eval: true, execArgv: [] });
  const [told] = (await once(worker, 'message')) as [unknown];
  await worker.terminate();
  return told;
}

t.test('threads that share the processors plan with their part of them', async (t) => {
  const all = availableParallelism();
  t.equal(processors(), all);
  t.equal(await ofThread(), all);
  shareProcessors(2);
  t.equal(await ofThread(), Math.max(1, Math.floor(all / 2)));
  shareProcessors(10_000);
  t.equal(await ofThread(), 1, 'at least one');
  shareProcessors(0);
  t.equal(await ofThread(), all);
});
