/** VMS as VAST's own clients and OpenStack's use it: see vast-clients.py, which knows nothing of us. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { ADMIN, cluster } from './support.ts';

const SCRIPT = fileURLToPath(new URL('vast-clients.py', import.meta.url));

const installed = await promisify(execFile)('python3', ['--version']).then(
  () => true,
  () => false,
);

t.test('vastpy, the CSI driver, manila', { skip: installed ? false : 'python3 is not installed' }, async (t) => {
  const sim = await cluster(t, { plain: false, vips: 2 });
  sim.faults.apply({ modes: { taskMs: 100 } });
  const client = spawn('python3', [SCRIPT]);
  const { vmsUrl, adminUrl, ca } = sim;
  const vips = sim.urls.map((url) => new URL(url).hostname);
  client.stdin.end(JSON.stringify({ vmsUrl, adminUrl, caFile: ca?.file, ...ADMIN, vips }));
  const said = Promise.all([text(client.stdout), text(client.stderr)]);
  const [code] = (await once(client, 'close')) as [number];
  const [out, errors] = await said;
  t.equal(code, 0, errors);
  t.equal(out, 'ok\n');
});
