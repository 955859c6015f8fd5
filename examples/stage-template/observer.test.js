import assert from 'node:assert/strict';
import { test } from 'node:test';
import stage from '../index.js';

test('zeros are counted', () => {
  assert.deepEqual(stage.observe(Uint8Array.of(0, 1, 0, 2)), { zeros: 2, bytes: 4 });
});

test('and reported when all of the image was seen', () => {
  const reports = [];
  const found = [{ chunk: {}, result: { zeros: 1, bytes: 4 } }];
  stage.finish(found, false, { report: (report) => reports.push(report) });
  stage.finish(found, true, { report: (report) => reports.push(report) });
  assert.deepEqual(
    reports.map(({ values }) => values),
    [{ zeros: 0.25 }],
  );
});
