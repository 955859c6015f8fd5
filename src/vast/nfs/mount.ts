import { readFile, realpath } from 'node:fs/promises';
import { EngineError } from '../../errors.ts';

/** What is mounted where a directory lies. */
export interface Mount {
  /** `nfs`, `nfs4`, `ext4` … */
  readonly type: string;
  /** `host:/path` for NFS. */
  readonly source: string;
  readonly mountPoint: string;
}

/** proc(5): spaces and the like are written as octal numbers. */
function plain(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that a path belongs to, by the text of /proc/self/mountinfo: the longest mount point, and the last one on it. */
export function findMount(mountinfo: string, path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = plain(before.split(' ')[4] ?? '');
    const [type = '', source = ''] = after.split(' ');
    const covers = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (mountPoint === '' || !covers || mountPoint.length < (best?.mountPoint.length ?? 0)) continue;
    best = { type, source: plain(source), mountPoint };
  }
  return best;
}

/**
 * Check that a directory is an NFS mount of this path of a server. An export that is not mounted leaves an empty local directory:
 * backups would go there, and restores would find nothing.
 * @throws EngineError VOST_NOT_MOUNTED (`retryable`: it may be mounted later, and no image is said to be missing)
 */
export async function checkMount(directory: string, exported: string, mountinfo = readMounts): Promise<void> {
  const wrong = (what: string, cause?: unknown): EngineError =>
    new EngineError('VOST_NOT_MOUNTED', 'retryable', `${directory} ${what}`, {
      cause,
      advice: `mount HOST:${exported} there, or correct store and view_path`,
    });
  let mount: Mount | undefined;
  try {
    mount = findMount(await mountinfo(), await realpath(directory));
  } catch (error) {
    throw wrong('cannot be looked at', error);
  }
  if (mount === undefined || !/^nfs4?$/.test(mount.type)) throw wrong('is no NFS mount');
  const path = mount.source.slice(mount.source.indexOf(':/') + 1);
  if (!mount.source.includes(':/') || path.replace(/\/+$/, '') !== exported) {
    throw wrong(`is a mount of ${mount.source}, not of ${exported}`);
  }
}

function readMounts(): Promise<string> {
  return readFile('/proc/self/mountinfo', 'utf8');
}
