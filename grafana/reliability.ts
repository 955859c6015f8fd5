import type { DashboardOptions } from './dashboard.ts';
import { lines, numbers } from './panel.ts';
import { buckets, query, rates, series, WINDOW } from './query.ts';

const data = { service: '~s3|file' } as const;
const quantile = (q: number): string =>
  `histogram_quantile(${q}, sum by (operation, le) (rate(${buckets('vast_ost_request_duration_seconds', data)}[${WINDOW}])))`;

/** Requests and what comes of them, digests, and the process itself. */
export const reliability: DashboardOptions = {
  id: 'reliability',
  title: 'Reliability',
  description: 'Requests that fail or are repeated, digests that differ, and how the process is.',
  rows: [
    {
      title: 'Digests',
      panels: [
        numbers({
          title: 'Stored bytes that differ, 7 days',
          description:
            'What storage returned is not what was backed up. `vast-ost verify` names the place, `repair` heals it.',
          queries: [query(`sum(increase(${series('vast_ost_checksum_mismatches_total', { place: 'image' })}[7d]))`)],
          unit: 'short',
          limits: [0.5, 1],
          width: 6,
        }),
        lines({
          title: 'Mismatches',
          description: 'In an hour. Those on the wire were sent again; many of them are a broken network.',
          queries: [
            query(`sum by (place) (increase(${series('vast_ost_checksum_mismatches_total')}[1h]))`, '{{place}}'),
          ],
          unit: 'short',
          width: 18,
        }),
      ],
    },
    {
      title: 'Verification on a schedule (scrub_interval)',
      panels: [
        numbers({
          title: 'Damaged images that it found, 7 days',
          description: 'The log and the console name them. `vast-ost repair` heals an image from another copy.',
          queries: [query(`sum(increase(${series('vast_ost_scrub_images_total', { result: 'damaged' })}[7d]))`)],
          unit: 'short',
          limits: [0.5, 1],
          width: 6,
        }),
        lines({
          title: 'All images verified, ago',
          description:
            'Since a whole round ended, or the first one began. What is twice as old as scrub_interval is overdue: scrub_rate is too low, or something keeps it from going on.',
          queries: [
            query(
              `time() - (${series('vast_ost_scrub_last_complete_timestamp_seconds')} or ${series('vast_ost_scrub_round_began_timestamp_seconds')})`,
              '{{server}}/{{lsu}}',
            ),
            query(`2 * ${series('vast_ost_scrub_interval_seconds')}`, '{{server}}: overdue'),
          ],
          unit: 's',
          width: 9,
        }),
        lines({
          title: 'Stored bytes verified',
          description: 'All LSUs of a server together stay below its scrub_rate. None between two rounds.',
          queries: [query(rates('vast_ost_scrub_bytes_total', 'server, lsu'), '{{server}}/{{lsu}}')],
          unit: 'Bps',
          width: 9,
        }),
      ],
    },
    {
      title: "What vendors' stages tell",
      panels: [
        lines({
          title: 'Reports of stages',
          description: 'In an hour. Warnings are in the log, in the events and in the console: docs/stages.md.',
          queries: [
            query(
              `(sum by (stage, severity) (increase(${series('vast_ost_stage_reports_total')}[1h]))) or vector(0)`,
              '{{stage}} {{severity}}',
            ),
          ],
          unit: 'short',
        }),
        lines({
          title: 'Numbers of stages',
          description: 'As they were told last, of whatever image.',
          queries: [
            query(`(max by (stage, name) (${series('vast_ost_stage_reported')})) or vector(0)`, '{{stage}} {{name}}'),
          ],
          unit: 'short',
        }),
      ],
    },
    {
      title: 'Requests to storage',
      panels: [
        lines({
          title: 'Attempts',
          description: 'By what was asked.',
          queries: [query(rates('vast_ost_requests_total', 'service, operation', data), '{{service}} {{operation}}')],
          unit: 'reqps',
          width: 8,
        }),
        lines({
          title: 'Attempts that failed',
          description: 'Share of all. Not found is no failure of the storage.',
          queries: [
            query(
              `(sum by (service, result) (rate(${series('vast_ost_requests_total', { result: '!~ok|not-found' })}[${WINDOW}])) / on (service) group_left () ${rates('vast_ost_requests_total', 'service')}) or vector(0)`,
              '{{service}} {{result}}',
            ),
          ],
          unit: 'percentunit',
          width: 8,
        }),
        lines({
          title: 'Repeated',
          description: 'By the code of the failure, as the log has it.',
          queries: [
            query(`${rates('vast_ost_retries_total', 'service, reason')} or vector(0)`, '{{service}} {{reason}}'),
          ],
          unit: 'reqps',
          width: 8,
        }),
        lines({
          title: 'Duration, half of all',
          description: 'The wait for a VIP included.',
          queries: [query(quantile(0.5), '{{operation}}')],
          unit: 's',
        }),
        lines({
          title: 'Duration, 99 of 100',
          description: 'The wait for a VIP included.',
          queries: [query(quantile(0.99), '{{operation}}')],
          unit: 's',
        }),
      ],
    },
    {
      title: 'Process',
      panels: [
        numbers({
          title: 'Running for',
          description: 'Jobs go on across a restart; often is not well.',
          queries: [query(`time() - ${series('process_start_time_seconds')}`, '{{instance}}')],
          unit: 's',
          width: 8,
        }),
        numbers({
          title: 'Restarts, 24 h',
          description: 'The systemd journal says why.',
          queries: [query(`changes(${series('process_start_time_seconds')}[24h])`, '{{instance}}')],
          unit: 'short',
          limits: [1, 3],
          width: 8,
        }),
        numbers({
          title: 'Stops, and lets work end',
          description: '1 while it does.',
          queries: [query(series('vast_ost_draining'), '{{instance}}')],
          unit: 'short',
          limits: [1, 1],
          width: 8,
        }),
        lines({
          title: 'Loops late by',
          description: 'Late all the time: the processors have too much to do, or something blocks.',
          queries: [
            query(series('vast_ost_event_loop_delay_seconds'), 'main {{quantile}} {{instance}}'),
            query(series('vast_ost_lane_event_loop_delay_seconds'), 'lane {{lane}} {{quantile}} {{instance}}'),
          ],
          unit: 's',
          width: 8,
        }),
        lines({
          title: 'Processors',
          description: 'Of all threads; `main loop` and `lane` are their shares of one.',
          queries: [
            query(rates('process_cpu_seconds_total', 'instance, mode'), '{{mode}} {{instance}}'),
            query(rates('vast_ost_event_loop_active_seconds_total', 'instance'), 'main loop {{instance}}'),
            query(
              rates('vast_ost_lane_event_loop_active_seconds_total', 'instance, lane'),
              'lane {{lane}} {{instance}}',
            ),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Memory',
          description: 'Of the process with the shared memory of hosts that it touched, and of JavaScript.',
          queries: [
            query(series('process_resident_memory_bytes'), 'memory {{instance}}'),
            query(series('vast_ost_heap_used_bytes'), 'heap {{instance}}'),
            query(series('vast_ost_lane_heap_used_bytes'), 'heap of lane {{lane}} {{instance}}'),
          ],
          unit: 'bytes',
          width: 8,
        }),
        lines({
          title: 'Open descriptors',
          description: 'LimitNOFILE of the unit is the end.',
          queries: [query(series('process_open_fds'), '{{instance}}')],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Images by lane',
          description: 'Each goes where the fewest are, and stays there.',
          queries: [query(series('vast_ost_lane_images'), 'lane {{lane}} {{instance}}')],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Lanes in trouble',
          description: 'Seconds that one has not answered, and threads that ended and were replaced. The log says why.',
          queries: [
            query(series('vast_ost_lane_silent_seconds'), 'silent: lane {{lane}} {{instance}}'),
            query(series('vast_ost_lane_restarts_total'), 'replaced: lane {{lane}} {{instance}}'),
          ],
          unit: 'short',
          width: 8,
        }),
      ],
    },
  ],
};
