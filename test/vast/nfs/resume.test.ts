import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { headerRecord, type PartRecord, parseSidecar, partRecord, voidRecord } from '../../../src/vast/nfs/sidecar.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import type { PartInfo } from '../../../src/vast/store.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { fetch, pattern } from '../conformance/support.ts';

t.test('kill -9 loses no acknowledged part', async (t) => {
  promise({
    row: '16',
    promise: 'A part that a directory has acknowledged outlives kill -9',
    fault: 'SIGKILL of a writer after each part',
  });
  const root = t.testdir({ lsu: {} });
  const child = spawn(process.execPath, [fileURLToPath(new URL('resume-child.ts', import.meta.url)), root, 'img/f'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 12) child.kill('SIGKILL');
  }
  await exited;
  const [id = '', ...told] = lines;
  const acknowledged = told.map((line) => JSON.parse(line) as PartInfo);
  const store = await new FileStorage(root).open('lsu');
  t.match(await Array.fromAsync(store.listUploads('img/')), [{ key: 'img/f', id }]);
  const upload = store.resumeUpload('img/f', id);
  const parts = await upload.listParts();
  t.same(parts.slice(0, acknowledged.length), acknowledged);
  const next = parts.length + 1;
  parts.push(
    await upload.putPart({ number: next, offset: (next - 1) * 10_000, body: [pattern(10_000, next)], size: 10_000 }),
  );
  await upload.complete(parts);
  const whole = Buffer.concat(parts.map((part) => pattern(10_000, part.number)));
  t.ok(whole.equals(await fetch(store, 'img/f')));
});

t.test('a torn record spoils no other', async () => {
  const part = fc.record({
    number: fc.integer({ min: 1, max: 5 }),
    offset: fc.nat(),
    size: fc.nat(),
    etag: fc.stringMatching(/^[0-9a-f]{4}$/),
  });
  const record = fc.oneof(
    part.map((known) => ({ known, cut: 0 })),
    fc.tuple(part, fc.integer({ min: 1, max: 30 })).map(([known, cut]) => ({ known, cut })),
    fc.integer({ min: 1, max: 5 }).map((number) => ({ number, cut: 0 })),
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      const expected = new Map<number, PartRecord>();
      let text = headerRecord({ key: 'k', created: 5 });
      for (const entry of records) {
        if ('number' in entry) {
          text += voidRecord(entry.number);
          expected.delete(entry.number);
        } else {
          const whole = partRecord(entry.known);
          // Cutting only the line feed leaves a whole record.
          text += whole.slice(0, whole.length - entry.cut);
          if (entry.cut <= 1) expected.set(entry.known.number, entry.known);
        }
      }
      const { key, created, parts } = parseSidecar(text) ?? {};
      return key === 'k' && created === 5 && JSON.stringify([...(parts ?? [])]) === JSON.stringify([...expected]);
    }),
  );
});

t.test('a torn record in the file', async (t) => {
  promise({
    row: '16',
    promise: 'A record that was torn by a crash is no record, and spoils no other',
    fault: 'a sidecar cut anywhere',
  });
  const root = t.testdir({ lsu: {} });
  const store = await new FileStorage(root).open('lsu');
  const upload = await store.createUpload('img/f');
  const body = [Buffer.from('0123456789')];
  const first = await upload.putPart({ number: 1, offset: 0, body, size: 10 });
  const sidecar = join(root, 'lsu/img', `.vost-tmp-${upload.id}.parts`);
  await appendFile(sidecar, '\n{"part":2,"offset":10,"si');
  const again = store.resumeUpload('img/f', upload.id);
  t.same(await again.listParts(), [first]);
  const second = await again.putPart({ number: 2, offset: 10, body, size: 10 });
  t.same(await again.listParts(), [first, second]);
  await again.complete([first, second]);
  t.equal((await fetch(store, 'img/f')).toString(), '01234567890123456789');
});

t.test('parts that do not join', async (t) => {
  const root = t.testdir({ lsu: {} });
  const store = await new FileStorage(root).open('lsu');
  const upload = await store.createUpload('f');
  const body = [Buffer.from('0123456789')];
  const one = await upload.putPart({ number: 1, offset: 0, body, size: 10 });
  const gap = await upload.putPart({ number: 2, offset: 20, body, size: 10 });
  await t.rejects(upload.complete([one, gap]), refusal('usage', { code: 'VOST_BAD_PARTS' }), 'a gap');
  const over = await upload.putPart({ number: 2, offset: 5, body, size: 10 });
  t.same(await upload.listParts(), [over], 'a part that overwrote another one makes that void');
  await t.rejects(upload.complete([one, over]), refusal('usage'));
  const fixed = [
    await upload.putPart({ number: 2, offset: 10, body, size: 10 }),
    await upload.putPart({ number: 1, offset: 0, body, size: 10 }),
  ].reverse();
  await upload.complete(fixed);
  t.equal((await fetch(store, 'f')).length, 20);
});

t.test('a data file that was cut', async (t) => {
  const root = t.testdir({ lsu: {} });
  const store = await new FileStorage(root).open('lsu');
  const upload = await store.createUpload('f');
  const part = await upload.putPart({ number: 1, offset: 0, body: [pattern(100)], size: 100 });
  await writeFile(join(root, 'lsu', `.vost-tmp-${upload.id}`), 'short');
  await t.rejects(upload.complete([part]), refusal('integrity', { code: 'VOST_WRONG_SIZE' }));
  t.equal(await store.head('f'), undefined);
});

t.test('a record that outlived its upload', async (t) => {
  const root = t.testdir({ lsu: {} });
  const store = await new FileStorage(root).open('lsu');
  const upload = await store.createUpload('f');
  const sidecar = join(root, 'lsu', `.vost-tmp-${upload.id}.parts`);
  const record = await readFile(sidecar);
  await upload.complete([await upload.putPart({ number: 1, offset: 0, body: [pattern(9)], size: 9 })]);
  await writeFile(sidecar, record);
  t.same(await Array.fromAsync(store.listUploads('')), []);
  await t.rejects(upload.listParts(), { code: 'VOST_NO_SUCH_UPLOAD' });
  await t.rejects(upload.putPart({ number: 1, offset: 0, body: [pattern(9)], size: 9 }), {
    code: 'VOST_NO_SUCH_UPLOAD',
  });
  await upload.abort();
  await t.rejects(readFile(sidecar), { code: 'ENOENT' }, 'abort removes it');
});
