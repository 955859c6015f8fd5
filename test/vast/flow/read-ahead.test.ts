import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { ReadAhead } from '../../../src/vast/flow/read-ahead.ts';

const MIB = 2 ** 20;

interface Doing {
  limit: number;
  uneven: boolean;
}

const gateOf = (limit: number): Doing => ({ limit, uneven: false });

t.test('64 MiB for each request that is wanted, shared among readers', async (t) => {
  const gate = gateOf(4);
  const ahead = new ReadAhead(gate);
  const end = ahead.begin();
  t.equal(ahead.ranges(64 * MIB), 4);
  gate.limit = 16;
  t.equal(ahead.ranges(64 * MIB), 16, 'more is wanted in flight');
  const ends = [ahead.begin(), ahead.begin(), ahead.begin()];
  t.equal(ahead.ranges(64 * MIB), 4, 'four readers');
  t.equal(ahead.ranges(16 * MIB), 16);
  t.equal(ahead.ranges(MIB), 32, 'twice as many requests as may be in flight');
  for (const one of ends) one();
  gate.limit = 1;
  t.equal(
    ahead.ranges(64 * MIB),
    2,
    'the storage was too busy; the next one waits, or nobody would find out that it no longer is',
  );
  t.equal(ahead.ranges(256 * MIB), 2);
  end();
  t.ok((ahead.ahead.decisions.get('more-in-flight') ?? 0) > 0);
  t.ok((ahead.ahead.decisions.get('fewer-in-flight') ?? 0) > 0);
});

t.test('as many requests as are wanted, but not smaller than 16 MiB', async (t) => {
  const gate = gateOf(2);
  const ahead = new ReadAhead(gate);
  const size = (bytes: number): Promise<number> => ahead.fetch(bytes, async (requestBytes) => requestBytes);
  t.equal(await size(64 * MIB), 16 * MIB, 'one range alone');
  const later = async (requestBytes: number): Promise<number> => {
    await turn();
    return requestBytes;
  };
  const sizes = [1, 2, 3, 4].map(() => ahead.fetch(64 * MIB, later));
  t.strictSame(await Promise.all(sizes), [16 * MIB, 32 * MIB, 32 * MIB, 64 * MIB], 'the more is asked for');
  gate.limit = 40;
  t.equal(await size(64 * MIB), 16 * MIB);
});

t.test('4 MiB while some servers are slow; a scattered read is one request', async (t) => {
  const gate: Doing = { limit: 4, uneven: true };
  const ahead = new ReadAhead(gate);
  const size = (bytes: number): Promise<number> => ahead.fetch(bytes, async (requestBytes) => requestBytes);
  t.equal(await size(64 * MIB), 4 * MIB);
  t.equal(await size(2 * MIB), 2 * MIB);
  gate.uneven = false;
  t.equal(await size(64 * MIB), 16 * MIB);
});
