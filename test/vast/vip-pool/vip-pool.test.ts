import t from 'tap';
import { refusal } from '../../support/refusal.ts';
import { BROKEN, type Lease, makeBench, OK, SLOW, settled, take } from './support.ts';

const hosts = (leases: readonly Lease[]): string[] => leases.map(({ vip }) => vip.replace(':80', ''));

t.test('requests go where the fewest are, in turn', async (t) => {
  const { pool } = makeBench(['a', 'b', 'c']);
  const first = await take(pool, 6);
  t.same(hosts(first), ['a', 'b', 'c', 'a', 'b', 'c']);
  first[1]?.release(OK);
  first[4]?.release(OK);
  t.same(hosts(await take(pool, 2)), ['b', 'b'], 'b has none in flight');
});

t.test('one request after another uses all VIPs', async (t) => {
  const { pool } = makeBench(['a', 'b', 'c', 'd']);
  const used: string[] = [];
  for (let at = 0; at < 8; at += 1) {
    const [lease] = await take(pool, 1);
    used.push(...hosts(lease === undefined ? [] : [lease]));
    lease?.release(OK);
  }
  t.same(used, ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']);
});

t.test('payload goes evenly, whatever the pattern of the requests', async (t) => {
  const { pool } = makeBench(['a', 'b', 'c', 'd']);
  const bytes = new Map<string, number>();
  const send = async (size: number): Promise<void> => {
    const lease = await pool.acquire({ bytes: size });
    bytes.set(lease.vip, (bytes.get(lease.vip) ?? 0) + size);
    lease.release(OK);
  };
  for (let at = 0; at < 40; at += 1) {
    await send(0);
    await send(64);
    await send(0);
    await send(1);
  }
  const all = [...bytes.values()];
  t.equal(all.length, 4);
  t.ok(Math.max(...all) - Math.min(...all) <= 64, `${all}`);
});

t.test('VIPs of which one takes several times as long for payload are uneven', async (t) => {
  const MIB = 2 ** 20;
  const moved = async (members: readonly string[], slow: number): Promise<ReturnType<typeof makeBench>> => {
    const bench = makeBench(members);
    t.equal(bench.pool.uneven, false, 'nothing is known');
    for (let nth = 0; nth < 8; nth += 1) {
      const lease = await bench.pool.acquire({ bytes: 64 * MIB });
      await bench.clock.advance(64 * (lease.vip === 'b:80' ? slow : 1));
      lease.release(OK);
    }
    return bench;
  };
  t.equal((await moved(['a', 'b'], 3)).pool.uneven, false, 'that may be chance');
  const { pool, clock } = await moved(['a', 'b'], 5);
  t.equal(pool.uneven, true);
  await clock.advance(60_000);
  t.equal(pool.uneven, false, 'that was long ago');
  t.equal((await moved(['b'], 5)).pool.uneven, false, 'one alone is even');
});

t.test('a VIP that was away does not get everything when it is back', async (t) => {
  const bench = makeBench(['a']);
  const { pool, clock } = bench;
  const GIB = 2 ** 30;
  for (let at = 0; at < 10; at += 1) (await pool.acquire({ bytes: GIB })).release(OK);
  bench.members = ['a', 'b'];
  await clock.advance(60_000);
  const used: string[] = [];
  for (let at = 0; at < 6; at += 1) {
    const lease = await pool.acquire({ bytes: GIB });
    await settled();
    used.push(lease.vip);
    lease.release(OK);
  }
  t.same(used, ['a:80', 'b:80', 'a:80', 'b:80', 'a:80', 'b:80']);
});

t.test('more than there is room for waits, first come first served', async (t) => {
  const { pool } = makeBench(['a', 'b'], 1);
  const [a] = await take(pool, 2);
  const served: number[] = [];
  const waiting = [0, 1, 2].map(async (number) => {
    const lease = await pool.acquire();
    served.push(number);
    return lease;
  });
  await settled();
  t.match(pool.snapshot(), { waiting: 3, vips: [{ inFlight: 1 }, { inFlight: 1 }] });
  a?.release(OK);
  a?.release(OK);
  await settled();
  t.same(served, [0], 'a lease counts once, however often it is released');
  (await waiting[0])?.release(OK);
  (await waiting[1])?.release(OK);
  await waiting[2];
  t.same(served, [0, 1, 2]);
});

t.test('who waits can be aborted, and leaves no trace', async (t) => {
  const { pool } = makeBench(['a'], 1);
  const [lease] = await take(pool, 1);
  const abort = new AbortController();
  const refused = t.rejects(pool.acquire({ signal: abort.signal }), refusal('aborted'));
  const next = pool.acquire();
  await settled();
  abort.abort();
  await refused;
  t.equal(pool.snapshot().waiting, 1);
  lease?.release(OK);
  t.equal((await next).vip, 'a:80');
  await t.rejects(pool.acquire({ signal: abort.signal }), refusal('aborted'), 'or before it begins');
});

t.test('a repeated request goes elsewhere, and waits for that', async (t) => {
  const { pool } = makeBench(['a', 'b'], 1);
  t.same(hosts(await take(pool, 1, ['a'])), ['b']);
  const second = pool.acquire({ avoid: new Set(['a:80']) });
  const other = await pool.acquire();
  t.equal(other.vip, 'a:80', 'it does not hold up those behind it');
  other.release(OK);
  await settled();
  t.equal(pool.snapshot().waiting, 1);
  const everywhere = await pool.acquire({ avoid: new Set(['a:80', 'b:80']) });
  t.equal(everywhere.vip, 'a:80', 'when it failed everywhere, anything will do');
  await pool.close();
  await t.rejects(second, { code: 'VOST_STORAGE_CLOSED' });
});

t.test('a VIP that fails is left alone, probed, and comes back carefully', async (t) => {
  const { pool, clock, vip, dead, probes } = makeBench(['a', 'b']);
  const leases = await take(pool, 8);
  for (const lease of leases) lease.release(lease.vip === 'a:80' ? BROKEN : OK);
  t.match(vip('a'), {
    state: 'quarantined',
    failures: 4,
    quarantines: 1,
    lastError: 'ECONNRESET',
    quarantinedMs: 1_000,
  });
  t.same(hosts(await take(pool, 4)), ['b', 'b', 'b', 'b']);
  dead.add('a:80');
  await clock.advance(1_000);
  t.match(vip('a'), {
    state: 'quarantined',
    quarantinedMs: 2_000,
    lastError: 'VOST_STORE_UNAVAILABLE',
    quarantines: 1,
  });
  dead.delete('a:80');
  await clock.advance(1_999);
  t.same(probes, ['a:80']);
  await clock.advance(1);
  t.same(probes, ['a:80', 'a:80']);
  t.match(vip('a'), { state: 'healthy', window: 1, quarantinedMs: undefined });
  const [one] = await take(pool, 1);
  t.equal(one?.vip, 'a:80');
  one?.release(OK);
  t.equal(vip('a').window, 2);
  t.equal(clock.timers, 0);
});

t.test('a VIP that came back only to fail stays away for longer', async (t) => {
  const { pool, clock, vip } = makeBench(['a', 'b']);
  const fail = async (): Promise<void> => {
    while (vip('a').state === 'healthy') {
      for (const lease of await take(pool, 2)) lease.release(lease.vip === 'a:80' ? BROKEN : OK);
    }
  };
  await take(pool, 2).then((leases) => leases.map((lease) => lease.release(OK)));
  const lengths: (number | undefined)[] = [];
  for (let round = 0; round < 4; round += 1) {
    await fail();
    const { quarantinedMs = 0 } = vip('a');
    lengths.push(quarantinedMs);
    await clock.advance(quarantinedMs);
  }
  t.same(lengths, [1_000, 2_000, 4_000, 8_000]);
});

t.test('a VIP that is too busy gets less, and stays', async (t) => {
  const { pool, vip } = makeBench(['a', 'b'], 8);
  const leases = await take(pool, 16);
  const [busy] = leases.filter((lease) => lease.vip === 'a:80');
  busy?.release(SLOW);
  t.match(vip('a'), { state: 'healthy', window: 4 });
  for (const lease of leases) lease.release(OK);
  t.same(hosts(await take(pool, 8)).filter((host) => host === 'a').length, 4);
  t.ok(vip('a').inFlight <= vip('a').window);
});

t.test('a wrong certificate is enough', async (t) => {
  const { pool, vip } = makeBench(['a', 'b']);
  const [lease] = await take(pool, 1);
  lease?.release({ kind: 'trust', code: 'CERT_HAS_EXPIRED' });
  t.equal(vip('a').state, 'quarantined');
  t.ok(pool.hasOther(new Set(['a:80'])));
  t.notOk(pool.hasOther(new Set(['b:80'])));
});

t.test('an aborted request says nothing', async (t) => {
  const { pool, vip } = makeBench(['a']);
  for (const lease of await take(pool, 4)) lease.release({ kind: 'unknown' });
  t.match(vip('a'), { state: 'healthy', failures: 0, requests: 4, inFlight: 0 });
});

t.test('when all are quarantined, requests still go out, most to the least bad', async (t) => {
  const { pool, vip, clock, dead } = makeBench(['a', 'b'], 4);
  for (const lease of await take(pool, 8)) lease.release(BROKEN);
  t.match(pool.snapshot().vips, [{ state: 'quarantined' }, { state: 'quarantined' }]);
  dead.add('a:80').add('b:80');
  await clock.advance(1_000);
  dead.delete('b:80');
  for (const lease of await take(pool, 2, ['b'])) {
    t.equal(lease.vip, 'a:80', 'not where it just failed');
    lease.release(BROKEN);
  }
  t.equal(vip('a').quarantines, 1, 'which changes nothing');
  const [lease] = await take(pool, 1);
  lease?.release(OK);
  t.equal(vip(lease?.vip.replace(':80', '') ?? '').state, 'healthy', 'success ends the quarantine');
});

t.test('the only VIP is never waited for', async (t) => {
  const { pool, vip, clock, probes } = makeBench(['a'], 4);
  for (const lease of await take(pool, 4)) lease.release(BROKEN);
  t.equal(vip('a').state, 'quarantined');
  t.equal((await take(pool, 4)).length, 4);
  await clock.advance(1_000);
  t.equal(vip('a').state, 'healthy');
  t.same(probes, [], 'nobody else could be asked');
});

t.test('members come and go', async (t) => {
  const bench = makeBench(['a', 'b']);
  const { pool, clock, connections, vip } = bench;
  const [a, b] = await take(pool, 2);
  t.equal(bench.asked, 1);
  bench.members = ['b', 'c'];
  await clock.advance(59_999);
  (await take(pool, 1))[0]?.release(OK);
  await settled();
  t.equal(bench.asked, 1, 'the answer holds as long as the source says');
  await clock.advance(1);
  (await take(pool, 1))[0]?.release(OK);
  await settled();
  t.equal(bench.asked, 2);
  t.match(vip('a'), { state: 'draining', inFlight: 1 });
  t.same(hosts(await take(pool, 3)).sort(), ['b', 'c', 'c'], 'the new one is used, the old one is not');
  t.same(
    connections.map(({ name, closed }) => [name, closed]),
    [
      ['a:80', 'no'],
      ['b:80', 'no'],
      ['c:80', 'no'],
    ],
  );
  a?.release(OK);
  t.equal(connections[0]?.closed, 'gently', 'when its last request has ended');
  t.equal(pool.snapshot().vips.length, 2);
  b?.release(OK);
  t.equal(connections[1]?.closed, 'no');
});

t.test('a member that comes back while it drains is the same one', async (t) => {
  const bench = makeBench(['a', 'b'], 1);
  const { pool, clock, connections, vip } = bench;
  const [a] = await take(pool, 2);
  bench.members = ['b'];
  await clock.advance(60_000);
  void pool.acquire();
  await settled();
  t.equal(vip('a').state, 'draining');
  bench.members = ['a', 'b'];
  await clock.advance(60_000);
  const waiting = pool.acquire();
  await settled();
  t.match(vip('a'), { state: 'healthy', inFlight: 1 }, 'and its bound holds');
  t.equal(connections.length, 2);
  a?.release(OK);
  t.equal(vip('a').inFlight, 1, 'one of those that wait');
  void waiting;
});

t.test('a quarantined member that leaves is not probed', async (t) => {
  const bench = makeBench(['a', 'b']);
  const { pool, clock, probes } = bench;
  for (const lease of await take(pool, 8)) lease.release(lease.vip === 'a:80' ? BROKEN : OK);
  bench.members = ['b'];
  await clock.advance(500);
  t.equal(bench.asked, 1);
  for (let at = 0; at < 10; at += 1) {
    bench.dead.add('a:80');
    await clock.advance(1_000);
    (await take(pool, 1))[0]?.release(OK);
  }
  t.equal(bench.asked, 2, 'a failing VIP makes the source be asked sooner');
  t.equal(clock.timers, 0);
  const count = probes.length;
  await clock.advance(120_000);
  t.equal(probes.length, count);
});

t.test('a source that fails later is survived, one that fails at first is told', async (t) => {
  const bench = makeBench(['a']);
  const { pool, clock } = bench;
  bench.members = new Error('no such name');
  const failed = refusal('retryable', { code: 'VOST_NO_VIPS', message: /could not be found: no such name/ });
  await t.rejects(pool.acquire(), failed);
  bench.members = [];
  await t.rejects(
    pool.acquire(),
    refusal('retryable', { code: 'VOST_NO_VIPS' }),
    'nobody is asked twice for one request',
  );
  bench.members = ['a'];
  t.equal((await pool.acquire()).vip, 'a:80');
  t.equal(pool.snapshot().lookupError, undefined);
  bench.members = [];
  await clock.advance(60_000);
  t.equal((await pool.acquire()).vip, 'a:80');
  await settled();
  t.match(pool.snapshot(), { vips: [{ vip: 'a:80' }], lookupError: /names none/ }, 'the last members stay');
  t.equal(bench.asked, 4);
  await clock.advance(4_999);
  await pool.acquire();
  await settled();
  t.equal(bench.asked, 4, 'and the source is not asked with every request');
});

t.test('the end', async (t) => {
  const { pool, clock, connections } = makeBench(['a', 'b'], 1);
  const [lease] = await take(pool, 2);
  const waiting = t.rejects(pool.acquire(), { code: 'VOST_STORAGE_CLOSED' });
  await settled();
  await pool.close();
  await waiting;
  t.ok(connections.every(({ closed }) => closed === 'at once'));
  lease?.release({ kind: 'trust', code: 'x' });
  t.equal(clock.timers, 0);
  await t.rejects(pool.acquire(), { code: 'VOST_STORAGE_CLOSED' });
  await pool.close();
});
