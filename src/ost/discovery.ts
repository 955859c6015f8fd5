import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { Settings } from '../config/settings.ts';
import { fromUserAndPassword } from '../config/vms-credentials-file.ts';
import { EngineError, failureOf } from '../errors.ts';
import type { RequestHooks } from '../vast/retry.ts';
import { VmsClient } from '../vast/vms/client.ts';
import { notFound } from './errors.ts';
import type { StorageServer } from './storage-server.ts';

/** As for `[server NAME]`; here it is a host name as well. */
export const SERVER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Where a VMS may listen. */
const VMS_PORTS = [443, 8443];
/** Where a data address may listen, and how it speaks there. */
const DATA_PORTS = [
  { port: 443, scheme: 'https' },
  { port: 80, scheme: 'http' },
] as const;
const CONNECT_MS = 3_000;
/** Data addresses tried. */
const MAX_HOSTS = 8;
/** A name or a login that led nowhere is not tried again for so long: hosts poll, and accounts get locked. */
const FAILED_MS = 60_000;

/** What a host says about itself when it opens a server. Never logged, never shown. */
export interface HostLogin {
  readonly user: string;
  readonly secret: string;
}

export interface FoundServer {
  readonly client: VmsClient;
  /** As for openStorage. */
  readonly store: string;
}

/** Finds a server's management and data addresses by its name. */
export type LookFor = (id: string, login: () => HostLogin, settings: Settings) => Promise<FoundServer>;

/** Makes a storage server of what was found. @param login the newest good one */
export type OpenFound = (id: string, found: FoundServer, login: () => HostLogin) => Promise<StorageServer>;

interface Known {
  readonly opening: Promise<StorageServer>;
  login: HostLogin;
  checking: { readonly login: HostLogin; readonly done: Promise<void> } | undefined;
}

interface Failure {
  readonly login: HostLogin;
  readonly at: number;
  readonly error: unknown;
}

/** Servers without a section: looked for once, checked again for every host that comes with other credentials. */
export class Discovery {
  readonly #settings: Settings;
  readonly #lookFor: LookFor;
  readonly #open: OpenFound;
  readonly #known = new Map<string, Known>();
  readonly #failed = new Map<string, Failure>();
  readonly #now: () => number;

  constructor(settings: Settings, lookFor: LookFor, open: OpenFound, now: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#lookFor = lookFor;
    this.#open = open;
    this.#now = now;
  }

  get size(): number {
    return this.#known.size;
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  /** Throws what the look-up throws: `not-found`, `credentials`, `access`, `retryable`. */
  async open(id: string, login: HostLogin): Promise<StorageServer> {
    const failure = this.#failed.get(id);
    if (failure !== undefined && this.#now() - failure.at < FAILED_MS && sameLogin(failure.login, login))
      throw failure.error;
    try {
      return await this.#openNow(id, login);
    } catch (error) {
      this.#failed.delete(id);
      this.#failed.set(id, { login, at: this.#now(), error });
      for (const oldest of this.#failed.keys()) {
        if (this.#failed.size <= 64) break;
        this.#failed.delete(oldest);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#known.values()].map(({ opening }) => opening));
  }

  async #openNow(id: string, login: HostLogin): Promise<StorageServer> {
    for (;;) {
      const known = this.#known.get(id);
      if (known === undefined) return this.#first(id, login);
      if (sameLogin(known.login, login)) return known.opening;
      // Another host's bad password is no reason to refuse this one.
      const server = await known.opening.catch(() => undefined);
      if (server === undefined) continue;
      await this.#check(id, known, login);
      return server;
    }
  }

  #first(id: string, login: HostLogin): Promise<StorageServer> {
    const known: Known = { login, opening: this.#find(id, () => known.login), checking: undefined };
    this.#known.set(id, known);
    known.opening.catch(() => this.#known.delete(id));
    return known.opening;
  }

  async #find(id: string, login: () => HostLogin): Promise<StorageServer> {
    // A turn later, so that `login` can be asked.
    await Promise.resolve();
    const found = await this.#lookFor(id, login, this.#settings);
    try {
      return await this.#open(id, found, login);
    } catch (error) {
      await found.client.close();
      throw error;
    }
  }

  /** Other credentials must be good too; the newest good ones are used from then on. */
  #check(id: string, known: Known, login: HostLogin): Promise<void> {
    if (known.checking !== undefined && sameLogin(known.checking.login, login)) return known.checking.done;
    const done = this.#lookFor(id, () => login, this.#settings).then(async ({ client }) => {
      await client.close();
      known.login = login;
    });
    const checking = { login, done };
    known.checking = checking;
    const end = (): void => {
      if (known.checking === checking) known.checking = undefined;
    };
    done.then(end, end);
    return done;
  }
}

function sameLogin(one: HostLogin, other: HostLogin): boolean {
  return one.user === other.user && one.secret === other.secret;
}

/** By DNS and the known ports to VMS, and from VMS to the data addresses. */
export async function lookForServer(
  id: string,
  login: () => HostLogin,
  settings: Settings,
  hooks: RequestHooks = {},
): Promise<FoundServer> {
  const addresses = await lookup(id, { all: true }).catch(() => []);
  if (addresses.length === 0) {
    throw notFound(
      `${id} has no section in vast-ost.conf, and no address either`,
      'add [server NAME], or name the storage server as the cluster’s management is named in DNS',
    );
  }
  const port = await firstPort(id, VMS_PORTS);
  if (port === undefined) {
    throw notFound(
      `${id} does not answer on port ${VMS_PORTS.join(' or ')}`,
      'add a section [server NAME] with vms = https://HOST',
    );
  }
  const credentials = async () => fromUserAndPassword(login().user, login().secret);
  const { s3_ca_file: caFile } = settings.general;
  const client = new VmsClient({ origin: new URL(`https://${id}:${port}`), caFile, credentials, ...hooks });
  try {
    await client.release();
    return { client, store: await dataAddress(id, client) };
  } catch (error) {
    await client.close();
    throw explained(error, id);
  }
}

/** These errors come with advice about settings that a server without a section does not have. */
function explained(error: unknown, id: string): unknown {
  if (!(error instanceof EngineError)) return error;
  const advice = {
    VOST_VMS_CREDENTIALS: `correct the user and password that NetBackup has for the storage server ${id} (tpconfig -update)`,
    VOST_TLS_TRUST:
      'name the authority of the cluster’s certificate with s3_ca_file in [general], or correct the certificate',
  }[error.code];
  if (advice === undefined) return error;
  const { code, failure, message, cause, details } = error;
  return new EngineError(code, failure, message, { cause, details, advice });
}

/** The first data address that takes connections, with TLS if any of them does. */
async function dataAddress(id: string, client: VmsClient): Promise<string> {
  const advice = 'add a section [server NAME] with store = s3:URL';
  let hosts: string[];
  try {
    hosts = await client.vips();
  } catch (error) {
    if (!['access', 'not-found'].includes(failureOf(error))) throw error;
    throw new EngineError('VOST_NO_ENDPOINT', 'access', `the user may not see the VIP pools of ${id}`, {
      cause: error,
      advice,
    });
  }
  for (const { port, scheme } of DATA_PORTS) {
    // All at once: a cluster may have half of its addresses down.
    const answers = await Promise.all(hosts.slice(0, MAX_HOSTS).map((host) => connects(host, port)));
    const host = hosts[answers.indexOf(true)];
    if (host !== undefined) return `s3:${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  throw new EngineError('VOST_NO_ENDPOINT', 'retryable', `no data address of ${id} answers`, { advice });
}

async function firstPort(host: string, ports: readonly number[]): Promise<number | undefined> {
  for (const port of ports) if (await connects(host, port)) return port;
  return undefined;
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', end(true)).once('timeout', end(false)).once('error', end(false));
  });
}
