/**
 * Clients that know nothing of us: what they all understand is S3. Each makes a bucket, stores a
 * small and a multipart object, lists, reads back, removes, over TLS at the second VIP of a cluster, and
 * one without TLS. A client that is not installed is skipped.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import type { Cluster } from '../../src/sim/cluster.ts';
import type { ChecksumMode } from '../../src/sim/s3/settings.ts';
import { cluster } from './support.ts';

/** What a client has to know. */
interface Endpoint {
  readonly url: string;
  /** PEM file, for https. */
  readonly caFile: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

const MIB = 1024 * 1024;
/** Three parts of 5 MiB, the last one short. */
const LARGE_BYTES = 11 * MIB + 1;
/** Far more than any client needs; a client that hangs must not hang the tests. */
const PATIENCE_MS = 180_000;

interface Client {
  readonly name: string;
  /** Further environment; secrets go here or into files, never into arguments. */
  readonly env: Readonly<Record<string, string>>;
  readonly makeBucket: readonly string[];
  readonly removeBucket: readonly string[];
  readonly put: (file: string, key: string) => readonly string[];
  readonly get: (key: string, file: string) => readonly string[];
  readonly list: (prefix: string) => readonly string[];
  readonly remove: (key: string) => readonly string[];
}

function awsCli(s3: Endpoint, dir: string, mode: ChecksumMode): Client {
  writeFileSync(join(dir, 'aws'), '[default]\ns3 =\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n');
  const options = ['--endpoint-url', s3.url, '--no-progress'];
  return {
    name: 'aws',
    env: {
      AWS_CONFIG_FILE: join(dir, 'aws'),
      AWS_SHARED_CREDENTIALS_FILE: join(dir, 'none'),
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
      AWS_CA_BUNDLE: s3.caFile,
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      ...(mode === 'reject' ? { AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required' } : {}),
    },
    makeBucket: ['s3', 'mb', 's3://bucket', '--endpoint-url', s3.url],
    removeBucket: ['s3', 'rb', 's3://bucket', '--endpoint-url', s3.url],
    put: (file, key) => ['s3', 'cp', file, `s3://bucket/${key}`, ...options],
    get: (key, file) => ['s3', 'cp', `s3://bucket/${key}`, file, ...options],
    list: (prefix) => ['s3', 'ls', `s3://bucket/${prefix}`, '--endpoint-url', s3.url],
    remove: (key) => ['s3', 'rm', `s3://bucket/${key}`, '--endpoint-url', s3.url],
  };
}

function s3cmd(s3: Endpoint, dir: string): Client {
  const { host, protocol } = new URL(s3.url);
  const config = join(dir, 's3cfg');
  writeFileSync(
    config,
    `[default]\naccess_key = ${s3.accessKey}\nsecret_key = ${s3.secretKey}\nhost_base = ${host}\nhost_bucket = ${host}\nuse_https = ${protocol === 'https:' ? 'True' : 'False'}\nca_certs_file = ${s3.caFile}\nmultipart_chunk_size_mb = 5\nbucket_location = us-east-1\n`,
  );
  const options = ['-c', config, '--no-progress'];
  return {
    name: 's3cmd',
    env: {},
    makeBucket: [...options, 'mb', 's3://bucket'],
    removeBucket: [...options, 'rb', 's3://bucket'],
    put: (file, key) => [...options, 'put', file, `s3://bucket/${key}`],
    get: (key, file) => [...options, 'get', `s3://bucket/${key}`, file],
    list: (prefix) => [...options, 'ls', `s3://bucket/${prefix}`],
    remove: (key) => [...options, 'del', `s3://bucket/${key}`],
  };
}

function rclone(s3: Endpoint, dir: string): Client {
  const options = ['--s3-upload-cutoff', '6Mi', '--s3-chunk-size', '5Mi', '--retries', '1', '--low-level-retries', '1'];
  return {
    name: 'rclone',
    env: {
      RCLONE_CONFIG: join(dir, 'rclone.conf'),
      RCLONE_CONFIG_SIM_TYPE: 's3',
      RCLONE_CONFIG_SIM_PROVIDER: 'Other',
      RCLONE_CONFIG_SIM_ENDPOINT: s3.url,
      RCLONE_CONFIG_SIM_ACCESS_KEY_ID: s3.accessKey,
      RCLONE_CONFIG_SIM_SECRET_ACCESS_KEY: s3.secretKey,
      RCLONE_CA_CERT: s3.caFile,
    },
    makeBucket: ['mkdir', 'sim:bucket'],
    removeBucket: ['rmdir', 'sim:bucket'],
    put: (file, key) => ['copyto', file, `sim:bucket/${key}`, ...options],
    get: (key, file) => ['copyto', `sim:bucket/${key}`, file, ...options],
    list: (prefix) => ['lsf', `sim:bucket/${prefix}`],
    remove: (key) => ['deletefile', `sim:bucket/${key}`],
  };
}

const run = promisify(execFile);

async function isInstalled(name: string): Promise<boolean> {
  return run(name, ['--version'], { timeout: PATIENCE_MS }).then(
    () => true,
    () => false,
  );
}

async function roundTrip(t: Test, client: Client, dir: string, completions: () => number): Promise<void> {
  const execute = async (args: readonly string[]) => {
    // Settings of whoever runs the tests (profiles, proxies, certificates) stay out.
    const own = Object.entries(process.env).filter(([name]) => !/^(AWS|RCLONE|S3)_/.test(name));
    const env = { ...Object.fromEntries(own), ...client.env };
    const { stdout } = await run(client.name, args, { env, timeout: PATIENCE_MS, maxBuffer: 16 * MIB });
    return stdout;
  };
  const files = {
    'folder/small ü+&.txt': randomBytes(1000),
    'folder/large': randomBytes(LARGE_BYTES),
    empty: Buffer.alloc(0),
  };
  await execute(client.makeBucket);
  for (const [index, [key, data]] of Object.entries(files).entries()) {
    const [sent, received] = [join(dir, 'sent'), join(dir, `received-${index}`)];
    writeFileSync(sent, data);
    await execute(client.put(sent, key));
    await execute(client.get(key, received));
    t.ok(readFileSync(received).equals(data), `${key} comes back`);
  }
  t.equal(completions(), 1, 'the large one went up in parts');
  t.match(await execute(client.list('')), /folder\/[\s\S]*empty|empty[\s\S]*folder\//, 'both levels are listed');
  t.match(await execute(client.list('folder/')), /large[\s\S]*small ü\+&\.txt/);
  for (const key of Object.keys(files)) await execute(client.remove(key));
  t.equal((await execute(client.list(''))).trim(), '');
  await execute(client.removeBucket);
}

/** Notes uploads without touching them: the delay is none. */
function countCompletions({ faults }: Cluster): () => number {
  faults.apply({ rules: [{ where: 's3', operation: 'CompleteMultipartUpload', effect: { kind: 'delay', ms: 0 } }] });
  return () => faults.show().rules[0]?.hit ?? 0;
}

for (const [name, make, checksumMode, secure] of [
  ['aws', awsCli, 'full', true],
  ['aws', awsCli, 'reject', false],
  ['s3cmd', s3cmd, 'reject', true],
  ['rclone', rclone, 'reject', true],
] as const) {
  const skip = (await isInstalled(name)) ? false : `${name} is not installed`;
  t.test(`${name}, checksums: ${checksumMode}, TLS: ${secure}`, { skip }, async (t) => {
    const dir = t.testdir({});
    const sim = await cluster(t, { dir: join(dir, 'sim'), vips: 2, plain: false, minPartBytes: 5 * MIB });
    sim.faults.apply({ modes: { checksums: checksumMode } });
    const [, url = ''] = secure ? sim.tlsUrls : sim.urls;
    const { accessKey, secretKey } = sim.credentials;
    const endpoint = { url, caFile: sim.ca?.file ?? '', accessKey, secretKey };
    await roundTrip(t, make(endpoint, dir, checksumMode), dir, countCompletions(sim));
  });
}

const skipCurl = (await isInstalled('curl')) ? false : 'curl is not installed';
t.test('curl signs for itself, and trusts the authority alone', { skip: skipCurl }, async (t) => {
  const dir = t.testdir({});
  const sim = await cluster(t, { dir: join(dir, 'sim'), vips: 2, plain: false });
  const { accessKey, secretKey } = sim.credentials;
  const signing = `user = "${accessKey}:${secretKey}"\naws-sigv4 = "aws:amz:us-east-1:s3"\nsilent\nshow-error\nfail\n`;
  writeFileSync(join(dir, 'curlrc'), signing);
  const curl = async (...args: string[]) => {
    const { stdout } = await run('curl', ['-q', '-K', join(dir, 'curlrc'), ...args], { timeout: PATIENCE_MS });
    return stdout;
  };
  const [first = '', second = ''] = sim.tlsUrls;
  const ca = ['--cacert', sim.ca?.file ?? ''];
  const unsigned = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
  await curl(...ca, ...unsigned, '-X', 'PUT', `${first}/bucket`);
  await curl(...ca, ...unsigned, '-X', 'PUT', '--data-binary', 'hello', `${first}/bucket/key`);
  t.equal(await curl(...ca, ...unsigned, `${second}/bucket/key`), 'hello', 'what one VIP took, another one gives');
  const port = new URL(second).port;
  const named = ['--connect-to', `${sim.dns.name}:${port}:127.0.1.2:${port}`];
  t.equal(await curl(...ca, ...unsigned, ...named, `https://${sim.dns.name}:${port}/bucket/key`), 'hello', 'by name');
  await t.rejects(curl(...unsigned, `${first}/bucket/key`), { code: 60 }, 'an unknown authority');
});
