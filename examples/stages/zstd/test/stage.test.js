import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import stage from '../index.js';

const context = { options: { level: 3 } };
const chunkOf = (length, maxBytes = length) => ({ index: 5, offset: 0, length, maxBytes });
const bound = (length) => Math.floor(length * stage.maxExpansion.factor) + stage.maxExpansion.bytes;

test('what is compressed comes back, and takes less', () => {
  const data = Buffer.from('vast-ost '.repeat(10_000));
  const stored = stage.encode(data, chunkOf(data.length, bound(data.length)), context);
  assert.ok(stored.length < 1000);
  assert.deepEqual(Buffer.from(stage.decode(stored, chunkOf(data.length), context)), data);
});

test('a frame that claims to be more than a chunk is refused before memory is taken', () => {
  const bomb = zstdCompressSync(Buffer.alloc(64 * 2 ** 20));
  assert.ok(bomb.length < 10_000);
  assert.throws(() => stage.decode(bomb, chunkOf(2 ** 20), context), { kind: 'corrupt', message: /chunk 5/ });
});

test('a frame that wants to reach back further than ours do is refused', () => {
  const params = { [constants.ZSTD_c_windowLog]: 26, [constants.ZSTD_c_contentSizeFlag]: 0 };
  // The header claims the window, whatever is in it.
  const frame = zstdCompressSync(Buffer.alloc(2 ** 20, 1), { params });
  frame[5] = (26 - 10) << 3;
  assert.throws(() => stage.decode(frame, chunkOf(2 ** 20), context), { kind: 'corrupt' });
});

test('options', () => {
  const check = (value) => stage.optionsSchema['~standard'].validate(value);
  assert.deepEqual(check({}), { value: { level: 3 } });
  for (const level of [0, 20, 1.5, 'x']) assert.match(check({ level }).issues[0].message, /from 1 to 19/);
  assert.deepEqual(check({ speed: 1 }).issues[0].path, ['speed']);
});
