import t from 'tap';
import { wantedOf } from '../../src/cli/wanted.ts';
import { parseIni } from '../../src/config/ini.ts';
import { dataOf, mountedLsus } from '../../src/config/lsu-data.ts';
import { lsuPlaces } from '../../src/config/lsu-place.ts';
import { buildSettings, type ServerSettings, type Settings } from '../../src/config/settings.ts';
import { locksImages, wormOf } from '../../src/config/worm-settings.ts';
import { refusal } from '../support/refusal.ts';

const build = (text: string): Settings => buildSettings(parseIni(text, 'x.conf'));
const S3 = '[server a]\nstore = s3:https://h:1\n';
const NFS = '[server a]\nstore = file:/mnt/all\ndata = nfs\n';

t.test('LSUs of one server, each with its data path', async (t) => {
  const settings = build(`${S3}worm_retention = 30d
lsus = plain
[lsu a/bucket]
data = s3
[lsu a/files]
data = nfs
mount_point = /mnt/files
quota = 1T
[lsu a/far]
data = nfs
mount_point = /mnt/far away
path = /other/far
[server b]
store = s3:https://h:2
`);
  t.strictSame(
    ['plain', 'bucket', 'files', 'far'].map((lsu) => dataOf(settings, 'a', lsu)),
    ['s3', 's3', 'nfs', 'nfs'],
  );
  t.strictSame(
    [...mountedLsus(settings, 'a')],
    [
      ['files', { directory: '/mnt/files', exported: '/vast-ost/files' }],
      ['far', { directory: '/mnt/far away', exported: '/other/far' }],
    ],
  );
  t.strictSame([...mountedLsus(settings, 'b')], []);
  const placeOf = lsuPlaces('a', settings);
  t.strictSame(placeOf('bucket'), { bucket: 'bucket' });
  t.strictSame(placeOf('files'), { path: '/vast-ost/files' });
  t.strictSame(placeOf('far'), { path: '/other/far' });
  const wanted = wantedOf('a', settings, settings.servers.get('a') as ServerSettings);
  t.equal(wanted.data, 's3');
  t.match(wanted.lsus, [
    { name: 'bucket', data: 's3' },
    { name: 'far', data: 'nfs', path: '/other/far' },
    { name: 'files', data: 'nfs', quota: 2 ** 40 },
    { name: 'plain', data: 's3' },
  ]);
  t.ok(wormOf(settings, 'a', 'plain').retentionMs);
  t.equal(wormOf(settings, 'a', 'files').retentionMs, undefined, 'only S3 has locks');
  t.equal(locksImages(settings, 'a'), true);

  const nfs = build(`${NFS}[lsu a/x]\nquota = 1T\n`);
  t.equal(dataOf(nfs, 'a', 'x'), 'nfs');
  t.strictSame(lsuPlaces('a', nfs)('x'), { path: '/vast-ost/x' });
});

t.test('mistakes', async (t) => {
  const bad = (text: string, message: RegExp): void =>
    void t.throws(() => build(text), refusal('usage', { code: 'VOST_CONFIG', message }), text);
  const lsu = '[lsu a/x]\n';
  const mounted = `${S3}${lsu}data = nfs\nmount_point = /mnt/x\n`;
  bad(`${S3}${lsu}data = nfs\n`, /^\[lsu a\/x\]: data = nfs needs mount_point/);
  bad(`${S3}${lsu}mount_point = /mnt/x\n`, /mount_point needs data = nfs/);
  bad(`${S3}${lsu}data = s3\nmount_point = /mnt/x\n`, /mount_point needs data = nfs/);
  bad(`${S3}${lsu}data = smb\nmount_point = /mnt/x\n`, /data = smb/);
  bad(`${S3}${lsu}data = nfs\nmount_point = mnt\n`, /absolute path/);
  bad(`${S3}${lsu}data = nfs\nmount_point = /mnt/\n`, /without a trailing slash/);
  for (const more of ['data = s3', 'data = nfs', 'mount_point = /mnt/x', 'data = nfs\nmount_point = /mnt/x']) {
    bad(`${NFS}${lsu}${more}\n`, /are for servers with store = s3:URL/);
  }
  for (const key of ['worm_retention = 30d', 'worm_mode = compliance', 'min_retention = 2d']) {
    bad(`${mounted}${key}\n`, /needs data = s3: a directory has no locks/);
  }
  bad(`${mounted}object_lock = governance\n`, /object_lock need data = s3/);
  bad(`${mounted}versioning = yes\n`, /versioning and object_lock need/);
  bad(`${mounted}[lsu a/y]\ndata = nfs\nmount_point = /mnt/x\n`, /mount_point lies in that of/);
  bad(`${mounted}[lsu a/y]\ndata = nfs\nmount_point = /mnt/x/y\n`, /^\[lsu a\/y\]: mount_point lies in that of x/);
  bad(`${mounted}path = /vast-ost/y\n[lsu a/y]\nquota = 1T\n`, /^\[lsu a\/x\]: its path is that of y/);
  bad(`${S3}lsus = y\n${lsu}data = nfs\nmount_point = /mnt/x\npath = /vast-ost/y\n`, /its path is that of y/);
  t.ok(build(`${mounted}[lsu a/y]\ndata = nfs\nmount_point = /mnt/xy\n`));
});
