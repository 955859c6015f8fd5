import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkMount, findMount } from '../../../src/vast/nfs/mount.ts';
import { refusal } from '../../support/refusal.ts';

const mounts = (...lines: [string, string, string][]): string =>
  lines
    .map(([point, type, source], at) => `${at} 1 0:${at} / ${point} rw,relatime shared:1 - ${type} ${source} rw\n`)
    .join('');

t.test('the mount of a path', async (t) => {
  const text = mounts(
    ['/', 'ext4', '/dev/sda1'],
    ['/mnt', 'tmpfs', 'tmpfs'],
    ['/mnt/a\\040b', 'nfs', '10.0.0.1:/x\\040y'],
    ['/mnt', 'nfs4', 'vip:/vast-ost'],
  );
  t.match(findMount(text, '/mnt/file'), { type: 'nfs4', source: 'vip:/vast-ost' }, 'the last one is on top');
  t.match(findMount(text, '/mnt/a b/c'), { type: 'nfs', source: '10.0.0.1:/x y' });
  t.match(findMount(text, '/mntx'), { type: 'ext4', options: ['rw', 'relatime', 'rw'] });
  t.equal(findMount('', '/'), undefined);
});

t.test('a directory that is not what it claims', async (t) => {
  const dir = t.testdir({});
  const check = (type: string, source: string) =>
    checkMount(dir, '/vast-ost', async () => mounts(['/', 'ext4', 'disk'], [dir, type, source]));
  await check('nfs', '10.0.0.1:/vast-ost');
  await check('nfs4', '[fd00::1]:/vast-ost/');
  const sub = join(dir, 'lsus', 'one');
  mkdirSync(sub, { recursive: true });
  const below = (source: string, exported: string) =>
    checkMount(sub, exported, async () => mounts(['/', 'ext4', 'disk'], [dir, 'nfs4', source]));
  await below('h:/vast-ost', '/vast-ost/lsus/one');
  await below('h:/', '/lsus/one');
  const wrong = (message: RegExp) => refusal('retryable', { code: 'VOST_NOT_MOUNTED', message });
  await t.rejects(check('nfs', '10.0.0.1:/other'), wrong(/is a mount of 10.0.0.1:\/other, not of \/vast-ost/));
  await t.rejects(below('h:/vast-ost', '/vast-ost'), wrong(/is a mount of h:\/vast-ost\/lsus\/one, not of \/vast-ost/));
  await t.rejects(check('nfs4', 'odd'), wrong(/is a mount of/));
  await t.rejects(check('ext4', 'disk'), wrong(/is no NFS mount/));
  await t.rejects(checkMount(`${dir}/none`, '/vast-ost'), wrong(/cannot be looked at/));
  await t.rejects(
    checkMount(dir, '/vast-ost', async () => ''),
    wrong(/is no NFS mount/),
  );
});
