import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, SHIPPED, stageName } from './support.ts';

const env = { PATH: `${join(ROOT, 'bin')}:${process.env['PATH']}`, HOME: '/nonexistent' };

t.test('the packages pass their own tests and the kit, wherever they lie', async (t) => {
  const dir = t.testdir({ node_modules: {} });
  symlinkSync(ROOT, join(dir, 'node_modules/vast-ost'));
  for (const name of SHIPPED) {
    const folder = join(dir, name);
    cpSync(join(ROOT, 'examples/stages', name), folder, { recursive: true });
    const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { files: string[]; name: string };
    t.equal(about.name, stageName(name));
    for (const file of [...about.files, 'README.md']) t.ok(existsSync(join(folder, file)), `${name}/${file}`);
    const scripts = spawnSync('npm', ['--offline', 'test'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...env, TMPDIR: dir },
    });
    t.equal(scripts.status, 0, scripts.stdout + scripts.stderr);
    t.match(scripts.stdout, new RegExp(`${stageName(name)} 1\\.0\\.0 \\(\\w+\\) passes all \\d+ checks`));
  }
});
