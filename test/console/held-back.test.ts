import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { request } from 'undici';
import { bottleneck } from '../../grafana/bottleneck.ts';
import { liveStates } from '../../src/cli/live-states.ts';
import { screenOf } from '../../src/cli/top-screen.ts';
import { StateSchema } from '../../src/console/schemas.ts';
import { Chromium, hasChromium } from '../browser/chromium.ts';
import { Prometheus } from '../grafana/prometheus.ts';
import { expanded } from '../grafana/queries.ts';
import { SLOWNESSES, type SlowEngine, startSlowEngine } from './slow-engines.ts';

/** All say the same so often, one look after the other. */
const LOOKS = 3;
const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;

/** What the console's API says. */
async function console({ port }: SlowEngine): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${port}/api/v1/state`);
  return StateSchema.parse(await body.json()).flows.find(({ flow }) => flow === 'backup')?.bottleneck?.limit ?? '';
}

/** What stands on the screen of `vast-ost top`. */
async function top({ port, settings }: SlowEngine): Promise<string> {
  const gone = new AbortController();
  for await (const state of liveStates(settings, `http://127.0.0.1:${port}`, gone.signal))
    return /^backup .* held back by .* \[([a-z]+), \d+%\]/m.exec(screenOf(state, 200, 50).join('\n'))?.[1] ?? '';
  return '';
}

/** What the dashboard's query gives. */
async function dashboard(prometheus: Prometheus, { port }: SlowEngine): Promise<string> {
  const expr = expanded(bottleneck('backup'), '10s');
  const all = await prometheus.query(expr);
  return all.find(({ metric }) => metric['instance'] === `127.0.0.1:${port}`)?.metric['limit'] ?? '';
}

t.setTimeout(120_000);

t.test('console, top and dashboard give what holds a backup back the same name', async (t) => {
  const engines = new Map<string, SlowEngine>();
  for (const [name, slow] of Object.entries(SLOWNESSES)) engines.set(name, await startSlowEngine(t, slow));
  const targets = [...engines.values()].map(({ port }) => `127.0.0.1:${port}`);
  const prometheus = hasPrometheus ? await Prometheus.start(t, ...targets) : undefined;
  if (prometheus === undefined) t.comment('no prometheus (Debian: prometheus): without the dashboard');
  const named = async (engine: SlowEngine): Promise<Record<string, string>> => ({
    console: await console(engine),
    top: await top(engine),
    ...(prometheus === undefined ? {} : { dashboard: await dashboard(prometheus, engine) }),
  });
  await Promise.all(
    [...engines].map(async ([name, engine]) => {
      const limit = SLOWNESSES[name]?.limit ?? '';
      let names: Record<string, string> = {};
      // Windows fill with what there is now; a wrong name stays, and the test ends by its time.
      for (let looks = 0; looks < LOOKS; ) {
        names = await named(engine);
        looks = Object.values(names).every((one) => one === limit) ? looks + 1 : 0;
        if (looks === 0) t.comment(`${name}: ${JSON.stringify(names)}`);
        await delay(1000);
      }
      t.match(names, { console: limit, top: limit }, name);
    }),
  );
  if (!hasChromium) return t.comment('no chromium (Debian: chromium): without the page');
  const browser = await Chromium.open();
  t.teardown(() => browser.close());
  for (const [name, { port }] of engines) {
    await browser.send('Page.navigate', { url: `http://127.0.0.1:${port}/` });
    const mark = `bottleneck: ${SLOWNESSES[name]?.limit},`;
    await browser.until(
      `location.port === '${port}' && document.querySelector('.limits .mark')?.innerText.startsWith('${mark}')`,
    );
    t.pass(`the page: ${name}`);
  }
});
