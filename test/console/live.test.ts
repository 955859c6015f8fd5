import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { screenOf } from '../../src/cli/top-screen.ts';
import { LiveClients } from '../../src/console/live.ts';
import { readState } from '../../src/console/read-state.ts';
import { takeSample } from '../../src/console/sample.ts';
import { Sampler } from '../../src/console/sampler.ts';
import { type State, StateSchema } from '../../src/console/schemas.ts';
import type { OstEngine } from '../../src/ost/engine.ts';
import { StageClock } from '../../src/pipeline/stage-clock.ts';
import { memoryBench } from '../ost/support/engine.ts';
import { until } from '../support/turns.ts';
import { serveConsole } from './support.ts';

/** A sampler whose seconds pass when the test says so. */
function drivenSampler(engine: OstEngine) {
  let now = 1_000_000;
  let tick: (() => void) | undefined;
  let taken = 0;
  const sampler = new Sampler({
    take: (at) => {
      taken += 1;
      return takeSample(engine, at);
    },
    read: (before, after) => readState(engine, before, after),
    now: () => now,
    repeat: (call) => {
      tick = call;
      return () => {
        tick = undefined;
      };
    },
  });
  return {
    sampler,
    pass: (ms: number) => {
      now += ms;
      tick?.();
    },
    ticking: () => tick !== undefined,
    taken: () => taken,
    now: () => now,
  };
}

async function engineOf(t: Parameters<typeof memoryBench>[0]): Promise<OstEngine> {
  const { engine } = await memoryBench(t);
  if (engine === undefined) throw new Error('no engine');
  return engine;
}

t.test('samples are taken once for everybody, and only while somebody looks', async (t) => {
  const { sampler, pass, ticking, taken } = drivenSampler(await engineOf(t));
  t.notOk(ticking());
  const [one, other]: [State[], State[]] = [[], []];
  const endOne = sampler.watch((state) => one.push(state));
  t.equal(one.length, 0, 'one sample says nothing');
  pass(1000);
  const endOther = sampler.watch((state) => other.push(state));
  t.equal(other.length, 1, 'who comes later sees the newest at once');
  for (let second = 0; second < 12; second += 1) pass(1000);
  t.equal(taken(), 14);
  t.strictSame([one.length, other.length], [13, 13]);
  t.equal(one.at(-1)?.window_seconds, 9, 'over ten samples');
  endOne();
  endOne();
  t.ok(ticking());
  endOther();
  t.notOk(ticking());
  pass(60_000);
  const fresh: State[] = [];
  const end = sampler.watch((state) => fresh.push(state));
  t.equal(fresh.length, 0, 'what was a minute ago is not now');
  pass(1000);
  t.equal(fresh[0]?.window_seconds, 1);
  end();
});

t.test('one who asks for a single picture waits for it, or goes', async (t) => {
  const { sampler, pass, ticking } = drivenSampler(await engineOf(t));
  const asked = sampler.state(AbortSignal.abort()).catch((error: unknown) => error);
  t.match(await asked, { failure: 'aborted' });
  t.notOk(ticking());
  const gone = new AbortController();
  const state = sampler.state(gone.signal);
  pass(1000);
  t.equal((await state).window_seconds, 1);
  t.notOk(ticking());
});

t.test('picture and terminal name the same stage', async (t) => {
  const engine = await engineOf(t);
  const { sampler, pass, now } = drivenSampler(engine);
  const { meters } = engine.services.resources;
  const clocks = ['source', 'checksum', 'lz4', 'packer', 'part-uploader'].map((stage) => {
    const clock = new StageClock(now);
    meters.begin(stage, 'backup', clock);
    return { stage, clock };
  });
  const cases = [
    ['source', 'source'],
    ['checksum', 'hash'],
    ['lz4', 'compress'],
    ['part-uploader', 'storage'],
  ] as const;
  for (const [limiting, limit] of cases) {
    const at = clocks.findIndex(({ stage }) => stage === limiting);
    clocks[at]?.clock.begin();
    for (const { clock } of clocks.slice(0, at)) clock.hold(true);
    const states: State[] = [];
    const end = sampler.watch((state) => states.push(state));
    for (let second = 0; second < 10; second += 1) pass(1000);
    end();
    clocks[at]?.clock.end();
    for (const { clock } of clocks) clock.hold(false);
    const state = states.at(-1);
    if (state === undefined) throw new Error('no picture');
    const found = state.flows[0]?.bottleneck;
    t.match(found, { stage: limiting, limit, share: 1 });
    const screen = screenOf(state, 200, 50);
    t.ok(
      screen.some((line) => line.startsWith(`> ${limiting}`) && line.includes('busy 100%')),
      limiting,
    );
    t.ok(screen.some((line) => line.includes(`[${limit}, 100%]`)));
  }
});

/** Open the event stream. */
function look(port: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/api/v1/live', agent: false }, resolve).on('error', reject);
  });
}

t.test('the event stream: pictures, a bounded number of lookers, and its end', async (t) => {
  const engine = await engineOf(t);
  const { port, console } = await serveConsole(t, engine);
  const first = await look(port);
  t.match(first.headers, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  let text = '';
  for await (const piece of first) {
    text += String(piece);
    if (text.includes('\n\n')) break;
  }
  const [event = '', data = ''] = text.split('\n');
  t.equal(event, 'event: state');
  StateSchema.strict().parse(JSON.parse(data.replace(/^data: /, '')));
  const lookers: IncomingMessage[] = [];
  for (let count = 0; count < 40 && lookers.every(({ statusCode }) => statusCode === 200); count += 1)
    lookers.push(await look(port));
  const refused = lookers.pop();
  t.equal(refused?.statusCode, 429);
  refused?.resume();
  t.ok(lookers.length >= 15 && lookers.length <= 16, `${lookers.length}`);
  const closed = lookers.map(
    (looker) =>
      new Promise((resolve) =>
        looker
          .once('close', resolve)
          .on('error', () => undefined)
          .resume(),
      ),
  );
  await console.close();
  await Promise.all(closed);
});

t.test('who does not take the pictures misses them, and is let go', async (t) => {
  const { sampler, pass, ticking } = drivenSampler(await engineOf(t));
  const clients = new LiveClients(sampler);
  // A response as far as it matters here, and nobody reads it.
  const slow = Object.assign(new PassThrough({ highWaterMark: 1 }), {
    writeHead: () => undefined,
    flushHeaders: () => undefined,
  });
  clients.add(slow as unknown as ServerResponse);
  pass(1000);
  pass(1000);
  const held = slow.writableLength + slow.readableLength;
  for (let second = 0; second < 20; second += 1) pass(1000);
  t.equal(slow.writableLength + slow.readableLength, held, 'nothing piles up');
  t.notOk(slow.destroyed);
  for (let second = 0; second < 10; second += 1) pass(1000);
  t.ok(slow.destroyed);
  await until(() => clients.size === 0);
  t.notOk(ticking());
});
