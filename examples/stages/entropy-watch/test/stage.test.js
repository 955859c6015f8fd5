import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { seriesOf } from '../history.js';
import stage from '../index.js';
import { entropyOf, unusual } from '../judge.js';
import { candidates, changedShare, sketchOf } from '../sketch.js';

const folder = mkdtempSync(join(tmpdir(), 'entropy-watch-'));
after(() => rmSync(folder, { recursive: true }));
const sha = (text) => createHash('sha256').update(text).digest();
const options = stage.optionsSchema['~standard'].validate({ folder }).value;
const leaves = (from, to, name = 'leaf') =>
  Buffer.concat(Array.from({ length: to - from }, (_, at) => sha(`${name} ${from + at}`)));

test('entropy', () => {
  assert.equal(entropyOf(Buffer.alloc(100)), 0);
  assert.equal(entropyOf(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))), 8);
  assert.equal(entropyOf(Buffer.from('abababab')), 1);
  assert.ok(entropyOf(randomBytes(262_144)) > 7.99);
  assert.equal(entropyOf(new Uint8Array(0)), 0);
});

test('the share of what is new, estimated from a sample', () => {
  const image = (from, to) => sketchOf([candidates(leaves(from, to), 0)]);
  const before = image(0, 10_000);
  assert.equal(before.length, 512);
  assert.equal(changedShare(before, before), 0);
  assert.equal(changedShare(image(20_000, 30_000), before), 1);
  for (const [from, share] of [
    [1000, 0.1],
    [5000, 0.5],
    [9000, 0.9],
  ]) {
    const estimate = changedShare(image(from, from + 10_000), before);
    assert.ok(Math.abs(estimate - share) < 0.08, `${estimate} for ${share}`);
  }
  assert.equal(changedShare(image(0, 30), image(0, 20)), 10 / 30, 'small ones are exact');
  assert.equal(changedShare(before, []), undefined);
  assert.equal(changedShare(image(0, 7), image(0, 7)), undefined, 'and very small ones say nothing');
});

test('far into an image fewer digests are looked at, and its sample is the same', () => {
  const far = 2 ** 34;
  const part = candidates(leaves(0, 64_000), far);
  assert.ok(part.length < 64_000);
  assert.deepEqual(sketchOf([part]), sketchOf([candidates(leaves(0, 64_000), 0)]));
});

test('what is unusual', () => {
  const before = [5, 5.1, 4.9, 5, 5.05].map((entropy) => ({ entropy, changed: 0.1 }));
  const limits = { sensitivity: 4, learn: 5 };
  assert.deepEqual(unusual(before, { entropy: 5.2, changed: 0.2 }, limits), []);
  assert.deepEqual(unusual(before, { entropy: 5.2, changed: 0 }, limits), []);
  assert.match(
    unusual(before, { entropy: 7.98, changed: 0.1 }, limits).join(),
    /7\.98 bits per byte where 5\.00 are usual/,
  );
  assert.match(unusual(before, { entropy: 2, changed: 0.1 }, limits).join(), /2\.00 bits/);
  assert.match(unusual(before, { entropy: 5, changed: 1 }, limits).join(), /100 % of it are new where 10 % are usual/);
  assert.deepEqual(unusual(before.slice(1), { entropy: 8, changed: 1 }, limits), [], 'too few to tell');
  const wild = [1, 7, 2, 6, 3, 5].map((entropy) => ({ entropy, changed: undefined }));
  assert.deepEqual(unusual(wild, { entropy: 7.9, changed: undefined }, limits), []);
});

test('series', () => {
  const image = { lsu: 'l', name: 'c_1700000000_C1_F1', date: '1', policy: 'p', schedule: 's', client: 'c' };
  assert.deepEqual(seriesOf(image), ['l', 'c', 'p', 's', 'F']);
  assert.deepEqual(seriesOf({ ...image, name: 'c_1700086400_C1_F12' }), seriesOf(image));
  assert.notDeepEqual(seriesOf({ ...image, name: 'c_1700000000_C1_HDR' }), seriesOf(image));
  assert.deepEqual(seriesOf({ ...image, policy: `x/${image.name}` }), ['l', 'c', '', 's', 'F']);
  assert.equal(seriesOf({ ...image, policy: '', client: '' }), undefined);
});

/** A backup of a client: its chunks through the stage. */
async function backup(name, chunks, complete = true) {
  const reports = [];
  const image = { lsu: 'l', name, date: '1', policy: 'p', schedule: 's', client: 'c' };
  const context = { image, options, report: (report) => reports.push(report) };
  const found = chunks.map(({ data, digests }, index) => {
    const chunk = { index, offset: index * 2 ** 26, length: 2 ** 26 };
    return { chunk, result: JSON.parse(JSON.stringify(stage.observe(data, chunk, context, digests))) };
  });
  await stage.finish(found, complete, context);
  return reports;
}

const text = Buffer.from('Nov 21 10:00:00 host daemon[1]: all is well\n'.repeat(1000));
const day = (nth) =>
  Array.from({ length: 4 }, (_, at) => ({ data: text, digests: leaves(at * 64 + nth, at * 64 + 64 + nth) }));

test('six usual days, then the day on which everything is encrypted, and the one after it', async () => {
  for (let nth = 0; nth < 6; nth += 1) {
    const [report, ...others] = await backup(`c_170000000${nth}_C1_F1`, day(nth));
    assert.deepEqual(others, []);
    assert.equal(report.severity, 'info');
    assert.equal(report.values.unusual, 0);
  }
  const encrypted = day(0).map((_, at) => ({
    data: randomBytes(65_536),
    digests: leaves(at * 64, at * 64 + 64, 'encrypted'),
  }));
  const [alarm] = await backup('c_1700000009_C1_F1', encrypted);
  assert.equal(alarm.severity, 'warning');
  assert.match(
    alarm.text,
    /c_1700000009_C1_F1 is unlike the images before it: its entropy is .* usual; 100 % of it are new/,
  );
  assert.deepEqual([alarm.values.unusual, alarm.values.changed_share], [2, 1]);
  const [again] = await backup('c_1700000010_C1_F1', encrypted);
  assert.equal(again.severity, 'warning', 'one bad image is not the new normal');
  assert.equal(again.values.changed_share, 0);
});

test('the history is one small file for each series; one that is damaged is begun anew', async () => {
  const [file, ...others] = readdirSync(folder);
  assert.deepEqual(others, []);
  const path = join(folder, file);
  for (let nth = 0; nth < 40; nth += 1) await backup(`c_1700000${100 + nth}_C1_F1`, day(nth));
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).images.length, 30);
  assert.ok(statSync(path).size < 16_384);
  const bad = [
    '',
    'x',
    '{}',
    'null',
    '{"version":1,"images":[{"entropy":9}],"sketch":[]}',
    '{"version":1,"images":[],"sketch":[2,1]}',
    'x'.repeat(100_000),
  ];
  for (const content of bad) {
    writeFileSync(path, content);
    const [report] = await backup('c_1700000200_C1_F1', day(0));
    assert.equal(report.values.changed_share, undefined);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).images.length, 1);
  }
});

test('half an image, a very small and an empty one say nothing', async () => {
  assert.deepEqual(await backup('c_1700000300_C1_F1', day(0), false), []);
  assert.deepEqual(await backup('c_1700000300_C1_F1', []), []);
  const context = { image: { lsu: 'l', name: 'c_1_C1_HDR', policy: 'p', schedule: '', client: 'c' }, options };
  const found = [{ chunk: { index: 0, offset: 0, length: 512 }, result: { entropy: 8, digests: '' } }];
  await stage.finish(found, true, context);
  assert.equal(readdirSync(folder).length, 1, 'a header has no history');
});

test('options', () => {
  const check = (value) => stage.optionsSchema['~standard'].validate(value);
  assert.deepEqual(options, { folder, sensitivity: 4, learn: 5 });
  assert.match(check({ folder: 'x' }).issues[0].message, /must be the path/);
  assert.match(check({ folder, learn: 1 }).issues[0].message, /from 2 to 30/);
});
