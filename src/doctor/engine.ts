import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { EngineSettings } from '../config/settings.ts';
import { type Findings, failure, look, note, ok, type Seen, warning } from './finding.ts';

const SUBJECT = 'engine';
const PATIENCE_MS = 5_000;

/** Whether an engine listens where the configuration says. */
export async function* examineEngine({ socket }: EngineSettings): Findings {
  yield await look(SUBJECT, 'socket', () => reach(socket));
  yield await look(SUBJECT, 'permissions', () => permissions(socket));
}

async function reach(path: string): Promise<Seen> {
  const socket = connect(path);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return ok(`an engine listens at ${path}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') return failure(`this user may not connect to ${path}`, 'see socket_mode and allowed_uids');
    const seen = code === 'ENOENT' || code === 'ECONNREFUSED' ? `no engine listens at ${path}` : `${path}: ${code}`;
    return failure(seen, 'systemctl start vast-ost, then systemctl status vast-ost');
  } finally {
    socket.destroy();
  }
}

async function permissions(path: string): Promise<Seen> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return note('no socket to look at');
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  const seen = `mode ${mode}, owner ${found.uid}, group ${found.gid}`;
  if ((found.mode & 0o002) === 0) return ok(seen);
  return warning(seen, 'everybody may try to connect: set socket_mode = 0660');
}
