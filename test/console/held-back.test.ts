import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { request } from 'undici';
import { bottleneck } from '../../grafana/bottleneck.ts';
import { liveStates } from '../../src/cli/live-states.ts';
import { screenOf } from '../../src/cli/top-screen.ts';
import { StateSchema } from '../../src/console/schemas.ts';
import { noChromium, openWindow } from '../browser/chromium.ts';
import { freePort, Prometheus } from '../grafana/prometheus.ts';
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

t.test('console, top and dashboard give what holds a backup back the same name', async (t) => {
  const ports = new Map<string, number>();
  for (const name of Object.keys(SLOWNESSES)) ports.set(name, await freePort());
  const targets = [...ports.values()].map((port) => `127.0.0.1:${port}`);
  const prometheus = hasPrometheus ? await Prometheus.start(t, ...targets) : undefined;
  if (prometheus === undefined) t.comment('no prometheus (Debian: prometheus): without the dashboard');
  const window = noChromium === false ? await openWindow(t) : undefined;
  if (window === undefined) t.comment('no chromium (Debian: chromium): without the page');

  for (const [name, slow] of Object.entries(SLOWNESSES)) {
    const { limit } = slow;
    await t.test(name, async (t) => {
      const engine = await startSlowEngine(t, slow, ports.get(name) ?? 0);
      let names: Record<string, string> = {};
      // The windows fill with what there is; a wrong name stays, and the test ends by its time.
      for (let looks = 0; looks < LOOKS; ) {
        names = { console: await console(engine), top: await top(engine) };
        if (prometheus !== undefined) names['dashboard'] = await dashboard(prometheus, engine);
        looks = Object.values(names).every((one) => one === limit) ? looks + 1 : 0;
        if (looks === 0) t.comment(JSON.stringify(names));
        // There is another picture every second.
        await delay(1_000);
      }
      t.match(names, { console: limit, top: limit });
      if (window === undefined) return;
      await window.page.goto(`http://127.0.0.1:${engine.port}/`);
      await window.page
        .locator('.limits .mark', { hasText: `bottleneck: ${limit},` })
        .first()
        .waitFor();
    });
  }
});
