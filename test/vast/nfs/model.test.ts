/** Random sequences of operations: the directory store must answer as the memory store does. */
import fc from 'fast-check';
import t from 'tap';
import { failureOf } from '../../../src/errors.ts';
import { MemoryStorage } from '../../../src/vast/memory/storage.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import type { ObjectInfo, ObjectStore, PartInfo, Storage, Upload } from '../../../src/vast/store.ts';
import { streamOf } from '../conformance/support.ts';

/** No key is the folder of another: a directory cannot have both. */
const KEYS = ['a/b', 'a/c', 'a/d/e', 'a-', 'a.x', 'b', 'netbackup/i1/f', 'netbackup/i1/g', 'netbackup/i2/f'];
const PREFIXES = ['', 'a', 'a/', 'a/d/', 'netbackup/', 'netbackup/i', 'b', 'x/'];
const FOLDERS = PREFIXES.filter((prefix) => prefix === '' || prefix.endsWith('/'));

const key = fc.constantFrom(...KEYS);
const bytes = fc.uint8Array({ maxLength: 40 });
const lsu = fc.constantFrom('one', 'two');
const small = fc.nat({ max: 45 });
/** Which of the uploads begun so far; beyond the last one means none. */
const which = fc.nat({ max: 2 });

const operation = fc.oneof(
  fc.record({ do: fc.constant('put' as const), lsu, key, pieces: fc.array(bytes, { maxLength: 3 }) }),
  fc.record({ do: fc.constant('putStream' as const), lsu, key, pieces: fc.array(bytes, { maxLength: 3 }) }),
  fc.record({ do: fc.constant('read' as const), lsu, key, offset: small, length: small }),
  fc.record({ do: fc.constant('head' as const), lsu, key }),
  fc.record({ do: fc.constant('delete' as const), lsu, keys: fc.array(key, { maxLength: 4 }) }),
  fc.record({ do: fc.constant('copy' as const), lsu, from: lsu, source: key, key }),
  fc.record({
    do: fc.constant('list' as const),
    lsu,
    prefix: fc.constantFrom(...PREFIXES),
    startAfter: fc.constantFrom('', 'a', 'a/', 'a/c', 'netbackup/i1', ...KEYS),
  }),
  fc.record({ do: fc.constant('listFolders' as const), lsu, prefix: fc.constantFrom(...FOLDERS) }),
  fc.record({ do: fc.constant('createUpload' as const), lsu, key }),
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('putPart' as const),
      which,
      number: fc.integer({ min: 1, max: 2 }),
      data: bytes,
    }),
  },
  fc.record({ do: fc.constant('complete' as const), which }),
  fc.record({ do: fc.constant('abort' as const), which }),
  fc.record({ do: fc.constant('listParts' as const), which }),
  fc.record({ do: fc.constant('listUploads' as const), lsu, prefix: fc.constantFrom(...PREFIXES) }),
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What both stores must agree on: markers and times are their own. */
const plain = (info: ObjectInfo | undefined): unknown => info && { key: info.key, size: info.size };
const plainPart = ({ number, size }: PartInfo): unknown => ({ number, size });

class Player {
  readonly #storage: Storage;
  readonly #stores = new Map<string, ObjectStore>();
  readonly #uploads: Upload[] = [];

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async play(operation: Operation): Promise<unknown> {
    try {
      return await this.#do(operation);
    } catch (error) {
      return `failed: ${failureOf(error)}`;
    }
  }

  async #store(name: string): Promise<ObjectStore> {
    const store = this.#stores.get(name) ?? (await this.#storage.open(name));
    this.#stores.set(name, store);
    return store;
  }

  async #do(op: Operation): Promise<unknown> {
    switch (op.do) {
      case 'put':
        return plain(await (await this.#store(op.lsu)).put(op.key, op.pieces));
      case 'putStream':
        return plain(await (await this.#store(op.lsu)).putStream(op.key, streamOf(...op.pieces)));
      case 'read': {
        const into = new Uint8Array(op.length);
        await (await this.#store(op.lsu)).read(op.key, op.offset, into);
        return [...into];
      }
      case 'head':
        return plain(await (await this.#store(op.lsu)).head(op.key));
      case 'delete':
        return (await this.#store(op.lsu)).delete(op.keys);
      case 'copy':
        return plain(await (await this.#store(op.lsu)).copy({ lsu: op.from, key: op.source }, op.key));
      case 'list': {
        const { prefix, startAfter } = op;
        return (await Array.fromAsync((await this.#store(op.lsu)).list({ prefix, startAfter }))).map(plain);
      }
      case 'listFolders':
        return Array.fromAsync((await this.#store(op.lsu)).listFolders(op.prefix));
      case 'createUpload':
        this.#uploads.push(await (await this.#store(op.lsu)).createUpload(op.key));
        return 'made';
      case 'listUploads':
        return (await Array.fromAsync((await this.#store(op.lsu)).listUploads(op.prefix))).map(({ key }) => key).sort();
      default:
        return this.#doUpload(op, this.#uploads[op.which]);
    }
  }

  async #doUpload(op: Operation, upload: Upload | undefined): Promise<unknown> {
    if (upload === undefined) return 'none';
    switch (op.do) {
      case 'putPart': {
        // The first part is full, so that the second one, of any length, joins it.
        const body = op.number === 1 ? Buffer.concat([op.data, Buffer.alloc(40)]).subarray(0, 40) : op.data;
        const part = { number: op.number, offset: (op.number - 1) * 40, body: [body], size: body.byteLength };
        return plainPart(await upload.putPart(part));
      }
      case 'complete': {
        const parts = await upload.listParts();
        // Holes are allowed in memory and in S3, not in a file.
        if (parts.some((part, index) => part.number !== index + 1)) return 'hole';
        return plain(await upload.complete(parts));
      }
      case 'listParts':
        return (await upload.listParts()).map(plainPart);
      default:
        return upload.abort();
    }
  }
}

t.test('file and memory answer alike', async (t) => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60, size: 'max' }), async (operations) => {
      round += 1;
      const storages = [new MemoryStorage(), new FileStorage(`${t.testdir({ [`r${round}`]: {} })}/r${round}`)];
      for (const storage of storages) for (const name of ['one', 'two']) await storage.createLsu(name);
      const [memory, file] = storages.map((storage) => new Player(storage));
      for (const op of operations) {
        const expected = JSON.stringify(await memory?.play(op));
        const found = JSON.stringify(await file?.play(op));
        if (expected !== found) throw new Error(`${JSON.stringify(op)}: memory ${expected}, file ${found}`);
      }
    }),
    { numRuns: 60 },
  );
  t.ok(round >= 60);
});
