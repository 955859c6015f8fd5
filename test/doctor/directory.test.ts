import t from 'tap';
import { findMount } from '../../src/doctor/directory.ts';

const MOUNTS = [
  '21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '40 21 0:40 / /mnt/vast rw,relatime shared:2 - nfs4 vast:/backup rw,vers=4.1,nconnect=8,hard',
  '41 21 0:41 / /mnt/with\\040space rw - nfs vast:/other ro,vers=3,soft',
  '42 40 0:42 / /mnt/vast rw - tmpfs over rw',
].join('\n');

t.test('the mount of a path', async (t) => {
  t.match(findMount('/etc', MOUNTS), { point: '/', type: 'ext4', source: '/dev/sda1' });
  t.match(findMount('/mnt/vast2', MOUNTS), { point: '/' }, 'no part of a name');
  t.match(findMount('/mnt/vast/lsu', MOUNTS), { type: 'tmpfs' }, 'what was mounted last covers the rest');
  t.match(findMount('/mnt/with space', MOUNTS), { type: 'nfs', options: ['rw', 'ro', 'vers=3', 'soft'] });
  t.equal(findMount('/etc', ''), undefined);
});
