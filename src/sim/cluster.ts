import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { type Action, act } from './admin/actions.ts';
import { AdminServer } from './admin/admin-server.ts';
import { addressAfter, expandRanges } from './cluster/addresses.ts';
import { ClusterSpace } from './cluster/cluster-space.ts';
import { ClusterState } from './cluster/cluster-state.ts';
import { FileSystem } from './cluster/file-system.ts';
import { CLUSTER_NAME, type ClusterOptions, FIRST_USER, VIP_DOMAIN } from './cluster/options.ts';
import { releaseOf } from './cluster/release.ts';
import { s3FaultHook } from './cluster/s3-faults.ts';
import { adoptBuckets, applyIdentities, firstSettings, seedState } from './cluster/seed.ts';
import { DnsServer } from './dns/dns-server.ts';
import { EventLog } from './faults/event-log.ts';
import { FaultBoard } from './faults/fault-board.ts';
import { createS3Handler } from './s3/handler.ts';
import { SimState } from './s3/state/sim-state.ts';
import { Authority, type KeyPair } from './tls/authority.ts';
import { VipSet } from './vips/vip-set.ts';
import type { VmsServices } from './vms/context.ts';
import { createVmsHandler } from './vms/handler.ts';

/** A running simulator. */
export interface Cluster {
  readonly dir: string;
  /** S3 over HTTP, one URL per data address. */
  readonly urls: readonly string[];
  /** S3 over HTTPS; none with `plain`. */
  readonly tlsUrls: readonly string[];
  readonly vmsUrl: string;
  readonly adminUrl: string;
  /** Ask this server for A records of this name. */
  readonly dns: { readonly host: string; readonly port: number; readonly name: string };
  /** The authority that signed all certificates; undefined with `plain`. */
  readonly ca: { readonly cert: string; readonly file: string } | undefined;
  readonly credentials: {
    readonly username: string;
    readonly password: string;
    readonly accessKey: string;
    readonly secretKey: string;
  };
  /** The same as JSON, mode 0600. */
  readonly credentialsFile: string;
  /** Certificate and key of the first administrator in one PEM file, mode 0600; undefined with `plain`. */
  readonly clientCertificateFile: string | undefined;
  readonly faults: FaultBoard;
  readonly log: EventLog;
  /** Do something to the cluster; rejects for what cannot be done. */
  act(action: Action): Promise<void>;
  /** What `GET /state` of the admin port shows. */
  show(): unknown;
  /** A certificate that VMS takes for a login of this user. Rejects with `plain`. */
  clientCertificate(user: string): Promise<KeyPair>;
  /** Break all connections, end what runs and write everything down. */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const MIB = 1024 * 1024;
const PETABYTE = 1e15;
const FIRST_VIP = '127.0.1.1';
const MAX_VIPS = 200;

/**
 * Start a VAST cluster in miniature: VMS, S3 on every VIP, DNS and an admin port, over one state.
 * Throws what listening throws (EADDRINUSE …) and VOST_SIM_STATE when the directory is damaged.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { dir, host = '127.0.0.1', vips = 0 } = options;
  if (!Number.isInteger(vips) || vips < 0 || vips > MAX_VIPS) {
    throw new EngineError('VOST_SETTING', 'usage', `the simulator has 0 to ${MAX_VIPS} VIPs, not ${vips}`);
  }
  await using started = new AsyncDisposableStack();
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const opened = ClusterState.open(dir, firstSettings());
  const { state } = opened;
  const buckets = await SimState.open(dir);
  started.defer(() => buckets.close());
  const realClock = options.clock ?? Date.now;
  const log = new EventLog(realClock);
  const faults = new FaultBoard(log, options.seed ?? 1);
  const clock = () => realClock() + faults.modes.clockSkewMs;
  const files = new FileSystem(state, buckets, clock);
  const release = releaseOf(options.release ?? '5.3');
  const authority = options.plain ? undefined : await Authority.open(dir);
  const addresses = vips === 0 ? [host] : Array.from({ length: vips }, (_, place) => addressAfter(FIRST_VIP, place));

  if (opened.fresh) seedState(state, options, addresses);
  else refreshPool(state, addresses);
  applyIdentities(state, options);
  adoptBuckets(state, files);
  state.commit();

  const quotas = { state, files, faults, buckets, log, clock };
  const vipSet = new VipSet({
    handle: createS3Handler(buckets.blobs, {
      secretOf: (key) => state.keys.find((each) => each.access_key === key && each.enabled)?.secret_key,
      spaceOf: (caller) => ClusterSpace.of(quotas, caller),
      server: `vast ${release.software}`,
      region: undefined,
      get checksumMode() {
        return faults.modes.checksums;
      },
      get conditionalWrites() {
        return faults.modes.conditionalWrites;
      },
      get trash() {
        return faults.modes.trash;
      },
      minPartBytes: options.minPartBytes ?? 5 * MIB,
      clock,
      onRequest: s3FaultHook(faults),
    }),
    log,
    port: options.port ?? 0,
    tlsPort: options.tlsPort ?? 0,
    certify: authority && ((address) => authority.issueServer([address, VIP_DOMAIN, `*.${VIP_DOMAIN}`, 'localhost'])),
  });
  started.defer(() => vipSet.close());
  await vipSet.start(addresses);

  const services: VmsServices = {
    state,
    files,
    faults,
    log,
    release,
    clock,
    name: CLUSTER_NAME,
    capacityBytes: options.capacityBytes ?? PETABYTE,
    isVipDown: (address) => vipSet.isDown(address),
  };
  const vms = await startVms(services, { host, port: options.vmsPort ?? 0, authority });
  started.defer(vms.close);

  const lookup = (name: string) => {
    const pool = state.vipPools.find((each) => each.enabled && each.domain_name.toLowerCase() === name);
    return pool && expandRanges(pool.ip_ranges).filter((address) => !vipSet.isDown(address));
  };
  const answers = () => faults.modes.dnsAnswers;
  const dns = await DnsServer.start({ host, port: options.dnsPort ?? 0, lookup, answers, log });
  started.defer(() => dns.close());

  const perform = (action: Action) => act({ state, vips: vipSet, log, clock }, action);
  const show = () => ({ release: release.software, vips: vipSet.show(), ...faults.show(), counts: countsOf(state) });
  const admin = await AdminServer.start({
    host: LOOPBACK,
    port: options.adminPort ?? 0,
    faults,
    log,
    act: perform,
    show,
  });
  started.defer(() => admin.close());

  const { http, https } = vipSet.ports;
  const credentials = credentialsOf(state);
  const credentialsFile = join(dir, 'credentials.json');
  writeFileSync(credentialsFile, `${JSON.stringify(credentials, undefined, 2)}\n`, { mode: 0o600 });
  const clientCertificateFile = authority && (await writeClientCertificate(dir, authority, credentials.username));
  const running = started.move();
  return {
    dir,
    urls: addresses.map((address) => `http://${bracketed(address)}:${http}`),
    tlsUrls: https === undefined ? [] : addresses.map((address) => `https://${bracketed(address)}:${https}`),
    vmsUrl: `${authority === undefined ? 'http' : 'https'}://${bracketed(host)}:${vms.port}`,
    adminUrl: `http://${LOOPBACK}:${admin.port}`,
    dns: { host, port: dns.port, name: VIP_DOMAIN },
    ca: authority && { cert: authority.cert, file: authority.certFile },
    credentials,
    credentialsFile,
    clientCertificateFile,
    faults,
    log,
    act: perform,
    show,
    clientCertificate: async (user) => {
      if (authority === undefined) throw new RangeError('without TLS there are no certificates');
      return authority.issueClient(user);
    },
    close: () => running.disposeAsync(),
  };
}

async function writeClientCertificate(dir: string, authority: Authority, user: string): Promise<string> {
  const file = join(dir, 'client.pem');
  const { cert, key } = await authority.issueClient(user);
  writeFileSync(file, cert + key, { mode: 0o600 });
  return file;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** The simulator may have been started with other addresses before. */
function refreshPool(state: ClusterState, addresses: readonly string[]): void {
  const pool = state.vipPools.get(1);
  if (pool !== undefined)
    state.vipPools.replace({ ...pool, ip_ranges: addresses.map((each) => [each, each] as const) });
}

function credentialsOf(state: ClusterState): Cluster['credentials'] {
  const manager = state.managers.find(({ tenant_id }) => tenant_id === null);
  const user = state.users.find(({ name }) => name === FIRST_USER);
  const key = state.keys.find(({ user_id }) => user_id === user?.id);
  return {
    username: manager?.username ?? '',
    password: manager?.password ?? '',
    accessKey: key?.access_key ?? '',
    secretKey: key?.secret_key ?? '',
  };
}

function countsOf(state: ClusterState) {
  const { tenants, views, users, keys, quotas, snapshots } = state;
  return {
    tenants: tenants.size,
    views: views.size,
    users: users.size,
    keys: keys.size,
    quotas: quotas.size,
    snapshots: snapshots.size,
  };
}

interface VmsOptions {
  readonly host: string;
  readonly port: number;
  readonly authority: Authority | undefined;
}

async function startVms(services: VmsServices, { host, port, authority }: VmsOptions) {
  const handle = createVmsHandler(services);
  const running = new Set<Promise<void>>();
  let server: Server;
  if (authority === undefined) {
    server = createHttpServer();
  } else {
    const certificate = await authority.issueServer([host, 'localhost', VIP_DOMAIN, `*.${VIP_DOMAIN}`]);
    server = createHttpsServer({ ...certificate, ca: authority.cert, requestCert: true, rejectUnauthorized: false });
  }
  server.on('request', (request, response) => {
    const work = handle(request, response).finally(() => running.delete(work));
    running.add(work);
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.all(running);
    },
  };
}
