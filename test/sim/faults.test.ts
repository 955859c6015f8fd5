import { GetObjectCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import t from 'tap';
import { EventLog } from '../../src/sim/faults/event-log.ts';
import { FaultBoard } from '../../src/sim/faults/fault-board.ts';
import type { FaultPlan } from '../../src/sim/faults/plan.ts';
import { codeOf, statusOf } from './s3/support.ts';
import { admin, api, cluster, provision, s3 } from './support.ts';

const unavailable = { kind: 'status', status: 503 } as const;

t.test('which requests a rule meets depends on the seed and their order alone', (t) => {
  const run = (seed: number, plan: FaultPlan, requests: number) => {
    const board = new FaultBoard(new EventLog(() => 0), seed);
    board.apply(plan);
    const target = { where: 's3', method: 'GET', path: 'k' } as const;
    return Array.from({ length: requests }, () => board.effectsFor(target));
  };
  fc.assert(
    fc.property(
      fc.integer(),
      fc.record({
        after: fc.nat(20),
        count: fc.integer({ min: 1, max: 20 }),
        share: fc.double({ min: 0.05, max: 1, noNaN: true }),
      }),
      (seed, knobs) => {
        const plan: FaultPlan = { rules: [{ where: 's3', effect: unavailable, ...knobs }] };
        const [one, two] = [run(seed, plan, 60), run(seed, plan, 60)];
        const hits = one.flatMap((effects, index) => (effects.length > 0 ? [index] : []));
        const early = hits.some((index) => index < knobs.after);
        return JSON.stringify(one) === JSON.stringify(two) && !early && hits.length <= knobs.count;
      },
    ),
  );
  const share = run(7, { rules: [{ where: 's3', effect: unavailable, share: 0.25 }] }, 4000);
  const hits = share.filter((effects) => effects.length > 0).length;
  t.ok(hits > 850 && hits < 1150, `${hits} of 4000`);
  const delays = run(7, { rules: [{ where: 's3', effect: { kind: 'delay', ms: [2000, 38_000] } }] }, 100).flat();
  const drawn = delays.map((effect) => (effect.kind === 'delay' ? Number(effect.ms) : 0));
  t.ok(drawn.every((ms) => ms >= 2000 && ms <= 38_000) && new Set(drawn).size > 50);
  t.end();
});

t.test('VMS: bursts, slow answers, resets, broken answers, lost answers', async (t) => {
  const sim = await cluster(t);
  const plan = (effect: object, more: object = {}) =>
    admin(sim, 'PUT', '/faults', { rules: [{ where: 'vms', name: 'planned', effect, ...more }] });
  await plan({ kind: 'status', status: 503 }, { path: '/views/', after: 1, count: 2 });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i += 1) statuses.push((await api(sim, 'GET', '/views/')).status);
  t.same(statuses, [200, 503, 503, 200, 200]);
  t.match(await api(sim, 'GET', '/tenants/'), { status: 200 });
  const shown = (await admin(sim, 'GET', '/faults')).body as { rules: object[] };
  t.match(shown.rules, [{ matched: 5, hit: 2, name: 'planned' }]);
  const log = (await admin(sim, 'GET', '/log')).body as { seq: number; event: string }[];
  const faults = log.filter(({ event }) => event === 'fault');
  t.match(faults, [{ where: 'vms', name: 'planned', path: '/views/', effect: { status: 503 } }, {}]);
  const later = (await admin(sim, 'GET', `/log?after=${faults[1]?.seq}`)).body as { seq: number }[];
  t.ok(later.every(({ seq }) => seq > (faults[1]?.seq ?? 0)) && later.length > 0);

  await plan({ kind: 'status', status: 400, body: ['own words'] }, { method: 'GET', count: 1 });
  t.match(await api(sim, 'GET', '/views/'), { status: 400, body: ['own words'] });
  await plan({ kind: 'reset' }, { count: 1 });
  await t.rejects(api(sim, 'GET', '/views/'), { code: 'ECONNRESET' });
  await plan({ kind: 'truncate', bytes: 10 }, { count: 1 });
  await t.rejects(api(sim, 'GET', '/versions/'));
  await plan({ kind: 'delay', ms: [1, 5] }, { count: 1 });
  t.match(await api(sim, 'GET', '/views/'), { status: 200 });
  await plan({ kind: 'lose-answer' }, { method: 'POST' });
  await t.rejects(api(sim, 'POST', '/tenants/', { name: 'made-anyway' }), { code: 'ECONNRESET' });
  t.match((await api(sim, 'GET', '/tenants/?name=made-anyway')).body, [{ name: 'made-anyway' }]);
});

t.test('S3: SlowDown, resets, truncated objects, skewed clock, checksum modes', async (t) => {
  const sim = await cluster(t);
  const owner = await provision(t, sim, 'bucket-a');
  const client = s3(t, sim, owner);
  const put = (more = {}, by = client) =>
    by.send(new PutObjectCommand({ Bucket: 'bucket-a', Key: 'k', Body: 'x'.repeat(100), ...more }));
  const get = async () =>
    (await client.send(new GetObjectCommand({ Bucket: 'bucket-a', Key: 'k' }))).Body?.transformToString();
  const plan = (effect: NonNullable<FaultPlan['rules']>[number]['effect'], more = {}) =>
    sim.faults.apply({ rules: [{ where: 's3', effect, count: 1, ...more }] });
  plan(unavailable, { operation: 'PutObject', bucket: 'bucket-a' });
  t.equal(await codeOf(put()), 'SlowDown');
  t.equal(await codeOf(put()), 'none');
  plan({ kind: 'reset' }, { path: 'k' });
  await t.rejects(get());
  plan({ kind: 'truncate', bytes: 10 }, { operation: 'GetObject' });
  await t.rejects(get());
  plan({ kind: 'delay', ms: 1 });
  t.equal((await get())?.length, 100);
  t.equal(sim.log.entries().filter(({ event, where }) => event === 'fault' && where === 's3').length, 4);

  sim.faults.apply({ rules: [], modes: { clockSkewMs: 3_600_000 } });
  t.equal(await statusOf(client.send(new HeadBucketCommand({ Bucket: 'bucket-a' }))), 403);
  const reply = await api(sim, 'GET', '/versions/');
  const ahead = Date.parse(reply.headers.date ?? '') - Date.now();
  t.ok(ahead > 3_500_000 && ahead < 3_700_000, 'the Date header is an hour ahead');
  sim.faults.apply({ modes: { clockSkewMs: 0, checksums: 'reject' } });
  // The SDK sets its clock by a refusal: a client that saw none is needed.
  const fresh = s3(t, sim, owner);
  const bad = { ChecksumCRC32: 'AAAAAA==' };
  t.equal(await codeOf(put(bad, fresh)), 'InvalidArgument');
  sim.faults.apply({ modes: { checksums: 'ignore' } });
  t.equal(await codeOf(put(bad, fresh)), 'none');
  sim.faults.apply({ modes: { checksums: 'full' } });
  t.equal(await codeOf(put(bad, fresh)), 'BadDigest');
});

t.test('the admin port says what is wrong with a plan and changes nothing', async (t) => {
  const sim = await cluster(t);
  const before = (await admin(sim, 'GET', '/faults')).text;
  for (const plan of [
    { rules: [{ where: 'moon', effect: unavailable }] },
    { rules: [{ where: 'vms', effect: { kind: 'explode' } }] },
    { modes: { taskEnd: 'MAYBE' } },
    { surprise: 1 },
    '{"rules":',
  ]) {
    const reply = await admin(sim, 'PUT', '/faults', plan);
    t.equal(reply.status, 400, reply.text);
  }
  t.equal((await admin(sim, 'GET', '/faults')).text, before);
  t.match(await admin(sim, 'POST', '/actions', { do: 'vip-down', vip: '1.2.3.4' }), { status: 409 });
  t.match(await admin(sim, 'POST', '/actions', { do: 'dance' }), { status: 400 });
  t.match(await admin(sim, 'GET', '/nothing'), { status: 404 });
  t.match((await admin(sim, 'GET', '/state')).body, {
    release: '5.3.0.1',
    vips: [{ mode: 'up' }],
    counts: { tenants: 2 },
  });
});

t.test('the log keeps the newest entries', (t) => {
  const log = new EventLog(() => 0);
  for (let i = 0; i < 25_000; i += 1) log.add('vms', 'request');
  const entries = log.entries();
  t.equal(entries.length, 10_000);
  t.equal(entries.at(-1)?.seq, 25_000);
  t.end();
});
