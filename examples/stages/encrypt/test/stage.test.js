import assert from 'node:assert/strict';
import { test } from 'node:test';
import stage from '../index.js';

const ring = (...lines) => ({ keys: Buffer.from(lines.join('\n')) });
const OLD = `old = hex:${'11'.repeat(32)}`;
const NEW = `new = base64:${Buffer.alloc(32, 2).toString('base64')}`;
const image = { lsu: 'lsu', name: 'client_1700000000_C1_F1', date: '1700000000', policy: '', schedule: '', client: '' };

const contextOf = (secrets, more = {}) => ({
  options: { identity: 'any' },
  recorded: {},
  sealed: {},
  secrets,
  image,
  report: () => undefined,
  ...more,
});
const chunkOf = (index, length = 1000) => ({ index, offset: index * 1000, length, maxBytes: length });

/** An image of some chunks, as storage and manifest have it. */
async function write(secrets, chunks, options = { identity: 'any' }) {
  const context = contextOf(secrets, { options });
  const recorded = JSON.parse(JSON.stringify(await stage.record(context)));
  const keys = await stage.open({ ...context, recorded });
  const stored = chunks.map((data, index) =>
    stage.encode(Uint8Array.from(data), chunkOf(index, data.length), context, keys),
  );
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  const sealed = JSON.parse(JSON.stringify(stage.seal({ size, chunks: chunks.length }, context, keys)));
  return { recorded, sealed, size, stored, options };
}
const open = (secrets, { recorded, sealed, size, options }, more = {}) =>
  stage.open(contextOf(secrets, { recorded, sealed, size, options, ...more }));

const chunks = [Buffer.alloc(1000, 'a'), Buffer.alloc(1000, 'a'), Buffer.alloc(10, 'c')];
const SECRETS = ring('current = old', OLD);

test('chunks come back; equal ones are not equal when they are encrypted', async () => {
  const written = await write(SECRETS, chunks);
  assert.notDeepEqual(written.stored[0].subarray(13), written.stored[1].subarray(13));
  const keys = await open(SECRETS, written);
  for (const [index, data] of chunks.entries()) {
    const chunk = chunkOf(index, data.length);
    assert.deepEqual(Buffer.from(stage.decode(written.stored[index].slice(), chunk, {}, keys)), data);
  }
});

test('nonces never come twice, also for the same chunk of the same image', async () => {
  const context = contextOf(SECRETS);
  const keys = await stage.open({ ...context, recorded: await stage.record(context) });
  const nonces = new Set();
  for (let nth = 0; nth < 1000; nth += 1)
    nonces.add(
      Buffer.from(stage.encode(Uint8Array.of(1), chunkOf(0, 1), context, keys).subarray(1, 13)).toString('hex'),
    );
  assert.equal(nonces.size, 1000);
});

test('swapped, repeated, cut and changed chunks, and those of another image, are refused', async () => {
  const written = await write(SECRETS, chunks);
  const other = await write(SECRETS, chunks);
  const keys = await open(SECRETS, written);
  const [first, second] = written.stored;
  const refused = (stored, chunk) =>
    assert.throws(() => stage.decode(stored.slice(), chunk, {}, keys), { kind: 'corrupt' });
  refused(second, chunkOf(0));
  refused(first, chunkOf(1));
  refused(first, { ...chunkOf(0), offset: 1000 });
  refused(first, { ...chunkOf(0), length: 999 });
  refused(other.stored[0], chunkOf(0));
  refused(first.subarray(0, -1), chunkOf(0));
  refused(first.subarray(0, 10), chunkOf(0));
  for (let at = 0; at < first.length; at += 37) refused(first.with(at, first[at] ^ 1), chunkOf(0));
});

test('an image that was cut or joined is refused, and so is one without its seal', async () => {
  const written = await write(SECRETS, chunks);
  const cut = (more, message) => assert.rejects(open(SECRETS, { ...written, ...more }), { kind: 'corrupt', message });
  await cut({ size: 2000 }, /has 2000 bytes, but 2010 when it was written/);
  await cut({ size: 2000, sealed: { ...written.sealed, size: 2000 } }, /seal/);
  await cut({ size: 0, sealed: {} }, /seal/);
  const other = await write(SECRETS, [chunks[0]]);
  await cut({ size: 1000, sealed: other.sealed }, /seal/);
});

test('another key, another envelope', async () => {
  const written = await write(SECRETS, chunks);
  const wrong = ring(`old = hex:${'12'.repeat(32)}`);
  await assert.rejects(open(wrong, written), { kind: 'credentials', message: /the key old does not open this image/ });
  await assert.rejects(open(ring(NEW), written), { kind: 'credentials', message: /"old" is not in the key ring/ });
  const changed = { ...written.recorded, name: 'other' };
  await assert.rejects(open(SECRETS, { ...written, recorded: changed }), { kind: 'credentials' });
  await assert.rejects(open(SECRETS, { ...written, options: { identity: 'same' } }), { kind: 'credentials' });
  for (const recorded of [{}, { ...written.recorded, wrapped: '' }, { ...written.recorded, image: 'x' }])
    await assert.rejects(open(SECRETS, { ...written, recorded }), { kind: 'corrupt' });
});

test('rotation: new images by the current key, old ones by theirs', async () => {
  const before = await write(SECRETS, chunks);
  const both = ring('current = new', OLD, NEW);
  const after = await write(both, chunks);
  assert.equal(before.recorded.key, 'old');
  assert.equal(after.recorded.key, 'new');
  await open(both, before);
  await open(both, after);
  const named = await write(both, chunks, { key: 'old', identity: 'any' });
  assert.equal(named.recorded.key, 'old', 'an option wins over the ring');
});

test('an image under another name is told of, or refused', async () => {
  const renamed = { image: { ...image, name: 'copy' } };
  const reports = [];
  const report = (one) => reports.push(one.text);
  await open(SECRETS, await write(SECRETS, chunks), { ...renamed, report });
  assert.deepEqual(reports, ['the image copy was written as client_1700000000_C1_F1']);
  const same = await write(SECRETS, chunks, { identity: 'same' });
  await open(SECRETS, same);
  await assert.rejects(open(SECRETS, same, renamed), { kind: 'corrupt', message: /may have no other name/ });
});

test('options', () => {
  const check = (value) => stage.optionsSchema['~standard'].validate(value);
  assert.deepEqual(check({}), { value: { identity: 'any' } });
  assert.deepEqual(check({ key: 2026 }), { value: { key: '2026', identity: 'any' } });
  assert.match(check({ key: '../x' }).issues[0].message, /id of a key/);
  assert.match(check({ identity: 'x' }).issues[0].message, /any or same/);
});
