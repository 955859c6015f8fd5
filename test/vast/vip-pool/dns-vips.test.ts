import t from 'tap';
import { DnsVips } from '../../../src/vast/vip-pool/dns-vips.ts';
import { fakeDns } from '../../support/fake-dns.ts';

const NAME = 'data.vast.test';
const live = (): AbortSignal => new AbortController().signal;

/** `10.1.0.N` for each number. */
const vips = (...numbers: number[]): string[] => numbers.map((number) => `10.1.0.${number}`);

async function found(source: DnsVips): Promise<string[]> {
  return (await source.resolve(live())).map(({ host }) => host).sort();
}

t.test('all addresses of both families', async (t) => {
  const addresses = ['10.1.0.1', '10.1.0.2', 'fd00::1'];
  const dns = await fakeDns(t, NAME, addresses);
  t.same(await found(new DnsVips(NAME, [dns.server])), addresses);
});

t.test('a server that shows one at a time is asked until all are known', async (t) => {
  const all = vips(...Array.from({ length: 16 }, (_, at) => at + 10));
  const dns = await fakeDns(t, NAME, all);
  dns.perAnswer = 1;
  t.same(await found(new DnsVips(NAME, [dns.server])), all);
  t.ok(dns.asked <= 16 + 8 + 9, `${dns.asked} questions`);
});

t.test('VIPs move', async (t) => {
  const dns = await fakeDns(t, NAME, vips(1, 2));
  const source = new DnsVips(NAME, [dns.server]);
  t.same(await found(source), vips(1, 2));
  dns.addresses = vips(2, 3);
  t.same(await found(source), vips(1, 2, 3), 'a new one is there at once');
  t.same(await found(source), vips(1, 2, 3), 'one that was not named may have been left out by chance');
  t.same(await found(source), vips(2, 3), 'but not three times');
});

t.test('how long an answer holds', async (t) => {
  const dns = await fakeDns(t, NAME, vips(1));
  const source = new DnsVips(NAME, [dns.server]);
  const ages: number[] = [];
  for (const ttl of [0, 120, 86_400]) {
    dns.ttl = ttl;
    await source.resolve(live());
    ages.push(source.maxAgeMs);
  }
  t.same(ages, [30_000, 120_000, 300_000]);
});

t.test('no such name, no answer, no server', async (t) => {
  const dns = await fakeDns(t, NAME, []);
  await t.rejects(new DnsVips(NAME, [dns.server]).resolve(live()), { code: 'ENOTFOUND' });
  dns.silent = true;
  const abort = new AbortController();
  const pending = new DnsVips(NAME, [dns.server]).resolve(abort.signal);
  const refused = t.rejects(pending, { name: 'AbortError' });
  abort.abort();
  await refused;
  await t.rejects(new DnsVips(NAME, [dns.server]).resolve(AbortSignal.abort()), { name: 'AbortError' });
  t.throws(() => new DnsVips(NAME, ['dns.example.com']), { code: 'ERR_INVALID_IP_ADDRESS' });
});
