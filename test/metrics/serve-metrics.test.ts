import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { request } from 'undici';
import { Host } from '../ost/support/host.ts';
import { Served } from '../ost/support/served.ts';
import { metricsPort, seriesOf } from './support.ts';

t.test('vast-ost serve serves metrics, and goes on without them when the address is taken', async (t) => {
  const first = await Served.prepare(t, { metrics: 'listen = 127.0.0.1:0' });
  await first.start();
  const port = await metricsPort(first);
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/metrics`);
  t.equal(statusCode, 200);
  const series = seriesOf(await body.text());
  t.equal(series.get('vast_ost_draining'), 0);
  t.ok([...series.keys()].some((name) => name.startsWith('vast_ost_build_info{')));

  const second = await Served.prepare(t, { metrics: `listen = 127.0.0.1:${port}` });
  await second.start();
  while (!second.stderr.includes('metrics are not served')) await delay(10);
  t.match(second.stderr, /EADDRINUSE/);
  t.match(second.stderr, /set another listen in \[metrics\], or off/);
  const host = new Host();
  t.teardown(() => host.close());
  await host.connect(second.socket);
  t.match(await host.openServer(), { max_handles: 1024 }, 'hosts are served all the same');
  t.equal(await second.stop(), 0);
  t.equal(await first.stop(), 0);
});

t.test('settings that cannot be right end the engine before it begins', async (t) => {
  const served = await Served.prepare(t, { metrics: 'password_file = /nonexistent/password' });
  await t.rejects(served.start(), { message: /VOST_CREDENTIALS/ });
});
