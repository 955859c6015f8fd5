import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { checkIdentity, type ImageIdentity, imageIdOf, isImageId } from '../../src/image/identity.ts';
import { decodeFooter, encodeFooter, INDEX_HEADER, type PageRef } from '../../src/image/index-file.ts';
import { decodePage, encodePage } from '../../src/image/index-page.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../src/image/manifest.ts';
import { imagePrefix, parseKey } from '../../src/image/names.ts';
import { decodePending, encodePending, type Pending } from '../../src/image/pending.ts';
import type { StoredChunk } from '../../src/stages/packer.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';

const MIB = 1024 * 1024;
/** Whether decoding fails the way hostile input must. */
const refuses = (decode: () => unknown): boolean => {
  try {
    decode();
    return false;
  } catch (error) {
    return integrity(error);
  }
};
const integrity = (error: unknown): boolean =>
  error instanceof EngineError && ['integrity', 'unsupported'].includes(error.failure);

const field = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => /^\P{Cc}*$/u.test(text));
const identities: fc.Arbitrary<ImageIdentity> = fc.record({
  basename: field.filter((text) => text.length > 0),
  date: field,
  full_name: field,
  qualifiers: fc.array(field, { maxLength: 8 }),
});

t.test('image ids are safe keys, and differ when any field does', async (t) => {
  fc.assert(
    fc.property(identities, identities, (a, b) => {
      const id = imageIdOf(a);
      const same = JSON.stringify(a) === JSON.stringify(b);
      return isImageId(id) && (imageIdOf(b) === id) === same && parseKey(`${imagePrefix(id)}index`)?.imageId === id;
    }),
  );
  const shifted = (qualifiers: string[]) => imageIdOf({ basename: 'a', date: '', full_name: '', qualifiers });
  t.not(shifted(['x', '']), shifted(['', 'x']), 'fields do not run into each other');
  t.ok(isImageId(imageIdOf({ basename: '../../etc/passwd', date: '/', full_name: '', qualifiers: [] })));
});

t.test('identities with control characters, no name or oversize fields are refused', async (t) => {
  const good = { basename: 'a', date: '', full_name: '', qualifiers: [] };
  t.same(checkIdentity(good), good);
  for (const bad of [
    { basename: '' },
    { basename: 'a\n' },
    { date: '\u0000' },
    { full_name: 'x'.repeat(1025) },
    { qualifiers: Array(9).fill('') },
  ]) {
    t.throws(() => checkIdentity({ ...good, ...bad }), refusal('usage'));
  }
});

t.test('only keys of the grammar are ours', async (t) => {
  const id = imageIdOf({ basename: 'a', date: '1', full_name: '', qualifiers: [] });
  for (const name of ['image.meta', 'index', 'pending', 'fragment-000001', 'journal-000012', 'meta-0']) {
    t.same(parseKey(`netbackup/${id}/${name}`), { imageId: id, name });
  }
  for (const key of [
    `netbackup/${id}`,
    `netbackup/${id}/other`,
    `netbackup/${id}/fragment-1`,
    `netbackup/x/index`,
    `other/${id}/index`,
    `netbackup/${id}/a/index`,
  ]) {
    t.equal(parseKey(key), undefined, key);
  }
});

/** Consecutive chunks, as a writer makes them. */
const chunkLists = (first = { index: 0, offset: 0 }): fc.Arbitrary<StoredChunk[]> =>
  fc
    .array(
      fc.record({
        length: fc.integer({ min: 1, max: 5 * MIB }),
        fragment: fc.integer({ min: 1, max: 100 }),
        stored: fc.nat(2 ** 40),
        fill: fc.nat(255),
      }),
      {
        maxLength: 20,
      },
    )
    .map((rows) => {
      let { index, offset } = first;
      return rows.map(({ length, fragment, stored, fill }) => {
        const chunk = {
          index,
          offset,
          length,
          fragment,
          storedOffset: stored,
          storedLength: length + 7,
          leaves: new Uint8Array(32 * Math.ceil(length / MIB)).fill(fill),
        };
        index += 1;
        offset += length;
        return chunk;
      });
    });

const plain = (chunks: readonly StoredChunk[]) =>
  chunks.map((chunk) => ({ ...chunk, leaves: Buffer.from(chunk.leaves).toString('hex') }));

t.test('index pages: encode and decode are inverse', async () => {
  fc.assert(
    fc.property(chunkLists({ index: 7, offset: 1000 }), (chunks) => {
      const back = decodePage(encodePage(chunks), 'test');
      return JSON.stringify(plain(back)) === JSON.stringify(plain(chunks));
    }),
  );
});

t.test('index pages: any damage is an integrity error, never a crash or a wrong answer', async (t) => {
  promise({
    row: 'security',
    promise: 'A damaged or hostile index page is refused, never read wrong',
    fault: 'every bit, random bytes',
  });
  const [sample] = fc.sample(
    chunkLists({ index: 0, offset: 0 }).filter((list) => list.length > 3),
    1,
  );
  const page = encodePage(sample as StoredChunk[]);
  fc.assert(
    fc.property(
      fc.nat(page.byteLength - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.nat(page.byteLength),
      fc.boolean(),
      (at, flip, cut, reseal) => {
        const bad = Buffer.from(page);
        bad[at] = (bad[at] ?? 0) ^ flip;
        const damaged = cut % 5 === 0 ? bad.subarray(0, cut) : bad;
        // With a fresh digest the structure itself has to be checked.
        if (reseal && damaged.byteLength > 32) {
          damaged.set(createHash('sha256').update(damaged.subarray(0, -32)).digest(), damaged.byteLength - 32);
        }
        try {
          decodePage(damaged, 'test');
          return reseal;
        } catch (error) {
          return integrity(error);
        }
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodePage(bytes, 'test');
        return false;
      } catch (error) {
        return integrity(error);
      }
    }),
  );
  t.throws(() => decodePage(new Uint8Array(0), 'test'), refusal('integrity'));
});

const footers = fc
  .array(
    fc.record({
      length: fc.integer({ min: 56, max: 100_000 }),
      chunks: fc.integer({ min: 1, max: 300 }),
      bytes: fc.integer({ min: 1, max: 2 ** 34 }),
    }),
    { maxLength: 30 },
  )
  .map((rows) => {
    let [position, firstIndex, firstOffset] = [INDEX_HEADER.byteLength, 0, 0];
    const pages = rows.map(({ length, chunks, bytes }): PageRef => {
      const page = {
        position,
        length,
        chunks,
        firstIndex,
        firstOffset,
        digest: createHash('sha256').update(String(position)).digest(),
      };
      position += length;
      firstIndex += chunks;
      firstOffset += bytes;
      return page;
    });
    return { size: firstOffset, pages };
  });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

t.test('index footers: inverse, and damage is found even with a matching digest', async () => {
  fc.assert(
    fc.property(footers, fc.nat(), fc.integer({ min: 1, max: 255 }), (footer, at, flip) => {
      const bytes = Buffer.from(encodeFooter(footer));
      const back = decodeFooter(bytes, sha256(bytes), 'test');
      const same = JSON.stringify(back) === JSON.stringify({ size: footer.size, pages: footer.pages });
      const bad = Buffer.from(bytes);
      bad[at % bad.byteLength] = (bad[at % bad.byteLength] ?? 0) ^ flip;
      const refuses = (digest: string): boolean => {
        try {
          decodeFooter(bad, digest, 'test');
          return false;
        } catch (error) {
          return integrity(error);
        }
      };
      refuses(sha256(bad));
      return same && refuses(sha256(bytes));
    }),
  );
});

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const text = fc.string({ maxLength: 30 });
const times = fc
  .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
  .map((date) => date.toISOString());
const records = fc.record({
  name: fc.constantFrom('checksum', 'lz4', '@vendor/seal'),
  version: fc.constant('1.2.3'),
  // A key of that name never survives checking, by intention: it would set the prototype.
  options: fc
    .dictionary(text, fc.jsonValue() as fc.Arbitrary<string>, { noNullPrototype: true, maxKeys: 3 })
    .filter((options) => !JSON.stringify(options).includes('__proto__')),
});
const common = {
  identity: identities,
  netbackup_metadata: fc.record({ policy: text, schedule: text, client: text }),
  chain: fc.array(records, { maxLength: 4 }),
  chunk_size: fc.integer({ min: 1, max: 1024 }).map((n) => n * MIB),
  leaf_size: fc.constant(MIB as 1048576),
};
const manifests = fc.record(
  {
    format: fc.constant('vast-ost-image' as const),
    version: fc.constant(1 as const),
    image_name: text,
    creation_date: times,
    size: fc.maxSafeNat(),
    fragments: fc.array(
      fc.record({
        name: fc.integer({ min: 1, max: 999_999 }).map((n) => `fragment-${String(n).padStart(6, '0')}`),
        size: fc.maxSafeNat(),
      }),
      { maxLength: 5 },
    ),
    checksum: hex(64).map((digest) => `sha256-tree:${digest}`),
    sha256: hex(64),
    index: fc.record({ size: fc.nat(), footer: fc.nat(), sha256: hex(64) }),
    committed: times,
    written_by: text,
    ...common,
  },
  {
    requiredKeys: [
      'format',
      'version',
      'image_name',
      'creation_date',
      'size',
      'fragments',
      'checksum',
      'netbackup_metadata',
      'identity',
      'chain',
      'chunk_size',
      'leaf_size',
      'index',
      'committed',
      'written_by',
    ],
    noNullPrototype: true,
  },
) as fc.Arbitrary<Manifest>;
const pendings = fc.record({
  format: fc.constant('vast-ost-pending' as const),
  version: fc.constant(1 as const),
  writer: fc.uuid({ version: 4 }),
  created: times,
  uploads: fc.array(fc.record({ fragment: fc.integer({ min: 1 }), id: fc.string({ minLength: 1, maxLength: 40 }) }), {
    maxLength: 4,
  }),
  ...common,
}) as fc.Arbitrary<Pending>;

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

t.test('manifests and pending records: inverse for everything the schema allows', async () => {
  fc.assert(
    fc.property(manifests, (manifest) => sorted(decodeManifest(encodeManifest(manifest), 'test')) === sorted(manifest)),
  );
  fc.assert(
    fc.property(pendings, (pending) => sorted(decodePending(encodePending(pending), 'test')) === sorted(pending)),
  );
});

t.test('manifests and pending records: hostile bytes give an integrity or unsupported error', async (t) => {
  promise({
    row: 'security',
    promise: 'Hostile manifests and pending records are refused, whatever their bytes',
    fault: 'random and mutated JSON (fast-check)',
  });
  const [manifest] = fc.sample(manifests, 1) as [Manifest];
  const good = encodeManifest(manifest);
  fc.assert(
    fc.property(fc.nat(good.byteLength - 1), fc.nat(255), (at, byte) => {
      const bad = Buffer.from(good);
      bad[at] = byte;
      try {
        decodeManifest(bad, 'test');
        return true;
      } catch (error) {
        return integrity(error);
      }
    }),
    { numRuns: 500 },
  );
  for (const bad of ['', 'null', '[]', '{}', '\xff', '{"format":"vast-ost-image","version":2}', '1e999']) {
    t.ok(
      refuses(() => decodeManifest(Buffer.from(bad, 'latin1'), 'x')),
      bad,
    );
    t.ok(
      refuses(() => decodePending(Buffer.from(bad, 'latin1'), 'x')),
      bad,
    );
  }
  const extra = JSON.parse(String(Buffer.from(good))) as object;
  t.ok(refuses(() => decodeManifest(Buffer.from(JSON.stringify({ ...extra, surprise: 1 })), 'x')));
});
