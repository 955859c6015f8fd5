import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { pattern } from '../conformance/support.ts';
import { bodyOf, fail, faultServer, faultStore, ok } from './fault-server.ts';

const MIB = 2 ** 20;
const SENT = pattern(4 * MIB + 5, 3);
/** Two pieces, so that the body travels as a stream. */
const PIECES = [SENT.subarray(0, MIB + 1), SENT.subarray(MIB + 1)];

t.test('503, then well', async (t) => {
  const bodies: Buffer[] = [];
  const server = await faultServer(t, async (request, response, number) => {
    bodies.push(await bodyOf(request));
    if (number < 3) fail(response, 503, 'SlowDown');
    else ok(response, { etag: '"x"' });
  });
  const { store, retries } = await faultStore(t, server.url);
  t.match(await store.put('k', PIECES), { etag: 'x', size: SENT.length });
  t.equal(bodies.length, 3);
  t.ok(
    bodies.every((body) => body.equals(SENT)),
    'the same bytes were sent each time',
  );
  t.match(retries, [
    { operation: 'put', attempt: 1, bytes: SENT.length, delayMs: 100, error: refusal('retryable') },
    { operation: 'put', attempt: 2, bytes: SENT.length, delayMs: 200 },
  ]);
});

t.test('reset before headers', async (t) => {
  promise({
    row: '3',
    promise: 'A request whose connection breaks before an answer is sent again',
    fault: 'server closes before the headers; in the middle of the body',
  });
  const server = await faultServer(t, async (request, response, number) => {
    if (number === 1) request.socket.destroy();
    else ok(response, { etag: `"${(await bodyOf(request)).length}"` });
  });
  const { store, retries } = await faultStore(t, server.url);
  t.match(await store.put('k', [SENT]), { etag: String(SENT.length) });
  t.equal(retries.length, 1);
});

t.test('reset in the middle of the body', async (t) => {
  const server = await faultServer(t, async (request, response, number) => {
    if (number === 1) request.once('data', () => request.socket.resetAndDestroy());
    else ok(response, { etag: `"${(await bodyOf(request)).equals(SENT)}"` });
  });
  const { store, retries } = await faultStore(t, server.url);
  t.match(await store.put('k', PIECES), { etag: 'true' });
  t.equal(retries.length, 1);
});

t.test('stored, but the answer is lost', async (t) => {
  const stored = new Map<string, Buffer>();
  const server = await faultServer(t, async (request, response, number) => {
    stored.set(request.url ?? '', await bodyOf(request));
    if (number === 1) request.socket.destroy();
    else ok(response, { etag: '"e"' });
  });
  const { store } = await faultStore(t, server.url);
  const part = { number: 7, offset: 0, body: [SENT], size: SENT.length };
  t.match(await store.resumeUpload('k', 'id').putPart(part), { number: 7, etag: 'e', size: SENT.length });
  t.equal(stored.size, 1, 'the same part was sent again');
});

t.test('a server that reads slowly but moves is waited for', async (t) => {
  promise({
    row: '5',
    promise: 'A server that reads slowly is waited for as long as bytes move',
    fault: 'a server that takes longer than the idle time for one body',
  });
  const idleTimeoutMs = 1_500;
  // More than the kernels can hold, as one buffer and as a stream.
  const large = Buffer.alloc(24 * MIB);
  let took = 0;
  for (const body of [[large], [large.subarray(0, 1), large.subarray(1)]]) {
    const server = await faultServer(t, async (request, response) => {
      const begun = performance.now();
      let room = 0;
      for await (const chunk of request) {
        room += (chunk as Buffer).length;
        if (room < MIB / 2) continue;
        room = 0;
        await delay(50);
      }
      took = performance.now() - begun;
      ok(response, { etag: '"slow"' });
    });
    const { store, retries } = await faultStore(t, server.url, { idleTimeoutMs });
    t.match(await store.put('k', body), { etag: 'slow' });
    t.same(retries, [], 'in one attempt');
    t.ok(took > idleTimeoutMs, 'although it took longer than the idle time');
  }
});

t.test('a server that never answers is left', async (t) => {
  promise({
    row: '5',
    promise: 'A server that never answers is left after the idle time, and asked again',
    fault: 'no answer to a small request',
  });
  const server = await faultServer(t, async (request, response, number) => {
    request.resume();
    if (number > 1) ok(response, { etag: '"e"' });
  });
  const { store, retries } = await faultStore(t, server.url, { idleTimeoutMs: 100 });
  await store.put('k', [Buffer.from('small')]);
  t.match(retries[0], { error: refusal('retryable', { message: /no byte moved for 100 ms/ }) });
});

t.test('a server that stops reading is left', async (t) => {
  promise({
    row: '5',
    promise: 'A server that stops reading is left after the idle time',
    fault: '64 MiB of which the server reads nothing',
  });
  const large = Buffer.alloc(64 * MIB);
  const server = await faultServer(t, async (request, response, number) => {
    if (number > 1) ok(response, { etag: `"${(await bodyOf(request)).length}"` });
  });
  const { store, retries } = await faultStore(t, server.url, { idleTimeoutMs: 200 });
  for (const body of [[large], [large.subarray(0, 5), large.subarray(5)]]) {
    retries.length = 0;
    server.seen.length = 0;
    t.match(await store.put('k', body), { etag: String(large.length) });
    t.match(retries[0], { error: { message: /no byte moved/ } });
  }
});

t.test('an answer that stops is left', async (t) => {
  promise({
    row: '5',
    promise: 'An answer that stops is left after the idle time',
    fault: 'half a body, then silence',
  });
  const server = await faultServer(t, (_request, response, number) => {
    response.writeHead(206, { 'content-range': 'bytes 0-9/10', 'content-length': '10' });
    if (number === 1) response.write('01234');
    else response.end('0123456789');
  });
  const { store, retries } = await faultStore(t, server.url, { idleTimeoutMs: 100 });
  const into = Buffer.alloc(10);
  await store.read('k', 0, into);
  t.equal(into.toString(), '0123456789');
  t.match(retries[0], { operation: 'read', error: refusal('retryable') });
});

t.test('a truncated GET is read again', async (t) => {
  const server = await faultServer(t, (request, response, number) => {
    response.writeHead(206, { 'content-range': 'bytes 5-14/100', 'content-length': '10' });
    if (number === 1) response.write('xxx', () => request.socket.destroy());
    else response.end('0123456789');
  });
  const { store, retries } = await faultStore(t, server.url);
  const into = Buffer.alloc(10);
  await store.read('k', 5, into);
  t.equal(into.toString(), '0123456789');
  t.match(retries, [{ operation: 'read', bytes: 10 }]);
  t.equal(server.seen[0]?.headers.range, 'bytes=5-14');
});

t.test('a GET of another range is refused', async (t) => {
  const answers: Record<string, string>[] = [
    { 'content-range': 'bytes 0-9/100', 'content-length': '10' },
    { 'content-range': 'bytes 5-20/100', 'content-length': '16' },
    { 'content-range': 'nonsense', 'content-length': '10' },
    { 'content-length': '10' },
  ];
  for (const headers of answers) {
    const server = await faultServer(t, (_request, response) => {
      response.writeHead(206, headers).end(Buffer.alloc(Number(headers['content-length'])));
    });
    const { store } = await faultStore(t, server.url, { policy: { budgetMs: 0 } });
    await t.rejects(store.read('k', 5, Buffer.alloc(10)), refusal('retryable'), JSON.stringify(headers));
  }
});

t.test('a server without ranges', async (t) => {
  const server = await faultServer(t, (_request, response) => ok(response, { 'content-length': '10' }, '0123456789'));
  const { store } = await faultStore(t, server.url, { policy: { budgetMs: 0 } });
  const into = Buffer.alloc(10);
  await store.read('k', 0, into);
  t.equal(into.toString(), '0123456789', 'is good enough for whole objects');
  await t.rejects(store.read('k', 1, Buffer.alloc(5)), refusal('retryable'));
});

t.test('nobody listens', async (t) => {
  promise({
    row: '13',
    promise: 'Refused connections are tried again until the budget of time is over',
    fault: 'nobody listens on the port',
  });
  const retries: unknown[] = [];
  let now = 0;
  const storage = new S3Storage(new URL('http://127.0.0.1:1'), {
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    policy: { budgetMs: 1_000 },
    clock: { now: () => (now += 300), sleep: async () => undefined, random: () => 0 },
    onRetry: (event) => retries.push(event),
  });
  t.teardown(() => storage.close());
  const refused = refusal('retryable', { details: { socketCode: 'ECONNREFUSED', attempts: 4 } });
  await t.rejects(storage.lsus(), refused, 'the budget ends it');
  t.equal(retries.length, 3);
});

t.test('an abort during the pause', async (t) => {
  const stop = new AbortController();
  const server = await faultServer(t, (_request, response) => fail(response, 503, 'SlowDown'));
  const { store } = await faultStore(t, server.url, {
    clock: {
      now: () => 0,
      random: () => 0.5,
      sleep: (_ms, signal) => {
        queueMicrotask(() => stop.abort());
        return delay(60_000, undefined, { signal });
      },
    },
  });
  await t.rejects(store.put('k', [], { signal: stop.signal }), refusal('aborted'));
  t.equal(server.seen.length, 1);
});

t.test('an abort while the server is silent', async (t) => {
  const stop = new AbortController();
  const server = await faultServer(t, (request) => request.once('data', () => stop.abort()));
  const { store } = await faultStore(t, server.url);
  await t.rejects(store.put('k', PIECES, { signal: stop.signal }), refusal('aborted'));
});

t.test('close while the server is silent', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const server = await faultServer(t, () => arrived.resolve());
  const { store, storage } = await faultStore(t, server.url);
  const put = t.rejects(store.put('k', [SENT]), { code: 'VOST_STORAGE_CLOSED' });
  await arrived.promise;
  await storage.close();
  await put;
});
