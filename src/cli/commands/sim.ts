import { once } from 'node:events';
import { EngineError } from '../../errors.ts';
import type { S3Keys } from '../../sim/cluster/options.ts';
import type { ReleaseName } from '../../sim/cluster/release.ts';
import { type Cluster, startCluster } from '../../sim/cluster.ts';
import { printFields, printJson } from '../output.ts';

export interface SimOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly vmsPort: number;
  readonly adminPort: number;
  readonly dnsPort: number;
  readonly vips: number;
  readonly release: ReleaseName;
  readonly plain?: boolean;
  readonly seed: number;
  readonly checksums: 'reject' | 'ignore' | 'full';
  readonly json?: boolean;
}

/** `vast-ost sim`: a VAST cluster in miniature, until interrupted. */
export async function sim(options: SimOptions, signal: AbortSignal): Promise<void> {
  const keys = keysOf(process.env);
  const { json, checksums, ...rest } = options;
  const cluster = await startCluster({ ...rest, ...(keys === undefined ? {} : { keys }) });
  try {
    cluster.faults.apply({ modes: { checksums } });
    if (json) printJson(describe(cluster));
    else print(cluster);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await cluster.close();
  }
}

function keysOf(env: NodeJS.ProcessEnv): S3Keys | undefined {
  const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = env;
  if (accessKey && secretKey) return { accessKey, secretKey };
  if (!accessKey && !secretKey) return undefined;
  throw new EngineError(
    'VOST_NO_CREDENTIALS',
    'usage',
    'the environment has one half of a key pair for the simulator',
    {
      advice: 'set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither: the simulator then makes a pair up',
    },
  );
}

/** Where everything is. Secrets are in the credentials file alone. */
function describe(cluster: Cluster) {
  const { urls, tlsUrls, vmsUrl, adminUrl, dns, ca, clientCertificateFile, credentialsFile, dir } = cluster;
  return {
    url: urls[0],
    dir,
    urls,
    tlsUrls,
    vmsUrl,
    adminUrl,
    dns,
    caFile: ca?.file,
    clientCertificateFile,
    credentialsFile,
  };
}

function print(cluster: Cluster): void {
  const { urls, tlsUrls, vmsUrl, adminUrl, dns, ca, credentialsFile, dir } = cluster;
  const secure = tlsUrls.length === 0 ? [] : ([['S3 over TLS', tlsUrls.join(' ')]] as const);
  printFields([
    ['S3', urls.join(' ')],
    ...secure,
    ['VMS', vmsUrl],
    ['authority', ca?.file ?? 'none'],
    ['credentials', credentialsFile],
    ['faults', adminUrl],
    ['DNS', `${dns.host}:${dns.port} answers for ${dns.name}`],
    ['data', dir],
  ]);
  process.stdout.write('Ctrl-C ends it\n');
}
