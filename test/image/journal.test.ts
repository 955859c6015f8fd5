import fc from 'fast-check';
import t from 'tap';
import { EngineError, type FailureClass } from '../../src/errors.ts';
import { crc32c } from '../../src/image/crc32c.ts';
import { encodePage } from '../../src/image/index-page.ts';
import { journalMemory } from '../../src/image/journal-memory.ts';
import { decodeJournalObject, encodeParts } from '../../src/image/journal-object.ts';
import { chunkRecordBytes, decodeRecords, encodeRecord, type JournalRecord } from '../../src/image/journal-records.ts';
import { JournalRegion } from '../../src/image/journal-region.ts';
import { attachWriteHandle, createWriteHandle } from '../../src/image/open-write-handle.ts';
import { decodePending, encodePending, type HandleRecord, type Pending } from '../../src/image/pending.ts';
import type { StoredChunk } from '../../src/stages/packer.ts';
import { refusal } from '../support/refusal.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { identity, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const chunk: StoredChunk = {
  index: 7,
  offset: 7 * MIB,
  length: MIB,
  fragment: 2,
  storedOffset: 12345,
  storedLength: 999,
  leaves: new Uint8Array(32).fill(3),
};
const records: JournalRecord[] = [
  { type: 'sent', sent: { fragment: 2, number: 10_000 } },
  { type: 'chunk', chunk },
  { type: 'part', part: { fragment: 2, number: 3, size: 999, etag: '9e107d9d372bb6826bd81d3542a419d6' }, chunks: 1 },
  { type: 'hash', hash: { chunks: 8, state: new Uint8Array(108).fill(1) } },
  { type: 'meta', meta: { index: 3, name: 'meta-67', size: 16 * MIB, sha256: 'ab'.repeat(32) } },
  { type: 'failed', error: new EngineError('VOST_ENOSPC', 'capacity', 'no space left', { advice: 'make space' }) },
  { type: 'held', held: { number: 5, first: 8, count: 2, bytes: 5000, digest: new Uint8Array(32).fill(9) } },
];
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, one) => (one?.type === 'Buffer' ? Object.assign({}, one.data) : one)));

t.test('CRC-32C', async (t) => {
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283, 'the check value of RFC 3720');
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
});

t.test('records come back as they were written', async (t) => {
  const bytes = Buffer.concat(records.map(encodeRecord));
  t.equal(bytes.byteLength % 8, 0);
  const decoded = decodeRecords(bytes);
  t.same(plain(decoded.records), plain(records));
  t.equal(decoded.end, bytes.byteLength);
  t.equal(encodeRecord({ type: 'chunk', chunk }).byteLength, chunkRecordBytes(MIB));
});

t.test('a failure is noted in a bounded record, and only one of ours is believed', async (t) => {
  const long = '\u00e9\0'.repeat(5000);
  const bytes = encodeRecord({ type: 'failed', error: new EngineError('VOST_X', 'busy', long, { advice: long }) });
  t.ok(bytes.byteLength < 2000);
  const [record] = decodeRecords(bytes).records;
  if (record?.type !== 'failed') throw new Error('no failure');
  t.match(record.error, { code: 'VOST_X', failure: 'busy', message: /^(\u00e9 )+$/, advice: /^(\u00e9 )+$/ });
  const of = (code: string, failure: string) =>
    decodeRecords(encodeRecord({ type: 'failed', error: new EngineError(code, failure as FailureClass, 'x') })).records;
  t.equal(of('VOST_X', 'retryable').length, 1);
  for (const [code, failure] of [
    ['VOST_X', 'other'],
    ['VOST_X', ''],
    ['EVIL\u001b', 'busy'],
    ['', 'busy'],
  ] as const)
    t.equal(of(code, failure).length, 0, `${code} ${failure}`);
});

t.test('reading ends at the first record that is not whole', async (t) => {
  const encoded = records.map(encodeRecord);
  const bytes = Buffer.concat(encoded);
  for (let at = 0; at < bytes.byteLength; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    const { records: found } = decodeRecords(damaged);
    const ends = encoded.map((_, nth) => Buffer.concat(encoded.slice(0, nth + 1)).byteLength);
    const hit = ends.findIndex((end) => at < end);
    // Padding is not covered, and does not matter.
    if (found.length !== records.length) t.equal(found.length, hit, `byte ${at}`);
  }
  for (const length of [0, 1, 11, 12, 40, bytes.byteLength - 1]) {
    t.ok(decodeRecords(bytes.subarray(0, length)).records.length < records.length);
  }
});

t.test('any bytes are read without harm', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8192 }), (bytes) => {
      decodeRecords(bytes);
      const region = new Uint8Array(8192);
      region.set(bytes);
      new JournalRegion(journalMemory(region), 'any').read();
    }),
  );
});

t.test('a region: append, restart, read again, another owner, damage', async (t) => {
  const memory = new Uint8Array(16 * 1024);
  const region = new JournalRegion(journalMemory(memory), 'me');
  t.equal(region.read(), undefined);
  region.restart(0, []);
  for (const record of records) region.append([encodeRecord(record)]);
  t.same(plain(new JournalRegion(journalMemory(memory), 'me').read()), plain({ segments: 0, records }));
  t.equal(new JournalRegion(journalMemory(memory), 'you').read(), undefined, "another's");
  region.restart(1, [encodeRecord(records[0] as JournalRecord)]);
  t.same(
    plain(new JournalRegion(journalMemory(memory), 'me').read()),
    plain({ segments: 1, records: records.slice(0, 1) }),
  );
  const second = new JournalRegion(journalMemory(memory), 'me');
  second.read();
  second.append([encodeRecord(records[3] as JournalRecord)]);
  t.same(
    new JournalRegion(journalMemory(memory), 'me').read()?.records.length,
    2,
    'appending goes on behind what was there',
  );
  // The newer half damaged: the older one counts.
  memory[8192 + 3] = (memory[8192 + 3] ?? 0) ^ 1;
  const older = new JournalRegion(journalMemory(new Uint8Array(memory)), 'me').read();
  memory[8192 + 3] = (memory[8192 + 3] ?? 0) ^ 1;
  memory[3] = (memory[3] ?? 0) ^ 1;
  const newer = new JournalRegion(journalMemory(memory), 'me').read();
  t.not(older?.segments, newer?.segments);
  region.clear();
  t.equal(new JournalRegion(journalMemory(memory), 'me').read(), undefined);
  t.throws(() => region.append([new Uint8Array(8192)]), { code: 'VOST_JOURNAL_FULL' });
  t.throws(() => new JournalRegion(journalMemory(new Uint8Array(100)), 'me'), refusal('usage'));
});

t.test('a region that is being cleared has what it had, or nothing', (t) => {
  for (const restarts of [1, 2, 3]) {
    const memory = new Uint8Array(16 * 1024);
    const seen: (number | undefined)[] = [];
    const plainMemory = journalMemory(memory);
    const region = new JournalRegion(
      {
        ...plainMemory,
        clear: (at, length) => {
          plainMemory.clear(at, length);
          seen.push(new JournalRegion(journalMemory(new Uint8Array(memory)), 'me').read()?.segments);
        },
      },
      'me',
    );
    for (let nth = 1; nth <= restarts; nth += 1) region.restart(nth, []);
    region.clear();
    t.strictSame(seen, [restarts, undefined]);
    region.restart(7, []);
    t.equal(new JournalRegion(journalMemory(memory), 'me').read()?.segments, 7);
  }
  t.end();
});

t.test('a journal object of any other content is refused', async (t) => {
  const part = { fragment: 2, number: 3, size: 999, etag: 'x' };
  const good = Buffer.concat([encodePage([chunk]), encodeParts([part, { ...part, number: 4, etag: '' }])]);
  t.same(decodeJournalObject(good, 'x').parts, [part, { ...part, number: 4, etag: '' }]);
  for (let at = 0; at < good.byteLength; at += 1) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    t.throws(() => decodeJournalObject(damaged, 'x'), refusal('integrity'), `byte ${at}`);
  }
  for (let length = 0; length < good.byteLength; length += 7)
    t.throws(() => decodeJournalObject(good.subarray(0, length), 'x'), refusal('integrity'));
});

t.test('a pending record that can be continued: as documented, and nothing else', async (t) => {
  const handle: HandleRecord = {
    creator: 'session/1',
    open: false,
    size: 3 * MIB + 512,
    journal: 2,
    tail: { name: 'tail-000003', size: 512, sha256: 'ab'.repeat(32) },
    sha256_state: 'AAEC',
    metas: [{ index: 1, name: 'meta-65', size: 4, sha256: 'cd'.repeat(32) }],
  };
  const record: Pending = {
    format: 'vast-ost-pending',
    version: 1,
    writer: '0b1f6a52-7f0c-4c5e-9d39-6d1c1a2b3c4d',
    created: '2023-11-14T22:13:20.000Z',
    identity: identity('x'),
    netbackup_metadata: { policy: '', schedule: '', client: '' },
    chain: [],
    chunk_size: MIB,
    leaf_size: MIB,
    uploads: [],
    handle,
  };
  t.same(decodePending(encodePending(record), 'x'), record);
  const bad: Record<string, unknown>[] = [
    { creator: '' },
    { creator: 'x'.repeat(257) },
    { size: -1 },
    { journal: 1.5 },
    { tail: { ...handle.tail, name: '../x' } },
    { tail: { ...handle.tail, size: 0 } },
    { sha256_state: '!' },
    { metas: [{ ...handle.metas[0], index: 64 }] },
    { metas: [{ ...handle.metas[0], name: 'image.meta' }] },
    { other: 1 },
  ];
  for (const change of bad) {
    const bytes = Buffer.from(JSON.stringify({ ...record, handle: { ...handle, ...change } }));
    t.throws(() => decodePending(bytes, 'x'), refusal('integrity'), JSON.stringify(change));
  }
});

t.test('an attach believes a region only as far as storage bears it out', async (t) => {
  const data = randomBytes(6 * MIB);
  const journal = new Uint8Array(64 * 1024);
  const resources = testResources(t);
  const store = await memoryLsu();
  const slots = new Slots(8);
  const first = await createWriteHandle(
    context(store, resources, { journal: journalMemory(journal) }),
    layout(resources, 'x'),
  );
  await feed(first, slots, data.subarray(0, 4 * MIB), { last: false });
  await first.flush();
  t.equal(slots.full.size, 0);
  await first.detach();
  const attach = (region: Uint8Array) =>
    attachWriteHandle(context(store, resources, { journal: journalMemory(region) }), identity('x'), 'write', TUNING);

  // Parts that storage does not have, or has otherwise.
  const region = new JournalRegion(journalMemory(new Uint8Array(journal)), 'session/1');
  const noted = region.read()?.records ?? [];
  const lie = async (change: (record: JournalRecord) => JournalRecord): Promise<void> => {
    const memory = new Uint8Array(64 * 1024);
    new JournalRegion(journalMemory(memory), 'session/1').restart(0, noted.map(change).map(encodeRecord));
    await t.rejects(attach(memory), refusal('integrity', { code: 'VOST_LOST_STATE' }));
  };
  await lie((one) => (one.type === 'part' ? { ...one, part: { ...one.part, etag: 'other' } } : one));
  await lie((one) => (one.type === 'part' ? { ...one, part: { ...one.part, number: one.part.number + 1 } } : one));
  await lie((one) => (one.type === 'part' ? { ...one, part: { ...one.part, size: 1 } } : one));
  await lie((one) => (one.type === 'chunk' ? { ...one, chunk: { ...one.chunk, index: one.chunk.index + 1 } } : one));
  await lie((one) => (one.type === 'chunk' ? { ...one, chunk: { ...one.chunk, fragment: 9 } } : one));
  await lie((one) => (one.type === 'chunk' ? { ...one, chunk: { ...one.chunk, storedOffset: 5 } } : one));
  await lie((one) => (one.type === 'chunk' ? { ...one, chunk: { ...one.chunk, offset: 5 } } : one));
  const memory = new Uint8Array(64 * 1024);
  const segments = new JournalRegion(journalMemory(memory), 'session/1');
  segments.restart(7, []);
  await t.rejects(attach(memory), refusal('not-found'), 'journal objects that are not there');
  const held = { number: 1, first: 4, count: 1, bytes: 100, digest: new Uint8Array(32) };
  segments.restart(0, [...noted, { type: 'held', held } as const].map(encodeRecord));
  await t.rejects(attach(memory), refusal('not-found'), 'a held object that is not there');
  await t.rejects(
    attachWriteHandle(context(store, resources, { creator: 'other' }), identity('x'), 'write', TUNING),
    refusal('busy'),
  );
  await t.rejects(attachWriteHandle(context(store, resources), identity('y'), 'write', TUNING), refusal('not-found'));

  const { handle } = await attach(journal);
  if (handle === undefined) throw new Error('no handle');
  // What was freed already may be handed over again.
  slots.put(handle, 1, data.subarray(MIB, 2 * MIB), false);
  t.equal(slots.full.size, 0);
  await feed(handle, slots, data, { from: 4 });
  await handle.close('complete', data.byteLength);
  t.ok((await readImage(store, resources, handle.imageId)).equals(data));
});

t.test('a region too small for the chunks is refused before anything is written', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const create = createWriteHandle(
    context(store, resources, { journal: journalMemory(new Uint8Array(4096)) }),
    layout(resources, 'x', { chunkBytes: 64 * MIB }),
  );
  await t.rejects(create, refusal('usage', { code: 'VOST_JOURNAL_REGION' }));
  for await (const { key } of store.list()) t.fail(key);
});
