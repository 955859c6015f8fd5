import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { OST_HOST, ostHost } from '../../ost/support/ost-host.ts';
import { Served } from '../../ost/support/served.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { filesWith, ROOT, SHIPPED } from './support.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

/** A block of code, and the sentence before it. */
interface Block {
  readonly language: string;
  readonly text: string;
  readonly before: string;
}

/** The blocks of a section of docs/stages.md. */
function blocksOf(section: string): Block[] {
  const manual = readFileSync(join(ROOT, 'docs/stages.md'), 'utf8');
  const [, text = ''] = manual.split(`## ${section}\n`);
  const [own = ''] = text.split(/\n## /);
  const blocks = [...own.matchAll(/([^\n]*)\n\n```(\w*)\n(.*?)```/gs)];
  return blocks.map(([, before = '', language = '', body = '']) => ({ before, language, text: body }));
}

const dir = tempDir();
/** What the manual calls by these names is the test's own. */
const PLACES: readonly (readonly [string, string])[] = [
  ['/opt/vast-ost-stages', join(dir, 'installed')],
  ['/opt/vast-ost', join(dir, 'root/opt/vast-ost')],
  ['/tmp/backup', join(dir, 'backup')],
];
const local = (text: string): string =>
  PLACES.reduce((done, [name, place]) => done.replaceAll(new RegExp(`${name}(?![\\w-])`, 'g'), place), text);

const work = join(dir, 'work');
mkdirSync(work);
mkdirSync(join(dir, 'home'));
writeFileSync(join(dir, 'vast-ost.conf'), local('[general]\nstage_dir = /opt/vast-ost-stages\n'));

/** Run commands as an administrator would, without a network, in the folder in which the last ones ended. */
async function shell(commands: string, folder: string): Promise<{ code: number; said: string; folder: string }> {
  const env = [
    `PATH=${local('/opt/vast-ost')}/bin:${join(ROOT, 'node_modules/node/bin')}:/usr/bin:/bin`,
    `HOME=${join(dir, 'home')}`,
    // For the places that are another here; those of the machine have their defaults.
    `VAST_OST_CONFIG=${join(dir, 'vast-ost.conf')}`,
    'npm_config_offline=true',
    'npm_config_update_notifier=false',
  ];
  // Into a file: npm shuts down the sockets that Node gives its children for pipes, and whoever writes after it is killed.
  const script = `exec >"$HOME/said" 2>&1\nset -e\n${local(commands)}\npwd >"$HOME/folder"\n`;
  // Not with the hooks that tap gives to every Node that it sees.
  const child = spawn('env', ['-i', ...env, 'bash', '-c', script], { cwd: folder, stdio: 'ignore' });
  const [code] = (await once(child, 'close')) as [number];
  const said = readFileSync(join(dir, 'home/said'), 'utf8');
  return { code, said, folder: code === 0 ? readFileSync(join(dir, 'home/folder'), 'utf8').trim() : folder };
}

t.test('the tutorial of docs/stages.md, as it is written', async (t) => {
  const install = spawnSync(join(ROOT, 'deploy/install'), [join(dir, 'root')], {
    encoding: 'utf8',
    env: { ...process.env, PREFIX: '/opt/vast-ost' },
  });
  t.equal(install.status, 0, install.stderr);
  for (const name of SHIPPED) t.ok(existsSync(join(local('/opt/vast-ost'), 'stages', name, 'index.js')), name);

  const blocks = blocksOf('From nothing to a published stage');
  t.same(
    blocks.map(({ language }) => language),
    ['', 'js', 'js', '', '', 'ini'],
    'the manual has what this test expects',
  );
  let folder = work;
  let settings = '';
  const said: string[] = [];
  for (const { language, text, before } of blocks) {
    if (language === 'js') {
      const [, file = ''] = /`([\w./]+\.js)`/.exec(before) ?? [];
      t.ok(existsSync(join(folder, file)), `${file} is a file of the new package`);
      writeFileSync(join(folder, file), text);
    } else if (language === 'ini') settings += text;
    else {
      const done = await shell(text, folder);
      t.equal(done.code, 0, done.said);
      folder = done.folder;
      said.push(done.said);
    }
  }
  t.match(said[0], /@acme\/vast-ost-stage-mask 1\.0\.0 \(transform\) passes all \d+ checks/, 'as it was made');
  t.match(said[1], /@acme\/vast-ost-stage-mask 1\.0\.0 \(transform\) passes all \d+ checks/, 'as it was changed');
  t.match(said[2], /passes all/, 'as it was installed');
  t.ok(readdirSync(join(dir, 'installed/node_modules/@acme')).includes('vast-ost-stage-mask'));

  // NetBackup's images pass through it: the installed engine, plugin and package.
  const [, list = ''] = /^stages = (.*)$/m.exec(settings) ?? [];
  const served = await Served.prepare(t, {
    general: `stage_dir = ${join(dir, 'installed')}\nstages = ${list}`,
    performance: 'chunk_size_mb = 1\npart_size_mb = 1',
  });
  served.main = join(local('/opt/vast-ost'), 'dist/cli/main.js');
  await served.start();
  const canary = 'what the mask hides';
  const file = join(dir, 'data');
  writeFileSync(file, canary.repeat(100_000));
  const program = join(local('/opt/vast-ost'), 'build/ost-host');
  const image = ['--lsu', 'lsu-1', '--image', 'client_1700000000', '--file'];
  const made = await ostHost(served, ['backup', ...image, file], { program });
  t.equal(made.code, 0, made.said);
  t.same(filesWith(join(served.folder, 'store'), [canary]), []);
  const masked = Buffer.from(canary).map((byte) => byte ^ 90);
  t.equal(filesWith(join(served.folder, 'store'), [Buffer.from(masked)]).length, 1);
  const back = await ostHost(served, ['restore', ...image, join(dir, 'copy')], { program });
  t.equal(back.code, 0, back.said);
  t.ok(readFileSync(join(dir, 'copy')).equals(readFileSync(file)));
});
