import { readFile, realpath } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { EngineError } from '../../errors.ts';

/** What is mounted where a directory lies. */
export interface Mount {
  /** `nfs`, `nfs4`, `ext4` … */
  readonly type: string;
  /** `host:/path` for NFS. */
  readonly source: string;
  readonly mountPoint: string;
  /** Of the mount, and of the file system. */
  readonly options: readonly string[];
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
    const own = before.split(' ')[5] ?? '';
    const [type = '', source = '', shared = ''] = after.split(' ');
    const covers = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (mountPoint === '' || !covers || mountPoint.length < (best?.mountPoint.length ?? 0)) continue;
    best = { type, source: plain(source), mountPoint, options: [...own.split(','), ...shared.split(',')] };
  }
  return best;
}

/**
 * Check that a directory is this path of an NFS server: a mount of it, or a folder of a mount of what lies above. An export that is not
 * mounted leaves an empty local directory: backups would go there, and restores would find nothing.
 * @throws EngineError VOST_NOT_MOUNTED (`retryable`: it may be mounted later, and no image is said to be missing)
 */
export async function checkMount(
  directory: string,
  exported: string,
  mountinfo = readMounts,
  resolveLinks: (path: string) => Promise<string> = realpath,
): Promise<void> {
  const wrong = (what: string, cause?: unknown): EngineError =>
    new EngineError('VOST_NOT_MOUNTED', 'retryable', `${directory} ${what}`, {
      cause,
      advice: `mount HOST:${exported} there, or correct the configuration: store and view_path, or mount_point and path`,
    });
  let mount: Mount | undefined;
  let real: string;
  try {
    real = await resolveLinks(directory);
    mount = findMount(await mountinfo(), real);
  } catch (error) {
    throw wrong('cannot be looked at', error);
  }
  if (mount === undefined || !/^nfs4?$/.test(mount.type)) throw wrong('is no NFS mount');
  // Of a mount of a part of a mount, the kernel names the part.
  const [host, path] = hostAndPath(mount.source);
  const found = resolve(path, relative(mount.mountPoint, real));
  if (host === '' || found !== exported) throw wrong(`is a mount of ${host}:${found}, not of ${exported}`);
}

/** `[fd00::1]:/a/b` → `[fd00::1]`, `/a/b`. */
function hostAndPath(source: string): readonly [string, string] {
  const colon = source.indexOf(':/');
  return colon < 0 ? ['', source] : [source.slice(0, colon), source.slice(colon + 1)];
}

/** The mounts that this process sees. */
export function readMounts(): Promise<string> {
  return readFile('/proc/self/mountinfo', 'utf8');
}
