import { pino } from 'pino';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { SnapshotKeeper } from '../../src/ost/snapshot-keeper.ts';
import type { VmsClient } from '../../src/vast/vms/client.ts';

const HOUR = 3_600_000;

interface Asked {
  readonly name: string;
  readonly path: string;
  readonly expiration_time: string;
}

function bench(options: {
  readonly quietMs: number;
  readonly patienceMs?: number;
  readonly failure?: Error;
  readonly made?: boolean;
}) {
  const asked: Asked[] = [];
  const outcomes: string[] = [];
  const snapshots = {
    create: async (body: Asked) => {
      asked.push(body);
      if (options.failure) throw options.failure;
    },
    list: async ({ query }: { query: { path: string } }) =>
      options.made === true ? asked.filter(({ path }) => path === query.path) : [],
  };
  const told = Promise.withResolvers<void>();
  const keeper = new SnapshotKeeper({
    client: { snapshots } as unknown as VmsClient,
    pathOf: (lsu) => (lsu === 'unseen' ? undefined : `/backup/${lsu}`),
    keepMs: (lsu) => (lsu === 'never' ? undefined : 7 * 24 * HOUR),
    onTaken: (lsu, outcome) => {
      outcomes.push(`${lsu} ${'snapshot' in outcome ? outcome.snapshot : outcome.error.code}`);
      told.resolve();
    },
    log: pino({ level: 'silent' }),
    now: () => Date.UTC(2026, 10, 21, 8, 15, 30, 120),
    ...options,
  });
  return { keeper, asked, outcomes, told: told.promise };
}

t.test('one snapshot for the images of a job', async (t) => {
  const { keeper, asked, outcomes, told } = bench({ quietMs: 1 });
  for (let image = 0; image < 4; image += 1) keeper.completed('lsu');
  keeper.completed('never');
  await told;
  t.strictSame(asked, [
    {
      name: 'vast-ost-lsu-20261121T081530Z',
      path: '/backup/lsu/',
      expiration_time: '2026-11-28T08:15:30.120Z',
    },
  ]);
  t.strictSame(outcomes, ['lsu vast-ost-lsu-20261121T081530Z']);
  await keeper.close();
  t.equal(asked.length, 1);
});

t.test('an engine that stops takes what waits; jobs without a pause do not wait for ever', async (t) => {
  const { keeper, asked } = bench({ quietMs: HOUR });
  keeper.completed('one');
  keeper.completed('two');
  keeper.completed('unseen');
  await keeper.close();
  t.strictSame(asked.map(({ path }) => path).sort(), ['/backup/one/', '/backup/two/']);

  const busy = bench({ quietMs: HOUR, patienceMs: 0 });
  busy.keeper.completed('lsu');
  await busy.told;
  t.equal(busy.asked.length, 1);
});

t.test('failures are told', async (t) => {
  const no = bench({ quietMs: 1, failure: new EngineError('VOST_VMS_ACCESS', 'access', 'no') });
  no.keeper.completed('lsu');
  await no.told;
  t.strictSame(no.outcomes, ['lsu VOST_VMS_ACCESS']);
  const twice = bench({ quietMs: 1, failure: new EngineError('VOST_VMS_EXISTS', 'exists', 'is there') });
  twice.keeper.completed('lsu');
  await twice.told;
  t.match(twice.outcomes[0], 'vast-ost-lsu-', 'the answer to the first request was lost');
  const failure = new EngineError('VOST_VMS_UNAVAILABLE', 'retryable', 'no answer');
  const lost = bench({ quietMs: 1, failure, made: true });
  lost.keeper.completed('lsu');
  await lost.told;
  t.match(lost.outcomes[0], 'vast-ost-lsu-', 'so was the answer to the only one');
});
