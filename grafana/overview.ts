import { bottleneck } from './bottleneck.ts';
import type { DashboardOptions } from './dashboard.ts';
import { lines, numbers, states } from './panel.ts';
import { query, rates, series } from './query.ts';

const lastSuccess = (operation: string): string =>
  `time() - max(${series('vast_ost_last_success_timestamp_seconds', { operation })})`;
const failed = `increase(${series('vast_ost_images_total', { result: 'failed' })}[24h])`;
const used = series('vast_ost_lsu_used_bytes');
const size = series('vast_ost_lsu_size_bytes');

/** Is it working, how fast, what holds it back, what failed. */
export const overview: DashboardOptions = {
  id: 'overview',
  title: 'Overview',
  description: 'Is it working, how fast, what holds it back, what failed.',
  rows: [
    {
      title: 'Now',
      panels: [
        numbers({
          title: 'Engines',
          description: 'Engines that answer, by release.',
          queries: [query(`count by (version) (${series('vast_ost_build_info')})`, '{{version}}')],
          unit: 'short',
          width: 3,
        }),
        numbers({
          title: 'Last good backup',
          description: 'Time since an image was last completely written, on any engine.',
          queries: [query(lastSuccess('write'))],
          unit: 's',
          width: 4,
          limits: [86_400, 172_800],
        }),
        numbers({
          title: 'Failed, 24 h',
          description: 'Writes, reads, copies and deletions that did not work. The reasons are in the log, by image.',
          queries: [query(`sum(${failed})`)],
          unit: 'short',
          width: 3,
          limits: [0.5, 5],
        }),
        numbers({
          title: 'Running',
          description: 'Images open now.',
          queries: [query(`sum by (operation) (${series('vast_ost_images_open')})`, '{{operation}}')],
          unit: 'short',
          width: 4,
        }),
        numbers(
          {
            title: 'Backups are held back by',
            description:
              'What the others wait for, per engine: `source` is the host. The pipeline dashboard has the shares.',
            queries: [query(bottleneck('backup'), '{{limit}}')],
            unit: 'percentunit',
            width: 5,
          },
          'name',
        ),
        numbers(
          {
            title: 'Restores are held back by',
            description: 'As for backups: `target` is the host that reads.',
            queries: [query(bottleneck('restore'), '{{limit}}')],
            unit: 'percentunit',
            width: 5,
          },
          'name',
        ),
      ],
    },
    {
      title: 'Work',
      panels: [
        lines({
          title: 'Throughput',
          description: 'Logical bytes that hosts hand over or are served, before compression.',
          queries: [query(rates('vast_ost_image_bytes_total', 'instance, operation'), '{{operation}} {{instance}}')],
          unit: 'binBps',
        }),
        lines({
          title: 'Images that ended',
          description: 'By what became of them, per hour.',
          queries: [
            query(
              `sum by (operation, result) (increase(${series('vast_ost_images_total')}[1h]))`,
              '{{operation}} {{result}}',
            ),
          ],
          unit: 'short',
        }),
      ],
    },
    {
      title: 'What could stop it',
      panels: [
        states({
          title: 'Troubles',
          description: 'Whatever is not as it should be now. Details are on the dashboards of storage and reliability.',
          queries: [
            query(series('vast_ost_draining'), 'engine stops {{instance}}'),
            query(`max by (server) (${series('vast_ost_vms_failing')})`, 'no VMS {{server}}'),
            query(`max by (server, what) (${series('vast_ost_rotation_failing')})`, 'no new {{what}} {{server}}'),
            query(`max by (server) (${series('vast_ost_vip_lookup_failed')})`, 'VIPs not looked up {{server}}'),
            query(
              `max by (server) (${series('vast_ost_vip_state', { state: 'quarantined' })})`,
              'a VIP is left alone {{server}}',
            ),
          ],
          unit: 'short',
        }),
        lines({
          title: 'LSUs in use',
          description: 'Share of what an LSU can hold, where somebody says how much that is.',
          queries: [query(`max by (server, lsu) (${used} / ${size})`, '{{server}} {{lsu}}')],
          unit: 'percentunit',
          max: 1,
          limits: [0.9, 0.95],
        }),
      ],
    },
  ],
};
