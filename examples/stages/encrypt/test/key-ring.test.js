import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readRing } from '../key-ring.js';

const folder = mkdtempSync(join(tmpdir(), 'encrypt-'));
after(() => rmSync(folder, { recursive: true }));

function program(name, text) {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o700);
  return path;
}

const CANARY = 'ca'.repeat(32);
const ringOf = (text, ms) => readRing(Buffer.from(text), ms);

test('keys in both codings, with comments, on lines or between semicolons', async () => {
  const ring = ringOf(
    `# keys\n\ncurrent = b; a = hex:${CANARY}\n  b = base64:${Buffer.alloc(32, 1).toString('base64')}`,
  );
  assert.equal(ring.current, 'b');
  assert.equal(Buffer.from(await ring.key('a')).toString('hex'), CANARY);
  assert.deepEqual(Buffer.from(await ring.key('b')), Buffer.alloc(32, 1));
  await assert.rejects(ring.key('c'), { kind: 'credentials', message: /"c" is not in the key ring/ });
});

test('what is no key ring is refused without being repeated', async () => {
  const bad = [
    `a ${CANARY}`,
    `a = ${CANARY}`,
    `../a = hex:${CANARY}`,
    `* = hex:${CANARY}`,
    'current = /',
    `a = hex:${CANARY}\na = hex:${CANARY}`,
  ];
  for (const text of bad)
    assert.throws(
      () => ringOf(text),
      (error) => error.kind === 'credentials' && !error.message.includes(CANARY),
      text,
    );
  for (const key of [`hex:${CANARY.slice(2)}`, 'base64:AAAA', `hex:${CANARY}00`, 'hex:zz'])
    await assert.rejects(ringOf(`a = ${key}`).key('a'), {
      kind: 'credentials',
      message: 'the key a is not 32 bytes in hexadecimal or base64',
    });
});

test('a command gets the id and prints the key; it is not run for every image', async () => {
  const log = join(folder, 'log');
  const path = program('kmip', `echo "$@" >> ${log}; echo ${CANARY}`);
  const ring = ringOf(`current = k1\n* = command:${path} --vault main`);
  for (let nth = 0; nth < 3; nth += 1) assert.equal(Buffer.from(await ring.key('k1')).toString('hex'), CANARY);
  await ring.key('k2');
  assert.equal(readFileSync(log, 'utf8'), '--vault main k1\n--vault main k2\n');
  await assert.rejects(ring.key('k3; rm'), { kind: 'credentials' }, 'nothing that is no id reaches a command');
});

test('a command that fails, hangs, or says too much or nothing', async () => {
  const refused = (text, message, ms) => {
    const path = program(`bad-${Math.random()}`, text);
    return assert.rejects(
      ringOf(`* = command:${path}`, ms).key('k'),
      (error) => error.kind === 'credentials' && message.test(error.message) && !error.message.includes(CANARY),
    );
  };
  await refused(`echo ${CANARY} >&2; exit 3`, /failed \(3\)/);
  await refused('exec sleep 600', /took more than 0\.2 seconds/, 200);
  await refused(`exec yes ${CANARY}`, /MAXBUFFER/);
  await refused('true', /not 32 bytes/);
  await refused(`echo ${CANARY}${CANARY}`, /not 32 bytes/);
  await assert.rejects(ringOf(`* = command:${join(folder, 'none')}`).key('k'), {
    message: /none for the key k failed \(ENOENT\)/,
  });
});
