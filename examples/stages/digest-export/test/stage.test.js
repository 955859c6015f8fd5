import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import stage from '../index.js';
import { chunkDigest, fileName, treeHash, writeWhole } from '../sidecar.js';

const folder = mkdtempSync(join(tmpdir(), 'digest-export-'));
after(() => rmSync(folder, { recursive: true }));
const image = { lsu: 'lsu', name: '../../etc/x', date: '1', policy: 'p', schedule: 's', client: 'c' };
const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const contextOf = (reports = []) => ({ options: { folder }, image, report: (one) => reports.push(one) });
const found = [0, 1].map((index) => ({ chunk: { index, offset: index * 10, length: 10 }, result: 'ab'.repeat(32) }));

test('digests as the image format has them', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => sha(Buffer.from(text)));
  assert.deepEqual(Buffer.from(treeHash([a])), a);
  assert.deepEqual(Buffer.from(treeHash([a, b, c])), sha(sha(a, b), c));
  assert.deepEqual(Buffer.from(treeHash([])), sha(Buffer.alloc(0)));
  assert.equal(chunkDigest(Buffer.concat([a, b])), sha(a, b).toString('hex'));
});

test('a list is whole, stands in the folder whatever the image is called, and replaces an older one', async () => {
  for (let nth = 0; nth < 2; nth += 1) await stage.finish(found, true, contextOf());
  const [name, ...others] = readdirSync(folder);
  assert.deepEqual(others, []);
  assert.equal(name, fileName(image));
  assert.match(name, /^lsu_------etc-x_1_[0-9a-f]{16}\.digests$/);
  const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
  assert.deepEqual(JSON.parse(lines[0]), {
    format: 'vast-ost-digests',
    version: 1,
    algorithm: 'sha256-tree',
    ...image,
  });
  assert.deepEqual(lines.slice(1), [`0 10 ${'ab'.repeat(32)}`, `10 10 ${'ab'.repeat(32)}`, '{"chunks":2,"size":20}']);
  assert.notEqual(fileName({ ...image, name: '..-..-etc-x' }), name);
});

test('of half an image there is none', async () => {
  const reports = [];
  await stage.finish(found.slice(1), false, contextOf(reports));
  assert.deepEqual(readdirSync(folder), []);
  assert.deepEqual(
    reports.map(({ severity }) => severity),
    ['warning'],
  );
});

test('a list that cannot be written leaves nothing behind', async () => {
  const lines = function* () {
    yield 'first';
    throw new Error('no more');
  };
  await assert.rejects(writeWhole(join(folder, 'x'), lines()), /no more/);
  assert.deepEqual(readdirSync(folder), []);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(stage.finish(found, true, { ...contextOf(), options: { folder: join(folder, 'file') } }));
  await assert.rejects(stage.finish(found, true, { ...contextOf(), options: { folder: join(folder, 'none') } }));
});

test('options', () => {
  const check = (value) => stage.optionsSchema['~standard'].validate(value);
  assert.deepEqual(check({ folder: '/x' }), { value: { folder: '/x' } });
  for (const folder of [undefined, 'x', 7]) assert.match(check({ folder }).issues[0].message, /must be the path/);
});
