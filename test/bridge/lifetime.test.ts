import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { bridge, LEAF_BYTES } from '../../src/bridge/bridge.ts';
import { runChild } from './child.ts';

const bridgeUrl = new URL('../../src/bridge/bridge.ts', import.meta.url).href;
const prologue = `const { parentPort } = await import('node:worker_threads');
  const { bridge } = await import(${JSON.stringify(bridgeUrl)});\n`;

function worker(source: string): Worker {
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(prologue + source)}`));
}

t.test('several workers at once, with slabs of their own', async (t) => {
  const source = `
    const slab = bridge.allocSlab(4 << 20);
    const bytes = new Uint8Array(slab).fill(5);
    const all = [bridge.leafDigests(bytes), bridge.sha256([bytes.subarray(1)]), bridge.md5([bytes, bytes])];
    parentPort.postMessage((await Promise.all(all)).map((digest) => digest.toString('hex')).join());
    bridge.freeSlab(slab);`;
  const workers = Array.from({ length: 4 }, () => worker(source));
  const exits = workers.map((one) => once(one, 'exit'));
  const answers = await Promise.all(workers.map((one) => once(one, 'message')));
  const bytes = new Uint8Array(4 << 20).fill(5);
  const expected = await Promise.all([
    bridge.leafDigests(bytes),
    bridge.sha256([bytes.subarray(1)]),
    bridge.md5([bytes, bytes]),
  ]);
  for (const [answer] of answers) t.equal(answer, expected.map((digest) => digest.toString('hex')).join());
  t.same(await Promise.all(exits), [[0], [0], [0], [0]]);
});

t.test('workers that are terminated or exit while their digests run', async (t) => {
  const start = `
    const slab = bridge.allocSlab(16 << 20);
    const mine = new Uint8Array(8 << 20);
    for (let i = 0; i < 20; i++) {
      bridge.leafDigests(new Uint8Array(slab));
      bridge.sha256([mine]);
      bridge.md5([mine.subarray(i), new Uint8Array(slab)]);
      bridge.prefault(new Uint8Array(slab, i << 19));
    }
    bridge.md5([mine.subarray(9)]).then(() => parentPort.postMessage('one ended'));
    parentPort.postMessage('started');`;
  const expected = await bridge.leafDigests(new Uint8Array(2 * LEAF_BYTES));
  for (let round = 0; round < 6; round++) {
    const exiting = worker(`${start}\nif (${round % 2 === 0}) process.exit(3);`);
    const ended = once(exiting, 'exit');
    const terminated = worker(start);
    await once(terminated, 'message');
    const [code] = await Promise.all([terminated.terminate(), bridge.leafDigests(new Uint8Array(2 * LEAF_BYTES))]);
    t.equal(code, 1);
    t.same(await ended, [round % 2 === 0 ? 3 : 0]);
    t.same(await bridge.leafDigests(new Uint8Array(2 * LEAF_BYTES)), expected);
  }
});

t.test('the native threads outlive the only worker that had loaded the addon', async (t) => {
  const result = await runChild(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const source = \`const { bridge } = await import('\${bridgeUrl}');
      const digest = await bridge.md5([new Uint8Array(100000)]);
      bridge.leafDigests(new Uint8Array(50 << 20));
      (await import('node:worker_threads')).parentPort.postMessage(digest.toString('hex'));
      process.exit(0);\`;
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)));
      const exit = once(worker, 'exit');
      const [digest] = await once(worker, 'message');
      console.log(digest, (await exit)[0]);
    }`);
  t.equal(result.stderr, '');
  t.equal(result.code, 0);
  const digest = await bridge.md5([new Uint8Array(100000)]);
  t.equal(result.stdout, `${digest.toString('hex')} 0\n`.repeat(5));
});

t.test('a pending digest keeps the process, an idle addon does not', async (t) => {
  const result = await runChild(`
    const { bridge } = await import(bridgeUrl);
    bridge.leafDigests(new Uint8Array(20 << 20)).then((digests) => {
      console.log(digests.length);
      bridge.md5([new Uint8Array(1)]).then(() => console.log('again'));
    });`);
  t.same(result, { code: 0, stdout: '640\nagain\n', stderr: '' });
});

t.test('a process may exit in the middle of digests', async (t) => {
  const result = await runChild(`
    const { bridge } = await import(bridgeUrl);
    const bytes = new Uint8Array(64 << 20);
    for (let i = 0; i < 50; i++) bridge.leafDigests(bytes);
    await bridge.md5([bytes.subarray(0, 10)]);
    process.exit(7);`);
  t.same(result, { code: 7, stdout: '', stderr: '' });
});
