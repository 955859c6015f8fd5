import type { LaneFigures } from '../ost/lanes/lane-figures.ts';
import type { Reading } from './registry.ts';

/** The threads that work on images. */
export function* readLanes(lanes: readonly LaneFigures[]): Generator<Reading> {
  for (const { lane, images, restarts, silent, delays, active, heapBytes } of lanes) {
    const labels = { lane: String(lane) };
    yield { name: 'vast_ost_lane_images', labels, value: images };
    yield { name: 'vast_ost_lane_restarts_total', labels, value: restarts };
    yield { name: 'vast_ost_lane_silent_seconds', labels, value: silent };
    yield { name: 'vast_ost_lane_event_loop_active_seconds_total', labels, value: active };
    yield { name: 'vast_ost_lane_heap_used_bytes', labels, value: heapBytes };
    for (const [quantile, value] of delays) {
      const each = { ...labels, quantile: String(quantile) };
      yield { name: 'vast_ost_lane_event_loop_delay_seconds', labels: each, value };
    }
  }
}
