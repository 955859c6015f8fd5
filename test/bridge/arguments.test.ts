import { types } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';

type Call = (...values: unknown[]) => unknown;
const calls = Object.entries(bridge).filter((entry): entry is [string, Call] => typeof entry[1] === 'function');

/** These act on the process, or on its descriptors when given a number of one: arena.test.ts, dumps.test.ts, leave.test.ts and tcp.test.ts have them. */
const onSockets = ['receiveWithDescriptor', 'peerOf', 'sendDatagram', 'tcpProgress'];
const onProcess = ['forbidDumps', 'mapArena', 'sealsOf', 'tryLock', 'leave', ...onSockets];

t.test('the surface', (t) => {
  const memory = ['allocSlab', 'freeSlab', 'trimSlab', 'prefault', 'arenaView', 'unmapArena'];
  const windows = ['addressOf', 'createWindow', 'windowMemory', 'showSlab', 'windowChanged', 'clearWindow'];
  const copies = ['fillSlab', 'copySlab'];
  const digests = ['leafDigests', 'md5', 'sha256', 'xxh32'];
  t.same(calls.map(([name]) => name).sort(), [...memory, ...windows, ...copies, ...digests, ...onProcess].sort());
  t.match(bridge.implementation.sha256, /^(avx512|avx2|shani|openssl)(\/(avx512|avx2|shani|openssl))?$/);
  t.ok(Number.isInteger(bridge.implementation.threads) && bridge.implementation.threads >= 1);
  t.end();
});

t.test('lengths that are none', (t) => {
  const lengths = [
    undefined,
    null,
    '4096',
    4096n,
    {},
    Number.NaN,
    Infinity,
    -Infinity,
    -4096,
    0,
    1,
    4095,
    4096.5,
    2 ** 41,
  ];
  for (const length of [...lengths, 2 ** 53, 2 ** 64, 2 ** 1000]) {
    t.throws(() => bridge.allocSlab(length as number), { name: 'TypeError', message: /^allocSlab: / }, String(length));
  }
  t.end();
});

t.test('no memory', async (t) => {
  /** More address space than the kernel commits, whatever it over-commits. */
  const slabs: ArrayBuffer[] = [];
  t.throws(
    () => {
      for (let i = 0; i < 1000; i++) slabs.push(bridge.allocSlab(2 ** 40));
    },
    { name: 'Error', code: 'ENOMEM' },
  );
  for (const slab of slabs) bridge.freeSlab(slab);
});

t.test('things that are no slabs', (t) => {
  const slab = bridge.allocSlab(8192);
  const others = [undefined, null, 1, 'slab', {}, new ArrayBuffer(4096), new ArrayBuffer(0), new Uint8Array(slab)];
  for (const other of [...others, new SharedArrayBuffer(4096), new Proxy(slab, {}), new DataView(slab, 4096)]) {
    t.throws(() => bridge.freeSlab(other as ArrayBuffer), { name: 'TypeError', message: /^freeSlab: / });
    t.throws(() => bridge.trimSlab(other as ArrayBuffer), { name: 'TypeError', message: /^trimSlab: / });
  }
  t.equal(slab.byteLength, 8192);
  bridge.freeSlab(slab);
  t.end();
});

t.test('things that are no bytes', (t) => {
  const slab = bridge.allocSlab(4096);
  const others = [undefined, null, 1, 'bytes', {}, [], slab, new Uint16Array(4), new Uint8ClampedArray(4)];
  for (const other of [...others, new DataView(slab), new Int8Array(1), new Proxy(new Uint8Array(1), {})]) {
    t.throws(() => bridge.leafDigests(other as Uint8Array), { name: 'TypeError', message: /^leafDigests: / });
    t.throws(() => bridge.prefault(other as Uint8Array), { name: 'TypeError', message: /^prefault: / });
    for (const name of ['sha256', 'md5', 'xxh32'] as const) {
      t.throws(() => bridge[name]([new Uint8Array(1), other as Uint8Array]), {
        name: 'TypeError',
        message: `${name}: the bytes must be a Uint8Array`,
      });
    }
  }
  for (const other of [undefined, null, new Uint8Array(4), { length: 1 }, new Set(), 'ab']) {
    t.throws(() => bridge.sha256(other as unknown as Uint8Array[]), {
      name: 'TypeError',
      message: /^sha256: the pieces/,
    });
  }
  bridge.freeSlab(slab);
  t.end();
});

t.test('arrays of pieces that misbehave', (t) => {
  t.throws(() => bridge.md5(new Array<Uint8Array>(3)), { name: 'TypeError' }, 'holes');
  t.throws(() => bridge.md5(new Array<Uint8Array>(2 ** 20 + 1)), { name: 'TypeError', message: /more than 1048576/ });
  const throwing = Object.defineProperty([new Uint8Array(1)], 0, {
    get() {
      throw new RangeError('from the getter');
    },
  });
  t.throws(() => bridge.sha256(throwing), { name: 'RangeError', message: 'from the getter' });
  const slab = bridge.allocSlab(1 << 20);
  const detaching = Object.defineProperty([new Uint8Array(slab), new Uint8Array(1)], 1, {
    get() {
      bridge.freeSlab(slab);
      return new Uint8Array(1);
    },
  });
  t.throws(() => bridge.sha256(detaching), { name: 'TypeError', message: /freed or transferred/ });
  t.end();
});

t.test('anything at all: an answer or an exception, never a crash', async () => {
  const harmless = calls.filter(([name]) => !onProcess.includes(name));
  const strange = fc.oneof(
    fc.anything({
      withTypedArray: true,
      withBigInt: true,
      withSparseArray: true,
      withNullPrototype: true,
      withMap: true,
    }),
    fc.array(fc.oneof(fc.uint8Array(), fc.anything({ withTypedArray: true }))),
    fc.integer({ min: -10, max: 64 }).map((pages) => pages * 4096),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...harmless),
      fc.array(strange, { maxLength: 3 }),
      async ([name, call], values) => {
        try {
          const result = await call(...values);
          if (result instanceof ArrayBuffer) bridge.freeSlab(result);
          return (
            result === undefined || Buffer.isBuffer(result) || result instanceof ArrayBuffer || types.isExternal(result)
          );
        } catch (error) {
          return error instanceof TypeError && error.message.startsWith(`${name}: `);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
