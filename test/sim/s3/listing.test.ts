import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import t from 'tap';
import { scan } from '../../../src/sim/s3/operations/scan.ts';
import { KeyIndex } from '../../../src/sim/s3/state/key-index.ts';
import { codeOf, raw, sdk, sim } from './support.ts';

const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u00ff'), minLength: 1, maxLength: 6 });
const short = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u00ff'), maxLength: 3 });

/** What a listing is: every key or common prefix once, in order, after the given point. */
function model(keys: Iterable<string>, prefix: string, delimiter: string, after: string): string[] {
  const names = [...keys]
    .filter((k) => k.startsWith(prefix))
    .map((k) => {
      const cut = delimiter === '' ? -1 : k.indexOf(delimiter, prefix.length);
      return cut < 0 ? `key ${k}` : `pre ${k.slice(0, cut + delimiter.length)}`;
    })
    .filter((name) => name.slice(4) > after);
  return [...new Set(names)].sort((a, b) => (a.slice(4) < b.slice(4) ? -1 : 1));
}

t.test('pages together are the whole listing', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { maxLength: 30 }),
      short,
      fc.constantFrom('', '/', 'ab', '\u00ff'),
      short,
      fc.integer({ min: 1, max: 5 }),
      (keys, prefix, delimiter, after, limit) => {
        const index = new KeyIndex<true>();
        for (const k of keys) index.set(k, true);
        const found: string[] = [];
        let from = after;
        for (let more = true; more; ) {
          const page = scan(index, { prefix, delimiter, after: from, limit });
          if (page.entries.length > limit || (page.truncated && page.entries.length < limit)) return false;
          found.push(...page.entries.map(({ name, isPrefix }) => `${isPrefix ? 'pre' : 'key'} ${name}`));
          from = page.entries.at(-1)?.name ?? '';
          more = page.truncated;
        }
        return JSON.stringify(found) === JSON.stringify(model(keys, prefix, delimiter, after));
      },
    ),
    { numRuns: 1000 },
  );
});

t.test('the index is a sorted map, whatever the order of changes', async () => {
  const change = fc.record({ kind: fc.constantFrom('set', 'delete', 'next', 'after'), key });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const index = new KeyIndex<number>();
      const truth = new Map<string, number>();
      return changes.every(({ kind, key: k }, i) => {
        if (kind === 'set') {
          index.set(k, i);
          truth.set(k, i);
        } else if (kind === 'delete') {
          if (index.delete(k) !== truth.delete(k)) return false;
        } else {
          const inclusive = kind === 'next';
          const expected = [...truth.keys()]
            .sort((a, b) => (a < b ? -1 : 1))
            .find((x) => x > k || (inclusive && x === k));
          if (index.next(k, inclusive) !== expected) return false;
        }
        return index.size === truth.size && index.get(k) === truth.get(k);
      });
    }),
    { numRuns: 500 },
  );
});

t.test('both versions over the wire', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  const Bucket = 'bucket';
  await client.send(new CreateBucketCommand({ Bucket }));
  const keys = ['a/1', 'a/2', 'b', 'c&<ü>', 'd/\u{1F600}', 'd/\uFF5E', 'e+ f/g'];
  for (const Key of [...keys].reverse()) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const inOrder = ['a/1', 'a/2', 'b', 'c&<ü>', 'd/\uFF5E', 'd/\u{1F600}', 'e+ f/g'];

  const v2 = async (options: object) => {
    const names: string[] = [];
    let pages = 0;
    let ContinuationToken: string | undefined;
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken, ...options }));
      const entries = [
        ...(page.Contents ?? []).map(({ Key }) => Key ?? ''),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''),
      ];
      if (page.KeyCount !== entries.length || page.IsTruncated !== (page.NextContinuationToken !== undefined))
        throw new Error('page');
      names.push(...entries);
      ContinuationToken = page.NextContinuationToken;
      pages += 1;
    } while (ContinuationToken !== undefined);
    return { names, pages };
  };
  t.same(await v2({}), { names: inOrder, pages: 1 });
  t.same(await v2({ MaxKeys: 2 }), { names: inOrder, pages: 4 });
  t.same(await v2({ MaxKeys: 1, Delimiter: '/' }), { names: ['a/', 'b', 'c&<ü>', 'd/', 'e+ f/'], pages: 5 });
  t.same(await v2({ Prefix: 'd/' }), { names: ['d/\uFF5E', 'd/\u{1F600}'], pages: 1 });
  t.same(await v2({ StartAfter: 'c&<ü>', MaxKeys: 2 }), { names: inOrder.slice(4), pages: 2 });
  t.same(await v2({ MaxKeys: 0 }), { names: [], pages: 1 });
  const encoded = await client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url', FetchOwner: true }));
  t.equal(encoded.EncodingType, 'url');
  t.same(
    encoded.Contents?.map(({ Key }) => decodeURIComponent(Key ?? '')),
    inOrder,
  );
  t.ok(encoded.Contents?.every(({ Owner, Size }) => Owner?.ID !== undefined && (Size ?? 0) > 0));
  t.equal(await codeOf(client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: '?' }))), 'InvalidArgument');

  const first = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 3, Delimiter: '/' }));
  t.match(first, { IsTruncated: true, NextMarker: 'c&<ü>', MaxKeys: 3 });
  const second = await client.send(new ListObjectsCommand({ Bucket, Delimiter: '/', Marker: first.NextMarker }));
  t.match(second, { IsTruncated: false, NextMarker: undefined });
  t.same(
    second.CommonPrefixes?.map(({ Prefix }) => Prefix),
    ['d/', 'e+ f/'],
  );
  const plain = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 3 }));
  t.match(plain, { IsTruncated: true, NextMarker: undefined }, 'without a delimiter the last key is the marker');

  for (const [parameter, value] of [
    ['max-keys', '-1'],
    ['max-keys', 'many'],
    ['encoding-type', 'base64'],
    ['list-type', '3'],
  ]) {
    t.match(
      await raw(s3, { path: `/bucket?${parameter}=${value}` }),
      { status: 400, code: 'InvalidArgument' },
      `${parameter}=${value}`,
    );
  }
  t.match(await raw(s3, { path: '/bucket?list-type=2&max-keys=5000' }), { body: /<MaxKeys>1000</ }, 'at most 1000');
});

t.test('more than one page of the largest size', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  const Bucket = 'bucket';
  await client.send(new CreateBucketCommand({ Bucket }));
  const keys = Array.from({ length: 1003 }, (_, i) => `key-${String(i).padStart(5, '0')}`);
  for (let i = 0; i < keys.length; i += 50) {
    await Promise.all(
      keys.slice(i, i + 50).map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: '-' }))),
    );
  }
  const first = await client.send(new ListObjectsV2Command({ Bucket }));
  t.match(first, { IsTruncated: true, KeyCount: 1000, MaxKeys: 1000 });
  const second = await client.send(
    new ListObjectsV2Command({ Bucket, ContinuationToken: first.NextContinuationToken }),
  );
  t.match(second, { IsTruncated: false, KeyCount: 3 });
  t.same(
    [...(first.Contents ?? []), ...(second.Contents ?? [])].map(({ Key }) => Key),
    keys,
  );
  await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.slice(0, 1000).map((Key) => ({ Key })) } }),
  );
  t.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 3);
});
