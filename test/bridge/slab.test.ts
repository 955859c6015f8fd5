import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';

const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A line of /proc/self/status, bytes. */
function memory(field: 'VmSize' | 'VmRSS'): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1]) * 1024;
}

t.test('a slab is zeroed, writable and of the wanted length', (t) => {
  const slab = bridge.allocSlab(3 * 4096);
  t.equal(slab.byteLength, 3 * 4096);
  const bytes = new Uint8Array(slab);
  t.ok(bytes.every((byte) => byte === 0));
  bytes.fill(7);
  t.ok(bytes.every((byte) => byte === 7));
  bridge.freeSlab(slab);
  t.end();
});

t.test('an untouched slab costs no memory, freeing gives the addresses back at once', (t) => {
  const size = memory('VmSize');
  const resident = memory('VmRSS');
  const slab = bridge.allocSlab(512 * MIB);
  t.ok(memory('VmSize') - size >= 512 * MIB);
  t.ok(memory('VmRSS') - resident < 128 * MIB);
  bridge.freeSlab(slab);
  t.ok(memory('VmSize') - size < 256 * MIB);
  t.end();
});

t.test('a freed slab is detached, and freeing it again does nothing', (t) => {
  const slab = bridge.allocSlab(4096);
  const view = new Uint8Array(slab);
  bridge.freeSlab(slab);
  t.equal(slab.byteLength, 0);
  t.ok(slab.detached);
  t.equal(view.length, 0);
  bridge.freeSlab(slab);
  t.throws(() => bridge.trimSlab(slab), { name: 'TypeError', message: /was freed/ });
  t.throws(() => bridge.leafDigests(view), { name: 'TypeError', message: /freed or transferred/ });
  t.throws(() => bridge.md5([view]), { name: 'TypeError', message: /freed or transferred/ });
  t.end();
});

t.test('trimming zeroes the contents and frees the pages; the slab stays usable', (t) => {
  const slab = bridge.allocSlab(256 * MIB);
  const bytes = new Uint8Array(slab);
  bytes.fill(1);
  const full = memory('VmRSS');
  bridge.trimSlab(slab);
  t.ok(full - memory('VmRSS') > 128 * MIB);
  t.equal(slab.byteLength, 256 * MIB);
  t.equal(bytes.indexOf(1), -1);
  bytes[5] = 9;
  t.equal(bytes[5], 9);
  bridge.freeSlab(slab);
  t.end();
});

t.test('pages are made ahead on another thread, the ones that are asked for, and what is there stays', async (t) => {
  const slab = bridge.allocSlab(256 * MIB);
  const bytes = new Uint8Array(slab);
  bytes[MIB] = 7;
  const empty = memory('VmRSS');
  // From the middle of a page to the middle of another.
  await bridge.prefault(bytes.subarray(MIB - 100, 193 * MIB + 5));
  const made = memory('VmRSS') - empty;
  t.ok(made > 160 * MIB && made < 224 * MIB, `${made} bytes`);
  t.equal(bytes[MIB], 7);
  t.ok(bytes.subarray(2 * MIB, 4 * MIB).every((byte) => byte === 0));
  await bridge.prefault(bytes.subarray(256 * MIB - 1));
  t.ok(memory('VmRSS') - empty < 224 * MIB);
  for (const none of [bytes.subarray(5, 5), new Uint8Array(MIB)])
    t.throws(() => bridge.prefault(none), { name: 'TypeError', message: /^prefault: / }, 'no bytes of a slab');
  const freed = Array.from({ length: 8 }, (_, i) => bridge.prefault(bytes.subarray(i * MIB)));
  bridge.freeSlab(slab);
  t.same(
    await Promise.all(freed),
    new Array(8).fill(undefined),
    'memory that is freed meanwhile stays mapped until then',
  );
  t.throws(() => bridge.prefault(bytes), { name: 'TypeError', message: /^prefault: / });
});

t.test('slabs that nobody reaches any more are unmapped by the garbage collector', async (t) => {
  const before = memory('VmSize');
  (() => {
    for (let i = 0; i < 64; i++) bridge.allocSlab(64 * MIB);
  })();
  for (let round = 0; round < 50 && memory('VmSize') - before > 512 * MIB; round++) {
    collect();
    await setImmediate();
  }
  t.ok(memory('VmSize') - before <= 512 * MIB, 'less than an eighth of 4 GiB is left');
});

t.test('slabs freed by hand and then collected', async (t) => {
  const before = memory('VmSize');
  for (let i = 0; i < 2000; i++) bridge.freeSlab(bridge.allocSlab(64 * MIB));
  collect();
  await setImmediate();
  collect();
  t.ok(memory('VmSize') - before < 1024 * MIB);
});

t.test('a slab that is freed while it is read stays mapped until the digest is there', async (t) => {
  const expected = await bridge.leafDigests(new Uint8Array(MIB));
  for (let i = 0; i < 20; i++) {
    const slab = bridge.allocSlab(32 * MIB);
    const bytes = new Uint8Array(slab);
    const leaves = bridge.leafDigests(bytes);
    const flat = bridge.sha256([bytes.subarray(MIB, 2 * MIB), bytes.subarray(0, 0)]);
    bridge.freeSlab(slab);
    t.same(await leaves, Buffer.concat(new Array<Buffer>(32).fill(expected)));
    t.same(await flat, expected);
  }
});

t.test('a slab moved to another ArrayBuffer is still a slab', (t) => {
  const slab = bridge.allocSlab(4096);
  const moved = slab.transfer();
  new Uint8Array(moved).fill(3);
  bridge.trimSlab(moved);
  t.ok(new Uint8Array(moved).every((byte) => byte === 0));
  bridge.freeSlab(moved);
  t.equal(moved.byteLength, 0);
  t.end();
});
