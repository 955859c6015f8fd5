import fc from 'fast-check';
import t from 'tap';
import { type Measures, type Mind, mayTry, nextMind, UNDECIDED } from '../../../src/stages/lz4/share.ts';

/** What a backup meets. Rates are bytes per second of the image's own bytes. */
interface World {
  /** How fast the source hands over. */
  readonly source: number;
  /** How fast the way to the storage takes what is sent. */
  readonly link: number;
  /** How fast the threads compress. */
  readonly speed: number;
  /** What is left of a compressed byte. */
  readonly left: number;
  /** What the engine could move if it only had to move it: where this is the bound, it looks as if the link was. */
  readonly processors?: number;
}

/** How fast the image moves when a share of it is compressed, and what the streams say of that. */
function meet(
  world: World,
  share: number,
): { readonly rate: number; readonly link: number; readonly own: number; readonly idle: number } {
  const { source, speed, left, processors = Number.POSITIVE_INFINITY } = world;
  const compressing = share / speed;
  const sending = (1 - share * (1 - left)) / world.link;
  // The same processors compress and move.
  const working = processors === Number.POSITIVE_INFINITY ? 0 : 1 / processors + compressing;
  const perByte = Math.max(1 / source, compressing, sending, working);
  const rate = 1 / perByte;
  const idle = 1 - sending * rate;
  if (perByte === 1 / source) return { rate, link: 0, own: 0, idle };
  const busy = compressing * rate;
  const own = Math.max(0, busy - (1 - busy));
  return { rate, link: 1 - own, own, idle };
}

interface Run {
  readonly minds: readonly Mind[];
  /** Average of the image's rate. */
  readonly rate: number;
}

const WINDOW_MS = 500;
const HORIZON_MS = 3000;

/** Live in a world for some time, looking twice a second; it begins with what is given. */
function live(world: World | ((ms: number) => World), seconds: number, begin: Mind = UNDECIDED): Run {
  let mind = begin;
  let since = 0;
  let moved = 0;
  const minds: Mind[] = [];
  for (let now = WINDOW_MS; now <= seconds * 1000; now += WINDOW_MS) {
    const here = typeof world === 'function' ? world(now) : world;
    const { rate, link, own, idle } = meet(here, mind.share);
    moved += rate * WINDOW_MS;
    const sent = rate * (1 - mind.share * (1 - here.left));
    since = Math.max(since, now - HORIZON_MS);
    const measures: Measures = {
      now,
      since,
      link,
      own,
      idle,
      began: 0,
      taken: rate,
      sent,
      stored: sent,
      speed: here.speed,
      left: here.left,
    };
    const next = nextMind(mind, measures);
    if (next.share !== mind.share) since = now;
    mind = next;
    minds.push(mind);
  }
  return { minds, rate: moved / (seconds * 1000) };
}

const changes = ({ minds }: Run): number =>
  minds.filter((mind, at) => at > 0 && mind.share !== minds[at - 1]?.share).length;
const last = ({ minds }: Run): Mind => minds.at(-1) ?? UNDECIDED;

const slowLink: World = { source: 2000, link: 100, speed: 500, left: 0.5 };

t.test('a slow link: everything is compressed within seconds, and that stays', async (t) => {
  const run = live(slowLink, 60);
  t.equal(last(run).share, 1);
  t.ok(run.minds.findIndex(({ share }) => share === 1) * WINDOW_MS <= 4000);
  t.equal(changes(run), 1);
});

t.test('a link that is faster than compression: nothing is', async (t) => {
  const run = live({ source: 2000, link: 1200, speed: 500, left: 0.5 }, 60);
  t.ok(run.minds.every(({ share }) => share === 0));
});

t.test('a source that is slower than the link: nothing is', async (t) => {
  const run = live({ source: 50, link: 100, speed: 500, left: 0.5 }, 60);
  t.ok(run.minds.every(({ share }) => share === 0));
});

t.test('a link a little faster than compression would be: some of it is, which beats all and nothing', async (t) => {
  const world = { source: 2000, link: 400, speed: 450, left: 0.5 };
  const run = live(world, 60);
  const { share } = last(run);
  t.ok(share > 0 && share < 1, `${share}`);
  t.ok(run.rate > meet(world, 0).rate * 1.05 && run.rate > meet(world, 1).rate * 1.05);
});

t.test('processors that are busy look like a slow link, once in a while, for a moment', async (t) => {
  const run = live({ source: 2000, link: 2000, speed: 500, left: 0.5, processors: 400 }, 300);
  const tried = run.minds.filter(({ share }) => share > 0).length / run.minds.length;
  t.ok(tried > 0 && tried < 0.05, `${tried} of the time`);
  t.equal(last(run).restMs, 60_000);
});

t.test('a link that becomes slow, or fast, is found out within seconds', async (t) => {
  const at = (ms: number): World => ({ ...slowLink, link: ms > 20_000 && ms <= 60_000 ? 100 : 1500 });
  const { minds } = live(at, 100);
  const shareAt = (seconds: number): number => minds[(seconds * 1000) / WINDOW_MS - 1]?.share ?? Number.NaN;
  t.equal(shareAt(20), 0);
  t.equal(shareAt(25), 1);
  t.equal(shareAt(60), 1);
  t.equal(shareAt(75), 0);
});

t.test('too little time, nothing known of the data, a rest: no trial', async (t) => {
  const measures: Measures = {
    now: 1000,
    since: 0,
    link: 1,
    own: 0,
    idle: 0,
    began: 0,
    taken: 100,
    sent: 100,
    stored: 100,
    speed: 500,
    left: 0.5,
  };
  t.equal(nextMind(UNDECIDED, measures).share, 1);
  t.ok(mayTry(UNDECIDED, measures));
  for (const less of [{ now: 999 }, { speed: undefined }, { speed: 99 }, { link: 0.2 }])
    t.equal(nextMind(UNDECIDED, { ...measures, ...less }), UNDECIDED, JSON.stringify(less));
  t.notOk(mayTry({ ...UNDECIDED, notBefore: 1001 }, measures));
});

const rates = fc.integer({ min: 20, max: 3000 });
const lefts = fc.integer({ min: 20, max: 94 }).map((percent) => percent / 100);

t.test('wherever: not much worse than the better of all and nothing', async () => {
  fc.assert(
    fc.property(rates, rates, rates, lefts, (source, link, speed, left) => {
      const world: World = { source, link, speed, left };
      return live(world, 240).rate >= 0.95 * Math.max(meet(world, 0).rate, meet(world, 1).rate);
    }),
    { numRuns: 2000 },
  );
});

t.test('a source that can wait: stable', async () => {
  fc.assert(
    fc.property(rates, rates, lefts, (link, speed, left) => {
      const { minds } = live({ source: 10_000, link, speed, left }, 240);
      const shares = minds.slice(-60).map(({ share }) => share);
      return Math.max(...shares) - Math.min(...shares) <= 1 / 4;
    }),
    { numRuns: 2000 },
  );
});
