import { z } from 'zod';
import { EngineError, failureOf } from '../../errors.ts';
import { type RequestHooks, Retrier, type RetryClock, type RetryPolicy, systemClock } from '../retry.ts';
import { Authenticator, type Proof } from './authenticator.ts';
import type { VmsCredentialSource } from './credentials.ts';
import { badAnswer, errorText, mayHaveHappened, refusalError, stillForbidden } from './errors.ts';
import { type Query, type VmsMethod, VmsTransport, type VmsTransportOptions } from './transport.ts';
import { abilitiesOf, apiVersionOf, parseVersion, type VmsAbilities, type VmsVersion } from './version.ts';

/** A cluster that is upgraded says so within the hour. */
const VERSION_MS = 3_600_000;
/** Tried in order while the release is unknown: the vendor's Go client, its Python client, its CSI driver. */
const UNKNOWN_VERSIONS = ['v5', 'latest', 'v1'];
/** For calls to a cluster: fewer and later than for data. */
const POLICY: Partial<RetryPolicy> = { budgetMs: 240_000, retries: 5, baseMs: 1_000, capMs: 15_000 };

export interface VmsSessionOptions extends VmsTransportOptions, RequestHooks {
  readonly credentials: VmsCredentialSource;
  /** Sent as X-Tenant-Name where the release knows it. */
  readonly tenant?: string | undefined;
  readonly policy?: Partial<RetryPolicy> | undefined;
  readonly clock?: RetryClock | undefined;
}

export interface VmsCall {
  readonly method: VmsMethod;
  /** Below `/api/<ver>/`, with its trailing slash: `views/17/`. */
  readonly resource: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
  /** Name no tenant: for what belongs to the whole cluster. */
  readonly anyTenant?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VmsRelease {
  readonly version: VmsVersion;
  readonly can: VmsAbilities;
}

const Versions = z.union([
  z.array(z.looseObject({ sys_version: z.string().nullish(), build: z.string().nullish() })),
  z.looseObject({
    results: z.array(z.looseObject({ sys_version: z.string().nullish(), build: z.string().nullish() })),
  }),
]);

/** Requests to one cluster as one user: paths, proof of who we are, retries, answers checked. */
export class VmsSession {
  readonly origin: string;
  readonly #transport: VmsTransport;
  readonly #authenticator: Authenticator;
  readonly #options: VmsSessionOptions;
  readonly #clock: RetryClock;
  #base = `/api/${UNKNOWN_VERSIONS[0]}/`;
  #tenantHeader: Readonly<Record<string, string>> = {};
  #release: { readonly value: VmsRelease; readonly at: number } | undefined;
  #looking: Promise<VmsRelease> | undefined;
  #calls = 0;
  readonly #closed = new AbortController();

  /** Contacts nothing yet. @throws EngineError VOST_CA_FILE (`usage`) */
  constructor(options: VmsSessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#transport = new VmsTransport(options);
    this.origin = this.#transport.origin;
    this.#authenticator = new Authenticator({
      transport: this.#transport,
      source: options.credentials,
      base: () => this.#base,
      headers: () => this.#tenantHeader,
      now: () => this.#clock.now(),
    });
  }

  /** Whether requests carry the name of a tenant. */
  get namesTenant(): boolean {
    return 'x-tenant-name' in this.#tenantHeader;
  }

  /** Requests sent so far, logins aside. */
  get calls(): number {
    return this.#calls;
  }

  /** The cluster's release; asked once an hour. Throws `unsupported` for one older than 5.0. */
  release(signal?: AbortSignal): Promise<VmsRelease> {
    const known = this.#release;
    if (known !== undefined && this.#clock.now() - known.at < VERSION_MS) return Promise.resolve(known.value);
    // Shared by all who wait, so that no single one may abort it.
    signal?.throwIfAborted();
    this.#looking ??= this.#findRelease().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /**
   * One request; its answer is JSON that fits the schema. A POST is not sent again when it may have been carried out: whoever
   * makes something looks whether it is there.
   */
  async send<T>(call: VmsCall, schema: z.ZodType<T>): Promise<T> {
    await this.release(call.signal);
    return this.#send(call, schema);
  }

  /** What runs or waits for another try ends at once, with class `aborted`. */
  async close(): Promise<void> {
    this.#closed.abort(new EngineError('VOST_VMS_CLOSED', 'aborted', `the connection to ${this.origin} was closed`));
    await this.#transport.close();
  }

  async #findRelease(): Promise<VmsRelease> {
    const text = await this.#askVersion();
    const version = parseVersion(text);
    if (version === undefined) {
      throw badAnswer('version', `${JSON.stringify(text.slice(0, 50))} is no version of VAST`, 200);
    }
    const value = { version, can: abilitiesOf(version) };
    this.#base = `/api/${apiVersionOf(version)}/`;
    const { tenant } = this.#options;
    this.#tenantHeader = tenant !== undefined && value.can.tenantHeader ? { 'x-tenant-name': tenant } : {};
    this.#release = { value, at: this.#clock.now() };
    return value;
  }

  /** `/versions/`, else what `/clusters/` says; at the first path that the cluster knows. */
  async #askVersion(): Promise<string> {
    const bases = this.#release === undefined ? UNKNOWN_VERSIONS.map((name) => `/api/${name}/`) : [this.#base];
    let last: unknown;
    for (const base of bases) {
      this.#base = base;
      try {
        return await this.#versionHere();
      } catch (error) {
        if (failureOf(error) !== 'not-found') throw error;
        last = error;
      }
    }
    throw last;
  }

  async #versionHere(): Promise<string> {
    const ask = async (): Promise<string> => {
      const call: VmsCall = { method: 'GET', resource: 'versions/', query: { status: 'success' } };
      const answer = await this.#send(call, Versions);
      const [first] = Array.isArray(answer) ? answer : answer.results;
      const named = first?.sys_version ?? first?.build ?? '';
      return parseVersion(named) === undefined ? this.#clusterVersion() : named;
    };
    try {
      return await ask();
    } catch (error) {
      const { tenant } = this.#options;
      const refused = ['credentials', 'access'].includes(failureOf(error));
      if (!refused || tenant === undefined || this.#release !== undefined) throw error;
      // A tenant's administrator may be nobody without his tenant; releases that know none refuse him either way.
      this.#tenantHeader = { 'x-tenant-name': tenant };
      return await ask();
    }
  }

  async #clusterVersion(): Promise<string> {
    const Rows = z.array(z.looseObject({ sw_version: z.string().nullish() }));
    const rows = await this.#send({ method: 'GET', resource: 'clusters/' }, Rows);
    return rows.map(({ sw_version }) => sw_version ?? '').find((text) => parseVersion(text) !== undefined) ?? '';
  }

  async #send<T>(call: VmsCall, schema: z.ZodType<T>): Promise<T> {
    const { method, resource } = call;
    const what = `${method} ${resource}`;
    const closed = this.#closed.signal;
    const signal = call.signal === undefined ? closed : AbortSignal.any([closed, call.signal]);
    let used: Proof | undefined;
    let renewed = false;
    const retrier = new Retrier({
      service: 'vms',
      policy: { ...POLICY, ...this.#options.policy },
      clock: this.#clock,
      onRetry: this.#options.onRetry,
      onAttempt: this.#options.onAttempt,
      refresh: async () => {
        if (used === undefined) throw new EngineError('VOST_VMS_CREDENTIALS', 'credentials', 'the login was refused');
        await this.#authenticator.renew(used, closed);
        renewed = true;
      },
    });
    const outcome = await retrier.run({ operation: what, signal }, async () => {
      used = undefined;
      const proof = await this.#authenticator.proof(closed);
      used = proof;
      try {
        return { answer: await this.#attempt({ ...call, signal }, proof, schema) };
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (method === 'POST' && mayHaveHappened(error)) return { uncertain: error };
        throw renewed ? stillForbidden(error) : error;
      }
    });
    if ('uncertain' in outcome) throw outcome.uncertain;
    return outcome.answer;
  }

  async #attempt<T>(call: VmsCall, { header }: Proof, schema: z.ZodType<T>): Promise<T> {
    const { method, resource, query, body, anyTenant, signal } = call;
    const what = `${method} ${resource}`;
    this.#calls += 1;
    const { status, text } = await this.#transport.send({
      method,
      path: `${this.#base}${resource}`,
      query,
      headers: {
        ...(anyTenant === true ? {} : this.#tenantHeader),
        ...(header === undefined ? {} : { authorization: header }),
      },
      body,
      signal,
    });
    if (status < 200 || status >= 300) {
      throw refusalError({ status, text: this.#authenticator.clean(errorText(text)) }, what);
    }
    let json: unknown;
    try {
      json = text === '' ? undefined : JSON.parse(text);
    } catch {
      // Cut off or mangled on the way: worth another look.
      throw badAnswer(what, 'the answer is no JSON', status, 'integrity');
    }
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw badAnswer(what, `the answer does not fit: ${issue?.path.join('.')} ${issue?.message}`.slice(0, 300), status);
  }
}
