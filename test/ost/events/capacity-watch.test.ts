import { pino } from 'pino';
import t from 'tap';
import { CapacityWatch } from '../../../src/ost/events/capacity-watch.ts';
import type { StoredEvent } from '../../../src/ost/events/event-file.ts';
import type { NewEvent } from '../../../src/ost/events/event-log.ts';
import { UNKNOWN } from '../../../src/ost/wire/kinds.ts';

const log = pino({ level: 'silent' });

function bench() {
  const told: NewEvent[] = [];
  const events = {
    append: async (event: NewEvent) => void told.push(event),
    lastOf: (type: number, lsu?: string) =>
      told.findLast((event) => event.type === type && event.lsu === lsu) as StoredEvent | undefined,
  };
  let used: bigint | Error = 0n;
  const watch = () =>
    new CapacityWatch({
      events,
      lsus: () => ['a', 'b'],
      capacity: async (lsu) => {
        if (used instanceof Error) throw used;
        return { total: lsu === 'a' ? 100n : UNKNOWN, used, physicalTotal: UNKNOWN, physicalUsed: UNKNOWN };
      },
      highWater: 90,
      log,
    });
  const at = async (percent: bigint | Error, which: CapacityWatch): Promise<string[]> => {
    const before = told.length;
    used = percent;
    await which.look();
    return told.slice(before).map(({ lsu, payload }) => `${lsu} ${(JSON.parse(payload) as { state: string }).state}`);
  };
  return { watch, at };
}

t.test('an LSU is told full once, and empty once', async (t) => {
  const { watch, at } = bench();
  const one = watch();
  t.strictSame(await at(89n, one), []);
  t.strictSame(await at(90n, one), ['a high']);
  t.strictSame(await at(95n, one), []);
  t.strictSame(await at(89n, one), [], 'on the brink nothing flutters');
  t.strictSame(await at(new Error('no answer'), one), []);
  t.strictSame(await at(88n, one), ['a normal']);
  t.strictSame(await at(99n, one), ['a high']);
});

t.test('the next engine does not tell it again', async (t) => {
  const { watch, at } = bench();
  t.strictSame(await at(90n, watch()), ['a high']);
  t.strictSame(await at(90n, watch()), []);
  t.strictSame(await at(10n, watch()), ['a normal']);
});
