import type { DashboardOptions } from './dashboard.ts';
import { bars, lines, numbers, states } from './panel.ts';
import { buckets, query, rate, rates, series } from './query.ts';

const used = series('vast_ost_lsu_used_bytes');
const size = series('vast_ost_lsu_size_bytes');
const physicalUsed = series('vast_ost_lsu_physical_used_bytes');
const physicalSize = series('vast_ost_lsu_physical_size_bytes');
const vms = { service: 'vms' } as const;
/** VMS is asked now and then. */
const SELDOM = '10m';
const vip = '{{vip}} {{server}}';

/** LSUs, data VIPs and the management. */
export const storage: DashboardOptions = {
  id: 'storage',
  title: 'Storage, VIPs and VMS',
  description: 'How full the LSUs are, how well the VIPs and the management of the cluster are.',
  rows: [
    {
      title: 'LSUs',
      panels: [
        bars({
          title: 'In use',
          description: 'Share of what an LSU can hold, and of the storage below it.',
          queries: [
            query(`max by (server, lsu) (${used} / ${size})`, '{{server}} {{lsu}}'),
            query(`max by (server, lsu) (${physicalUsed} / ${physicalSize})`, 'physical {{server}} {{lsu}}'),
          ],
          unit: 'percentunit',
          max: 1,
          limits: [0.9, 0.95],
          width: 8,
        }),
        lines({
          title: 'Bytes',
          description: 'What an LSU holds, after and before data reduction where the cluster says so.',
          queries: [
            query(`max by (server, lsu) (${used})`, 'used {{server}} {{lsu}}'),
            query(`max by (server, lsu) (${size})`, 'size {{server}} {{lsu}}'),
            query(`max by (server, lsu) (${physicalUsed})`, 'physical {{server}} {{lsu}}'),
            query(`max by (server, lsu) (${physicalSize})`, 'physical size {{server}} {{lsu}}'),
          ],
          unit: 'bytes',
          width: 8,
        }),
        lines({
          title: 'In use a week from now',
          description: 'The trend of six hours, carried on.',
          queries: [
            query(
              `max by (server, lsu) (clamp_min(predict_linear(${used}[6h], 604800), 0) / ${size})`,
              '{{server}} {{lsu}}',
            ),
          ],
          unit: 'percentunit',
          limits: [0.9, 1],
          width: 8,
        }),
        numbers({
          title: 'Events',
          description: 'Number of a server’s last event: `ost-host events` shows them.',
          queries: [query(`max by (server) (${series('vast_ost_events_total')})`, '{{server}}')],
          unit: 'short',
          width: 24,
        }),
      ],
    },
    {
      title: 'Data VIPs',
      panels: [
        states({
          title: 'Left alone',
          description: 'VIPs with which requests keep failing; they are tried again after a second to a minute.',
          queries: [query(series('vast_ost_vip_state', { state: 'quarantined' }), vip)],
          unit: 'short',
        }),
        lines({
          title: 'VIPs by state',
          description: 'Draining ones are no longer named by DNS or VMS.',
          queries: [query(`sum by (server, state) (${series('vast_ost_vip_state')})`, '{{server}} {{state}}')],
          unit: 'short',
        }),
        lines({
          title: 'Requests',
          description: 'Evenly spread when all is well.',
          queries: [query(rates('vast_ost_vip_requests_total', 'server, vip'), vip)],
          unit: 'reqps',
          width: 8,
        }),
        lines({
          title: 'In flight, and what they may have',
          description: 'A slow VIP may have fewer than the others.',
          queries: [
            query(series('vast_ost_vip_requests_in_flight'), `in flight ${vip}`),
            query(series('vast_ost_vip_requests_limit'), `limit ${vip}`),
            query(series('vast_ost_vip_waiting'), 'waiting {{server}}'),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Failures',
          description: 'Requests that showed a VIP as failing, and how often it was left alone; in ten minutes.',
          queries: [
            query(`increase(${series('vast_ost_vip_failures_total')}[10m])`, `failed ${vip}`),
            query(`increase(${series('vast_ost_vip_quarantines_total')}[10m])`, `left alone ${vip}`),
            query(series('vast_ost_vip_lookup_failed'), 'not looked up {{server}}'),
          ],
          unit: 'short',
          width: 8,
        }),
      ],
    },
    {
      title: 'Management (VMS)',
      panels: [
        states({
          title: 'Not answering, and credentials that cannot be replaced',
          description: 'Data flows all the same; figures get old, and keys too.',
          queries: [
            query(series('vast_ost_vms_failing'), 'no VMS {{server}}'),
            query(series('vast_ost_rotation_failing'), 'no new {{what}} {{server}}'),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Age of its figures',
          description: 'Capacities are as old as this. A minute or two is usual.',
          queries: [query(`time() - ${series('vast_ost_vms_figures_timestamp_seconds')}`, '{{server}}')],
          unit: 's',
          limits: [900, 3600],
          width: 8,
        }),
        lines({
          title: 'Requests',
          description: 'By what came of them.',
          queries: [
            query(
              `sum by (operation, result) (${rate('vast_ost_requests_total', vms, SELDOM)})`,
              '{{operation}} {{result}}',
            ),
          ],
          unit: 'reqps',
          width: 8,
        }),
        lines({
          title: 'Duration, 95 of 100',
          description: 'Clusters were seen to need half a minute.',
          queries: [
            query(
              `histogram_quantile(0.95, sum by (operation, le) (rate(${buckets('vast_ost_request_duration_seconds', vms)}[${SELDOM}])))`,
              '{{operation}}',
            ),
          ],
          unit: 's',
          width: 24,
        }),
      ],
    },
  ],
};
