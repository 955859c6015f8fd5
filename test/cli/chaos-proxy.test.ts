import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import t from 'tap';
import { run, start } from './support.ts';

t.test('a proxy that breaks connections tells what it does, until Ctrl-C', async (t) => {
  const server = createServer((_, response) => response.end('well')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const json of [false, true]) {
    const child = start(['chaos-proxy', '127.0.0.1:0', target, '--faults', '7,refuse=1', ...(json ? ['--json'] : [])]);
    t.teardown(() => child.kill('SIGKILL'));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const first = String((await lines.next()).value);
    const address = json ? String(JSON.parse(first).listening) : (/^listening on (\S+), seed 7/.exec(first)?.[1] ?? '');
    await t.rejects(fetch(`http://${address}/`), 'every connection is refused');
    const event = String((await lines.next()).value);
    if (json) t.match(JSON.parse(event), { rule: 'refuse', site: 'connection 1', turn: 1, effect: { kind: 'refuse' } });
    else t.equal(event, 'connection 1: refuse');
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    t.equal(code, 0, 'ended by Ctrl-C');
  }
  const clean = start(['chaos-proxy', '127.0.0.1:0', target, '--faults', '7,refuse=0']);
  t.teardown(() => clean.kill('SIGKILL'));
  const [line] = (await once(createInterface(clean.stdout), 'line')) as [string];
  const address = /^listening on (\S+),/.exec(line)?.[1];
  t.equal(await (await fetch(`http://${address}/`)).text(), 'well');
  clean.kill('SIGTERM');
  await once(clean, 'exit');
});

t.test('what it cannot be told', async (t) => {
  for (const [args, message] of [
    [['chaos-proxy', 'nowhere', '127.0.0.1:1', '--faults', '7'], /VOST_BAD_ADDRESS/],
    [['chaos-proxy', '127.0.0.1:0', '127.0.0.1:99999', '--faults', '7'], /VOST_BAD_ADDRESS/],
    [['chaos-proxy', '127.0.0.1:0', '127.0.0.1:1', '--faults', 'x'], /VOST_BAD_CHAOS/],
    [['chaos-proxy', '127.0.0.1:0', '127.0.0.1:1', '--faults', '7,boom=1'], /VOST_BAD_CHAOS/],
  ] as const) {
    const { code, stderr } = await run(args);
    t.equal(code, 2);
    t.match(stderr, message);
  }
});
