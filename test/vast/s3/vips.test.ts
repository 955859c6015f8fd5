import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RetryEvent } from '../../../src/vast/retry.ts';
import type { S3Options } from '../../../src/vast/s3/options.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { DnsVips } from '../../../src/vast/vip-pool/dns-vips.ts';
import { fixedVips } from '../../../src/vast/vip-pool/vip-source.ts';
import { fakeDns } from '../../support/fake-dns.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { VipFarm, type VipMode } from '../../support/vip-farm.ts';
import { pattern } from '../conformance/support.ts';
import { nodeDigests } from './support.ts';

interface Client {
  readonly storage: S3Storage;
  readonly store: ObjectStore;
  readonly retries: RetryEvent[];
}

/** A client of the farm with an LSU, whose pauses between attempts take no time. */
async function client(t: Test, farm: VipFarm, url: string, options: S3Options = {}): Promise<Client> {
  const retries: RetryEvent[] = [];
  const storage = new S3Storage(new URL(url), {
    credentials: farm.credentials,
    digests: nodeDigests,
    vips: farm.source(Number.POSITIVE_INFINITY),
    clock: { now: () => performance.now(), sleep: async () => undefined, random: () => 0.5 },
    onRetry: (event) => retries.push(event),
    ...options,
  });
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  return { storage, store: await storage.open('lsu'), retries };
}

/** A key and a certificate for the names, signed by itself. */
function certificate(dir: string, names: string): { key: string; cert: string; file: string } {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(dir, `${names.replace(/\W/g, '-')}-${name}`)) as [
    string,
    string,
  ];
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=vast';
  execFileSync(
    'openssl',
    ['req', ...request.split(' '), '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert],
    { stdio: 'ignore' },
  );
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8'), file: cert };
}

t.test('all VIPs are used, under the name of the storage', async (t) => {
  const farm = await VipFarm.start(t, { count: 3, subnet: 61 });
  const { store, storage } = await client(t, farm, 'http://s3.vast.test:8080');
  farm.restartCounts();
  for (let at = 0; at < 9; at += 1) await store.put(`k${at}`, [pattern(100, at)]);
  t.same(
    farm.vips.map(({ requests }) => requests),
    [3, 3, 3],
  );
  t.same(
    farm.vips.map(({ names }) => [...names]),
    Array(3).fill(['s3.vast.test:8080']),
  );
  t.match(storage.vips(), { waiting: 0, vips: [{ state: 'healthy', inFlight: 0, failures: 0 }, {}, {}] });
  t.equal(storage.name, 's3:http://s3.vast.test:8080');
});

t.test('TLS: the name is verified, not the address', async (t) => {
  const { file, ...tls } = certificate(tempDir(), 'DNS:s3.vast.test');
  const farm = await VipFarm.start(t, { count: 2, subnet: 62, tls });
  const { store } = await client(t, farm, 'https://s3.vast.test', { caFile: file });
  await store.put('k', [pattern(300_000, 1)]);
  for (const { names } of farm.vips) t.same([...names], ['s3.vast.test'], 'in SNI and Host');

  const other = new S3Storage(new URL('https://other.vast.test'), {
    credentials: farm.credentials,
    caFile: file,
    vips: farm.source(1e6),
  });
  t.teardown(() => other.close());
  await t.rejects(
    other.open('lsu'),
    refusal('access', { code: 'VOST_TLS_TRUST' }),
    'every VIP has the wrong name: final',
  );
  t.match(
    other.vips().vips,
    [
      { state: 'quarantined', requests: 1 },
      { state: 'quarantined', requests: 1 },
    ],
    'after all were asked',
  );
});

t.test('TLS: an address as the name means the address of each VIP', async (t) => {
  const { file, ...tls } = certificate(tempDir(), 'IP:127.0.63.1,IP:127.0.63.2');
  const farm = await VipFarm.start(t, { count: 2, subnet: 63, tls });
  const { store } = await client(t, farm, 'https://127.0.63.1', { caFile: file });
  for (const key of ['a', 'b', 'c', 'd']) await store.put(key, [pattern(10, 1)]);
  t.ok(farm.vips.every(({ requests }) => requests >= 2));
});

t.test('TLS: one VIP with a wrong certificate is left out', async (t) => {
  const dir = tempDir();
  const { file, ...tls } = certificate(dir, 'DNS:s3.vast.test');
  const farm = await VipFarm.start(t, { count: 2, subnet: 64, tls });
  const { file: _, ...wrong } = certificate(dir, 'DNS:wrong.test');
  const bad = await VipFarm.start(t, { count: 1, subnet: 65, tls: wrong });
  const vips = fixedVips([...bad.vips, ...farm.vips].map((vip) => vip.address));
  const { store, storage, retries } = await client(t, farm, 'https://s3.vast.test', { caFile: file, vips });
  for (const key of ['a', 'b', 'c', 'd']) await store.put(key, [pattern(10, 1)]);
  t.match(retries, [
    {
      error: {
        code: 'VOST_TLS_TRUST',
        failure: 'retryable',
        details: { vip: bad.vips[0]?.url.slice('https://'.length) },
      },
    },
  ]);
  t.equal(bad.vips[0]?.requests, 0, 'it saw no request');
  t.match(storage.vips().vips[0], { state: 'quarantined' });
});

for (const mode of ['hang', 'reset', 'busy', 'truncate', 'down'] as const) {
  t.test(`a VIP that fails (${mode}): each request is repeated once at most, elsewhere`, async (t) => {
    const farm = await VipFarm.start(t, { count: 3, subnet: 66 });
    const { store, storage, retries } = await client(
      t,
      farm,
      'http://s3.vast.test',
      mode === 'hang' ? { idleTimeoutMs: 1_000 } : {},
    );
    const sent = pattern(50_000, 7);
    await store.put('k', [sent]);
    const [bad] = farm.vips;
    if (mode === 'down') await bad?.stop();
    else if (bad !== undefined) bad.mode = mode as VipMode;
    const into = Array.from({ length: 12 }, () => Buffer.alloc(sent.length));
    await Promise.all(into.map((buffer) => store.read('k', 0, buffer)));
    t.ok(into.every((buffer) => buffer.equals(sent)));
    t.ok(retries.length >= 2 && retries.length <= 4, `${retries.length} repetitions of 12 requests`);
    t.ok(
      retries.every(({ attempt, error }) => attempt === 1 && error.details['vip'] === bad?.url.slice('http://'.length)),
    );
    // Until when is a matter of time; that it is left alone meanwhile, and for how long, is tested with virtual time.
    t.ok((storage.vips().vips[0]?.quarantines ?? 0) > 0, 'it is quarantined');
    for (let at = 0; at < 6; at += 1) await store.put(`after${at}`, [sent]);
    t.ok(storage.vips().vips.every(({ inFlight }) => inFlight === 0));
  });
}

t.test('a connection that died while it was idle costs nothing', async (t) => {
  promise({
    row: '13',
    promise: 'A kept connection that the other side gave up costs a repetition, and says nothing about the server',
    fault: 'half-closed idle connections',
  });
  let breakAt = 0;
  const farm = await VipFarm.start(t, {
    count: 1,
    subnet: 67,
    onRequest: (number) => {
      for (const vip of farm.vips) vip.mode = number === breakAt ? 'reset' : 'ok';
      seen = number;
    },
  });
  let seen = 0;
  const options = { policy: { retries: 0 }, connections: 1 };
  const { store, storage, retries } = await client(t, farm, 'http://s3.vast.test', options);
  // undici keeps no connection that carried a HEAD.
  await store.createUpload('k0');
  const real = performance.now.bind(performance);
  let ahead = 0;
  t.intercept(performance, 'now', { value: () => real() + ahead });
  for (const round of [1, 2, 3]) {
    ahead += 3_600_000;
    breakAt = seen + 1;
    const { id } = await store.createUpload(`k${round}`);
    t.ok(id, 'a request that must not be made twice by chance is answered');
    t.equal(seen, breakAt + 1, 'on a new connection');
  }
  t.same(retries, []);
  t.match(storage.vips().vips, [{ state: 'healthy', failures: 0 }]);
  breakAt = seen + 1;
  await t.rejects(store.createUpload('k'), refusal('retryable'), 'one that breaks in use is a failure');
});

t.test('VIPs found by DNS, that move', async (t) => {
  promise({
    row: '13',
    promise: 'When DNS names other addresses, requests go there',
    fault: 'all addresses of the name change, the old ones refuse',
  });
  const port = 27_100 + (process.pid % 800);
  const farm = await VipFarm.start(t, { count: 4, subnet: 68, port });
  const [a, b, c, d] = farm.vips.map(({ host }) => host) as [string, string, string, string];
  const dns = await fakeDns(t, 's3.vast.test', [a, b]);
  dns.perAnswer = 1;
  const vips = new DnsVips('s3.vast.test', [dns.server]);
  const { store, storage } = await client(t, farm, `http://s3.vast.test:${port}`, { vips });
  for (const key of ['a', 'b', 'c', 'd']) await store.put(key, [pattern(10, 1)]);
  t.same(
    farm.vips.map(({ requests }) => requests > 0),
    [true, true, false, false],
  );

  const real = performance.now.bind(performance);
  let ahead = 0;
  t.intercept(performance, 'now', { value: () => real() + ahead });
  dns.addresses = [c, d];
  await farm.vips[0]?.stop();
  await farm.vips[1]?.stop();
  // Everybody is gone: what is left of the old ones fails until the new ones are known, and goes after three lookups.
  for (let known = [a]; known.includes(a) || known.includes(b) || known.length < 2; ) {
    ahead += 300_000;
    await store.put('moved', [pattern(10, 2)]);
    known = storage.vips().vips.map(({ vip }) => vip.replace(`:${port}`, ''));
  }
  t.ok((farm.vips[2]?.requests ?? 0) > 0 && (farm.vips[3]?.requests ?? 0) > 0);
});
