import { z } from 'zod';

/*
 * What the API answers. Bytes are integers, times of day ISO 8601 in UTC, shares from 0 to 1. Null stands for what nobody knows.
 */

const Bytes = z.int().min(0).describe('bytes');
const Rate = z.number().min(0).describe('bytes per second');
const Share = z.number().min(0).max(1);
const Time = z.iso.datetime();
const Seconds = z.number().min(0).describe('seconds');

export const ProblemSchema = z.object({
  code: z.string().describe('stable: docs/cli.md'),
  failure: z.string().describe('failure class'),
  message: z.string(),
  advice: z.string().nullable().describe('what to do next'),
});

export const ErrorSchema = z.object({ error: ProblemSchema });

const StageTime = z.object({
  stage: z.string(),
  busy_seconds: Seconds,
  waits_upstream_seconds: Seconds,
  waits_downstream_seconds: Seconds,
});

const Bottleneck = z.object({
  limit: z.enum(['source', 'target', 'hash', 'compress', 'decompress', 'pack', 'stage', 'network', 'storage']),
  stage: z.string().describe('the stage that the time is spent in'),
  share: z.number().min(0).describe('about which part of the time the others wait for it'),
  text: z.string(),
});

export const FlowSchema = z.object({
  flow: z.enum(['backup', 'restore']),
  bytes_per_second: Rate.describe('logical bytes of hosts, per second'),
  stages: z
    .array(
      z.object({
        stage: z.string(),
        streams: z.int().min(0),
        bytes_per_second: Rate.nullable().describe('what entered the stage; null where nobody counts it'),
        busy: Share,
        waits_upstream: Share.describe('nothing to work on'),
        waits_downstream: Share.describe('nobody takes the results, or no memory for them is free'),
      }),
    )
    .describe('in the order of the bytes; shares are of the streams’ time within the window'),
  bottleneck: Bottleneck.nullable(),
});

const ImagePlace = {
  operation: z.enum(['write', 'read', 'copy', 'delete']),
  server: z.string(),
  lsu: z.string(),
  image_id: z.string(),
  name: z.string(),
  began: Time,
};

export const RunningImageSchema = z.object({
  ...ImagePlace,
  bytes: Bytes.describe('handed over by, or served to, the host'),
  size: Bytes.nullable().describe('of the image; a host does not say how much it will write'),
  stored: Bytes.nullable(),
  bytes_per_second: Rate,
  parts_in_flight: z.int().min(0).nullable(),
  host_waited_seconds: Seconds.describe('for slots'),
  bottleneck: Bottleneck.nullable().describe('since it was opened'),
  stages: z.array(StageTime),
});

export const EndedImageSchema = z.object({
  ...ImagePlace,
  ended: Time,
  result: z.enum(['complete', 'incomplete', 'abandoned', 'detached', 'failed']),
  bytes: Bytes,
  stored: Bytes.nullable(),
  stages: z.array(StageTime),
  error: ProblemSchema.nullable(),
});

export const StateSchema = z.object({
  at: Time,
  window_seconds: Seconds.describe('rates and shares are of so long'),
  engine: z.object({
    version: z.string(),
    instance: z.string().describe('another one after each restart'),
    began: Time,
    draining: z.boolean(),
    sessions: z.int().min(0).describe('host processes connected'),
  }),
  flows: z.array(FlowSchema),
  queues: z.object({
    parts_in_flight: z.int().min(0),
    parts_waiting: z.int().min(0).describe('requests with payload that wait for a place'),
    slots: z.record(z.string(), z.int().min(0)).describe('slots of shared memory in use, by state'),
    slots_waiting: z.int().min(0).describe('hosts that want one'),
    stages_waiting: z.int().min(0).describe('for memory'),
  }),
  memory: z.object({ used: Bytes, limit: Bytes }),
  images: z.object({
    running: z.int().min(0),
    shown: z.array(RunningImageSchema.omit({ stages: true })).describe('those that are open longest'),
  }),
  problems: z.int().min(0).describe('different ones that are kept: /api/v1/errors'),
});

export const ImagesSchema = z.object({
  running: z.array(RunningImageSchema),
  ended: z.array(EndedImageSchema).describe('newest first'),
});

export const LsusSchema = z.object({
  lsus: z.array(
    z.object({
      server: z.string(),
      lsu: z.string(),
      where: z.string(),
      size: Bytes.nullable(),
      used: Bytes.nullable(),
      physical_size: Bytes.nullable(),
      physical_used: Bytes.nullable(),
      scrubbed: Time.nullable().describe('when a whole round of the scrub last ended'),
    }),
  ),
  unreachable: z.array(z.string()).describe('servers whose LSUs could not be listed now'),
});

export const VipsSchema = z.object({
  servers: z.array(
    z.object({
      server: z.string(),
      waiting: z.int().min(0).describe('requests that wait for a VIP'),
      lookup_error: z.string().nullable(),
      vips: z.array(
        z.object({
          vip: z.string(),
          state: z.enum(['healthy', 'quarantined', 'draining']),
          in_flight: z.int().min(0),
          limit: z.number().min(0),
          requests: z.int().min(0),
          failures: z.int().min(0),
          quarantines: z.int().min(0),
          last_error: z.string().nullable(),
        }),
      ),
    }),
  ),
});

export const EventsSchema = z.object({
  events: z
    .array(
      z.object({
        server: z.string(),
        sequence: z.int().min(1),
        time: Time,
        type: z.string(),
        lsu: z.string(),
        image: z.string().nullable(),
        payload: z.string().describe('JSON, as hosts get it'),
      }),
    )
    .describe('newest first'),
});

export const ErrorsSchema = z.object({
  errors: z
    .array(
      z.object({
        ...ProblemSchema.shape,
        where: z.string(),
        first: Time,
        last: Time,
        times: z.int().min(1),
      }),
    )
    .describe('newest first'),
});

export const NewActionSchema = z.strictObject({
  kind: z
    .enum(['verify', 'restore-check'])
    .describe('verify: every byte against its digest. restore-check: read as a restore reads, and drop the bytes'),
  server: z.string().min(1).max(255),
  lsu: z.string().min(1).max(255),
  image: z.string().min(1).max(1024).describe('NAME, NAME:DATE or an image id'),
});

export const ActionSchema = z.object({
  id: z.string(),
  ...NewActionSchema.shape,
  by: z.string().describe('whose token began it'),
  state: z.enum(['waiting', 'running', 'ok', 'failed', 'cancelled']),
  began: Time,
  ended: Time.nullable(),
  image_id: z.string().nullable(),
  bytes: Bytes.describe('read so far'),
  size: Bytes.nullable(),
  error: ProblemSchema.nullable(),
});

export const ActionsSchema = z.object({ actions: z.array(ActionSchema).describe('newest first') });

export type State = z.output<typeof StateSchema>;
export type RunningImage = z.output<typeof RunningImageSchema>;
export type EndedImage = z.output<typeof EndedImageSchema>;
export type Images = z.output<typeof ImagesSchema>;
export type Lsus = z.output<typeof LsusSchema>;
export type Vips = z.output<typeof VipsSchema>;
export type Events = z.output<typeof EventsSchema>;
export type Errors = z.output<typeof ErrorsSchema>;
export type NewAction = z.output<typeof NewActionSchema>;
export type Action = z.output<typeof ActionSchema>;
export type Actions = z.output<typeof ActionsSchema>;
export type Flow = z.output<typeof FlowSchema>;
