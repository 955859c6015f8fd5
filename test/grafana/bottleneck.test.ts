import { fileURLToPath } from 'node:url';
import t from 'tap';
import { bottleneck } from '../../grafana/bottleneck.ts';
import type { Flow } from '../../src/pipeline/stage-meters.ts';
import { unitTest, withoutPromtool } from './promtool.ts';
import { expanded } from './queries.ts';

const RULES = fileURLToPath(new URL('../../grafana/prometheus/vast-ost.rules.yml', import.meta.url));

/** Shares of time of a stage: busy, waits upstream, waits downstream. */
type Shares = readonly [busy: number, upstream: number, downstream: number];

interface Case {
  readonly flow: Flow;
  readonly stages: Readonly<Record<string, Shares>>;
  /** Of requests with payload; none are known of a directory. */
  readonly transfers?: readonly [moving: number, answering: number];
  readonly stage: string;
  readonly limit: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'a slow host': {
    flow: 'backup',
    stages: { source: [0.9, 0, 0.1], checksum: [0.1, 0.9, 0], lz4: [0.3, 0.7, 0], 'part-uploader': [0.5, 0.5, 0] },
    stage: 'source',
    limit: 'source',
  },
  'slow digests': {
    flow: 'backup',
    stages: { source: [0.1, 0, 0.9], checksum: [1, 0, 0], lz4: [0.4, 0.6, 0], 'part-uploader': [0.3, 0.7, 0] },
    stage: 'checksum',
    limit: 'hash',
  },
  'slow compression': {
    flow: 'backup',
    stages: { source: [0.05, 0, 0.95], checksum: [0.1, 0, 0.9], lz4: [1, 0, 0], 'part-uploader': [0.6, 0.4, 0] },
    stage: 'lz4',
    limit: 'compress',
  },
  'a slow storage': {
    flow: 'backup',
    stages: { source: [0.05, 0, 0.95], checksum: [0.1, 0, 0.9], lz4: [0.1, 0, 0.9], 'part-uploader': [1, 0, 0] },
    stage: 'part-uploader',
    limit: 'storage',
  },
  'a slow network': {
    flow: 'backup',
    stages: { source: [0.05, 0, 0.95], checksum: [0.1, 0, 0.9], lz4: [0.1, 0, 0.9], 'part-uploader': [1, 0, 0] },
    transfers: [0.7, 0.3],
    stage: 'part-uploader',
    limit: 'network',
  },
  'a storage that answers late': {
    flow: 'backup',
    stages: { source: [0.05, 0, 0.95], checksum: [0.1, 0, 0.9], lz4: [0.1, 0, 0.9], 'part-uploader': [1, 0, 0] },
    transfers: [0.3, 0.7],
    stage: 'part-uploader',
    limit: 'storage',
  },
  'several streams of which one compresses': {
    flow: 'backup',
    stages: { source: [0.2, 0, 3.8], checksum: [0.4, 0, 3.6], lz4: [3.2, 0.6, 0.2], 'part-uploader': [2, 2, 0] },
    stage: 'lz4',
    limit: 'compress',
  },
  'a host that reads slowly': {
    flow: 'restore',
    stages: { target: [0.9, 0.1, 0], 'checksum-inverse': [0.1, 0, 0.9], fetcher: [0.2, 0, 0.8] },
    stage: 'target',
    limit: 'target',
  },
  'slow decompression': {
    flow: 'restore',
    stages: {
      target: [0.1, 0.9, 0],
      'checksum-inverse': [0.2, 0.8, 0],
      'lz4-inverse': [1, 0, 0],
      fetcher: [0.4, 0, 0.6],
    },
    stage: 'lz4-inverse',
    limit: 'decompress',
  },
  'a storage that gives slowly': {
    flow: 'restore',
    stages: { target: [0.05, 0.95, 0], 'checksum-inverse': [0.1, 0.9, 0], fetcher: [1, 0, 0] },
    stage: 'fetcher',
    limit: 'storage',
  },
  'a network that brings slowly': {
    flow: 'restore',
    stages: { target: [0.05, 0.95, 0], 'checksum-inverse': [0.1, 0.9, 0], fetcher: [1, 0, 0] },
    transfers: [3, 1],
    stage: 'fetcher',
    limit: 'network',
  },
};

/** A counter, in promtool's notation, of this share of each minute. */
const counter = (share: number): string => `0+${Math.round(share * 60)}x20`;

t.test('the dashboards name who holds a flow back', { skip: withoutPromtool }, async (t) => {
  for (const [name, { flow, stages, transfers, stage, limit }] of Object.entries(CASES)) {
    const series: Record<string, string> = {};
    for (const [stage, [busy, upstream, downstream]] of Object.entries(stages)) {
      const labels = `instance="e",flow="${flow}",stage="${stage}"`;
      series[`vast_ost_stage_busy_seconds_total{${labels}}`] = counter(busy);
      series[`vast_ost_stage_wait_seconds_total{${labels},side="upstream"}`] = counter(upstream);
      series[`vast_ost_stage_wait_seconds_total{${labels},side="downstream"}`] = counter(downstream);
    }
    for (const [at, share] of (transfers ?? []).entries()) {
      const labels = `direction="${flow === 'backup' ? 'write' : 'read'}",phase="${at === 0 ? 'moving' : 'answering'}"`;
      series[`vast_ost_transfer_seconds_total{instance="e",${labels}}`] = counter(share);
    }
    const expr = `0 * (${expanded(bottleneck(flow))})`;
    const gives = { [`{instance="e",limit="${limit}",stage="${stage}"}`]: 0 };
    t.equal(unitTest(RULES, [{ interval: '1m', series, checks: [{ expr, at: '20m', gives }] }]), '', name);
  }
  const idle = Object.fromEntries(
    ['busy', 'wait'].map((what) => [
      `vast_ost_stage_${what}_seconds_total{instance="e",flow="backup",stage="checksum",side="upstream"}`,
      '5+0x20',
    ]),
  );
  const checks = [{ expr: expanded(bottleneck('backup')), at: '20m', gives: {} }];
  t.equal(unitTest(RULES, [{ interval: '1m', series: idle, checks }]), '', 'nobody when nothing flows');
});
