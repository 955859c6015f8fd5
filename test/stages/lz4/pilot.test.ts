import t from 'tap';
import { StageClock } from '../../../src/pipeline/stage-clock.ts';
import { StageMeters } from '../../../src/pipeline/stage-meters.ts';
import { type Lz4Decision, Lz4Pilot, type Verdict } from '../../../src/stages/lz4/pilot.ts';

const MIB = 1024 * 1024;
const CHUNK = 64 * MIB;

/** An image on its way to a storage, in a time of its own: its streams' clocks, and a pilot that is asked about every chunk. */
function setUp() {
  let now = 0;
  const flow = new StageMeters(undefined, 's3:there');
  const decisions: Lz4Decision[] = [];
  const pilot = new Lz4Pilot(
    flow,
    2,
    (decision) => decisions.push(decision),
    () => now,
  );
  const begin = () => {
    const clocks = {
      source: new StageClock(() => now),
      lz4: new StageClock(() => now),
      uploader: new StageClock(() => now),
    };
    const ends = [
      flow.begin('source', 'backup', clocks.source),
      flow.begin('lz4', 'backup', clocks.lz4),
      flow.begin('part-uploader', 'backup', clocks.uploader),
    ];
    return {
      /** Time in which the storage is waited for, and bytes are stored. */
      storing: (ms: number, bytes: number): void => {
        clocks.source.hold(true);
        clocks.lz4.hold(true);
        clocks.uploader.begin();
        clocks.uploader.bytesIn += bytes;
        now += ms;
        clocks.uploader.bytesOut += bytes;
        clocks.uploader.end();
        clocks.lz4.hold(false);
        clocks.source.hold(false);
      },
      /** Time in which the host is waited for. */
      idle: (ms: number): void => {
        now += ms;
      },
      chunk: (): Verdict => {
        clocks.lz4.bytesIn += CHUNK;
        return pilot.ask(CHUNK);
      },
      end: (): void => {
        for (const one of ends) one();
      },
    };
  };
  return { pilot, decisions, begin, pass: (ms: number) => (now += ms) };
}

/** Text: half of it is left, at 250 MiB a second and thread. */
const work = (bytes: number) => ({ bytes, left: bytes / 2, milliseconds: (bytes / MIB) * 4 });

t.test('a storage that is waited for: first a look, then everything', async (t) => {
  const { pilot, decisions, begin } = setUp();
  const image = begin();
  t.equal(image.chunk(), 'store');
  image.storing(600, CHUNK);
  t.equal(image.chunk(), 'store', 'too early to say');
  image.storing(600, CHUNK);
  t.equal(image.chunk(), 'look');
  t.equal(image.chunk(), 'store', 'once is enough');
  pilot.saw(work(MIB / 4));
  t.equal(image.chunk(), 'compress');
  t.match(decisions, [{ storage: 's3:there', from: 0, to: 1, speed: 500 * MIB }]);
  for (let nth = 0; nth < 20; nth += 1) {
    image.storing(300, CHUNK / 2);
    t.equal(image.chunk(), 'compress');
    pilot.saw(work(CHUNK));
  }
  t.equal(decisions.length, 1, 'and that stays');
  const next = begin();
  image.end();
  t.equal(next.chunk(), 'compress', 'of the next image as well');
  next.end();
});

t.test('nobody looks while the host is waited for', async (t) => {
  const { decisions, begin } = setUp();
  const image = begin();
  for (let nth = 0; nth < 20; nth += 1) {
    image.idle(600);
    t.equal(image.chunk(), 'store');
  }
  t.same(decisions, []);
});

t.test('what does not move the image faster is given up', async (t) => {
  const { pilot, decisions, begin } = setUp();
  const image = begin();
  const meanwhile = (): Verdict => {
    image.storing(500, CHUNK / 2);
    return image.chunk();
  };
  while (meanwhile() !== 'look');
  pilot.saw(work(MIB / 4));
  t.equal(decisions.length, 1);
  // Half of the bytes for each chunk, but only as many chunks as before at best.
  const slow = (): Verdict => {
    image.storing(1000, CHUNK / 2);
    return image.chunk();
  };
  while (slow() === 'compress') pilot.saw(work(CHUNK));
  t.match(decisions.slice(1), [{ to: 0 }]);
  for (let nth = 0; nth < 4; nth += 1) t.equal(slow(), 'store', 'and rests');
});

t.test('a share of a half is every second chunk, and small chunks add up', async (t) => {
  const { pilot, decisions, begin } = setUp();
  const image = begin();
  const MIBS = 1000 / 250;
  const meanwhile = (): Verdict => {
    // As fast as two threads compress: 500 MiB a second.
    image.storing((64 * MIBS) / 2, CHUNK);
    return image.chunk();
  };
  while (meanwhile() !== 'look');
  pilot.saw({ bytes: MIB, left: 0, milliseconds: 4 });
  t.equal(decisions.at(-1)?.to, 0.5);
  const verdicts = Array.from({ length: 8 }, () => pilot.ask(MIB));
  t.equal(verdicts.filter((verdict) => verdict === 'compress').length, 4);
  t.equal(verdicts.indexOf('compress'), 1);
});

t.test('what was before a pause says nothing about what comes after', async (t) => {
  const { begin, pass } = setUp();
  const first = begin();
  first.storing(900, CHUNK);
  first.chunk();
  first.end();
  pass(60_000);
  const second = begin();
  t.equal(second.chunk(), 'store');
  second.storing(600, CHUNK);
  t.equal(second.chunk(), 'store', 'too early to say');
  second.storing(600, CHUNK);
  t.equal(second.chunk(), 'look');
  second.end();
});
