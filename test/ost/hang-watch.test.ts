import { pino } from 'pino';
import t from 'tap';
import { HangWatch, tellStuckCalls } from '../../src/ost/hang-watch.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly storage: string;
}

const [INFO, WARN, ERROR] = [30, 40, 50];

t.test('a directory whose calls hang is told once, and once when it is back', async (t) => {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) });
  let oldestMs = 0;
  let looks = 0;
  const storages = () => {
    looks += 1;
    return [{ name: 'file:/mnt/a', calls: { limit: 3, inFlight: 2, waiting: 1, oldestMs } }, { name: 's3:http://b' }];
  };
  const watch = new HangWatch({ storages, log, lookMs: 1, hangsMs: 1000 });
  const several = async (): Promise<void> => {
    const until = looks + 3;
    while (looks < until) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  await several();
  t.same(lines, []);
  oldestMs = 1000;
  await several();
  t.match(lines, [{ level: WARN, storage: 'file:/mnt/a', inFlight: 2, waiting: 1, msg: /does not answer/ }]);
  oldestMs = 3;
  await several();
  t.equal(lines.length, 2);
  t.match(lines[1], { level: INFO, msg: 'file:/mnt/a answers again' });
  await watch.close();
});

t.test('what an engine does not wait for when it ends', async (t) => {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) });
  const status = (inFlight: number) => ({ calls: { limit: 3, inFlight, waiting: 0, oldestMs: 20_000 } });
  tellStuckCalls([{ name: 'file:/a', ...status(2) }, { name: 'file:/b', ...status(0) }, { name: 's3:c' }], log);
  t.match(lines, [{ level: ERROR, storage: 'file:/a', msg: /ends without 2 calls on file:\/a that do not come back/ }]);
  t.equal(lines.length, 1);
});
