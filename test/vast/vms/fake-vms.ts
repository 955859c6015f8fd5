import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { complaint, knowsPath, type Release, type SeenRequest } from './contract.ts';

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  /** Sent as it is, instead of a body. */
  readonly text?: string;
  /** End the connection without an answer; the request has been carried out. */
  readonly reset?: boolean;
}

type Row = Record<string, unknown> & { id: number };

export const USER = 'nbu-admin';
export const PASSWORD = 'canary-password-7f3e';

const BUILDS: Readonly<Record<Release, string>> = {
  '5.0': '5.0.0-19-1234567',
  '5.1': 'release-5-1-0-1234567',
  '5.2': 'vrelease-5-2-3-2169905',
  '5.3': '5.3.0.1.14178074658457882785',
  '5.4': '5.4.3-123',
  '5.5': '5.5.0.1.17',
};

/** A small cluster manager in memory. It complains, with 400 and in {@link complaints}, about every request outside the contract. */
export class FakeVms {
  readonly release: Release;
  url = '';
  readonly seen: SeenRequest[] = [];
  readonly complaints: string[] = [];
  readonly tables: Record<string, Row[]> = {};
  /** Asked before anything else; an answer of its own stands for the cluster's. */
  intercept: (request: SeenRequest) => Answer | undefined | Promise<Answer | undefined> = () => undefined;
  /** Headers of Authorization that are good now. */
  readonly good = new Set<string>();
  logins = 0;
  refreshes = 0;
  /** `exp − iat` of tokens, seconds. */
  tokenLife = 3600;
  #next = 100;

  constructor(release: Release = '5.3') {
    this.release = release;
    this.tables['clusters'] = [
      { id: 2, name: 'peer', local: false, logical_space: 1 },
      {
        id: 1,
        name: 'own',
        local: true,
        sw_version: BUILDS[release],
        logical_space: 1e15,
        logical_space_in_use: 4e14,
        free_logical_space: 6e14,
        physical_space: 5e14,
        physical_space_in_use: 2e14,
      },
    ];
    this.tables['tenants'] = [{ id: 1, name: 'default', local_provider_id: 7 }];
    this.tables['viewpolicies'] = [{ id: 5, name: 's3_default_policy', flavor: 'S3_NATIVE', tenant_id: 1 }];
    this.tables['vippools'] = [
      {
        id: 1,
        name: 'data',
        role: 'PROTOCOLS',
        enabled: true,
        ip_ranges: [['10.0.0.254', '10.0.1.1']],
        domain_name: 'd',
      },
      { id: 2, name: 'repl', role: 'REPLICATION', enabled: true, ip_ranges: [['10.9.0.1', '10.9.0.2']] },
    ];
  }

  static async start(t: Test, release: Release = '5.3'): Promise<FakeVms> {
    const fake = new FakeVms(release);
    const server = createServer((request, response) => void fake.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return fake;
  }

  table(name: string): Row[] {
    this.tables[name] ??= [];
    return this.tables[name];
  }

  /** `METHOD resource`, without the path's version, logins left out. */
  get log(): string[] {
    return this.seen
      .map(({ method, pathname }) => `${method} ${pathname.replace(/^\/api\/[^/]+\//, '')}`)
      .filter((line) => !line.startsWith('POST token/'));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: search } = new URL(request.url ?? '/', 'http://vms');
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    const seen = { method: request.method ?? '', pathname, search, headers: request.headers, body };
    this.seen.push(seen);
    const answer = (await this.intercept(seen)) ?? this.#answer(seen);
    if (answer.reset === true) {
      request.socket.destroy();
      return;
    }
    const { status = 200 } = answer;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)));
  }

  #answer(request: SeenRequest): Answer {
    if (!knowsPath(request.pathname, this.release)) return { status: 404, body: { detail: 'Not found.' } };
    const wrong = complaint(request, this.release);
    if (wrong !== '') {
      this.complaints.push(wrong);
      return { status: 400, body: [wrong] };
    }
    const [, , , name = '', id, action] = request.pathname.split('/');
    if (name === 'token') return this.#token(request, id);
    if (!this.good.has(String(request.headers['authorization']))) {
      return { status: 403, body: { detail: 'Token is invalid or expired', code: 'token_not_valid' } };
    }
    if (name === 'versions') return { body: [{ id: 1, sys_version: BUILDS[this.release], status: 'success' }] };
    if (name === 'users' && action === 'access_keys') return this.#keys(request, Number(id));
    if (name === 'apitokens') return this.#apiTokens(request, id);
    return this.#rows(request, name, id === undefined || id === '' ? undefined : Number(id));
  }

  #token({ body }: SeenRequest, action: string | undefined): Answer {
    if (action === 'refresh') {
      if (!this.good.has(String(body?.['refresh'])))
        return { status: 401, body: { detail: 'Token is invalid or expired' } };
      this.refreshes += 1;
    } else {
      this.logins += 1;
      if (body?.['username'] !== USER || body['password'] !== PASSWORD) {
        return { status: 401, body: { detail: `No active account found with the password ${body?.['password']}` } };
      }
    }
    this.#next += 1;
    const claims = Buffer.from(JSON.stringify({ iat: 1000, exp: 1000 + this.tokenLife })).toString('base64url');
    const pair = { access: `h.${claims}.access-${this.#next}`, refresh: `refresh-${this.#next}` };
    this.good.add(`Bearer ${pair.access}`).add(pair.refresh);
    return { body: pair };
  }

  #keys({ method, body }: SeenRequest, userId: number): Answer {
    const user = this.table('users').find(({ id }) => id === userId);
    if (user === undefined) return { status: 404, body: { detail: 'Not found.' } };
    const keys = (user['access_keys'] ?? []) as { access_key: string; enabled: boolean }[];
    user['access_keys'] = keys;
    if (method === 'DELETE') {
      user['access_keys'] = keys.filter(({ access_key }) => access_key !== body?.['access_key']);
      return { status: 204 };
    }
    if (keys.length >= 2) return { status: 400, body: ['Maximum number of access keys reached'] };
    this.#next += 1;
    keys.push({ access_key: `AK${this.#next}`, enabled: true });
    return { body: { access_key: `AK${this.#next}`, secret_key: `canary-secret-${this.#next}` } };
  }

  #apiTokens({ method, body }: SeenRequest, id: string | undefined): Answer {
    const rows = this.table('apitokens');
    if (method === 'GET') return { body: rows };
    if (method === 'PATCH') {
      const row = rows.find((one) => String(one.id) === id);
      if (row === undefined) return { status: 404, body: { detail: 'Not found.' } };
      row['revoked'] = true;
      this.good.delete(`Api-Token ${row['secret']}`);
      return { body: {} };
    }
    if (rows.filter(({ revoked }) => revoked !== true).length >= 5) {
      return { status: 503, body: ['Maximum number of API tokens reached'] };
    }
    this.#next += 1;
    const token = `canary-token-${this.#next}`;
    rows.push({ id: this.#next, ...body, revoked: false, secret: token });
    this.good.add(`Api-Token ${token}`);
    return { status: 201, body: { id: this.#next, token } };
  }

  #rows({ method, body, search }: SeenRequest, name: string, id: number | undefined): Answer {
    const rows = this.table(name);
    const row = rows.find((one) => one.id === id);
    if (id !== undefined && row === undefined) return { status: 404, body: { detail: 'Not found.' } };
    if (method === 'GET' && row !== undefined) return { body: row };
    if (method === 'GET') return { body: this.#page(name, rows, search) };
    if (method === 'PATCH') return { body: Object.assign(row ?? {}, body) };
    if (method === 'DELETE') {
      rows.splice(rows.indexOf(row as Row), 1);
      return { status: 204 };
    }
    const twin = rows.find(
      (one) =>
        (body?.['bucket'] !== undefined && one['bucket'] === body['bucket']) ||
        (body?.['path'] !== undefined && one['path'] === body['path'] && one['tenant_id'] === body['tenant_id']),
    );
    const named =
      name === 'views' || name === 'quotas' ? undefined : rows.find((one) => one['name'] === body?.['name']);
    if (twin !== undefined || named !== undefined) return { status: 400, body: [`${name} already exists`] };
    this.#next += 1;
    const made = { id: this.#next, ...body };
    rows.push(made);
    return { status: 201, body: made };
  }

  #page(name: string, rows: readonly Row[], search: URLSearchParams): unknown {
    const size = Number(search.get('page_size') ?? 0);
    if (size === 0) return rows;
    const page = Number(search.get('page') ?? 1);
    const more = page * size < rows.length;
    // As behind a forwarded port: the cluster names itself, not the address that we came by.
    const next = more ? `https://vms.internal/api/v5/${name}/?page=${page + 1}&page_size=${size}` : null;
    return { count: rows.length, next, previous: null, results: rows.slice((page - 1) * size, page * size) };
  }
}
