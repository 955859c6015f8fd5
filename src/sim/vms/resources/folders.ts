import type { Answer, Context, Route } from '../context.ts';
import { showTask, startTask } from '../tasks.ts';
import { fieldError, listError } from '../vms-error.ts';

export const FOLDER_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/folders/create_folder/', run: createFolder },
  { method: 'DELETE', path: '/folders/delete_folder/', run: deleteFolder },
  { method: 'POST', path: '/folders/stat_path/', run: statPath },
];

function place(context: Context): { tenantId: number; path: string } {
  const { path, tenant_id: tenant } = context.body;
  if (typeof path !== 'string' || !path.startsWith('/')) throw fieldError('path', 'This field is required.');
  const tenantId = context.tenantId ?? (typeof tenant === 'number' ? tenant : 1);
  return { tenantId, path: path.length > 1 ? path.replace(/\/$/, '') : path };
}

function createFolder(context: Context): Answer {
  const { tenantId, path } = place(context);
  if (context.files.directory(tenantId, path) !== undefined) throw listError('directory exists', 409);
  context.files.ensure(tenantId, path);
  return { status: 200, body: { path, tenant_id: tenantId } };
}

/** Asynchronous on a real cluster: the folder goes to the trash at once, its bytes later. */
function deleteFolder(context: Context): Answer {
  const { tenantId, path } = place(context);
  if (!context.faults.modes.trash) throw listError('trash folder disabled');
  if (path === '/' || !context.files.exists(tenantId, path)) throw listError('no such directory');
  const task = startTask(context, 'delete folder');
  if (task.end === 'COMPLETED') context.files.remove(tenantId, path);
  return { status: 200, body: { async_task: showTask(task, context) } };
}

function statPath(context: Context): Answer {
  const { tenantId, path } = place(context);
  if (!context.files.exists(tenantId, path)) throw listError('no such directory');
  const { inodes } = context.files.usage(tenantId, path);
  return { status: 200, body: { path, tenant_id: tenantId, is_directory: true, children: inodes } };
}
