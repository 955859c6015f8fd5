import t, { type Test } from 'tap';
import type { ProxyEffect } from '../../src/chaos/proxy-faults.ts';
import { EngineError } from '../../src/errors.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import type { WireIntegrity } from '../../src/vast/s3/options.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { MIB, randomBytes, readImage, testResources, writeImage, writerOptions } from '../image/support.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { type Line, type Scheme, Wire } from '../support/wire.ts';

// Faults of the line itself, between the real S3 client and the simulated server, over HTTP and TLS.

/** Two parts: S3's smallest, and the rest. */
const PART = 5 * MIB;
const DATA = randomBytes(PART + MIB + 5, 'wire');
const resources = testResources(t, 64 * MIB);

/** One connection, so that its bytes are those of the image, in order; silence is noticed soon. */
const ONE = { connections: 1, idleTimeoutMs: 2_000 } as const;

async function backUp(store: ObjectStore): Promise<string> {
  const options = writerOptions(resources, 'x', { partBytes: PART });
  return (await writeImage(store, resources, options, DATA, MIB)).imageId;
}

/** Faults that a line may have, somewhere in the image's bytes or where it says. */
function breaks(direction: 'up' | 'down'): ProxyEffect[] {
  const anywhere = [0, PART] as const;
  return [
    { kind: 'reset', direction, at: 0 },
    { kind: 'reset', direction, at: 1 },
    { kind: 'reset', direction, at: PART },
    { kind: 'reset', direction, at: anywhere },
    { kind: 'truncate', direction, at: anywhere },
  ];
}

/** How many connections come before the one that carries the image's bytes: a HEAD ends its own. */
async function before(
  wire: Wire,
  direction: 'up' | 'down',
  work: (store: ObjectStore) => Promise<unknown>,
): Promise<number> {
  const effect: ProxyEffect = { kind: 'reset', direction, at: MIB };
  const line = await wire.line(1, [{ effect }], { ...ONE, policy: { retries: 0 } });
  await work(line.store).catch(() => undefined);
  await line.close();
  line.plan.verifyAllHit();
  return Number(/[0-9]+$/.exec(line.plan.events()[0]?.site ?? '')?.[0]) - 1;
}

for (const scheme of ['http', 'https'] as const) {
  t.test(`a backup over ${scheme}`, async (t) => {
    promise({
      row: '3',
      promise: 'A backup over a line that breaks at any byte is whole, and nothing is left over',
      fault:
        'proxy before S3, http and https: refused, reset or ended at byte 0, 1, 5 MiB, anywhere, while the image is sent; a black hole',
    });
    const wire = await Wire.start(t, scheme);
    const after = await before(wire, 'up', backUp);
    // A body that has left for the hole is waited for as long as the slowest server would need: here a small request vanishes.
    const hole: ProxyEffect = { kind: 'black-hole', direction: 'up', at: 0 };
    for (const [at, effect] of [...breaks('up'), { kind: 'refuse' } as const, hole].entries()) {
      const line = await wire.line(at + 1, [{ after: effect === hole ? 0 : after, count: 1, effect }], ONE);
      const what = JSON.stringify(effect);
      const imageId = await backUp(line.store);
      line.plan.verifyAllHit();
      t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA), what);
      await noTrace(t, wire, line, imageId, what);
    }
  });

  t.test(`answers of a backup over ${scheme} are lost`, async (t) => {
    promise({
      row: '4',
      promise: 'What a server did while its answer was lost on the line is found done, and is done once',
      fault:
        'proxy before S3, http and https: reset in the answers on the connection that carries the image, three places',
    });
    const wire = await Wire.start(t, scheme);
    const after = await before(wire, 'up', backUp);
    // Over TLS the first bytes are those of the handshake.
    const begin = scheme === 'http' ? 0 : 2_000;
    for (const nth of [1, 2, 3]) {
      const effect: ProxyEffect = { kind: 'reset', direction: 'down', at: [begin, begin + 500] };
      const line = await wire.line(nth, [{ after, count: 1, effect }], ONE);
      const imageId = await backUp(line.store);
      line.plan.verifyAllHit();
      t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA), `answer ${nth}`);
      await noTrace(t, wire, line, imageId, `answer ${nth}`);
    }
  });

  t.test(`a restore over ${scheme}`, async (t) => {
    promise({
      row: '3',
      promise: 'A restore over a line that breaks at any byte gives the image',
      fault:
        'proxy before S3, http and https: refused, reset, ended at byte 0, 1, 5 MiB, anywhere, while the image is read; a black hole',
    });
    const wire = await Wire.start(t, scheme);
    const imageId = await backUp(wire.clean);
    const after = await before(wire, 'down', (store) => readImage(store, resources, imageId));
    const hole: ProxyEffect = { kind: 'black-hole', direction: 'down', at: [0, PART] };
    for (const [at, effect] of [...breaks('down'), { kind: 'refuse' } as const, hole].entries()) {
      const line = await wire.line(at + 1, [{ after, count: 1, effect }], ONE);
      t.ok((await readImage(line.store, resources, imageId)).equals(DATA), JSON.stringify(effect));
      line.plan.verifyAllHit();
      await line.close();
    }
  });
}

/** Nothing but the image is in the LSU; then it is taken away. */
async function noTrace(t: Test, wire: Wire, line: Line, imageId: string, what: string): Promise<void> {
  await line.close();
  t.same(await orphans(wire.clean), [], `${what}: no orphan`);
  await deleteImage(wire.clean, imageId);
}

/** Flip a bit of the first part's body. */
async function flipped(
  t: Test,
  scheme: Scheme,
  wireIntegrity: WireIntegrity,
): Promise<{ wire: Wire; retries: string[]; imageId: string }> {
  const wire = await Wire.start(t, scheme);
  const effect: ProxyEffect = { kind: 'flip', direction: 'up', at: [2 * MIB, 4 * MIB] };
  const after = await before(wire, 'up', backUp);
  const line = await wire.line(1, [{ after, count: 1, effect }], { ...ONE, wireIntegrity });
  const imageId = await backUp(line.store);
  line.plan.verifyAllHit();
  await line.close();
  t.same(await orphans(wire.clean), []);
  return { wire, imageId, retries: line.retries.map(({ error }) => error.failure) };
}

t.test('a bit that flips on the way to the server, over http: the digest in the signature', async (t) => {
  promise({
    row: '8',
    promise: 'The server refuses a damaged body at once, it is sent again from clean memory, and counted',
    fault: 'proxy before S3, http: one bit of a part flips; wire_integrity sha256 (the default over http)',
  });
  const { wire, retries, imageId } = await flipped(t, 'http', 'auto');
  t.same(retries, ['integrity'], 'refused once, sent again');
  t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA));
});

t.test('a bit that flips on the way to the server, over http: Content-MD5', async (t) => {
  promise({
    row: '8',
    promise: 'The server refuses a damaged body at once, and it is sent again',
    fault: 'proxy before S3, http: one bit of a part flips; wire_integrity md5',
  });
  const { wire, retries, imageId } = await flipped(t, 'http', 'md5');
  t.same(retries, ['integrity']);
  t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA));
});

t.test('a bit that flips on the way to the server, over TLS', async (t) => {
  promise({
    row: '8',
    promise: 'TLS breaks the connection on a damaged record, and the body is sent again',
    fault: 'proxy before S3, https: one bit of a part flips; wire_integrity none (the default over https)',
  });
  const { wire, retries, imageId } = await flipped(t, 'https', 'auto');
  t.ok(retries.length > 0 && retries.every((failure) => failure === 'retryable'), retries.join());
  t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA));
});

t.test('a bit that flips on the way to the server, over http without any protection', async (t) => {
  promise({
    row: '8',
    promise:
      'With wire_integrity none over http the backup ends well although it is damaged; only verify, scrub and restore tell, with image, offset and leaf',
    fault: 'proxy before S3, http: one bit of a part flips; wire_integrity none',
  });
  const { wire, retries, imageId } = await flipped(t, 'http', 'none');
  t.same(retries, [], 'nobody noticed');
  const reader = await ImageReader.open(wire.clean, resources, imageId);
  const verified: unknown = await verifyImage(reader, { readAhead: 2 }).catch((error: unknown) => error);
  const restored: unknown = await readImage(wire.clean, resources, imageId).catch((error: unknown) => error);
  for (const error of [verified, restored]) {
    t.ok(error instanceof EngineError);
    t.match(error, { failure: 'integrity', code: 'VOST_CORRUPT', details: { lsu: 'lsu', image: imageId, leaf: 0 } });
    t.match(error, { message: /the bytes from offset [0-9]+ on \(chunk [0-9]+, leaf 0\)/ });
  }
});

t.test('a bit that flips on the way back', async (t) => {
  promise({
    row: '8',
    promise: 'Bytes that are damaged on the way back are read again, and the restore is right',
    fault: 'proxy before S3: one bit of the image flips while it is read, http and https',
  });
  for (const scheme of ['http', 'https'] as const) {
    const wire = await Wire.start(t, scheme);
    const imageId = await backUp(wire.clean);
    const after = await before(wire, 'down', (store) => readImage(store, resources, imageId));
    const effect: ProxyEffect = { kind: 'flip', direction: 'down', at: [2 * MIB, 3 * MIB] };
    const line = await wire.line(1, [{ after, count: 1, effect }], ONE);
    const { healed } = resources.meters;
    t.ok((await readImage(line.store, resources, imageId)).equals(DATA));
    line.plan.verifyAllHit();
    // TLS sees it before we do.
    t.equal(resources.meters.healed - healed, scheme === 'http' ? 1 : 0);
    await line.close();
  }
});
