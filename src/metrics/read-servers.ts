import type { Capacity } from '../ost/capacity.ts';
import type { ScrubFigures } from '../ost/scrub-figures.ts';
import type { StorageFigures } from '../ost/storage-figures.ts';
import type { StorageServer } from '../ost/storage-server.ts';
import { UNKNOWN } from '../ost/wire/kinds.ts';
import type { VipSnapshot } from '../vast/vip-pool/vip.ts';
import type { MetricName } from './definitions.ts';
import type { Labels, Reading } from './registry.ts';

const VIP_STATES: readonly VipSnapshot['state'][] = ['healthy', 'quarantined', 'draining'];
const CAPACITY: readonly (readonly [MetricName, keyof Capacity])[] = [
  ['vast_ost_lsu_size_bytes', 'total'],
  ['vast_ost_lsu_used_bytes', 'used'],
  ['vast_ost_lsu_physical_size_bytes', 'physicalTotal'],
  ['vast_ost_lsu_physical_used_bytes', 'physicalUsed'],
];

/** Storage servers, from what is known in memory: a scrape asks no storage and no cluster. */
export function* readServers(servers: readonly StorageServer[]): Generator<Reading> {
  for (const server of servers) {
    const { id, events } = server;
    yield { name: 'vast_ost_events_total', labels: { server: id }, value: events.latest };
    yield* readManagement(server);
    for (const lsu of server.lsusNow()) yield* readCapacity({ server: id, lsu }, server.capacityNow(lsu));
    if (server.scrubs !== undefined) yield* readScrubs(id, server.scrubs);
    const figures = server.figures();
    for (const one of figures) {
      yield* readFlow(id, one);
      yield* readSizes(id, one);
      yield* readCalls(id, one);
    }
    const pool = figures.find(({ vips }) => vips !== undefined)?.vips;
    if (pool === undefined) continue;
    yield { name: 'vast_ost_vip_waiting', labels: { server: id }, value: pool.waiting };
    const failed = pool.lookupError === undefined ? 0 : 1;
    yield { name: 'vast_ost_vip_lookup_failed', labels: { server: id }, value: failed };
    for (const vip of pool.vips) yield* readVip({ server: id, vip: vip.vip }, vip);
  }
}

function* readManagement({ id, cluster, rotations }: StorageServer): Generator<Reading> {
  const labels = { server: id };
  if (cluster !== undefined) {
    yield { name: 'vast_ost_vms_failing', labels, value: cluster.failing ? 1 : 0 };
    const at = cluster.toldAt;
    if (at !== undefined) yield { name: 'vast_ost_vms_figures_timestamp_seconds', labels, value: at / 1000 };
  }
  for (const [what, failing] of rotations?.failing ?? [])
    yield { name: 'vast_ost_rotation_failing', labels: { ...labels, what }, value: failing ? 1 : 0 };
}

function* readScrubs(server: string, { intervalMs, lsus }: ScrubFigures): Generator<Reading> {
  yield { name: 'vast_ost_scrub_interval_seconds', labels: { server }, value: intervalMs / 1000 };
  for (const [lsu, { good, damaged, bytes, began, ended }] of lsus) {
    const labels = { server, lsu };
    for (const [result, value] of Object.entries({ good, damaged }))
      yield { name: 'vast_ost_scrub_images_total', labels: { ...labels, result }, value };
    yield { name: 'vast_ost_scrub_bytes_total', labels, value: bytes };
    if (began !== undefined)
      yield { name: 'vast_ost_scrub_round_began_timestamp_seconds', labels, value: began / 1000 };
    if (ended !== undefined)
      yield { name: 'vast_ost_scrub_last_complete_timestamp_seconds', labels, value: ended / 1000 };
  }
}

function* readFlow(server: string, { name, gates, transfers }: StorageFigures): Generator<Reading> {
  for (const direction of ['write', 'read'] as const) {
    const labels = { server, storage: name, direction };
    for (const [phase, ms] of Object.entries(transfers?.[direction] ?? {}))
      yield { name: 'vast_ost_transfer_seconds_total', labels: { ...labels, phase }, value: ms / 1000 };
    const gate = gates[direction];
    if (gate === undefined) continue;
    yield { name: 'vast_ost_payload_requests_limit', labels, value: gate.limit };
    yield { name: 'vast_ost_payload_requests_in_flight', labels, value: gate.inFlight };
    yield { name: 'vast_ost_payload_requests_waiting', labels, value: gate.waiting };
    for (const [reason, value] of gate.decisions)
      yield { name: 'vast_ost_payload_requests_limit_changes_total', labels: { ...labels, reason }, value };
  }
}

function* readSizes(server: string, { name, sizes }: StorageFigures): Generator<Reading> {
  for (const { of, bytes, decisions } of sizes) {
    const labels = { server, storage: name, of };
    yield { name: 'vast_ost_flow_size_bytes', labels, value: bytes };
    for (const [reason, value] of decisions)
      yield { name: 'vast_ost_flow_size_changes_total', labels: { ...labels, reason }, value };
  }
}

function* readCalls(server: string, { name, calls: status }: StorageFigures): Generator<Reading> {
  if (status === undefined) return;
  const labels = { server, storage: name };
  yield { name: 'vast_ost_directory_calls_limit', labels, value: status.limit };
  yield { name: 'vast_ost_directory_calls_in_flight', labels, value: status.inFlight };
  yield { name: 'vast_ost_directory_calls_waiting', labels, value: status.waiting };
  yield { name: 'vast_ost_directory_calls_oldest_seconds', labels, value: status.oldestMs / 1000 };
}

function* readCapacity(labels: Labels, capacity: Capacity | undefined): Generator<Reading> {
  for (const [name, field] of CAPACITY) {
    const bytes = capacity?.[field] ?? UNKNOWN;
    if (bytes !== UNKNOWN) yield { name, labels, value: Number(bytes) };
  }
}

function* readVip(labels: Labels, vip: VipSnapshot): Generator<Reading> {
  for (const state of VIP_STATES)
    yield { name: 'vast_ost_vip_state', labels: { ...labels, state }, value: vip.state === state ? 1 : 0 };
  yield { name: 'vast_ost_vip_requests_in_flight', labels, value: vip.inFlight };
  yield { name: 'vast_ost_vip_requests_limit', labels, value: vip.window };
  yield { name: 'vast_ost_vip_requests_total', labels, value: vip.requests };
  yield { name: 'vast_ost_vip_failures_total', labels, value: vip.failures };
  yield { name: 'vast_ost_vip_quarantines_total', labels, value: vip.quarantines };
}
