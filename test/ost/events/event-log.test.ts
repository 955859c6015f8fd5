import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { EventLog } from '../../../src/ost/events/event-log.ts';
import { EVENT_TYPE } from '../../../src/ost/wire/constants.ts';

t.test('events of every type, and their numbers, outlive the engine', async (t) => {
  const path = join(t.testdir(), 'events.jsonl');
  const log = pino({ level: 'silent' });
  const types = Object.values(EVENT_TYPE);
  const first = await EventLog.open(path, log);
  for (const type of types) await first.append({ type, lsu: 'lsu', payload: '{}' });
  await first.close();
  const next = await EventLog.open(path, log);
  t.teardown(() => next.close());
  t.strictSame(
    next.read(0, 100).map(({ type }) => type),
    types,
  );
  await next.append({ type: EVENT_TYPE.SERVER, lsu: '', payload: '{}' });
  t.equal(next.latest, types.length + 1, 'no number comes twice');
});
