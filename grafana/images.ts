import type { DashboardOptions } from './dashboard.ts';
import { lines, numbers } from './panel.ts';
import { query, rate, rates, series } from './query.ts';

const open = (operation: string): string => `sum by (instance) (${series('vast_ost_images_open', { operation })})`;
const slotWait = (operation: string): string =>
  `sum by (instance) (${rate('vast_ost_image_slot_wait_seconds_total', { operation })})`;

/** What hosts do, and what becomes of it. */
export const images: DashboardOptions = {
  id: 'images',
  title: 'Images and jobs',
  description: 'What NetBackup’s processes do with images, and what becomes of it.',
  rows: [
    {
      title: 'Images',
      panels: [
        numbers({
          title: 'Since the last success',
          description: 'By what was done. That data could be read again is another thing than that it was written.',
          queries: [
            query(
              `time() - max by (operation) (${series('vast_ost_last_success_timestamp_seconds')})`,
              '{{operation}}',
            ),
          ],
          unit: 's',
          width: 12,
        }),
        numbers({
          title: 'Ended in 24 h',
          description: 'By what became of them.',
          queries: [query(`sum by (result) (increase(${series('vast_ost_images_total')}[24h]))`, '{{result}}')],
          unit: 'short',
          width: 12,
        }),
        lines({
          title: 'Open images',
          description: 'Handles that hosts write and read.',
          queries: [
            query(`sum by (operation) (${series('vast_ost_images_open')})`, '{{operation}}'),
            query(`sum(${series('vast_ost_handles')})`, 'handles'),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Images that ended',
          description: 'Per hour. Detached ones lost their host; it may come back.',
          queries: [
            query(
              `sum by (operation, result) (increase(${series('vast_ost_images_total')}[1h]))`,
              '{{operation}} {{result}}',
            ),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Failed',
          description: 'Images that failed, per hour. The log names each with its error and advice.',
          queries: [
            query(
              `sum by (operation) (increase(${series('vast_ost_images_total', { result: 'failed' })}[1h]))`,
              '{{operation}}',
            ),
          ],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Throughput',
          description: 'Logical bytes.',
          queries: [query(rates('vast_ost_image_bytes_total', 'operation'), '{{operation}}')],
          unit: 'binBps',
        }),
        lines({
          title: 'Backpressure as hosts feel it',
          description: 'Images, on average, whose host waits for a slot: compare with the open images.',
          queries: [
            query(slotWait('write'), 'wait to write {{instance}}'),
            query(slotWait('read'), 'wait to read {{instance}}'),
            query(open('write'), 'open {{instance}}'),
          ],
          unit: 'short',
        }),
      ],
    },
    {
      title: 'Host processes',
      panels: [
        lines({
          title: 'Connected',
          description: 'Processes of NetBackup that use the engine.',
          queries: [query(series('vast_ost_sessions'), '{{instance}}')],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Connections',
          description: 'Refused ones: the log says who came, and why not.',
          queries: [query(`sum by (result) (increase(${series('vast_ost_sessions_total')}[10m]))`, '{{result}}')],
          unit: 'short',
          width: 8,
        }),
        lines({
          title: 'Requests of hosts',
          description: 'Calls that reach the engine.',
          queries: [query(rates('vast_ost_host_requests_total', 'instance'), '{{instance}}')],
          unit: 'reqps',
          width: 8,
        }),
        lines({
          title: 'Answers that said no',
          description: 'Many are of everyday life: NOT_FOUND for what is looked for, EXISTS for what is there.',
          queries: [
            query(
              `sum by (result) (increase(${series('vast_ost_host_errors_total')}[10m])) or vector(0)`,
              '{{result}}',
            ),
          ],
          unit: 'short',
        }),
        lines({
          title: 'Broken protocol',
          description: 'Connections that were ended because of it. Anything but 0 is worth a report.',
          queries: [query(`increase(${series('vast_ost_host_faults_total')}[1h])`, '{{instance}}')],
          unit: 'short',
        }),
      ],
    },
  ],
};
