import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { listImages } from '../../../src/image/catalog.ts';
import { imageIdOf } from '../../../src/image/identity.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { identity, MIB, randomBytes, readImage, testResources } from '../../image/support.ts';
import { orphans } from '../../support/orphans.ts';
import { promise } from '../../support/promise.ts';
import { tempDir } from '../../support/temp-dir.ts';

// A backup into a directory whose system calls fail: really, below Node, one after another.

const DATA = randomBytes(2 * MIB + 5);
const { ENOSPC, EDQUOT, EIO, ESTALE } = constants.errno;
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Outcome {
  readonly outcome: string;
  readonly message: string;
  readonly held: number;
}

/** Build what lets file operations fail; the environment of a process whose operations below `root` do. */
function preload(dir: string, root: string, faults: string): NodeJS.ProcessEnv {
  const shim = `${dir}/faulty.so`;
  const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  execFileSync('cc', [...flags, '-o', shim, path('faulty-files.c'), '-ldl']);
  return { ...process.env, LD_PRELOAD: shim, VOST_FILE_FAULTS: faults, VOST_FILE_PREFIX: root };
}

/** A process whose file operations below `root` fail as it is told. */
function faultyProcess(dir: string, root: string) {
  const faults = `${dir}/faults`;
  const env = preload(dir, root, faults);
  const child = spawn(process.execPath, [path('faulty-child.ts'), root, faults], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    backUp: async (lsu: string, fault: string): Promise<Outcome & { hits: number }> => {
      rmSync(`${faults}.hits`, { force: true });
      child.stdin.write(`${JSON.stringify({ lsu, fault })}\n`);
      const { value = '{}' } = await lines.next();
      const hits = existsSync(`${faults}.hits`) ? statSync(`${faults}.hits`).size : 0;
      return { ...(JSON.parse(String(value)) as Outcome), hits };
    },
    end: async (): Promise<void> => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

t.test('every write, flush and rename of a backup fails in turn', async (t) => {
  promise({
    row: '14',
    promise:
      'A full file system or quota fails the backup as full, wherever it runs full; no image is visible (but a whole one whose last flush failed), and gc names all that is left',
    fault: 'ENOSPC, EDQUOT from the n-th write, fsync or rename of a backup on, for every n',
  });
  promise({
    row: '14',
    promise:
      'EIO and ESTALE that pass are survived or fail the backup as something to be tried again; what was told stored is stored',
    fault: 'EIO, ESTALE at the n-th write, fsync or rename of a backup, once or for ever, for every n',
  });
  const dir = tempDir();
  // Thousands of flushes: what a disk needs for them is not the matter here.
  const memory = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/vost-faults-') : dir;
  t.teardown(() => rmSync(memory, { recursive: true, force: true }));
  const root = `${memory}/folder`;
  mkdirSync(root, { recursive: true });
  const faulty = faultyProcess(dir, root);
  const storage = new FileStorage(root);
  t.teardown(() => storage.close());
  const resources = testResources(t);
  const imageId = imageIdOf(identity('x'));
  let serial = 0;
  const tally: Record<string, number> = {};
  for (const [name, number, count] of [
    ['ENOSPC', ENOSPC, 1e6],
    ['EDQUOT', EDQUOT, 1e6],
    ['EIO', EIO, 1],
    ['EIO for ever', EIO, 1e6],
    ['ESTALE', ESTALE, 1],
  ] as const) {
    for (const op of ['write', 'sync', 'rename']) {
      let nth = 0;
      for (;;) {
        nth += 1;
        serial += 1;
        const lsu = `lsu-${serial}`;
        mkdirSync(`${root}/${lsu}`);
        const { outcome, message, held, hits } = await faulty.backUp(lsu, `${op} ${number} ${nth} ${count}`);
        const what = `${name} at ${op} ${nth}`;
        if (hits === 0) break;
        tally[`${name} ${outcome}`] = (tally[`${name} ${outcome}`] ?? 0) + 1;
        t.equal(held, 0, `${what}: no memory is held`);
        t.match(outcome, count > 1 && number !== EIO ? /^(capacity|ok)$/ : /^(retryable|ok)$/, `${what}: ${message}`);
        const store = await storage.open(lsu);
        t.same(await orphans(store, `${root}/${lsu}`), [], `${what}: gc names what is left`);
        const images = await Array.fromAsync(listImages(store));
        const visible = images.some(({ state }) => state === 'complete');
        // The manifest has its name, but whether that outlives a crash could not be found out.
        const inDoubt = visible && outcome !== 'ok';
        if (inDoubt) tally['in doubt'] = (tally['in doubt'] ?? 0) + 1;
        if (inDoubt) t.equal(op, 'sync', `${what}: only the last flush leaves a doubt`);
        else t.equal(visible, outcome === 'ok', `${what}: ${outcome}`);
        if (visible) t.ok((await readImage(store, resources, imageId)).equals(DATA), `${what}: the bytes are there`);
        rmSync(`${root}/${lsu}`, { recursive: true });
      }
      t.ok(nth > 3, `${name}: ${nth - 1} times ${op}`);
    }
  }
  t.comment(JSON.stringify(tally));
  for (const kind of ['ENOSPC capacity', 'EDQUOT capacity', 'EIO ok', 'EIO for ever retryable', 'ESTALE ok'])
    t.ok((tally[kind] ?? 0) > 0, kind);
  t.ok((tally['in doubt'] ?? 0) <= 5, 'once for each kind of failure');
  await faulty.end();
});

t.test('a mount that hangs holds up its own images only', async (t) => {
  promise({
    row: '15',
    promise: 'Images on a mount that hangs wait until it is back and end well; those of other storages go on meanwhile',
    fault: 'every fsync into one directory hangs under 24 backups, in a process with 8 threads; another goes elsewhere',
  });
  const dir = tempDir();
  for (const folder of ['hangs/lsu', 'well/lsu']) mkdirSync(`${dir}/${folder}`, { recursive: true });
  const faults = `${dir}/faults`;
  const env = { ...preload(dir, `${dir}/hangs`, faults), UV_THREADPOOL_SIZE: '8' };
  const child = spawn(process.execPath, [path('hang-child.ts'), dir, faults], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = await Array.fromAsync(createInterface(child.stdout));
  t.same(lines, ['3 hang', 'well: complete', 'hangs: 24 complete, 0 calls left']);
});
