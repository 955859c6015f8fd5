import assert from 'node:assert/strict';
import { test } from 'node:test';
import stage from '../index.js';

const context = { options: { mask: 3 } };
const chunk = { index: 0, offset: 0, length: 3, maxBytes: 100 };

test('decode gives back what encode was given', () => {
  const stored = stage.encode(Uint8Array.of(1, 2, 3), chunk, context);
  assert.deepEqual(stored, Uint8Array.of(2, 1, 0, 3));
  assert.deepEqual(stage.decode(stored, chunk, context), Uint8Array.of(1, 2, 3));
});

test('what is damaged is refused', () => {
  assert.throws(() => stage.decode(Uint8Array.of(2, 1, 0, 4), chunk, context), { kind: 'corrupt' });
  assert.throws(() => stage.decode(new Uint8Array(2), chunk, context), { kind: 'corrupt' });
});
