import fc from 'fast-check';
import t from 'tap';
import type { Outcome } from '../../../src/vast/vip-pool/vip.ts';
import { type Bench, BROKEN, type Lease, makeBench, OK, SLOW, settled } from './support.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const PER_VIP = 3;

/** One event of a random history; numbers choose among what there is. */
type Event =
  | { readonly type: 'request'; readonly avoid: readonly string[] }
  | { readonly type: 'end'; readonly which: number; readonly outcome: Outcome }
  | { readonly type: 'time'; readonly ms: number }
  | { readonly type: 'members'; readonly names: readonly string[] }
  | { readonly type: 'dead'; readonly names: readonly string[] };

const names = fc.subarray(NAMES);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('request' as const), avoid: names }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      which: fc.nat(),
      outcome: fc.constantFrom<Outcome>(
        OK,
        OK,
        BROKEN,
        SLOW,
        { kind: 'server', code: 'HTTP 500' },
        { kind: 'unknown' },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('time' as const), ms: fc.nat({ max: 90_000 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('members' as const), names }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('dead' as const), names }) },
);

class History {
  readonly bench: Bench = makeBench(NAMES, PER_VIP);
  readonly held: Lease[] = [];
  asked = 0;
  served = 0;

  request(avoid: readonly string[]): void {
    this.asked += 1;
    const wanted = this.bench.pool.acquire({ avoid: new Set(avoid.map((name) => `${name}:80`)) });
    // With no members there is an error instead; the model makes none before the first answer.
    void wanted.then((lease) => {
      this.served += 1;
      this.held.push(lease);
    });
  }

  async play(event: Event): Promise<void> {
    const { bench, held } = this;
    if (event.type === 'request') this.request(event.avoid);
    else if (event.type === 'end') held.splice(event.which % Math.max(1, held.length), 1)[0]?.release(event.outcome);
    else if (event.type === 'time') await bench.clock.advance(event.ms);
    else if (event.type === 'members') bench.members = event.names;
    else {
      bench.dead.clear();
      for (const name of event.names) bench.dead.add(`${name}:80`);
    }
    await settled();
  }

  /** What must hold at every moment; says what does not. */
  check(): string | undefined {
    const { vips, waiting } = this.bench.pool.snapshot();
    const inFlight = new Map<string, number>();
    for (const { vip } of this.held) inFlight.set(vip, (inFlight.get(vip) ?? 0) + 1);
    for (const vip of vips) {
      if (vip.inFlight !== (inFlight.get(vip.vip) ?? 0)) return `${vip.vip} counts wrong`;
      if (vip.inFlight > PER_VIP) return `${vip.vip} has ${vip.inFlight} in flight`;
      if (vip.window > PER_VIP || vip.window < 1) return `${vip.vip} has a window of ${vip.window}`;
      inFlight.delete(vip.vip);
    }
    if (inFlight.size > 0) return 'a VIP with requests is gone';
    if (waiting !== this.asked - this.served) return 'a request got lost';
    const members = vips.filter(({ state }) => state !== 'draining');
    if (members.length === 0) return 'no member is left';
    const healthy = members.filter(({ state }) => state === 'healthy');
    const usable = healthy.length > 0 ? healthy : members;
    // Somebody may wait for a VIP he does not avoid; nobody waits when nothing is in flight.
    if (waiting > 0 && usable.every((vip) => vip.inFlight === 0)) return 'requests wait for nothing';
    const open = this.bench.connections.filter(({ closed }) => closed === 'no').length;
    if (open !== vips.length) return `${open} connections for ${vips.length} VIPs`;
    if (this.bench.clock.timers > members.filter(({ state }) => state === 'quarantined').length) return 'a stray timer';
    return undefined;
  }
}

t.test('whatever happens: bounds hold, nothing gets lost, everybody is served', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 60 }), async (events) => {
      const history = new History();
      history.request([]);
      await settled();
      for (const [at, event] of events.entries()) {
        await history.play(event);
        const wrong = history.check();
        if (wrong !== undefined) throw new Error(`after event ${at}: ${wrong}`);
      }
      // No starvation: when requests end, all others get their turn.
      for (let left = history.asked + 1; left > 0 && history.served < history.asked; left -= 1) {
        history.held.shift()?.release(OK);
        await settled();
      }
      if (history.served !== history.asked) throw new Error('somebody waits for ever');
      await history.bench.pool.close();
    }),
    { numRuns: 200 },
  );
});
