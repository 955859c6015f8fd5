import type { Flow } from '../src/pipeline/stage-meters.ts';
import { blame, bottleneck } from './bottleneck.ts';
import type { DashboardOptions, Row } from './dashboard.ts';
import { bars, lines, numbers, type Panel } from './panel.ts';
import { query, rates, series } from './query.ts';

const BUSY = 'vast_ost_stage_busy_seconds_total';
const WAIT = 'vast_ost_stage_wait_seconds_total';
const BYTES = 'vast_ost_stage_bytes_total';

/** Streams of each stage, on average, in a state: what a stage's streams add up to. */
function inState(flow: Flow, name: string, expr: string, why: string): Panel {
  return lines(
    {
      title: `${flow}: ${name}`,
      description: `Streams that ${why}, on average, by stage.`,
      queries: [query(expr, '{{stage}}')],
      unit: 'short',
      width: 8,
    },
    { stack: true },
  );
}

function flowRow(flow: Flow, title: string): Row {
  return {
    title,
    panels: [
      numbers(
        {
          title: `What holds ${flow}s back`,
          description: 'What the others wait for, and for which part of the time; per engine.',
          queries: [query(bottleneck(flow), '{{limit}} {{instance}}')],
          unit: 'percentunit',
          width: 6,
        },
        'value_and_name',
      ),
      lines({
        title: `Who ${flow}s wait for`,
        description:
          'The time in which a stage works and need not wait for those towards the storage; the rest is the network’s and the storage’s. The highest is the bottleneck.',
        queries: [query(blame(flow), '{{limit}} ({{stage}}) {{instance}}')],
        unit: 'percentunit',
        max: 1,
        width: 18,
      }),
      inState(flow, 'busy', rates(BUSY, 'stage', { flow }), 'work on something'),
      inState(flow, 'wait upstream', rates(WAIT, 'stage', { flow, side: 'upstream' }), 'have nothing to work on'),
      inState(
        flow,
        'wait downstream',
        rates(WAIT, 'stage', { flow, side: 'downstream' }),
        'nobody takes the results of, or that have no memory for them',
      ),
      lines({
        title: `${flow}: bytes out of stages`,
        description: 'Behind a compressing stage there are fewer.',
        queries: [query(rates(BYTES, 'stage', { flow, direction: 'out' }), '{{stage}}')],
        unit: 'binBps',
        width: 8,
      }),
      lines({
        title: `${flow}: size after a stage`,
        description: 'Bytes out of a stage for each byte into it: what compression gains, or restores expand.',
        queries: [
          query(
            `${rates(BYTES, 'stage', { flow, direction: 'out' })} / (${rates(BYTES, 'stage', { flow, direction: 'in' })} > 0)`,
            '{{stage}}',
          ),
        ],
        unit: 'percentunit',
        width: 8,
      }),
      bars({
        title: `${flow}: streams`,
        description: 'Streams of each stage now; one for each image.',
        queries: [query(`sum by (stage) (${series('vast_ost_stage_streams', { flow })})`, '{{stage}}')],
        unit: 'short',
        width: 8,
      }),
    ],
  };
}

const requests = '{{direction}} {{server}} {{storage}}';

/** Where the bytes are, what works, what waits, and for whom. */
export const pipeline: DashboardOptions = {
  id: 'pipeline',
  title: 'Pipeline',
  description: 'What each stage does and waits for, and what holds a flow back.',
  rows: [
    flowRow('backup', 'Backups'),
    flowRow('restore', 'Restores'),
    {
      title: 'Requests in flight',
      panels: [
        lines({
          title: 'Parts on their way',
          description: 'Below the limit all the time: whatever is before the storage is slow.',
          queries: [
            query(`sum(${series('vast_ost_parts_in_flight')})`, 'in flight'),
            query(`sum(${series('vast_ost_parts_limit')})`, 'limit'),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Requests with payload',
          description: 'What a storage was found to like best, and what it gets.',
          queries: [
            query(series('vast_ost_payload_requests_limit'), `limit ${requests}`),
            query(series('vast_ost_payload_requests_in_flight'), `in flight ${requests}`),
            query(series('vast_ost_payload_requests_waiting'), `waiting ${requests}`),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Changes of the limit',
          description: 'How often another number was tried, and what it was found to be.',
          queries: [
            query(
              `sum by (reason, direction) (increase(${series('vast_ost_payload_requests_limit_changes_total')}[10m])) or vector(0)`,
              '{{direction}} {{reason}}',
            ),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Sizes that follow from it',
          description: 'Of the parts of new images, of requests that read, and of what is fetched ahead.',
          queries: [query(series('vast_ost_flow_size_bytes'), '{{of}} {{server}}')],
          unit: 'bytes',
          width: 12,
        }),
        lines({
          title: 'Changes of sizes',
          description: 'How often other sizes were found to fit better.',
          queries: [
            query(
              `sum by (of, reason) (increase(${series('vast_ost_flow_size_changes_total')}[10m])) or vector(0)`,
              '{{of}} {{reason}}',
            ),
          ],
          unit: 'short',
          width: 12,
        }),
      ],
    },
    {
      title: 'Directories',
      panels: [
        lines({
          title: 'System calls',
          description: 'At the limit for long: the directory is slow, or its mount hangs.',
          queries: [
            query(`max by (storage) (${series('vast_ost_directory_calls_limit')}) or vector(0)`, 'limit {{storage}}'),
            query(
              `max by (storage) (${series('vast_ost_directory_calls_in_flight')}) or vector(0)`,
              'in flight {{storage}}',
            ),
            query(
              `max by (storage) (${series('vast_ost_directory_calls_waiting')}) or vector(0)`,
              'waiting {{storage}}',
            ),
          ],
          unit: 'short',
          width: 12,
        }),
        lines({
          title: 'Oldest system call',
          description: 'Minutes mean that the mount hangs: its images wait, the others go on.',
          queries: [
            query(
              `max by (storage) (${series('vast_ost_directory_calls_oldest_seconds')}) or vector(0)`,
              '{{storage}}',
            ),
          ],
          unit: 's',
          width: 12,
        }),
      ],
    },
    {
      title: 'Compression',
      panels: [
        lines(
          {
            title: 'Chunks with compression = auto',
            description:
              'What became of them. All unneeded: the way to the storage is faster than processors can compress, or nobody waits for it.',
            queries: [query(rates('vast_ost_compression_chunks_total', 'outcome'), '{{outcome}}')],
            unit: 'cps',
            width: 24,
          },
          { stack: true },
        ),
      ],
    },
    {
      title: 'Memory',
      panels: [
        lines({
          title: 'Payload memory',
          description: 'At the limit everything waits: raise memory_budget_mb, or run fewer jobs at once.',
          queries: [
            query(`sum by (state) (${series('vast_ost_memory_bytes')})`, '{{state}}'),
            query(`sum(${series('vast_ost_memory_limit_bytes')})`, 'limit'),
            query(`sum(${series('vast_ost_memory_peak_bytes')})`, 'peak'),
          ],
          unit: 'bytes',
          width: 8,
        }),
        lines({
          title: 'Waiting for memory',
          description: 'Requests of stages for memory, and of hosts for slots.',
          queries: [query(`sum by (for) (${series('vast_ost_memory_waiting')})`, '{{for}}')],
          unit: 'short',
          width: 8,
        }),
        lines(
          {
            title: 'Slots',
            description: 'Shared memory of hosts: full ones wait for the storage, filling ones for the host.',
            queries: [query(`sum by (state) (${series('vast_ost_slots')})`, '{{state}}')],
            unit: 'short',
            width: 8,
          },
          { stack: true },
        ),
      ],
    },
  ],
};
