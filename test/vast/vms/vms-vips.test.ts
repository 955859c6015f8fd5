import t from 'tap';
import { VmsVips } from '../../../src/vast/vms/vms-vips.ts';
import { refusal } from '../../support/refusal.ts';
import { FakeVms } from './fake-vms.ts';
import { clientOf } from './support.ts';

t.test('the VIPs of a pool, by VMS', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  const { signal } = new AbortController();
  const data = ['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1'].map((host) => ({ host }));
  t.same(await new VmsVips(client, 'data').resolve(signal), data);
  t.same(await new VmsVips(client).resolve(signal), data, 'not those for replication');
  await t.rejects(new VmsVips(client, 'none').resolve(signal), refusal('not-found', { message: /VIP pool none/ }));
  const [pool] = fake.table('vippools');
  Object.assign(pool ?? {}, {
    ip_ranges: [
      ['0.0.0.1', '255.255.255.255'],
      ['fd00::1', 'fd00::1'],
      ['x', 'y'],
    ],
  });
  t.equal((await new VmsVips(client, 'data').resolve(signal)).length, 1024, 'a pool without end is cut');
  Object.assign(pool ?? {}, {
    ip_ranges: [
      ['fd00::1', 'fd00::1'],
      ['x', 'y'],
      ['', ''],
    ],
  });
  t.same(await new VmsVips(client, 'data').resolve(signal), [{ host: 'fd00::1' }]);
});
