import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { DIGEST_BYTES } from '../../src/bridge/bridge.ts';
import { TreeHash } from '../../src/stages/tree-hash.ts';
import { noise } from '../support/chunks.ts';

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** Level by level, as the specification says it. */
function naive(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256();
  let level = leaves;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const pair = level.slice(at, at + 2);
      next.push(pair.length === 2 ? sha256(...pair) : (pair[0] as Uint8Array));
    }
    level = next;
  }
  return level[0] as Uint8Array;
}

const digests = (count: number, seed = 1): Uint8Array[] => {
  const bytes = noise(count * DIGEST_BYTES, seed);
  return Array.from({ length: count }, (_, nth) => bytes.subarray(nth * DIGEST_BYTES, (nth + 1) * DIGEST_BYTES));
};

t.test('vectors', async (t) => {
  const [a, b, c, d, e, f, g] = Array.from({ length: 7 }, (_, nth) => sha256(Buffer.from(`leaf ${nth}`))) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const root = (...leaves: Buffer[]): string =>
    Buffer.from(new TreeHash().push(Buffer.concat(leaves)).root()).toString('hex');
  t.equal(root(), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'SHA-256 of nothing');
  t.equal(root(a), a.toString('hex'));
  t.equal(root(a, b), sha256(a, b).toString('hex'));
  t.equal(root(a, b, c), sha256(sha256(a, b), c).toString('hex'));
  t.equal(root(a, b, c, d, e), sha256(sha256(sha256(a, b), sha256(c, d)), e).toString('hex'));
  t.equal(
    root(a, b, c, d, e, f, g),
    sha256(sha256(sha256(a, b), sha256(c, d)), sha256(sha256(e, f), g)).toString('hex'),
  );
});

t.test('two leaves of zeros', async (t) => {
  // Two equal leaves: anybody can check it with sha256sum.
  const leaf = sha256(Buffer.alloc(1024 * 1024));
  t.equal(leaf.toString('hex'), '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58');
  t.strictSame(Buffer.from(new TreeHash().push(leaf).push(leaf).root()), sha256(leaf, leaf));
});

t.test('like the naive way for every count up to 300', async (t) => {
  for (let count = 0; count <= 300; count += 1) {
    const leaves = digests(count, count + 1);
    const tree = new TreeHash().push(Buffer.concat(leaves));
    assert.deepEqual(Buffer.from(tree.root()), Buffer.from(naive(leaves)), `${count} leaves`);
  }
  t.pass('all counts');
});

t.test('property: pushes may be cut anywhere, and the root may be asked for in between', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 12 }), (counts) => {
        const leaves = digests(
          counts.reduce((sum, count) => sum + count, 0),
          3,
        );
        const tree = new TreeHash();
        let at = 0;
        for (const count of counts) {
          tree.push(Buffer.concat(leaves.slice(at, at + count)));
          at += count;
          assert.deepEqual(Buffer.from(tree.root()), Buffer.from(naive(leaves.slice(0, at))));
        }
      }),
      { numRuns: 200 },
    ),
  );
});

t.test('the memory that was pushed is the caller’s again', async (t) => {
  for (const make of [(): Uint8Array => Buffer.from(noise(96)), (): Uint8Array => Uint8Array.from(noise(96))]) {
    const pushed = make();
    const tree = new TreeHash().push(pushed);
    const root = Buffer.from(tree.root());
    pushed.fill(0);
    t.strictSame(Buffer.from(tree.root()), root);
  }
});
