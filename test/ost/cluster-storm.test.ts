import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { ServerRegistry } from '../../src/ost/server-registry.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { MIB, randomBytes, readImage, testResources, writeImage, writerOptions } from '../image/support.ts';
import { ADMIN, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';

t.setTimeout(300_000);

const IMAGES = 64;
const AT_ONCE = 16;
const VIPS = 4;
const VMS_MS = 20_000;
const PART_BYTES = 5 * MIB;
const data = randomBytes(PART_BYTES + MIB / 2 + 3, 'cluster storm');

/** What a server of the configuration does while its cluster falls apart around it. */
t.test('64 images while VIPs fail one after another, tokens end every 2 s and VMS takes 20 s', async (t) => {
  const sim = await startSim(t, { plain: false, vips: VIPS, dir: tempDir(), minPartBytes: PART_BYTES });
  const vips = sim.urls.map((url) => new URL(url).hostname);
  const dir = tempDir();
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = sim.credentials;
  const caFile = sim.ca?.file ?? '';
  const secret = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const storage = new S3Storage(new URL(sim.tlsUrls[0] ?? ''), {
    caFile,
    credentials: { accessKeyId, secretAccessKey },
  });
  await storage.createLsu('nbu');
  await storage.close();
  const config = `
[engine]
state_dir = ${dir}
[server prod]
store = s3:${sim.tlsUrls[0]}
s3_ca_file = ${caFile}
s3_credentials_file = ${secret('keys', `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`)}
vms = ${sim.vmsUrl}
vms_ca_file = ${caFile}
vms_credentials_file = ${secret('vms', `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`)}
vip_pool = main
rotate_hours = 0
`;
  await sim.act({ do: 'token-lifetime', access: '2' });
  const registry = await ServerRegistry.open(buildSettings(parseIni(config, 'x.conf')), pino({ level: 'silent' }));
  t.teardown(() => registry.close());
  const server = registry.get('VastData:prod');
  const store = await server.open('nbu');
  const resources = testResources(t, 512 * MIB);

  // Every request meets the delay when it comes in, also one whose answer nobody waits for any more.
  const vmsRequests = (): number =>
    sim.log.entries().filter(({ where, event }) => where === 'vms' && event === 'fault').length;
  const write = async (store: ObjectStore, name: string): Promise<string> => {
    const options = writerOptions(resources, name, { partBytes: PART_BYTES });
    return (await writeImage(store, resources, options, data, MIB)).imageId;
  };
  const perVip = (): number[] => (sim.show() as { vips: { requests: number }[] }).vips.map(({ requests }) => requests);

  await write(store, 'calm');
  sim.faults.apply({ rules: [{ where: 'vms', effect: { kind: 'delay', ms: VMS_MS } }] });
  const begun = performance.now();

  // One VIP after another is down in its own way; every second image moves the failure on.
  const ways = ['refuse', 'reset', 'hang'] as const;
  let done = 0;
  let broken = 0;
  const images: string[] = [];
  const step = async (): Promise<void> => {
    done += 1;
    if (done % 8 !== 0) return;
    const [well, ill] = [vips[broken % VIPS], vips[(broken + 1) % VIPS]];
    broken += 1;
    if (well !== undefined) await sim.act({ do: 'vip-up', vip: well });
    if (ill !== undefined) await sim.act({ do: 'vip-down', vip: ill, how: ways[broken % ways.length] ?? 'refuse' });
  };
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < IMAGES; at = next++) {
      images.push(await write(store, `storm-${at}`));
      // The token has ended between any two of these.
      await server.capacity('nbu');
      await step();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  t.equal(images.length, IMAGES, 'no image failed');
  t.ok(broken >= VIPS, 'every VIP has failed once');

  const seconds = (performance.now() - begun) / 1000;
  const asked = vmsRequests();
  // A token each time, a list of VIPs, three facts: one after the other, never more than time allows for 20 s each.
  t.ok(asked <= 4 + (4 * seconds) / (VMS_MS / 1000), `${asked} VMS requests in ${seconds.toFixed(0)} s`);
  t.ok(asked < IMAGES / 2, 'none per image');

  for (const vip of vips) await sim.act({ do: 'vip-up', vip });
  for (const image of images.filter((_, at) => at % 8 === 0)) {
    t.ok((await readImage(store, resources, image)).equals(data), `${image} comes back bit for bit`);
  }
  // Throughput is back when every VIP serves again.
  for (let round = 0; ; round += 1) {
    const before = perVip();
    await Promise.all(Array.from({ length: 8 }, (_, at) => write(store, `after-${round}-${at}`)));
    if (perVip().every((count, at) => count > (before[at] ?? 0))) break;
    await delay(100);
  }
});
