/**
 * A real Prometheus that scrapes a running engine on a simulated cluster: every query of every dashboard has an answer, the rules are
 * well, and counters keep their meaning when the engine is killed.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DASHBOARDS } from '../../grafana/all.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { freePort, Prometheus } from '../grafana/prometheus.ts';
import { expressionsOf } from '../grafana/queries.ts';
import { Host, imageId } from '../ost/support/host.ts';
import { Served } from '../ost/support/served.ts';
import { ADMIN, cluster } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';

const MIB = 1024 * 1024;
const LSU = 'nbu';
/** Prometheus scrapes each second: rates need two samples, and bytes that flow meanwhile. */
const WINDOW = '10s';
const data = Buffer.alloc(12 * MIB + 512, 'of a backup ');

/** An engine with VMS and VIPs; resolves to its address for Prometheus too. */
async function engine(t: Test): Promise<{ readonly served: Served; readonly address: string }> {
  const sim = await cluster(t, { plain: false, vips: 2, minPartBytes: 5 * MIB });
  const dir = tempDir();
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = sim.credentials;
  const caFile = sim.ca?.file ?? '';
  const secret = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const credentials = { accessKeyId, secretAccessKey };
  const storage = new S3Storage(new URL(sim.tlsUrls[0] ?? ''), { caFile, credentials });
  await storage.createLsu(LSU);
  await storage.close();
  const address = `127.0.0.1:${await freePort()}`;
  const server = `
store = s3:${sim.tlsUrls[0]}
s3_ca_file = ${caFile}
s3_credentials_file = ${secret('keys', `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`)}
vms = ${sim.vmsUrl}
vms_ca_file = ${caFile}
vms_credentials_file = ${secret('vms', `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`)}
vip_pool = main
event_interval = 1s
scrub_interval = 1h`;
  const performance = 'chunk_size_mb = 5\ncompression = lz4';
  const served = await Served.prepare(t, { server, performance, engine: 'lanes = 1', metrics: `listen = ${address}` });
  await served.start();
  return { served, address };
}

/** A host that does what all panels show; each round is one image. */
class Rounds {
  readonly #host = new Host({ slotBytes: 8 * MIB });
  #images = 0;

  async connect(t: Test, { socket }: Served): Promise<void> {
    t.teardown(() => this.#host.close());
    await this.#host.connect(socket);
    await this.#host.openServer();
    await this.#host.ask('LSU_LIST', { server: 1n, max: 10, cursor: '' });
  }

  async again({ socket }: Served): Promise<void> {
    await this.#host.disconnect();
    await this.#host.connect(socket);
    await this.#host.openServer();
  }

  async run(): Promise<void> {
    this.#images += 1;
    const id = imageId(`image-${this.#images}`);
    const handle = BigInt(this.#images);
    await this.#host.backup(handle, id, data, LSU);
    await this.#host.restore(handle + 1000n, id, LSU);
    await this.#host.ask('LSU_PROP', { server: 1n, lsu: LSU });
  }
}

t.setTimeout(240_000);

t.test('every query has an answer, every rule is well, and a killed engine loses no count', async (t) => {
  const { served, address } = await engine(t);
  const prometheus = await Prometheus.start(t, address);
  // Whoever was never seen at 0 has no increase.
  await prometheus.until('vast_ost_images_total{operation="write",result="complete"} == 0');
  const rounds = new Rounds();
  await rounds.connect(t, served);

  let silent = expressionsOf(DASHBOARDS, WINDOW);
  let written = 0;
  const deadline = performance.now() + 60_000;
  while (silent.length > 0 && performance.now() < deadline) {
    await rounds.run();
    written += 1;
    const answers = await Promise.all(silent.map(({ expr }) => prometheus.query(expr)));
    silent = silent.filter((_, at) => answers[at]?.every(({ value }) => value[1] === 'NaN'));
  }
  t.strictSame(
    silent.map(({ where }) => where),
    [],
    'every panel shows something',
  );
  const rules = await prometheus.rules();
  t.ok(rules.length > 20, 'the rules are there');
  t.strictSame(
    rules.filter(({ health }) => health !== 'ok'),
    [],
  );
  t.strictSame(
    rules.filter(({ state }) => state === 'firing'),
    [],
    'and nothing is wrong',
  );

  const complete = 'vast_ost_images_total{operation="write",result="complete"}';
  await prometheus.until(`${complete} == ${written}`);
  await served.kill();
  await prometheus.until('up{job="vast-ost"} == 0');
  await served.start();
  await rounds.again(served);
  for (let more = 0; more < 2; more += 1) await rounds.run();
  await prometheus.until(`${complete} == 2`);
  const total = written + 2;
  const increase = Number((await prometheus.query(`increase(${complete}[5m])`))[0]?.value[1]);
  t.ok(Math.abs(increase / total - 1) < 0.15, `${increase} of ${total} images`);
  const bytes = Number(
    (await prometheus.query('increase(vast_ost_image_bytes_total{operation="write"}[5m])'))[0]?.value[1],
  );
  t.ok(Math.abs(bytes / (total * data.byteLength) - 1) < 0.15, `${bytes} bytes of ${total * data.byteLength}`);
  t.equal(await served.stop(), 0);
});
