/** The console and the metrics of a real engine over TLS, and files that change under it. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { Agent, type Dispatcher, request } from 'undici';
import { Authority } from '../../src/sim/tls/authority.ts';
import { metricsPort } from '../metrics/support.ts';
import { Served } from '../ost/support/served.ts';
import { promise } from '../support/promise.ts';
import { ACT_TOKEN, READ_TOKEN } from './support.ts';

const ACTION = { kind: 'verify', server: 'test', lsu: 'lsu-1', image: 'none' };

interface Ask {
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

/** An engine whose console is at an address that others could reach, and the files that it needs for that. */
class Site {
  readonly served: Served;
  readonly authority: Authority;
  readonly #dir: string;
  port = 0;

  private constructor(served: Served, authority: Authority, dir: string) {
    this.served = served;
    this.authority = authority;
    this.#dir = dir;
  }

  static async start(t: Test): Promise<Site> {
    const dir = t.testdir({ first: {}, second: {} });
    const [cert, key, password, tokens] = ['cert', 'key', 'password', 'tokens'].map((name) => join(dir, name));
    const served = await Served.prepare(t, {
      metrics: `listen = 0.0.0.0:0\ntls_cert_file = ${cert}\ntls_key_file = ${key}\npassword_file = ${password}\n[console]\ntoken_file = ${tokens}`,
    });
    const site = new Site(served, await Authority.open(join(dir, 'first')), dir);
    await site.certify(site.authority);
    site.write('password', 'user = prom\npassword = first\n');
    site.write('tokens', `look = read ${READ_TOKEN}\ndo = act ${ACT_TOKEN}\n`);
    await served.start();
    site.port = await metricsPort(served);
    return site;
  }

  /** Another authority than that of the beginning. */
  otherAuthority(): Promise<Authority> {
    return Authority.open(join(this.#dir, 'second'));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.#dir, name), text, { mode: 0o600 });
  }

  async certify(authority: Authority): Promise<void> {
    const { cert, key } = await authority.issueServer(['127.0.0.1', 'media1.example']);
    this.write('cert', cert);
    this.write('key', key);
  }

  /** SIGHUP; resolves when the engine has said so many further times that it has read, or kept, its files. */
  async hangUp(said: 'were read again' | 'stays in force', times = 1): Promise<void> {
    const count = (): number => this.served.stderr.split(said).length;
    const wanted = count() + times;
    this.served.child?.kill('SIGHUP');
    while (count() < wanted) await delay(5);
  }

  /** The status of an answer, on a connection of its own. */
  async status(path: string, { method = 'GET', headers = {}, body }: Ask = {}, ca = this.authority): Promise<number> {
    const dispatcher = new Agent({ connect: { ca: ca.cert } });
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    try {
      const answer = await request(`https://127.0.0.1:${this.port}${path}`, {
        dispatcher,
        method,
        headers: { ...type, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      // Pictures come for ever.
      if (answer.headers['content-type']?.includes('event-stream')) answer.body.on('error', () => undefined).destroy();
      else await answer.body.dump();
      return answer.statusCode;
    } finally {
      await dispatcher.destroy();
    }
  }

  /** The status of the page for somebody who came by a name of somebody else's for our address. */
  async statusUnder(host: string): Promise<number | undefined> {
    const to = { host: '127.0.0.1', port: this.port, path: '/', servername: 'media1.example', agent: false } as const;
    const asked = secureRequest({ ...to, ca: this.authority.cert, headers: { host } }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode;
  }

  /** The code of the error with which TLS does not come about. */
  async refusalOf(options: { readonly ca?: string; readonly servername?: string }): Promise<string | undefined> {
    const socket = connect({ host: '127.0.0.1', port: this.port, ...options });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    return error.code;
  }
}

t.test('the console over TLS: names, tokens and their scopes, requests of other pages', async (t) => {
  promise({
    row: 'security',
    promise: 'The console answers other machines over TLS only, and does what a token allows',
    fault: 'another authority, another name, no TLS, no token, a token for less, pages of somebody else',
  });
  const site = await Site.start(t);
  t.equal(await site.refusalOf({ ca: (await site.otherAuthority()).cert }), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  const wrong = { ca: site.authority.cert, servername: 'media2.example' };
  t.equal(await site.refusalOf(wrong), 'ERR_TLS_CERT_ALTNAME_INVALID');
  const plain = plainRequest({ host: '127.0.0.1', port: site.port, path: '/' }).end();
  t.match(await once(plain, 'error'), [{ code: /ECONNRESET|HPE_INVALID_CONSTANT/ }], 'without TLS there is nothing');

  t.equal(await site.status('/'), 200);
  t.equal(await site.statusUnder('media1.example'), 200);
  t.equal(await site.statusUnder('media2.example'), 421, 'a name that is not in the certificate');
  for (const path of ['/api/v1/vips', '/api/v1/live']) {
    t.equal(await site.status(path), 401);
    t.equal(await site.status(path, { headers: basic('prom:first') }), 401);
    t.equal(await site.status(path, { headers: bearer(READ_TOKEN) }), 200);
  }
  t.equal(await site.status('/metrics'), 401);
  t.equal(await site.status('/metrics', { headers: basic('prom:first') }), 200);
  const act = (headers: Readonly<Record<string, string>>): Promise<number> =>
    site.status('/api/v1/actions', { method: 'POST', headers, body: ACTION });
  t.equal(await act({}), 401);
  t.equal(await act(bearer(READ_TOKEN)), 403);
  t.equal(await act(bearer(ACT_TOKEN)), 202);
  t.equal(await act({ cookie: `token=${ACT_TOKEN}` }), 401);
  for (const from of ['cross-site', 'same-site'])
    t.equal(await act({ ...bearer(ACT_TOKEN), 'sec-fetch-site': from, origin: 'https://evil.example' }), 403);
});

t.test('an address of other machines without TLS is refused', async (t) => {
  const served = await Served.prepare(t, { metrics: 'listen = 0.0.0.0:0' });
  await t.rejects(served.start(), { message: /VOST_CONFIG/ });
});

t.test('certificate, password and tokens are read again on SIGHUP, or kept', async (t) => {
  promise({
    row: 'security',
    promise: 'A certificate, password or token that is replaced counts from SIGHUP on, without a restart',
    fault: 'files that are wrong: a key of another certificate, half a file, a token that is too short',
  });
  const site = await Site.start(t);
  const other = await site.otherAuthority();
  const looking = new Agent({ connect: { ca: site.authority.cert } });
  t.teardown(() => looking.destroy());
  const headers = bearer(READ_TOKEN);
  const live = await request(`https://127.0.0.1:${site.port}/api/v1/live`, { dispatcher: looking, headers });
  const ended = new Promise((resolve) => live.body.on('error', () => undefined).once('close', resolve));
  live.body.resume();

  // Wrong files: each is said, and what was there stays.
  site.write('key', (await other.issueServer(['127.0.0.1'])).key);
  site.write('tokens', 'do = act short\n');
  await site.hangUp('stays in force', 2);
  site.write('password', 'user = prom\n');
  await site.certify(other);
  await site.hangUp('stays in force', 2);
  t.equal(await site.status('/metrics', { headers: basic('prom:first') }), 200);
  t.equal(await site.status('/api/v1/vips', { headers }), 200);
  t.notMatch(site.served.stderr, /were read again|BEGIN/);
  t.match(site.served.stderr, /VOST_METRICS_TLS/);
  t.match(site.served.stderr, /VOST_CREDENTIALS/);

  const token = 'n'.repeat(40);
  site.write('password', 'user = prom\npassword = second\n');
  site.write('tokens', `look = read ${token}\n`);
  await site.hangUp('were read again');
  await ended;
  t.pass('who looked with a token of before has to show another one');
  await t.rejects(site.status('/'), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  t.equal(await site.status('/metrics', { headers: basic('prom:first') }, other), 401);
  t.equal(await site.status('/metrics', { headers: basic('prom:second') }, other), 200);
  t.equal(await site.status('/api/v1/vips', { headers }, other), 401);
  t.equal(await site.status('/api/v1/vips', { headers: bearer(token) }, other), 200);
  t.equal(await site.served.stop(), 0);
});
