import { pino } from 'pino';
import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { ClusterEvents } from '../../../src/ost/events/cluster-events.ts';
import type { StoredEvent } from '../../../src/ost/events/event-file.ts';
import type { NewEvent } from '../../../src/ost/events/event-log.ts';
import type { VmsClient } from '../../../src/vast/vms/client.ts';

const SIGNAL = new AbortController().signal;
const at = (second: number): string => new Date(1_700_000_000_000 + second * 1000).toISOString();

interface Row {
  readonly id: number;
  readonly timestamp?: string;
  readonly severity?: string;
  readonly [more: string]: unknown;
}

function bench() {
  const told: NewEvent[] = [];
  const warnings: string[] = [];
  const rows = { events: [] as Row[], alarms: [] as Row[], failure: undefined as Error | undefined };
  const collection = (kind: 'events' | 'alarms') => ({
    list: async ({ query }: { query: { timestamp__gte: string } }) => {
      if (rows.failure) throw rows.failure;
      return rows[kind].filter(({ timestamp = '' }) => !(timestamp < query.timestamp__gte));
    },
  });
  const client = { events: collection('events'), alarms: collection('alarms'), origin: 'https://vms' };
  const events = {
    append: async (event: NewEvent) => void told.push(event),
    lastOf: () => told.at(-1) as StoredEvent | undefined,
  };
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const make = () =>
    new ClusterEvents({ client: client as unknown as VmsClient, events, log, since: Date.parse(at(0)) });
  const texts = (): string[] => told.map(({ payload }) => (JSON.parse(payload) as { text: string }).text);
  return { rows, make, texts, told, warnings };
}

const alarm = (id: number, second: number, severity = 'MAJOR'): Row => ({
  id,
  timestamp: at(second),
  severity,
  alarm_message: `alarm ${id}`,
});

t.test('warnings and alarms are told once, in order, also by the next engine', async (t) => {
  const { rows, make, texts } = bench();
  const one = make();
  rows.events.push({ id: 1, timestamp: at(5), severity: 'INFO', event_message: 'noise' });
  rows.events.push({ id: 2, timestamp: at(6), severity: 'warning', event_message: 'event 2' });
  rows.alarms.push(alarm(1, 4), alarm(9, -100));
  await one.look(SIGNAL);
  t.strictSame(texts(), ['alarm 1', 'event 2']);
  await one.look(SIGNAL);
  rows.alarms.push(alarm(2, 6));
  await one.look(SIGNAL);
  t.strictSame(texts(), ['alarm 1', 'event 2', 'alarm 2'], 'two of one moment');
  const next = make();
  rows.alarms.push(alarm(3, 7));
  await next.look(SIGNAL);
  t.strictSame(texts().at(-1), 'alarm 3');
  t.equal(texts().filter((text) => text === 'alarm 2').length, 1);
});

t.test('hostile rows, and a storm', async (t) => {
  const { rows, make, told } = bench();
  rows.alarms.push({ id: 1 }, { id: 2, timestamp: 'yesterday', severity: 'MAJOR' });
  rows.alarms.push({ ...alarm(3, 1), alarm_message: 'x'.repeat(100_000) });
  const one = make();
  await one.look(SIGNAL);
  t.equal(told.length, 1);
  t.ok((told[0]?.payload.length ?? 0) < 2000);
  for (let id = 10; id < 1000; id += 1) rows.alarms.push(alarm(id, id));
  await one.look(SIGNAL);
  t.ok(told.length < 100, 'bounded per look');
  const before = told.length;
  await one.look(SIGNAL);
  t.ok(told.length > before, 'the rest follows');
});

t.test('a cluster that says nothing is complained about once', async (t) => {
  const { rows, make, warnings, texts } = bench();
  const one = make();
  rows.failure = new EngineError('VOST_VMS_ACCESS', 'access', 'no');
  await one.look(SIGNAL);
  await one.look(SIGNAL);
  t.equal(warnings.length, 1);
  t.match(warnings[0], 'may not be seen');
  rows.failure = undefined;
  rows.alarms.push(alarm(1, 1));
  await one.look(SIGNAL);
  t.strictSame(texts(), ['alarm 1']);
});
