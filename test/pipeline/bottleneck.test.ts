import fc from 'fast-check';
import t from 'tap';
import { findBottleneck, inOrder, type Limit, type TransferTimes } from '../../src/pipeline/bottleneck.ts';
import { StageClock, type StageState } from '../../src/pipeline/stage-clock.ts';
import { type Flow, StageMeters } from '../../src/pipeline/stage-meters.ts';

const NO_TRANSFERS: TransferTimes = { moving: 0, answering: 0 };

/** Clocks of one chain, driven: each entry is a stretch of time and what every stage does in it. */
function drive(flow: Flow, stretches: readonly (readonly [ms: number, Readonly<Record<string, StageState>>])[]) {
  let now = 0;
  const meters = new StageMeters();
  const clocks = new Map<string, StageClock>();
  for (const stage of Object.keys(stretches[0]?.[1] ?? {})) {
    const clock = new StageClock(() => now);
    clocks.set(stage, clock);
    meters.begin(stage, flow, clock);
  }
  for (const [ms, states] of stretches) {
    for (const [stage, state] of Object.entries(states)) {
      if (state === 'busy') clocks.get(stage)?.begin();
      clocks.get(stage)?.hold(state === 'downstream');
    }
    now += ms;
    for (const [stage, state] of Object.entries(states)) if (state === 'busy') clocks.get(stage)?.end();
  }
  return meters.totals();
}

const backup = (source: StageState, checksum: StageState, lz4: StageState, uploader: StageState) => ({
  source,
  checksum,
  lz4,
  'part-uploader': uploader,
});

t.test('a backup that is bound by its source, its stages, the network, the storage', async (t) => {
  const cases: readonly [Limit, string, ReturnType<typeof drive>, TransferTimes][] = [
    // A part is always on its way, but everybody waits for the host.
    [
      'source',
      'source',
      drive('backup', [
        [90, backup('busy', 'upstream', 'upstream', 'busy')],
        [10, backup('busy', 'busy', 'busy', 'busy')],
      ]),
      { moving: 90, answering: 10 },
    ],
    [
      'hash',
      'checksum',
      drive('backup', [
        [80, backup('downstream', 'busy', 'upstream', 'upstream')],
        [20, backup('busy', 'busy', 'busy', 'busy')],
      ]),
      NO_TRANSFERS,
    ],
    [
      'compress',
      'lz4',
      drive('backup', [
        [80, backup('downstream', 'downstream', 'busy', 'upstream')],
        [20, backup('busy', 'busy', 'busy', 'busy')],
      ]),
      NO_TRANSFERS,
    ],
    [
      'network',
      'part-uploader',
      drive('backup', [
        [90, backup('downstream', 'downstream', 'downstream', 'busy')],
        [10, backup('busy', 'busy', 'busy', 'busy')],
      ]),
      { moving: 80, answering: 20 },
    ],
    [
      'storage',
      'part-uploader',
      drive('backup', [
        [90, backup('downstream', 'downstream', 'downstream', 'busy')],
        [10, backup('busy', 'busy', 'busy', 'busy')],
      ]),
      { moving: 20, answering: 80 },
    ],
  ];
  for (const [limit, stage, totals, transfers] of cases) {
    const found = findBottleneck('backup', totals, transfers);
    t.match(found, { limit, stage }, limit);
    t.ok((found?.share ?? 0) > 0.6, `${limit} ${found?.share}`);
  }
});

t.test('the slots ran out: the chain waits upstream, but the host waits for us', async (t) => {
  const totals = drive('backup', [
    [95, backup('downstream', 'upstream', 'upstream', 'busy')],
    [5, backup('busy', 'busy', 'busy', 'busy')],
  ]);
  t.match(findBottleneck('backup', totals, { moving: 10, answering: 90 }), { limit: 'storage' });
});

t.test('who works much of the time, but has to wait as well, is not it', async (t) => {
  const totals = drive('backup', [
    [40, backup('downstream', 'downstream', 'downstream', 'busy')],
    [60, backup('busy', 'downstream', 'busy', 'busy')],
  ]);
  t.match(findBottleneck('backup', totals, { moving: 10, answering: 90 }), { limit: 'storage' });
});

t.test('a directory has no network that anybody could see', async (t) => {
  const totals = drive('backup', [[100, { checksum: 'downstream', 'part-uploader': 'busy' }]]);
  t.match(findBottleneck('backup', totals, NO_TRANSFERS), { limit: 'storage' });
});

t.test('a chain without a host waits for its source all the same', async (t) => {
  const totals = drive('backup', [[100, { checksum: 'upstream', 'part-uploader': 'busy' }]]);
  t.match(findBottleneck('backup', totals, NO_TRANSFERS), { limit: 'source', stage: 'source', share: 1 });
});

t.test('restores', async (t) => {
  const restore = (target: StageState, checksum: StageState, lz4: StageState, fetcher: StageState) => ({
    target,
    'checksum-inverse': checksum,
    'lz4-inverse': lz4,
    fetcher,
  });
  const find = (states: ReturnType<typeof restore>, transfers = NO_TRANSFERS) =>
    findBottleneck('restore', drive('restore', [[100, states]]), transfers)?.limit;
  t.equal(find(restore('busy', 'upstream', 'upstream', 'upstream')), 'target');
  t.equal(find(restore('upstream', 'busy', 'downstream', 'downstream')), 'hash');
  t.equal(find(restore('upstream', 'upstream', 'busy', 'downstream')), 'decompress');
  t.equal(find(restore('upstream', 'upstream', 'upstream', 'busy'), { moving: 2, answering: 1 }), 'network');
  t.equal(find(restore('upstream', 'upstream', 'upstream', 'busy'), { moving: 1, answering: 2 }), 'storage');
});

t.test('nothing runs, or nothing of this flow', async (t) => {
  t.equal(findBottleneck('backup', [], NO_TRANSFERS), undefined);
  t.equal(findBottleneck('restore', drive('backup', [[1, { checksum: 'busy' }]]), NO_TRANSFERS), undefined);
  t.equal(findBottleneck('backup', drive('backup', [[0, { checksum: 'busy' }]]), NO_TRANSFERS), undefined);
});

t.test('stages that nobody has heard of keep their name, between the known ones', async (t) => {
  const stages = ['part-uploader', 'zip', 'source', 'packer', 'checksum'].map((stage) => ({ stage }));
  t.strictSame(
    inOrder(stages).map(({ stage }) => stage),
    ['source', 'checksum', 'zip', 'packer', 'part-uploader'],
  );
  const totals = drive('backup', [[1, { source: 'downstream', zip: 'busy', 'part-uploader': 'upstream' }]]);
  t.match(findBottleneck('backup', totals, NO_TRANSFERS), { limit: 'stage', stage: 'zip', text: 'the stage zip' });
});

t.test('whatever the clocks say, somebody is named who is there, with a share of the time', async () => {
  const times = fc.record({ busy: fc.nat(), upstream: fc.nat(), downstream: fc.nat() });
  const names = ['source', 'checksum', 'lz4', 'packer', 'part-uploader'];
  const stages = fc.uniqueArray(fc.record({ stage: fc.constantFrom(...names), times }), {
    selector: ({ stage }) => stage,
  });
  fc.assert(
    fc.property(stages, (some) => {
      const found = findBottleneck(
        'backup',
        some.map((one) => ({ ...one, flow: 'backup' })),
        NO_TRANSFERS,
      );
      const any = some.some(({ times: { busy, upstream, downstream } }) => busy + upstream + downstream > 0);
      if (!any) return found === undefined;
      return found !== undefined && found.share > 0 && found.share <= 1 + 1e-9 && names.includes(found.stage);
    }),
  );
});

t.test('meters of one image count in those of all', async (t) => {
  let now = 0;
  const all = new StageMeters();
  const one = new StageMeters(all);
  const other = new StageMeters(all);
  const clock = new StageClock(() => now);
  const end = one.begin('checksum', 'backup', clock);
  other.begin('checksum', 'backup', new StageClock(() => now));
  clock.begin();
  now = 5;
  one.mismatch();
  t.match(one.totals(), [{ streams: 1, times: { busy: 5, upstream: 0 } }]);
  t.match(all.totals(), [{ streams: 2, times: { busy: 5, upstream: 5 } }]);
  end();
  t.match(one.totals(), [{ streams: 0, times: { busy: 5 } }]);
  t.match(all.totals(), [{ streams: 1, times: { busy: 5, upstream: 5 } }]);
  t.strictSame([one.mismatches, other.mismatches, all.mismatches], [1, 0, 1]);
});
