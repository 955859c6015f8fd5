import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, run } from './support.ts';

t.test('an image that was deleted comes back from a snapshot', async (t) => {
  const folder = t.testdir({ lsu: {} });
  const store = ['--store', `file:${folder}`];
  const data = Buffer.from('what a snapshot keeps');
  await run([...store, 'backup', 'lsu', 'image', '-', '--date', '1'], { input: data });
  // What a server does; it shows the folder to whoever asks for it by name.
  const snapshot = join(folder, 'lsu', '.snapshot', 'nightly');
  mkdirSync(snapshot, { recursive: true });
  cpSync(join(folder, 'lsu', 'netbackup'), join(snapshot, 'netbackup'), { recursive: true });
  t.equal((await run([...store, 'delete', 'lsu', 'image'])).code, 0);

  t.strictSame(jsonLines(await run([...store, '--json', 'list', 'lsu', '--snapshots'])), [{ snapshot: 'nightly' }]);
  t.strictSame(jsonLines(await run([...store, '--json', 'list', 'lsu'])), []);
  t.match(jsonLines(await run([...store, '--json', 'list', 'lsu', '--snapshot', 'nightly'])), [{ state: 'complete' }]);
  const restored = await run([...store, 'restore', 'lsu', 'image', '-', '--snapshot', 'nightly']);
  t.strictSame(restored.stdout, data);
  t.equal((await run([...store, 'verify', 'lsu', '--snapshot', 'nightly'])).code, 0);
  t.equal((await run([...store, 'show', 'lsu', 'image', '--snapshot', 'nightly'])).code, 0);
  t.equal((await run([...store, 'restore', 'lsu', 'image', '-', '--snapshot', 'weekly'])).code, 3);
  rmSync(join(folder, 'lsu'), { recursive: true });
});
