import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { examineEndpoint } from '../../src/doctor/endpoint.ts';
import type { Finding } from '../../src/doctor/finding.ts';

/** An HTTP server whose clock is off by `skewMs`; without a clock when undefined. */
async function serverWithClock(t: Test, skewMs: number | undefined): Promise<URL> {
  const server = createServer((_, answer) => {
    answer.sendDate = false;
    if (skewMs !== undefined) answer.setHeader('Date', new Date(Date.now() + skewMs).toUTCString());
    answer.end();
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

async function examine(url: URL): Promise<Map<string, Finding>> {
  const findings = new Map<string, Finding>();
  for await (const finding of examineEndpoint('s', { url })) findings.set(finding.check, finding);
  return findings;
}

for (const [skewMs, verdict] of [
  [0, 'ok'],
  [-120_000, 'warning'],
  [3_600_000, 'failure'],
  [undefined, 'skipped'],
] as const) {
  t.test(`a clock that is ${skewMs} ms off: ${verdict}`, async (t) => {
    const findings = await examine(await serverWithClock(t, skewMs));
    t.equal(findings.get('connection')?.verdict, 'ok');
    t.equal(findings.get('clock')?.verdict, verdict);
  });
}

t.test('nothing more is asked where nobody answers', async (t) => {
  const url = await serverWithClock(t, 0);
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  url.port = String((closed.address() as AddressInfo).port);
  closed.close();
  await once(closed, 'close');
  const findings = await examine(url);
  t.match(findings.get('connection'), { verdict: 'failure', message: /ECONNREFUSED/, advice: /./ });
  t.notOk(findings.has('clock'));
});

t.test('a name without an address', async (t) => {
  const findings = await examine(new URL('https://nowhere.invalid'));
  t.strictSame([...findings.keys()], ['name']);
  t.match(findings.get('name'), { verdict: 'failure', message: 'nowhere.invalid has no address' });
});
