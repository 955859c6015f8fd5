import { COMPRESSIONS } from '../../config/compression.ts';
import { parseIni } from '../../config/ini.ts';
import { MOST_STREAMS } from '../../config/streams.ts';
import { EngineError } from '../../errors.ts';
import { VERSION } from '../../version.ts';
import { invalid } from '../errors.ts';
import type { StorageServer, Tuning } from '../storage-server.ts';
import type { Handlers } from './handler.ts';

/** What CONFIG_SET may change: the reader of each value, undefined for a bad one. */
const CHANGEABLE: Readonly<Record<string, (value: string, tuning: Tuning) => boolean>> = {
  compression: (value, tuning) => {
    const known = COMPRESSIONS.find((name) => name === value);
    if (known === undefined) return false;
    tuning.compression = known;
    return true;
  },
  parallel_streams: (value, tuning) => {
    const number = Number(value);
    if (value !== 'auto' && (!/^[0-9]{1,2}$/.test(value) || number < 1 || number > MOST_STREAMS)) return false;
    tuning.parallelStreams = value === 'auto' ? value : number;
    return true;
  },
};

/** A text for people, and one frame's worth. */
const MAX_LSUS = 256;
/** What NetBackup takes when nobody says otherwise, per cent of a volume. */
const HIGH_WATER = 98;
const LOW_WATER = 80;

/**
 * Water marks that fit an LSU, for `nbdevconfig -changedp -hwm -lwm`: cleanup should begin before the cluster raises its alarm.
 * From what is known now.
 */
function waterMarks({ cluster }: StorageServer, lsus: readonly string[]): Record<string, string | number> {
  if (cluster === undefined) return {};
  const marks = lsus.slice(0, MAX_LSUS).flatMap((lsu) => {
    const high = Math.min(HIGH_WATER, cluster.spaceNow(lsu)?.alarmPercent ?? HIGH_WATER);
    return [
      [`${lsu}.high_water_percent`, high],
      [`${lsu}.low_water_percent`, Math.min(LOW_WATER, Math.max(0, high - (HIGH_WATER - LOW_WATER)))],
    ] as const;
  });
  return { vms: cluster.client.origin, ...Object.fromEntries(marks) };
}

/** Lines `key = value`. Never secrets: these stand in files of their own. */
function describe(server: StorageServer, settings: Readonly<Record<string, string | number>>): string {
  const lines = {
    name: server.name,
    version: VERSION,
    store: server.storage.name,
    label: server.settings.label,
    compression: server.tuning.compression,
    parallel_streams: server.tuning.parallelStreams,
    ...settings,
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
}

export const configHandlers: Handlers<'CONFIG_GET' | 'CONFIG_SET'> = {
  CONFIG_GET: (session, { server }) => {
    const { performance, engine } = session.services.settings;
    const storage = session.server(server);
    const text = describe(storage, {
      chunk_size_mb: performance.chunk_size_mb / 2 ** 20,
      memory_budget_mb: performance.memory_budget_mb / 2 ** 20,
      wire_integrity: performance.wire_integrity,
      slots_per_image: engine.slots_per_image,
      max_handles: engine.max_handles,
      ...waterMarks(storage, storage.lsusNow()),
    });
    return { text: Buffer.from(text) };
  },

  // All lines are good, or nothing changes.
  CONFIG_SET: (session, { server: number, text }) => {
    const server = session.server(number);
    const changed = { ...server.tuning };
    for (const { key, value, origin } of linesOf(text)) {
      const change = Object.hasOwn(CHANGEABLE, key) ? CHANGEABLE[key] : undefined;
      if (change === undefined) {
        throw invalid(`${origin}: ${key} cannot be changed here`, {
          advice: `changeable until the engine restarts: ${Object.keys(CHANGEABLE).join(', ')}; the rest stands in vast-ost.conf`,
        });
      }
      if (!change(value, changed)) throw invalid(`${origin}: ${value} is no value for ${key}`);
    }
    Object.assign(server.tuning, changed);
    session.log.info({ server: server.name, ...changed }, 'configuration changed by the host');
    return {};
  },
};

function linesOf(text: Uint8Array) {
  try {
    return parseIni(Buffer.from(text).toString('utf8'), 'line').filter(({ section }) => section === '');
  } catch (error) {
    throw invalid(error instanceof EngineError ? error.message : 'the text cannot be read');
  }
}
