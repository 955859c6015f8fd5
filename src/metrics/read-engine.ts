import { streamsOf } from '../config/streams.ts';
import type { OstEngine } from '../ost/engine.ts';
import type { ImageOperation, ImageResult } from '../ost/image-tally.ts';
import type { SlotState } from '../ost/slot-table.ts';
import type { StorageServer } from '../ost/storage-server.ts';
import { RESULT } from '../ost/wire/constants.ts';
import type { Reading } from './registry.ts';

const SLOT_STATES: readonly SlotState[] = ['wanted', 'filling', 'full', 'reading', 'read', 'meta'];

/** How work on images can end. All of it is told from the beginning: a counter that appears as 1 has no increase. */
const ENDS: readonly (readonly [ImageOperation, readonly ImageResult[]])[] = [
  ['write', ['complete', 'incomplete', 'abandoned', 'detached', 'failed']],
  ['read', ['complete', 'detached', 'failed']],
  ['copy', ['complete', 'abandoned', 'failed']],
  ['delete', ['complete', 'failed']],
];

/** Host processes, slots and images. */
export function* readEngine(engine: OstEngine): Generator<Reading> {
  yield { name: 'vast_ost_draining', value: engine.services.drain.draining ? 1 : 0 };
  yield* readHosts(engine);
  yield* readImages(engine);
}

function* readHosts(engine: OstEngine): Generator<Reading> {
  const { counters, memory } = engine.services;
  const slots = new Map<SlotState, number>(SLOT_STATES.map((state) => [state, 0]));
  let handles = 0;
  for (const session of engine.hosts()) {
    handles += session.handles.size;
    for (const state of session.slots.states()) slots.set(state, (slots.get(state) ?? 0) + 1);
  }
  yield { name: 'vast_ost_sessions', value: engine.sessions };
  const sessions = {
    opened: counters.sessionsOpened,
    refused: counters.sessionsRefused,
    ended: counters.sessionsEnded,
  };
  for (const [result, value] of Object.entries(sessions))
    yield { name: 'vast_ost_sessions_total', labels: { result }, value };
  yield { name: 'vast_ost_handles', value: handles };
  for (const [state, value] of slots) yield { name: 'vast_ost_slots', labels: { state }, value };
  yield { name: 'vast_ost_memory_waiting', labels: { for: 'slot' }, value: memory.waiting };
  yield { name: 'vast_ost_host_requests_total', value: counters.requests };
  for (const result of Object.keys(RESULT))
    yield { name: 'vast_ost_host_errors_total', labels: { result }, value: counters.errors.get(result) ?? 0 };
  yield { name: 'vast_ost_host_faults_total', value: counters.faults };
}

function* readImages({ services }: OstEngine): Generator<Reading> {
  const { images } = services.counters;
  const open = { write: [...services.writers.values()], read: [...services.readers] } as const;
  for (const operation of ['write', 'read'] as const) {
    let { bytes, waitedMs } = images.sums(operation);
    for (const { counters } of open[operation]) {
      bytes += counters.bytes;
      waitedMs += counters.waitedMs;
    }
    yield { name: 'vast_ost_images_open', labels: { operation }, value: open[operation].length };
    yield { name: 'vast_ost_image_bytes_total', labels: { operation }, value: bytes };
    yield { name: 'vast_ost_image_slot_wait_seconds_total', labels: { operation }, value: waitedMs / 1000 };
  }
  for (const [operation, results] of ENDS) {
    const ended = images.ended.get(operation);
    for (const result of results)
      yield { name: 'vast_ost_images_total', labels: { operation, result }, value: ended?.get(result) ?? 0 };
  }
  for (const [operation, at] of images.succeeded)
    yield { name: 'vast_ost_last_success_timestamp_seconds', labels: { operation }, value: at / 1000 };
  let [parts, limit] = [0, 0];
  const shared = new Set<StorageServer>();
  for (const { partsInFlight, place } of open.write) {
    parts += partsInFlight;
    if (place.server.storage.flow?.write === undefined) limit += streamsOf(place.server.tuning.parallelStreams);
    else shared.add(place.server);
  }
  for (const server of shared) limit += server.figures()[0]?.gates.write?.limit ?? 0;
  yield { name: 'vast_ost_parts_in_flight', value: parts };
  yield { name: 'vast_ost_parts_limit', value: limit };
}
