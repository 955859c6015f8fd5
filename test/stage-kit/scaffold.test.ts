import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createStage } from '../../src/stage-kit/scaffold.ts';
import { refusal } from '../support/refusal.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Without what tap adds for programs of ours. */
const env = { PATH: process.env['PATH'] };
const KINDS = ['transform', 'observer', 'router'] as const;

t.test('a new package passes its own tests, the kit, and the type checker', async (t) => {
  const dir = t.testdir({ node_modules: {} });
  symlinkSync(ROOT, join(dir, 'node_modules/vast-ost'));
  for (const kind of KINDS) {
    const folder = join(dir, kind);
    const name = `@acme/vast-ost-stage-${kind}`;
    const files = await createStage(name, kind, folder);
    t.match(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')), { name, version: '1.0.0' });
    for (const file of files) t.notMatch(readFileSync(join(folder, file), 'utf8'), /STAGE_NAME/, file);
    const own = spawnSync(process.execPath, ['--test'], { cwd: folder, encoding: 'utf8', env });
    t.equal(own.status, 0, own.stdout + own.stderr);
    const main = join(ROOT, 'src/cli/main.ts');
    const kit = spawnSync(process.execPath, [main, '--json', 'stage', 'test', folder, '--seconds', '0'], {
      encoding: 'utf8',
      env,
    });
    t.equal(kit.status, 0, kit.stdout + kit.stderr);
    t.match(kit.stdout, new RegExp(`{"stage":"${name}","version":"1.0.0","kind":"${kind}","result":"ok"`));
    // Not with the hooks that tap gives to every Node that it sees.
    const compiler = [process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder];
    const types = spawnSync('env', ['-i', `PATH=${process.env['PATH']}`, ...compiler], { encoding: 'utf8' });
    t.equal(types.status, 0, types.stdout + types.stderr);
  }
});

t.test('nothing is overwritten, and names are checked', async (t) => {
  const dir = t.testdir({ full: { file: '' } });
  await t.rejects(
    createStage('vast-ost-stage-x', 'router', join(dir, 'full')),
    refusal('usage', { code: 'VOST_STAGE_FOLDER' }),
  );
  for (const name of ['x', 'vast-ost-stage-', 'Vast-ost-stage-x', '../vast-ost-stage-x', 'vast-ost-stage-x y'])
    await t.rejects(createStage(name, 'router', join(dir, 'new')), refusal('usage', { code: 'VOST_STAGE_NAME' }), name);
  mkdirSync(join(dir, 'empty'));
  await t.resolves(createStage('vast-ost-stage-x', 'router', join(dir, 'empty')));
});
