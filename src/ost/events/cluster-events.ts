import type { Logger } from 'pino';
import { failureOf } from '../../errors.ts';
import type { VmsClient } from '../../vast/vms/client.ts';
import { EVENT_TYPE } from '../wire/constants.ts';
import type { EventLog } from './event-log.ts';

/** What an administrator of backups wants to hear of; the cluster's own notes are many. */
const SEVERITIES: ReadonlySet<string> = new Set(['WARNING', 'MINOR', 'MAJOR', 'CRITICAL', 'ERROR']);
/** Told at once at most; a storm of alarms must not push our own events out. */
const MAX_TOLD = 32;
const MAX_TEXT = 1000;

export interface ClusterEventsOptions {
  readonly client: Pick<VmsClient, 'alarms' | 'events' | 'origin'>;
  readonly events: Pick<EventLog, 'append' | 'lastOf'>;
  readonly log: Logger;
  /** For an engine that has told nothing yet: what is older is no news. Milliseconds since the epoch. */
  readonly since: number;
}

interface Row {
  readonly id: number;
  readonly [field: string]: unknown;
}

/** Hands the cluster's warnings and alarms on, each once, also across restarts: what was told last says where to go on. */
export class ClusterEvents {
  readonly #options: ClusterEventsOptions;
  #from: number;
  /** Rows of the newest moment that were told: times repeat. */
  readonly #told: Set<string>;
  #silent = false;

  constructor(options: ClusterEventsOptions) {
    this.#options = options;
    const last = lastTold(options.events.lastOf(EVENT_TYPE.SERVER));
    this.#from = last?.time ?? options.since;
    this.#told = new Set(last === undefined ? [] : [last.key]);
  }

  /** Ask once. Never throws: a cluster that is silent, or does not let us see its events, costs nothing but them. */
  async look(signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    try {
      const query = { timestamp__gte: new Date(this.#from).toISOString() };
      const [events, alarms] = [
        await client.events.list({ query, signal }),
        await client.alarms.list({ query, signal }),
      ];
      this.#silent = false;
      await this.#tell([...labelled('event', events), ...labelled('alarm', alarms)]);
    } catch (error) {
      if (signal.aborted || this.#silent) return;
      this.#silent = true;
      const why = failureOf(error) === 'access' ? 'its events may not be seen by this user' : 'it does not answer';
      log.warn({ err: error, vms: client.origin }, `no events from the cluster: ${why}`);
    }
  }

  async #tell(rows: readonly Labelled[]): Promise<void> {
    const news = rows
      .filter(({ key, time, severity }) => SEVERITIES.has(severity) && time >= this.#from && !this.#told.has(key))
      .sort((a, b) => a.time - b.time)
      .slice(0, MAX_TOLD);
    for (const { key, time, severity, row } of news) {
      const text = String(row['event_message'] ?? row['alarm_message'] ?? '').slice(0, MAX_TEXT);
      const payload = JSON.stringify({
        key,
        time: new Date(time).toISOString(),
        severity,
        type: shortText(row['event_type']),
        object: shortText(row['object_type']),
        text,
      });
      if (time > this.#from) this.#told.clear();
      this.#from = time;
      this.#told.add(key);
      await this.#options.events.append({ type: EVENT_TYPE.SERVER, lsu: '', payload });
    }
  }
}

interface Labelled {
  readonly key: string;
  readonly time: number;
  readonly severity: string;
  readonly row: Row;
}

function labelled(kind: string, rows: readonly Row[]): Labelled[] {
  return rows.flatMap((row) => {
    const time = Date.parse(String(row['timestamp']));
    if (Number.isNaN(time)) return [];
    return [{ key: `${kind}-${row.id}`, time, severity: String(row['severity'] ?? '').toUpperCase(), row }];
  });
}

const shortText = (value: unknown): string => String(value ?? '').slice(0, 200);

function lastTold(event: { readonly payload: string } | undefined): { key: string; time: number } | undefined {
  try {
    const { key, time } = JSON.parse(event?.payload ?? '') as { key: unknown; time: unknown };
    const at = Date.parse(String(time));
    return typeof key === 'string' && !Number.isNaN(at) ? { key, time: at } : undefined;
  } catch {
    return undefined;
  }
}
