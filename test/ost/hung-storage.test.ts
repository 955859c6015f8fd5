import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { promise } from '../support/promise.ts';
import { type Hang, HungScene } from './support/hung-storage.ts';
import { OST_HOST } from './support/ost-host.ts';

// The kernel gives back no call on two of an engine's directories: a shim below Node holds them.

t.test('an engine whose mounts hang', { skip: existsSync(OST_HOST) ? false : 'ost-host is not built' }, async (t) => {
  promise({
    row: '15',
    promise:
      'While mounts hang, images of other storages begin, continue, complete, restore and are listed and deleted; polls are answered; what waited goes on when the mounts are back, and nothing is left of it',
    fault: 'every call on two directories hangs under 12 images and 16 listings, in an engine with 8 threads',
  });
  promise({
    row: '15',
    promise:
      'An engine that is stopped while a mount hangs ends, names the mount, and its jobs go on with the next one',
    fault: 'SIGTERM while calls on two directories hang',
  });
  promise({
    row: '14',
    promise:
      'While a directory of a running engine fails, images of the others go on; those on it end well when it is back, or are told to be tried again',
    fault: 'EIO, ESTALE of every call on two directories under 12 images',
  });
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'vost-hung-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const shim = join(folder, 'faulty.so');
  const source = fileURLToPath(new URL('../vast/nfs/faulty-files.c', import.meta.url));
  execFileSync('cc', ['-std=c11', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', shim, source, '-ldl']);
  const faults = join(folder, 'faults');
  const env = { LD_PRELOAD: shim, VOST_FILE_FAULTS: faults, VOST_FILE_PREFIX: join(folder, 'hung') };
  const hang: Hang = {
    begin: async () => writeFileSync(faults, 'all -1 1 1000000'),
    end: async () => writeFileSync(faults, ''),
  };
  t.teardown(() => hang.end());
  const hung = [{ path: join(folder, 'hung/a') }, { path: join(folder, 'hung/b') }] as const;
  const scene = await HungScene.start(t, hung, { path: join(folder, 'well') }, env);
  await scene.goesOn(hang);
  for (const number of [constants.errno.EIO, constants.errno.ESTALE])
    await scene.goesOnDespite({ ...hang, begin: async () => writeFileSync(faults, `all ${number} 1 1000000`) });
  await scene.stops(hang);
});
