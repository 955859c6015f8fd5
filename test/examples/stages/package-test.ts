import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, type Shipped, stageName } from './support.ts';

/** A package passes its own tests and the kit, wherever it lies. */
export function packageTest(name: Shipped): void {
  t.test(`the package ${name}, its tests and the kit`, async (t) => {
    const dir = t.testdir({ node_modules: {} });
    symlinkSync(ROOT, join(dir, 'node_modules/vast-ost'));
    const folder = join(dir, name);
    cpSync(join(ROOT, 'examples/stages', name), folder, { recursive: true });
    const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { files: string[]; name: string };
    t.equal(about.name, stageName(name));
    for (const file of [...about.files, 'README.md']) t.ok(existsSync(join(folder, file)), file);
    const env = { PATH: `${join(ROOT, 'bin')}:${process.env['PATH']}`, HOME: dir, TMPDIR: dir };
    const own = spawnSync('npm', ['--offline', 'test'], { cwd: folder, encoding: 'utf8', env });
    t.equal(own.status, 0, own.stdout + own.stderr);
    t.match(own.stdout, new RegExp(`${stageName(name)} 1\\.0\\.0 \\(\\w+\\) passes all \\d+ checks`));
  });
}
