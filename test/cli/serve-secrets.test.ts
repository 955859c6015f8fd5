import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Served } from '../ost/support/served.ts';
import { start } from './support.ts';

const CANARY = 'canary-environment-3b';

t.test('a diagnostic report of the engine has no environment', async (t) => {
  const served = await Served.prepare(t);
  const reports = t.testdir({});
  const engine = await served.start({
    AWS_SECRET_ACCESS_KEY: CANARY,
    NODE_OPTIONS: `--report-on-signal --report-directory=${reports}`,
  });
  engine.kill('SIGUSR2');
  const found = (): string[] => readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'));
  // Its last section; the file grows while it is written.
  while (!found().some((report) => /"sharedObjects": \[[^\]]*\]\s*\}/.test(report))) await delay(10);
  t.notMatch(found().join(''), CANARY);
  t.equal(await served.stop(), 0);
});

t.test('SIGUSR1 opens no debugger', async (t) => {
  const served = await Served.prepare(t);
  const engine = start(['--config', served.config, 'serve']);
  t.teardown(() => engine.kill('SIGKILL'));
  const closed = once(engine, 'close');
  let said = '';
  for (const stream of [engine.stdout, engine.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  while (!said.includes('engine ready')) {
    if (engine.exitCode !== null) throw new Error(said);
    await delay(10);
  }
  engine.kill('SIGUSR1');
  // The debugger says that it listens as soon as the signal comes; what the engine says at its end comes later.
  engine.kill('SIGTERM');
  t.same(await closed, [0, null]);
  t.match(said, /engine stopped/);
  t.notMatch(said, /Debugger/);
});
