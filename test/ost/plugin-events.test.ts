import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import type { Cluster } from '../../src/sim/cluster.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { run } from '../cli/support.ts';
import { ADMIN, api, expectStatus, s3, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

const DAY_MS = 86_400_000;

interface Told {
  readonly sequence: number;
  readonly type: string;
  readonly lsu: string;
  readonly image: string;
  readonly payload: Record<string, unknown>;
}

/** An engine on an LSU of a simulated cluster, with its management. */
async function site(t: Test): Promise<{ sim: Cluster; served: Served }> {
  const sim = await startSim(t, { plain: false, dir: tempDir() });
  const dir = tempDir();
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = sim.credentials;
  const caFile = sim.ca?.file ?? '';
  const url = sim.tlsUrls[0] ?? '';
  const storage = new S3Storage(new URL(url), { caFile, credentials: { accessKeyId, secretAccessKey } });
  await storage.createLsu('nbu');
  await storage.close();
  const secret = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const served = await Served.prepare(t, {
    server: `
store = s3:${url}
s3_ca_file = ${caFile}
s3_credentials_file = ${secret('keys', `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`)}
vms = ${sim.vmsUrl}
vms_ca_file = ${caFile}
vms_credentials_file = ${secret('vms', `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`)}
event_interval = 1s
rotate_hours = 0
[lsu test/nbu]
snapshot_keep = 7d
`,
  });
  return { sim, served };
}

/** Events after a number, once those that are waited for are there. */
async function eventsUntil(served: Served, after: number, ready: (told: readonly Told[]) => boolean): Promise<Told[]> {
  for (;;) {
    const { code, said } = await ostHost(served, ['events', '--after', String(after), '--interval', '0']);
    if (code !== 0) throw new Error(said);
    const told = said
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Told => {
        const [sequence = '', type = '', lsu = '', image = '', payload = ''] = line.split('\t');
        return { sequence: Number(sequence), type, lsu, image, payload: JSON.parse(payload) as Told['payload'] };
      });
    if (ready(told)) return told;
  }
}

const images = (told: readonly Told[]): Told[] => told.filter(({ type }) => type === 'image-complete');
const texts = (told: readonly Told[]): unknown[] =>
  told.filter(({ type }) => type === 'server').map(({ payload }) => payload['text']);

/**
 * What an NFS client sees of a snapshot: the cluster's bytes below `.snapshot/NAME` of the LSU's directory. The simulator serves no NFS,
 * so they are fetched from a clone of the snapshot.
 */
async function mountSnapshot(t: Test, sim: Cluster, snapshot: Record<string, unknown>, into: string): Promise<void> {
  const clone = { name: 'clone', loanee_root_path: '/clone' };
  await expectStatus(t, api(sim, 'POST', `/snapshots/${snapshot['id']}/clone/`, clone), 200);
  const view = { path: '/clone', policy_id: 2, protocols: ['S3'], bucket: 'clone', bucket_owner: 'sim' };
  await expectStatus(t, api(sim, 'POST', '/views/', view), 201);
  const client = s3(t, sim);
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'clone' }));
  for (const { Key = '' } of Contents) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'clone', Key }));
    const path = join(into, String(snapshot['name']), Key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await buffer(Body as NodeJS.ReadableStream));
  }
}

t.test(
  'alarms and images become events, also across a restart; a job leaves a snapshot, and that a restore',
  async (t) => {
    const { sim, served } = await site(t);
    await served.start();
    await sim.act({ do: 'raise-alarm', text: 'a drive failed' });
    const source = join(served.folder, 'source');
    writeFileSync(source, Buffer.alloc(3 * 1024 * 1024, 'what a snapshot keeps'));
    const backup = await ostHost(served, ['backup', '--lsu', 'nbu', '--image', 'job', '--file', source]);
    t.equal(backup.code, 0, backup.said);
    // The data and the header of the backup.
    const ready = (told: readonly Told[]): boolean => texts(told).length === 1 && images(told).length === 2;
    const first = await eventsUntil(served, 0, ready);
    t.match(
      first.find(({ type }) => type === 'server'),
      { lsu: '', image: '', payload: { severity: 'MAJOR', text: 'a drive failed' } },
    );
    const completed = images(first);
    t.ok(
      completed.every(
        ({ lsu, image, payload }) => lsu === 'nbu' && image.startsWith('job') && payload['image_id'] !== '',
      ),
    );
    const known = first.at(-1)?.sequence ?? 0;
    t.same(
      first.map(({ sequence }) => sequence),
      first.map((_, at) => at + 1),
    );

    const before = Date.now();
    t.equal(await served.stop(), 0);
    const after = Date.now();
    const snapshots = (await api(sim, 'GET', '/snapshots/')).body as Record<string, unknown>[];
    t.equal(snapshots.length, 1, 'an engine that stops takes the snapshot that waits');
    const [snapshot = {}] = snapshots;
    t.match(snapshot['name'], /^vast-ost-nbu-\d{8}T\d{6}Z$/);
    const keptMs = Date.parse(String(snapshot['expiration_time'])) - 7 * DAY_MS;
    t.ok(keptMs >= before && keptMs <= after, 'for seven days');

    await served.start();
    await sim.act({ do: 'raise-alarm', text: 'another drive failed' });
    const second = await eventsUntil(served, known, (told) => texts(told).length > 0);
    t.same(
      second.map(({ sequence }) => sequence),
      second.map((_, at) => known + 1 + at),
      'the numbers go on',
    );
    t.same(texts(second), ['another drive failed'], 'and nothing is told twice');
    t.match(
      second.find(({ type }) => type === 'lsu'),
      { lsu: 'nbu', payload: { snapshot: snapshot['name'] } },
    );
    const all = await eventsUntil(served, 0, ({ length }) => length > 0);
    t.same(all, [...first, ...second], 'whoever asks from the beginning hears of all');

    const deleted = await ostHost(served, ['delete', '--lsu', 'nbu', '--image', 'job']);
    t.equal(deleted.code, 0, deleted.said);
    t.equal(await served.stop(), 0);
    const mount = join(served.folder, 'mount');
    await mountSnapshot(t, sim, snapshot, join(mount, 'nbu', '.snapshot'));
    const store = ['--store', `file:${mount}`];
    const name = String(snapshot['name']);
    const restored = await run([...store, 'verify', 'nbu', '--snapshot', name]);
    t.equal(restored.code, 0, restored.stderr);
    const part = completed.map(({ image }) => image).find((image) => image.endsWith('_F1')) ?? 'job';
    const image = await run([...store, 'restore', 'nbu', part, '-', '--snapshot', name]);
    t.ok(image.stdout.equals(readFileSync(source)), image.stderr);
  },
);
