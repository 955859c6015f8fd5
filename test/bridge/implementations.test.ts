import { readFileSync } from 'node:fs';
import t from 'tap';
import { runChild } from './child.ts';

/** Digests against node:crypto in a process of its own; prints what ran. */
const check = `
  import { createHash, randomFillSync } from 'node:crypto';
  const { bridge, LEAF_BYTES } = await import(bridgeUrl);
  const of = (name, data) => createHash(name).update(data).digest('hex');
  const pool = randomFillSync(new Uint8Array(21 * LEAF_BYTES + 100));
  const jobs = [];
  const expect = async (pending, expected) => {
    if ((await pending).toString('hex') !== expected) throw new Error('wrong digest');
  };
  for (const size of [0, 1, 55, 56, 64, 1000, LEAF_BYTES - 1, LEAF_BYTES, 5 * LEAF_BYTES + 3, 21 * LEAF_BYTES]) {
    const data = pool.subarray(size % 61, size % 61 + size);
    let leaves = '';
    for (let at = 0; at < size; at += LEAF_BYTES) leaves += of('sha256', data.subarray(at, at + LEAF_BYTES));
    jobs.push(expect(bridge.leafDigests(data), leaves));
    jobs.push(expect(bridge.sha256([data.subarray(0, 10), data.subarray(10)]), of('sha256', data)));
    jobs.push(expect(bridge.md5([data.subarray(0, 70), data.subarray(70)]), of('md5', data)));
  }
  await Promise.all(jobs);
  console.log(JSON.stringify(bridge.implementation));
`;

const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' '));
const needed = { avx512: ['avx512f', 'avx512bw'], avx2: ['avx2'], shani: ['sha_ni', 'ssse3', 'sse4_1'], openssl: [] };

for (const [name, features] of Object.entries(needed)) {
  t.test(`VAST_OST_SHA256=${name}`, async (t) => {
    const result = await runChild(check, { VAST_OST_SHA256: name, VAST_OST_HASH_THREADS: '3' });
    if (features.every((feature) => flags.has(feature))) {
      t.equal(result.stderr, '');
      t.same(JSON.parse(result.stdout), { sha256: name, threads: 3 });
    } else {
      t.not(result.code, 0);
      t.match(result.stderr, /does not run on this processor/);
    }
  });
}

t.test('auto and an empty value are the default', async (t) => {
  for (const name of ['auto', '']) {
    const result = await runChild(check, { VAST_OST_SHA256: name, VAST_OST_HASH_THREADS: '' });
    t.equal(result.stderr, '');
    t.match(result.stdout, /"sha256":"[a-z0-9/]+","threads":[1-4]\}/);
  }
});

t.test('values that mean nothing fail at load and name themselves', async (t) => {
  const bad: readonly (readonly [string, string])[] = [
    ['VAST_OST_SHA256', 'sha3'],
    ['VAST_OST_SHA256', 'AVX2'],
    ['VAST_OST_HASH_THREADS', '0'],
    ['VAST_OST_HASH_THREADS', '65'],
    ['VAST_OST_HASH_THREADS', '-1'],
    ['VAST_OST_HASH_THREADS', '2x'],
    ['VAST_OST_HASH_THREADS', '99999999999999999999'],
  ];
  const source = `await import(bridgeUrl).then(() => console.log('loaded'), (error) => console.log(JSON.stringify(error), error.message));`;
  for (const [name, value] of bad) {
    const result = await runChild(source, { [name]: value });
    t.match(result.stdout, 'VOST_BRIDGE_CONFIG', `${name}=${value}`);
    t.ok(result.stdout.includes(`${name} is '${value}'`.slice(0, 50)), result.stdout);
  }
});
