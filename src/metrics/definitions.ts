/** One metric: what Prometheus is told of it, and what docs/metrics.md says. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Its labels, and the values that each may have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

const SERVER = 'name of the `[server NAME]` section';
const LSU = 'name of the LSU';
const STAGE = { stage: 'name of the stage, `NAME-inverse` for its inverse', flow: '`backup`, `restore`' };
const IMAGE = { operation: '`write`, `read`, `copy`, `delete`' };
const STREAM = { operation: '`write`, `read`' };
const REQUEST = {
  service: '`s3`, `file` (a directory store), `vms` (the management of a cluster)',
  operation: 'what was asked: `part`, `read`, `GET views`, …',
};
const LANE = { lane: 'number of the lane, from 0' };
const FLOW = { server: SERVER, storage: 'address or directory', direction: '`write`, `read`' };
const SIZE = { server: SERVER, storage: 'address or directory', of: '`part`, `read`, `read-ahead`' };
const DIRECTORY = { server: SERVER, storage: 'directory' };
const VIP = { server: SERVER, vip: '`host:port`' };

/**
 * Every metric of the engine, by name: the one source for the code, docs/metrics.md, dashboards and alert rules. Counters begin at 0 with
 * the process, and are told from its beginning; rates and increases are right across restarts.
 */
export const METRICS = {
  vast_ost_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what runs.',
    labels: { version: 'release of the engine', node: 'release of Node' },
  },
  vast_ost_draining: { type: 'gauge', help: '1 while the engine stops and lets running work end.', labels: {} },

  vast_ost_images_total: {
    type: 'counter',
    help: 'Work on images that has ended.',
    labels: {
      ...IMAGE,
      result:
        '`complete`; `incomplete` (kept open for another writer); `abandoned` (the host does not want it); `detached` (the connection broke, the host may come back); `failed`',
    },
  },
  vast_ost_images_open: { type: 'gauge', help: 'Images open now.', labels: STREAM },
  vast_ost_image_bytes_total: {
    type: 'counter',
    help: 'Logical bytes of images that hosts handed over or were served.',
    labels: STREAM,
  },
  vast_ost_image_slot_wait_seconds_total: {
    type: 'counter',
    help: 'Time that hosts waited for a slot, summed over images: backpressure as hosts feel it.',
    labels: STREAM,
  },
  vast_ost_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When work on an image was last complete, since the epoch; absent before the first time.',
    labels: IMAGE,
  },
  vast_ost_checksum_mismatches_total: {
    type: 'counter',
    help: 'Bytes that were not what their digest says.',
    labels: {
      place:
        '`image` (what storage returned is not what was backed up), `read` (a chunk that was right when it was read again), `wire` (one request; it was repeated)',
    },
  },

  vast_ost_stage_streams: { type: 'gauge', help: 'Streams of a stage now, one per image and stage.', labels: STAGE },
  vast_ost_stage_bytes_total: {
    type: 'counter',
    help: 'Payload that entered and left a stage.',
    labels: { ...STAGE, direction: '`in`, `out`' },
  },
  vast_ost_stage_busy_seconds_total: {
    type: 'counter',
    help: 'Time in which a stream of the stage worked on at least one item, summed over streams.',
    labels: STAGE,
  },
  vast_ost_stage_wait_seconds_total: {
    type: 'counter',
    help: 'Time in which a stream of the stage did no work, summed over streams.',
    labels: {
      ...STAGE,
      side: '`upstream` (nothing to work on), `downstream` (nobody takes the results, or no memory for them is free)',
    },
  },
  vast_ost_compression_chunks_total: {
    type: 'counter',
    help: 'Chunks of images with `compression = auto`, by what became of them.',
    labels: {
      outcome:
        '`compressed`; `incompressible` (stored as it is, because it would not have become smaller); `unneeded` (stored as it is, because the way to the storage was no bottleneck, or compression too slow for it)',
    },
  },
  vast_ost_stage_reports_total: {
    type: 'counter',
    help: "What vendors' stages told people; each is a line of the log, and a warning or an error is an event as well.",
    labels: { stage: 'name of the stage', severity: '`info`, `warning`, `error`' },
  },
  vast_ost_stage_reported: {
    type: 'gauge',
    help: "Numbers that vendors' stages told, as they were told last, whatever image it was of.",
    labels: { stage: 'name of the stage', name: 'what the stage calls the number; the first 64 names of each stage' },
  },
  vast_ost_parts_in_flight: { type: 'gauge', help: 'Parts on their way to storage.', labels: {} },
  vast_ost_parts_limit: {
    type: 'gauge',
    help: 'Parts that the open images may have on their way together: `parallel_streams` of each, or what was found out to be best.',
    labels: {},
  },

  vast_ost_memory_bytes: {
    type: 'gauge',
    help: 'Payload memory under the byte budget.',
    labels: {
      state: '`used` (granted), `idle` (mapped for reuse, indexes of images that were read; given back when needed)',
    },
  },
  vast_ost_memory_limit_bytes: { type: 'gauge', help: 'The byte budget.', labels: {} },
  vast_ost_memory_peak_bytes: { type: 'gauge', help: 'Most that was granted at once.', labels: {} },
  vast_ost_memory_waiting: {
    type: 'gauge',
    help: 'Requests that wait for memory.',
    labels: { for: '`stage` (of the byte budget), `slot` (hosts that want to fill or read one)' },
  },
  vast_ost_slots: {
    type: 'gauge',
    help: 'Slots of shared memory in use.',
    labels: { state: '`wanted`, `filling`, `full`, `reading`, `read`, `meta`' },
  },

  vast_ost_requests_total: {
    type: 'counter',
    help: 'Attempts of requests; one that is repeated counts each time.',
    labels: { ...REQUEST, result: '`ok`, else the failure class: `retryable`, `integrity`, `not-found`, …' },
  },
  vast_ost_request_duration_seconds: {
    type: 'histogram',
    help: 'How long an attempt took, the wait for a VIP included.',
    labels: REQUEST,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  },
  vast_ost_transfer_seconds_total: {
    type: 'counter',
    help: 'Time of requests of at least 1 MiB, summed over them. Of an S3 service only: of a directory nobody can tell.',
    labels: {
      ...FLOW,
      phase:
        '`moving` (bytes were on the way), `answering` (the storage was to answer, or nobody there read what came)',
    },
  },
  vast_ost_retries_total: {
    type: 'counter',
    help: 'Attempts that failed and were repeated.',
    labels: { service: REQUEST.service, reason: 'code of the failure, as in the log' },
  },
  vast_ost_payload_requests_limit: {
    type: 'gauge',
    help: 'Requests of at least 1 MiB that a storage server gets at the same time, as found out; absent where the configuration gives a number.',
    labels: FLOW,
  },
  vast_ost_payload_requests_in_flight: { type: 'gauge', help: 'Of these, in flight now.', labels: FLOW },
  vast_ost_payload_requests_waiting: { type: 'gauge', help: 'Of these, waiting for a place.', labels: FLOW },
  vast_ost_payload_requests_limit_changes_total: {
    type: 'counter',
    help: 'How often the limit was changed. The log has each change at level `debug`.',
    labels: {
      ...FLOW,
      reason:
        '`try-more`, `try-less`; `faster`, `as-fast-with-less` (kept, and further); `no-faster`, `slower-with-less` (taken back); `enough` (so many keep our own thread at work); `busy` (the storage said so)',
    },
  },

  vast_ost_flow_size_bytes: {
    type: 'gauge',
    help: 'Sizes that follow from it: of the parts of new images, of requests that read, and of what readers in order fetch ahead together; absent where the configuration gives them.',
    labels: SIZE,
  },
  vast_ost_flow_size_changes_total: {
    type: 'counter',
    help: 'How often such a size was changed. The log has each change at level `debug`.',
    labels: {
      ...SIZE,
      reason:
        '`more-in-flight`, `fewer-in-flight` (the limit was changed, or what is asked for); `slow` (one request would take too long), `faster` (no longer)',
    },
  },

  vast_ost_directory_calls_limit: {
    type: 'gauge',
    help: 'System calls that a directory may have in flight, each on a thread of its own: its share of `UV_THREADPOOL_SIZE`.',
    labels: DIRECTORY,
  },
  vast_ost_directory_calls_in_flight: { type: 'gauge', help: 'Of these, in flight now.', labels: DIRECTORY },
  vast_ost_directory_calls_waiting: { type: 'gauge', help: 'Of these, waiting for a place.', labels: DIRECTORY },
  vast_ost_directory_calls_oldest_seconds: {
    type: 'gauge',
    help: 'How long the oldest of those in flight takes already: minutes mean that the mount hangs.',
    labels: DIRECTORY,
  },

  vast_ost_lsu_size_bytes: {
    type: 'gauge',
    help: 'What an LSU can hold; absent where nobody says.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_lsu_used_bytes: { type: 'gauge', help: 'What of it is used.', labels: { server: SERVER, lsu: LSU } },
  vast_ost_lsu_physical_size_bytes: {
    type: 'gauge',
    help: 'What the storage below an LSU can hold.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_lsu_physical_used_bytes: {
    type: 'gauge',
    help: 'What of it is used, after data reduction.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_events_total: {
    type: 'counter',
    help: 'Events of a storage server; goes on across restarts.',
    labels: { server: SERVER },
  },

  vast_ost_scrub_images_total: {
    type: 'counter',
    help: 'Images that the scrub was done with; told of servers with `scrub_interval`, as all of these.',
    labels: { server: SERVER, lsu: LSU, result: '`good`, `damaged`' },
  },
  vast_ost_scrub_bytes_total: {
    type: 'counter',
    help: 'Stored bytes of images that the scrub read.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_scrub_last_complete_timestamp_seconds: {
    type: 'gauge',
    help: 'When a whole round over the images of an LSU last ended, whoever made it, since the epoch; absent before the first.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_scrub_round_began_timestamp_seconds: {
    type: 'gauge',
    help: 'When the round that goes on began; absent between two rounds.',
    labels: { server: SERVER, lsu: LSU },
  },
  vast_ost_scrub_interval_seconds: {
    type: 'gauge',
    help: '`scrub_interval`: every image is to be verified once in such a period.',
    labels: { server: SERVER },
  },

  vast_ost_vms_failing: {
    type: 'gauge',
    help: '1 while the management of the cluster does not answer; data flows without it.',
    labels: { server: SERVER },
  },
  vast_ost_vms_figures_timestamp_seconds: {
    type: 'gauge',
    help: 'When it last told its figures, since the epoch; absent before the first time.',
    labels: { server: SERVER },
  },
  vast_ost_rotation_failing: {
    type: 'gauge',
    help: '1 while credentials could not be replaced; the old ones are still used.',
    labels: { server: SERVER, what: '`keys`, `token`' },
  },

  vast_ost_vip_state: {
    type: 'gauge',
    help: '1 for the state that a data VIP is in.',
    labels: { ...VIP, state: '`healthy`, `quarantined`, `draining`' },
  },
  vast_ost_vip_requests_in_flight: { type: 'gauge', help: 'Requests in flight at a VIP.', labels: VIP },
  vast_ost_vip_requests_limit: { type: 'gauge', help: 'Requests that it may have in flight now.', labels: VIP },
  vast_ost_vip_requests_total: {
    type: 'counter',
    help: 'Requests at a VIP since it became a member, failed ones included.',
    labels: VIP,
  },
  vast_ost_vip_failures_total: { type: 'counter', help: 'Requests that showed it as failing.', labels: VIP },
  vast_ost_vip_quarantines_total: { type: 'counter', help: 'How often it was left alone.', labels: VIP },
  vast_ost_vip_waiting: { type: 'gauge', help: 'Requests that wait for a VIP.', labels: { server: SERVER } },
  vast_ost_vip_lookup_failed: {
    type: 'gauge',
    help: '1 while the VIPs could not be looked up; the known ones are still used.',
    labels: { server: SERVER },
  },

  vast_ost_sessions: { type: 'gauge', help: 'Host processes connected now.', labels: {} },
  vast_ost_sessions_total: {
    type: 'counter',
    help: 'Connections of host processes.',
    labels: { result: '`opened`, `refused`, `ended`' },
  },
  vast_ost_handles: { type: 'gauge', help: 'Handles of host processes, those being opened included.', labels: {} },
  vast_ost_host_requests_total: { type: 'counter', help: 'Requests of host processes.', labels: {} },
  vast_ost_host_errors_total: {
    type: 'counter',
    help: 'Answers to them that said no.',
    labels: { result: 'result of docs/engine-protocol.md: `BUSY`, `NOT_FOUND`, …' },
  },
  vast_ost_host_faults_total: {
    type: 'counter',
    help: 'Connections ended because the host broke the protocol.',
    labels: {},
  },

  vast_ost_event_loop_delay_seconds: {
    type: 'gauge',
    help: 'How late the main loop was, over the last 10 seconds or more.',
    labels: { quantile: '`0.5`, `0.9`, `0.99`, `1`' },
  },
  vast_ost_event_loop_active_seconds_total: { type: 'counter', help: 'Time that the main loop worked.', labels: {} },
  vast_ost_lane_images: { type: 'gauge', help: 'Images and copies that a lane works on.', labels: LANE },
  vast_ost_lane_event_loop_delay_seconds: {
    type: 'gauge',
    help: 'How late the loop of a lane was, over the last 10 seconds or more.',
    labels: { ...LANE, quantile: '`0.5`, `0.9`, `0.99`, `1`' },
  },
  vast_ost_lane_event_loop_active_seconds_total: {
    type: 'counter',
    help: 'Time that the loop of a lane worked.',
    labels: LANE,
  },
  vast_ost_lane_silent_seconds: {
    type: 'gauge',
    help: 'How long a lane has not answered; after 30 seconds it is replaced, and its images go on in another.',
    labels: LANE,
  },
  vast_ost_lane_restarts_total: {
    type: 'counter',
    help: 'How often the thread of a lane ended and was replaced.',
    labels: LANE,
  },
  vast_ost_lane_heap_used_bytes: { type: 'gauge', help: 'JavaScript heap of a lane in use.', labels: LANE },
  vast_ost_heap_used_bytes: { type: 'gauge', help: 'JavaScript heap in use.', labels: {} },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'Processor time of the process, all its threads.',
    labels: { mode: '`user`, `system`' },
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Memory of the process, the shared memory of hosts that it touched included.',
    labels: {},
  },
  process_start_time_seconds: { type: 'gauge', help: 'When the process began, since the epoch.', labels: {} },
  process_open_fds: { type: 'gauge', help: 'Open descriptors.', labels: {} },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;

/** The table's definition of a metric. */
export function definitionOf(name: MetricName): MetricDefinition {
  return METRICS[name];
}

/** All names, in the table's order. */
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];
