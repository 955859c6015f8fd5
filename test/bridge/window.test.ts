import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { type AddonWindow, bridge } from '../../src/bridge/bridge.ts';

const PAGE = 4096;

/** A slab of pages, each filled with its number from 1 on. */
function filled(t: Test, pages: number): { slab: ArrayBuffer; bytes: Uint8Array; address: number } {
  const slab = bridge.allocSlab(pages * PAGE);
  t.teardown(() => bridge.freeSlab(slab));
  const bytes = new Uint8Array(slab);
  for (let page = 0; page < pages; page += 1) bytes.fill(page + 1, page * PAGE, (page + 1) * PAGE);
  return { slab, bytes, address: bridge.addressOf(slab) ?? 0 };
}

t.test('the address of a slab, and of nothing else', async (t) => {
  const { slab, address } = filled(t, 2);
  t.ok(address > 0 && address % PAGE === 0);
  t.equal(bridge.addressOf(slab), address);
  t.equal(bridge.addressOf(new ArrayBuffer(PAGE)), undefined);
  t.equal(bridge.addressOf(new SharedArrayBuffer(PAGE)), undefined);
});

t.test('a copy in a window: written to, it leaves the slab alone', async (t) => {
  const { bytes, address } = filled(t, 4);
  const window = bridge.createWindow(4 * PAGE);
  const memory = new Uint8Array(bridge.windowMemory(window));
  t.equal(memory.byteLength, 4 * PAGE);
  bridge.showSlab(window, address, PAGE + 10, PAGE, false);
  t.equal(memory[10], 2);
  t.equal(memory[PAGE], 3);
  t.equal(memory[2 * PAGE], 0, 'no more than the pages concerned');
  t.equal(bridge.windowChanged(window), false);
  memory[PAGE] = 200;
  t.equal(bridge.windowChanged(window), true);
  t.equal(bytes[2 * PAGE], 3);
  bridge.clearWindow(window);
  t.ok(memory.every((byte) => byte === 0));
  bridge.clearWindow(window);
});

t.test('the slab itself in a window', async (t) => {
  const { bytes, address } = filled(t, 2);
  const window = bridge.createWindow(2 * PAGE);
  const memory = new Uint8Array(bridge.windowMemory(window));
  bridge.showSlab(window, address, 0, 2 * PAGE, true);
  memory.fill(9);
  bridge.clearWindow(window);
  memory.fill(8);
  t.ok(bytes.every((byte) => byte === 9));
});

t.test('filling and copying', async (t) => {
  const { bytes, address } = filled(t, 2);
  const other = filled(t, 1);
  bridge.fillSlab(address, 5, Uint8Array.of(7, 7));
  bridge.copySlab(address, 4, other.address, 0, 4);
  t.same([...other.bytes.subarray(0, 5)], [1, 7, 7, 1, 1]);
  bridge.copySlab(address, 5, address, 6, 2);
  t.same([...bytes.subarray(4, 9)], [1, 7, 7, 7, 1]);
});

t.test('places that are none', async (t) => {
  const { slab, address } = filled(t, 2);
  const window = bridge.createWindow(PAGE);
  const strange = [undefined, 'window', {}, bridge.allocSlab(PAGE)] as unknown as AddonWindow[];
  for (const other of strange) {
    const name = 'TypeError';
    t.throws(() => bridge.showSlab(other, address, 0, 1, false), { name });
    t.throws(() => bridge.windowMemory(other), { name });
    t.throws(() => bridge.windowChanged(other), { name });
    t.throws(() => bridge.clearWindow(other), { name });
  }
  const wrong: [number, number, number][] = [
    [address + PAGE, 0, 1],
    [address, 2 * PAGE, 1],
    [address, 1, 2 * PAGE],
    [address, -1, 1],
    [address, 0.5, 1],
    [0, 0, 1],
  ];
  for (const [at, offset, bytes] of wrong) {
    const error = { name: 'TypeError', message: /no such place/ };
    t.throws(() => bridge.showSlab(window, at, offset, bytes, false), error);
    t.throws(() => bridge.fillSlab(at, offset, new Uint8Array(bytes)), error);
    t.throws(() => bridge.copySlab(at, offset, address, 0, bytes), error);
    t.throws(() => bridge.copySlab(address, 0, at, offset, bytes), error);
  }
  t.throws(() => bridge.showSlab(window, address, PAGE - 1, 2, false), { message: /too small/ });
  t.throws(() => bridge.showSlab(window, address, 0, 0, false), { name: 'TypeError' });
  bridge.freeSlab(slab);
  t.throws(() => bridge.showSlab(window, address, 0, 1, false), { message: /no such place/ });
});

const OTHER_THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.bridge).then(({ bridge }) => {
    const window = bridge.createWindow(${PAGE});
    const memory = bridge.windowMemory(window);
    bridge.showSlab(window, workerData.address, 0, ${PAGE}, false);
    const moved = memory.transfer();
    const bytes = new Uint8Array(moved);
    bytes[1] = 250;
    parentPort.postMessage(bytes[0]);
    if (workerData.hang) for (;;);
  });
`;

for (const hang of [false, true]) {
  t.test(`another thread that ${hang ? 'is ended while it looks' : 'ends'}`, async (t) => {
    const { bytes, address } = filled(t, 1);
    const data = { address, hang, bridge: new URL('../../src/bridge/bridge.ts', import.meta.url).href };
    const worker = new Worker(OTHER_THREAD, { eval: true, workerData: data });
    // Its last message and its end may come in the same turn.
    const ended = once(worker, 'exit');
    const [seen] = (await once(worker, 'message')) as [number];
    t.equal(seen, 1);
    if (hang) await worker.terminate();
    await ended;
    t.equal(bytes[1], 1);
  });
}
