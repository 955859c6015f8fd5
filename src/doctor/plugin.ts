import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { EngineSettings } from '../config/settings.ts';
import { VERSION } from '../version.ts';
import { type Findings, failure, look, note, ok, type Seen, warning } from './finding.ts';

const SUBJECT = 'plugin';
const LIBRARIES = ['libstspiVastData.so', 'libstspiVastDataMT.so'] as const;
const CONFIGURATION = '/etc/vast-ost/plugin.conf';
const DEFAULT_SOCKET = '/run/vast-ost/ost.sock';
const PATIENCE_MS = 5_000;

const run = promisify(execFile);

/**
 * Whether NetBackup will find a plugin that fits this engine.
 *
 * @param folder where NetBackup looks, `/usr/openv/lib/ost-plugins`.
 */
export async function* examinePlugin(folder: string, settings: EngineSettings): Findings {
  if (!(await exists(dirname(dirname(folder))))) {
    const message = `there is no NetBackup here (${dirname(dirname(folder))})`;
    yield await look(SUBJECT, 'libraries', () => note(message, 'only media servers need the plugin'));
    return;
  }
  for (const name of LIBRARIES) yield await look(SUBJECT, name, () => library(join(folder, name)));
  yield await look(SUBJECT, 'configuration', () => configuration(settings.socket));
}

async function library(file: string): Promise<Seen> {
  if (!(await exists(file))) return failure(`${file} is missing`, 'make install, or copy it from build/');
  // Run as a program, the library says which version it is.
  const { stdout } = await run(file, ['-version'], { timeout: PATIENCE_MS });
  const [version] = / [0-9]+\.[0-9]+\.[0-9]+\S*/.exec(stdout) ?? [];
  if (version?.trim() === VERSION) return ok(`${file}, version ${VERSION}`);
  return warning(
    `${file} says ${JSON.stringify(stdout.trim().slice(0, 100))}, the engine has version ${VERSION}`,
    'install plugin and engine together',
  );
}

async function configuration(socket: string): Promise<Seen> {
  const file = process.env['VAST_OST_PLUGIN_CONF'] ?? CONFIGURATION;
  const text = (await exists(file)) ? await readFile(file, 'utf8') : '';
  const [, used = DEFAULT_SOCKET] = /^\s*socket\s*=\s*(\S+)/m.exec(text) ?? [];
  if (used === socket) return ok(`looks for the engine where it is, at ${socket}`);
  return failure(`looks for the engine at ${used}, but the engine listens at ${socket}`, `set socket in ${file}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
