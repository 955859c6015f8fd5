import { constants } from 'node:fs';
import { access, readFile, realpath, stat, statfs } from 'node:fs/promises';
import { formatSize } from '../units.ts';
import { type Findings, failure, look, note, ok, type Seen, warning } from './finding.ts';

/** A file system that is nearly full fails backups soon. */
const LEAST_FREE = 0.05;

interface Mount {
  readonly point: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** What a directory store lies on. */
export async function* examineDirectory(subject: string, path: string): Findings {
  yield await look(subject, 'directory', () => directory(path));
  yield await look(subject, 'mount', () => mount(path));
  yield await look(subject, 'space', () => space(path));
}

async function directory(path: string): Promise<Seen> {
  const found = await stat(path);
  if (!found.isDirectory()) return failure(`${path} is no directory`, 'name the folder that holds the LSUs');
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    const seen = `${path} cannot be written to by this user (it belongs to ${found.uid}:${found.gid})`;
    return failure(seen, 'give it to the user of the engine; with systemd also ReadWritePaths=');
  }
  return ok(`${path}, owner ${found.uid}:${found.gid}`);
}

/** The mount that holds a path: the longest mount point above it, the last one mounted there. */
export function findMount(path: string, mountinfo: string): Mount | undefined {
  let best: Mount | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const [, , , , point = '', own = ''] = left?.split(' ') ?? [];
    const [type = '', source = '', shared = ''] = right?.split(' ') ?? [];
    const plain = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const above = plain === '/' || path === plain || path.startsWith(`${plain}/`);
    if (type === '' || !above || (best !== undefined && plain.length < best.point.length)) continue;
    best = { point: plain, type, source, options: [...own.split(','), ...shared.split(',')] };
  }
  return best;
}

async function mount(path: string): Promise<Seen> {
  const found = findMount(await realpath(path), await readFile('/proc/self/mountinfo', 'utf8'));
  if (found === undefined) return note('no mount was found for it');
  const { point, type, source, options } = found;
  const seen = `${type} from ${source} at ${point}`;
  if (!type.startsWith('nfs')) return note(`${seen}: not NFS`, 'images are as safe as this machine');
  const wanted = options.filter((option) => /^(vers|proto|rsize|wsize|nconnect|remoteports|hard|soft)\b/.test(option));
  const shown = `${seen} (${wanted.join(',')})`;
  if (options.includes('soft') || options.includes('softerr')) {
    return failure(shown, 'mount it hard: a soft mount turns a slow server into failed backups');
  }
  if (!options.some((option) => /^(nconnect|remoteports)=/.test(option))) {
    return warning(shown, 'nconnect=8, and remoteports=ADDRESSES with the vendor driver, use more than one connection');
  }
  return ok(shown);
}

async function space(path: string): Promise<Seen> {
  const { bsize, blocks, bavail } = await statfs(path);
  const seen = `${formatSize(bavail * bsize)} free of ${formatSize(blocks * bsize)}`;
  if (bavail / blocks >= LEAST_FREE) return ok(seen);
  return warning(seen, 'expire images, or raise the quota');
}
