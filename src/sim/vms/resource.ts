import { randomUUID } from 'node:crypto';
import type { ClusterState } from '../cluster/cluster-state.ts';
import type { Collection, Row } from '../cluster/collection.ts';
import type { Answer, Context, Ids, Route } from './context.ts';
import { type Body, type Fields, fieldsOf, readChange, readNew } from './fields.ts';
import { answerList } from './listing.ts';
import { forbidden, notFound } from './vms-error.ts';

export type Verb = 'list' | 'read' | 'create' | 'change' | 'remove';

/** A family of rows that are listed, read, made, changed and removed in the same way. */
export interface Resource<T extends Row> {
  /** As in the path: `views`. */
  readonly name: string;
  readonly since?: NonNullable<Route['since']>;
  readonly verbs: readonly Verb[];
  readonly rows: (state: ClusterState) => Collection<T>;
  readonly fields: Fields;
  /** Administrators of one tenant may not even look. */
  readonly clusterOnly?: boolean;
  /** Fields that the server adds to those of the row. */
  readonly computed?: (row: T, context: Context) => Body;
  /** Fields of the row that are never shown. */
  readonly hidden?: readonly string[];
  /** Fields that a list leaves out. */
  readonly detailOnly?: readonly string[];
  /** Check and complete the fields of a new row; throws a VmsError. */
  readonly prepare?: (body: Body, context: Context) => Body;
  /** After a row was made. */
  readonly made?: (row: T, context: Context) => void;
  /** Check a change; throws a VmsError. Gives the fields to change. */
  readonly checkChange?: (row: T, change: Body, context: Context) => Body;
  readonly changed?: (row: T, before: T, context: Context) => void;
  /** Before a row goes; may throw a VmsError, or give an answer other than 204. */
  readonly removing?: (row: T, context: Context) => Answer | undefined;
}

/** The routes of a resource. */
export function resourceRoutes<T extends Row>(resource: Resource<T>): Route[] {
  const path = `/${resource.name}/`;
  const common = {
    ...(resource.since === undefined ? {} : { since: resource.since }),
    ...(resource.clusterOnly ? { clusterOnly: true } : {}),
  };
  const routes: Record<Verb, Route> = {
    list: { ...common, method: 'GET', path, run: (context) => list(resource, context) },
    read: { ...common, method: 'GET', path: `${path}:id/`, run: (context, ids) => read(resource, context, ids) },
    create: { ...common, method: 'POST', path, run: (context) => create(resource, context) },
    change: { ...common, method: 'PATCH', path: `${path}:id/`, run: (context, ids) => change(resource, context, ids) },
    remove: { ...common, method: 'DELETE', path: `${path}:id/`, run: (context, ids) => remove(resource, context, ids) },
  };
  return resource.verbs.map((verb) => routes[verb]);
}

/** A row as VMS shows it: fields that the release lacks are left out. */
export function showRow<T extends Row>(resource: Resource<T>, row: T, context: Context): Record<string, unknown> {
  const absent = new Set(Object.keys(resource.fields));
  for (const [name] of fieldsOf(context, resource.fields)) absent.delete(name);
  const shown = { ...row, url: `${context.baseUrl}/${resource.name}/${row.id}`, ...resource.computed?.(row, context) };
  const hidden = new Set([...absent, ...(resource.hidden ?? [])]);
  return Object.fromEntries(Object.entries(shown).filter(([name]) => !hidden.has(name)));
}

/** The row of an id that the caller may see; 404 otherwise. */
export function rowOf<T extends Row>(rows: Collection<T>, id: number | undefined, context: Context): T {
  const row = rows.get(id);
  if (row === undefined || !isVisible(row, context)) throw notFound();
  return row;
}

function isVisible(row: Row, { tenantId }: Context): boolean {
  if (tenantId === undefined || !('tenant_id' in row)) return true;
  return row.tenant_id === tenantId || row.tenant_id === null;
}

function list<T extends Row>(resource: Resource<T>, context: Context): Answer {
  const rows = resource
    .rows(context.state)
    .all()
    .filter((row) => isVisible(row, context));
  const hidden = new Set(resource.detailOnly);
  const shown = rows.map((row) => {
    const fields = Object.entries(showRow(resource, row, context));
    return Object.fromEntries(fields.filter(([name]) => !hidden.has(name)));
  });
  return answerList(context, shown);
}

function read<T extends Row>(resource: Resource<T>, context: Context, ids: Ids): Answer {
  const row = rowOf(resource.rows(context.state), ids['id'], context);
  return { status: 200, body: showRow(resource, row, context) };
}

function create<T extends Row>(resource: Resource<T>, context: Context): Answer {
  const body = withTenant(resource, readNew(context, resource.name, resource.fields), context);
  const complete = resource.prepare?.(body, context) ?? body;
  const stamp = { guid: randomUUID(), created: context.now };
  const row = resource.rows(context.state).add((id) => ({ ...stamp, ...complete, id }) as unknown as T);
  resource.made?.(row, context);
  recordEvent(resource.name, 'CREATED', row, context);
  return { status: 201, body: showRow(resource, rowOf(resource.rows(context.state), row.id, context), context) };
}

function change<T extends Row>(resource: Resource<T>, context: Context, ids: Ids): Answer {
  const rows = resource.rows(context.state);
  const row = rowOf(rows, ids['id'], context);
  if (context.tenantId !== undefined && 'tenant_id' in row && row.tenant_id === null) throw forbidden();
  const body = readChange(context, resource.name, resource.fields, row as unknown as Body);
  const changes = resource.checkChange?.(row, body, context) ?? body;
  const after = rows.replace({ ...row, ...changes });
  resource.changed?.(after, row, context);
  recordEvent(resource.name, 'MODIFIED', row, context);
  return { status: 200, body: showRow(resource, after, context) };
}

function remove<T extends Row>(resource: Resource<T>, context: Context, ids: Ids): Answer {
  const rows = resource.rows(context.state);
  const row = rowOf(rows, ids['id'], context);
  if (context.tenantId !== undefined && 'tenant_id' in row && row.tenant_id === null) throw forbidden();
  const answer = resource.removing?.(row, context) ?? { status: 204 };
  rows.remove(row.id);
  recordEvent(resource.name, 'DELETED', row, context);
  return answer;
}

/** New rows belong to the caller's tenant, or the first one when nobody says. */
function withTenant<T extends Row>(resource: Resource<T>, body: Body, { tenantId }: Context): Body {
  if (!('tenant_id' in resource.fields)) return body;
  const asked = body['tenant_id'];
  if (tenantId !== undefined && asked !== null && asked !== undefined && asked !== tenantId) throw forbidden();
  return { ...body, tenant_id: tenantId ?? asked ?? null };
}

const MAX_EVENTS = 1000;

function recordEvent(resource: string, verb: string, row: Row, context: Context): void {
  context.state.events.add((id) => ({
    id,
    timestamp: context.now,
    severity: 'INFO',
    event_name: `OBJECT_${verb}`,
    event_type: `OBJECT_${verb}`,
    event_message: `${resource} ${row.id}: ${verb.toLowerCase()} by ${context.manager.username}`,
    object_type: resource,
    object_id: row.id,
  }));
  context.state.events.trim(MAX_EVENTS);
}
