import { chmodSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { Console } from '../../src/console/console.ts';
import { hostCheck } from '../../src/console/host-check.ts';
import { ErrorSchema } from '../../src/console/schemas.ts';
import { Tokens } from '../../src/console/tokens.ts';
import { AccessFiles } from '../../src/metrics/access.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import { memoryBench } from '../ost/support/engine.ts';
import { refusal } from '../support/refusal.ts';
import { ACT_TOKEN, type Answer, READ_TOKEN, serveConsole } from './support.ts';

const ACTION = { kind: 'verify', server: 'test', lsu: 'lsu', image: 'x' };
const codeOf = ({ json }: Answer) => ErrorSchema.parse(json).error.code;

t.test('the page, and what its headers forbid', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const { ask } = await serveConsole(t, bench.engine);
  const page = await ask('/');
  t.equal(page.status, 200);
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  const loaded = [...page.text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path);
  t.strictSame(loaded, ['icon.svg', 'style.css', 'main.js'], 'nothing from elsewhere');
  t.notMatch(page.text, /<script(?![^>]*src=)|<style|\son[a-z]+=|\sstyle=/, 'nothing that the policy would refuse');
  const { text: main } = await ask('/main.js');
  for (const [, file = ''] of main.matchAll(/from '\.\/([^']+)'/g)) t.equal((await ask(`/${file}`)).status, 200, file);
  for (const path of ['/', '/main.js', '/api/v1/vips', '/none', '/api/v1/none']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    t.match(policy, /default-src 'none'; script-src 'self'/, path);
    t.notMatch(policy, /unsafe|data:|https?:|\*/);
    t.match(policy, /frame-ancestors 'none'/);
    t.match(headers, {
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    t.notOk('access-control-allow-origin' in headers, 'no other page may read');
    t.notOk('set-cookie' in headers);
  }
  t.equal((await ask('/metrics')).text, 'up 1\n');
  t.equal((await ask('/../package.json')).status, 404);
  t.equal((await ask('/tsconfig.json')).status, 404);
  t.equal((await ask('/', { method: 'POST' })).status, 405);
});

t.test('tokens: reading is open where metrics are, acting never is', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const { ask } = await serveConsole(t, bench.engine);
  const act = (token?: string, headers: Record<string, string> = {}) =>
    ask('/api/v1/actions', { method: 'POST', body: ACTION, headers, ...(token === undefined ? {} : { token }) });
  t.equal((await ask('/api/v1/vips')).status, 200);
  t.equal((await ask('/api/v1/vips', { token: READ_TOKEN })).status, 200);
  t.equal((await ask('/api/v1/vips', { token: 'x'.repeat(40) })).status, 401, 'a wrong token is wrong everywhere');
  const none = await act();
  t.equal(none.status, 401);
  t.equal(none.headers['www-authenticate'], 'Bearer realm="vast-ost"', 'no browser asks for a password');
  t.equal((await act('x'.repeat(40))).status, 401);
  const reads = await act(READ_TOKEN);
  t.strictSame([reads.status, codeOf(reads)], [403, 'VOST_API_SCOPE']);
  t.notMatch(reads.text, READ_TOKEN);
  t.equal((await act(ACT_TOKEN)).status, 202);
  // What a page of somebody else could send.
  t.equal((await act(undefined, { cookie: `token=${ACT_TOKEN}` })).status, 401);
  const basic = `Basic ${Buffer.from(`x:${ACT_TOKEN}`).toString('base64')}`;
  t.equal((await act(undefined, { authorization: basic })).status, 401);
  for (const site of ['cross-site', 'same-site']) {
    const other = await act(ACT_TOKEN, { 'sec-fetch-site': site });
    t.strictSame([other.status, codeOf(other)], [403, 'VOST_API_ORIGIN']);
  }
  t.equal((await act(ACT_TOKEN, { 'sec-fetch-site': 'same-origin' })).status, 202);
  const text = await act(ACT_TOKEN, { 'content-type': 'text/plain' });
  t.strictSame([text.status, codeOf(text)], [400, 'VOST_API_BODY']);
});

t.test('where metrics want a password, reading wants a token', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const password = join(bench.folder, 'password');
  writeFileSync(password, 'user = prom\npassword = secret\n', { mode: 0o600 });
  const { ask } = await serveConsole(t, bench.engine, `password_file = ${password}`);
  const headers = { authorization: `Basic ${Buffer.from('prom:secret').toString('base64')}` };
  t.equal((await ask('/metrics', { headers })).status, 200);
  t.equal((await ask('/metrics', { token: READ_TOKEN })).status, 401);
  t.equal((await ask('/')).status, 200, 'the page itself says nothing');
  for (const path of ['/api/v1/vips', '/api/v1/live', '/api/v1/openapi.json', '/api/v1/actions/1']) {
    t.equal((await ask(path)).status, 401, path);
    t.equal((await ask(path, { headers })).status, 401, 'a browser would send it by itself');
  }
  t.equal((await ask('/api/v1/vips', { token: READ_TOKEN })).status, 200);
  t.equal((await ask('/api/v1/vips', { token: ACT_TOKEN })).status, 200);
});

t.test('requests that make no sense', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const { ask } = await serveConsole(t, bench.engine);
  const post = (body: unknown) => ask('/api/v1/actions', { method: 'POST', token: ACT_TOKEN, body });
  const cases: readonly [Promise<Answer>, number, string][] = [
    [ask('/api/v1/none'), 404, 'VOST_NOT_FOUND'],
    [ask('/api/v1/actions/../../etc'), 404, ''],
    [ask('/api/v1/actions/none'), 404, 'VOST_NOT_FOUND'],
    [ask('/api/v1/state', { method: 'DELETE' }), 405, 'VOST_API_METHOD'],
    [ask('/api/v1/events?limit=0'), 400, 'VOST_API_INPUT'],
    [ask('/api/v1/events?limit=1e9'), 400, 'VOST_API_INPUT'],
    [ask('/api/v1/events?other=1'), 400, 'VOST_API_INPUT'],
    [post('{'), 400, 'VOST_API_BODY'],
    [post({ ...ACTION, kind: 'delete' }), 400, 'VOST_API_INPUT'],
    [post({ ...ACTION, more: 1 }), 400, 'VOST_API_INPUT'],
    [post({ ...ACTION, image: 'x'.repeat(1025) }), 400, 'VOST_API_INPUT'],
    [post({ ...ACTION, image: 'x'.repeat(20_000) }), 400, 'VOST_API_BODY'],
    [post({ ...ACTION, lsu: '' }), 400, 'VOST_API_INPUT'],
  ];
  for (const [asked, status, code] of cases) {
    const answer = await asked;
    t.equal(answer.status, status, `${status} ${code} ${answer.text}`);
    if (code !== '') t.equal(codeOf(answer), code);
  }
});

t.test('a name that somebody gave our address is refused', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const { port } = await serveConsole(t, bench.engine);
  const status = (path: string, host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      plainRequest({ port, host: '127.0.0.1', path, headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['/', '/api/v1/vips']) {
    t.equal(await status(path, `evil.example:${port}`), 421);
    t.equal(await status(path, `localhost:${port}`), 200);
    t.equal(await status(path, '127.0.0.1'), 200);
    t.equal(await status(path, '[::1]:9180'), 200);
  }
  const authority = await Authority.open(t.testdir());
  const { cert } = await authority.issueServer(['127.0.0.1', 'backup1.example']);
  const fine = hostCheck(cert);
  t.ok(fine('backup1.example:9180'));
  for (const bad of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '', undefined, 'a b', 'x@y'])
    t.notOk(fine(bad), String(bad));
});

t.test('files of tokens', async (t) => {
  const path = join(t.testdir(), 'tokens');
  const write = (text: string) => writeFileSync(path, text, { mode: 0o600 });
  const settings = buildSettings(parseIni(`[console]\ntoken_file = ${path}`, 'x.conf'));
  const log = pino({ level: 'silent' });
  write(`a = read ${READ_TOKEN}\nb = act ${ACT_TOKEN}\n`);
  const tokens = await Tokens.read(path);
  t.strictSame(tokens.holderOf(`Bearer ${ACT_TOKEN}`)?.name, 'b');
  t.strictSame(tokens.holderOf(`bearer ${READ_TOKEN}`)?.scope, 'read');
  for (const bad of [undefined, '', 'Bearer', `Bearer ${READ_TOKEN}x`, READ_TOKEN, `Basic ${READ_TOKEN}`])
    t.equal(tokens.holderOf(bad), undefined);
  t.equal(await Tokens.anyOf(path), READ_TOKEN);
  t.ok((await Tokens.read(path)).sameAs(tokens));
  t.notOk(Tokens.none.sameAs(tokens));
  for (const bad of ['a = read short', `a = write ${READ_TOKEN}`, `a = ${READ_TOKEN}`, 'nonsense']) {
    write(bad);
    const access = await AccessFiles.open(settings.metrics);
    const error = await Console.prepare(settings, access, log).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    t.match(error, { code: 'VOST_CREDENTIALS' }, bad);
    t.notMatch(String(error), READ_TOKEN);
  }
  write(Array.from({ length: 65 }, (_, at) => `t${at} = read ${READ_TOKEN}`).join('\n'));
  await t.rejects(Tokens.read(path), refusal('credentials', { message: /more than 64/ }));
  write(`a = read ${READ_TOKEN}`);
  chmodSync(path, 0o644);
  await t.rejects(Tokens.read(path), refusal('credentials', { message: /readable by everybody/ }));
});
