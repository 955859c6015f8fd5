import t from 'tap';
import { vipOptions } from '../../../src/vast/vip-pool/configured-vips.ts';
import { DnsVips } from '../../../src/vast/vip-pool/dns-vips.ts';
import { refusal } from '../../support/refusal.ts';

const STORE = 's3:https://s3.vast.test';
const connections_per_vip = 16;

t.test('nothing about VIPs: the store is its own', async (t) => {
  t.strictSame(vipOptions(STORE, { connections_per_vip }, '[general]'), { connections: 16 });
  t.strictSame(vipOptions('file:/x', { connections_per_vip }, '[general]'), { connections: 16 });
});

t.test('a list', async (t) => {
  const endpoints = 'https://10.0.0.1, https://10.0.0.2:8443,https://[fd00::1],https://vip4.vast.test';
  const { vips } = vipOptions(STORE, { endpoints, connections_per_vip }, '[general]');
  t.strictSame(await vips?.resolve(new AbortController().signal), [
    { host: '10.0.0.1', port: 443 },
    { host: '10.0.0.2', port: 8443 },
    { host: 'fd00::1', port: 443 },
    { host: 'vip4.vast.test', port: 443 },
  ]);
  t.equal(vips?.maxAgeMs, Number.POSITIVE_INFINITY);
});

t.test('DNS', async (t) => {
  const { vips } = vipOptions(
    STORE,
    { dns_name: 'data.vast.test', dns_servers: '10.0.0.53, [fd00::53]:5353', connections_per_vip },
    '[general]',
  );
  t.ok(vips instanceof DnsVips);
});

t.test('mistakes', async (t) => {
  const bad = (settings: object, message: RegExp, store = STORE) => {
    const refused = refusal('usage', { code: 'VOST_CONFIG', message });
    t.throws(() => vipOptions(store, { connections_per_vip, ...settings }, '[server x]'), refused);
  };
  bad({ endpoints: 'https://a', dns_name: 'b' }, /^\[server x\]: give endpoints or dns_name, not both$/);
  bad({ dns_servers: '10.0.0.53' }, /there is no dns_name/);
  bad({ dns_name: 'a', dns_servers: 'ns.example.com' }, /dns_servers are IP addresses/);
  bad({ endpoints: 'https://a' }, /only an S3 store/, 'file:/x');
  bad({ endpoints: ' , ' }, /endpoints names none/);
  for (const endpoints of ['http://a', 'a:443', 'https://a/path', 'https://user:topsecret@a']) {
    bad({ endpoints }, /^(?!.*topsecret).*endpoints are https:\/\/HOST:PORT and nothing more/);
  }
});
