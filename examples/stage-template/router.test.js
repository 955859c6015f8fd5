import assert from 'node:assert/strict';
import { test } from 'node:test';
import stage from '../index.js';

const image = { lsu: 'backup', name: 'n', date: '1', policy: 'daily', schedule: '', client: '' };

test('only the archive goes elsewhere', () => {
  assert.equal(stage.route(image), undefined);
  assert.deepEqual(stage.route({ ...image, policy: 'archive' }), { lsu: 'backup-archive' });
});
