import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { type Dispatcher, request } from 'undici';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { Console } from '../../src/console/console.ts';
import { AccessFiles } from '../../src/metrics/access.ts';
import { MetricsServer } from '../../src/metrics/metrics-server.ts';
import type { OstEngine } from '../../src/ost/engine.ts';

export const READ_TOKEN = 'r'.repeat(40);
export const ACT_TOKEN = 'a'.repeat(40);

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly json: unknown;
}

export interface Ask {
  readonly method?: Dispatcher.HttpMethod;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Served {
  readonly port: number;
  readonly console: Console;
  ask(path: string, options?: Ask): Promise<Answer>;
}

/** The console of an engine, on a port of its own. Ends with the test. */
export async function serveConsole(t: Test, engine: OstEngine, metrics = ''): Promise<Served> {
  const file = join(t.testdir(), 'tokens');
  writeFileSync(file, `# who = scope token\nlook = read ${READ_TOKEN}\ndo = act ${ACT_TOKEN}\n`, { mode: 0o600 });
  const settings = buildSettings(parseIni(`[console]\ntoken_file = ${file}\n[metrics]\n${metrics}`, 'x.conf'));
  const log = pino({ level: 'silent' });
  const access = await AccessFiles.open(settings.metrics);
  const console = await Console.prepare(settings, access, log);
  const server = await MetricsServer.open({
    listen: { host: '127.0.0.1', port: 0 },
    access,
    text: async () => 'up 1\n',
    contentType: 'text/plain',
    others: console.open(engine),
    log,
  });
  t.teardown(async () => {
    await console.close();
    await server.close();
  });
  const ask = async (path: string, { method = 'GET', token, body, headers = {} }: Ask = {}): Promise<Answer> => {
    const answer = await request(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    const isJson = String(answer.headers['content-type']).startsWith('application/json');
    return { status: answer.statusCode, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined };
  };
  return { port: server.port, console, ask };
}
