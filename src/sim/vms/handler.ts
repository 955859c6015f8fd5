import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Manager } from '../cluster/records.ts';
import type { Effect } from '../faults/plan.ts';
import { breakConnection, Reset } from '../s3/http/reset.ts';
import { authenticate } from './auth/authenticate.ts';
import { requestTenant } from './auth/tenant.ts';
import { readJson } from './body.ts';
import type { Answer, Context, Route, VmsServices } from './context.ts';
import { apiPath, Router } from './router.ts';
import { ROUTES } from './routes.ts';
import { detailError, forbidden, notFound, VmsError } from './vms-error.ts';

/** Serves one request; never rejects. */
export type VmsHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Requests without a manager run as this one, which may do nothing. */
const NOBODY: Manager = { id: 0, username: '', password: '', tenant_id: 0, max_api_tokens: 0 };

/** The REST API of VMS over a cluster's state. */
export function createVmsHandler(services: VmsServices): VmsHandler {
  const router = new Router(ROUTES, services.release);
  return async (request, response) => {
    const method = request.method ?? '';
    let faults: Effect[] = [];
    response.sendDate = false;
    response.setHeader('Date', new Date(services.clock()).toUTCString());
    try {
      const url = parseUrl(request.url);
      const { base, rest } = apiPath(url.pathname, services.release);
      const target = { where: 'vms', method, path: rest } as const;
      faults = services.faults.effectsFor(target);
      await applyEarly(faults, response);
      const found = router.find(method, rest, services.faults.modes.missingSlash);
      if ('redirect' in found) {
        response.writeHead(301, { Location: `${base}${found.redirect}${url.search}`, 'Content-Length': '0' }).end();
      } else {
        const manager = found.route.open ? NOBODY : authenticate(services, request);
        await applyDelays(faults, response);
        const context = await contextOf(services, request, { manager, base, url, route: found.route });
        const answer = await found.route.run(context, found.ids);
        services.state.commit();
        services.log.add('vms', 'request', { method, path: rest, status: answer.status, manager: manager.username });
        send(response, request, answer, faults);
      }
    } catch (error) {
      fail(services, request, response, error, faults);
    }
    if (!request.complete) request.resume();
  };
}

function parseUrl(url: string | undefined): URL {
  if (url === undefined || !url.startsWith('/') || !URL.canParse(`http://vms${url}`)) throw notFound();
  return new URL(`http://vms${url}`);
}

interface Found {
  readonly manager: Manager;
  readonly base: string;
  readonly url: URL;
  readonly route: Route;
}

async function contextOf(
  services: VmsServices,
  request: IncomingMessage,
  { manager, base, url, route }: Found,
): Promise<Context> {
  const header = request.headers['x-tenant-name'];
  const tenantId = route.open
    ? undefined
    : requestTenant(services, manager, Array.isArray(header) ? header[0] : header);
  if (route.clusterOnly && tenantId !== undefined) throw forbidden();
  const scheme = 'encrypted' in request.socket ? 'https' : 'http';
  const body = await readJson(request);
  return {
    ...services,
    manager,
    tenantId,
    query: url.searchParams,
    body,
    baseUrl: `${scheme}://${request.headers.host ?? 'localhost'}${base}`,
    url: `${url.pathname}${url.search}`,
    now: new Date(services.clock()).toISOString(),
  };
}

/** The work takes its time: a token counts when the request comes in, and lives from when it is given out. */
async function applyDelays(faults: readonly Effect[], response: ServerResponse): Promise<void> {
  for (const fault of faults) if (fault.kind === 'delay') await waitWhileOpen(fault.ms as number, response);
}

/** Error answers and resets instead of the work, after what delays it. */
async function applyEarly(faults: readonly Effect[], response: ServerResponse): Promise<void> {
  const instead = faults.find(({ kind }) => kind === 'reset' || kind === 'status');
  if (instead === undefined) return;
  await applyDelays(faults, response);
  if (instead.kind !== 'status') throw new Reset();
  throw new VmsError(instead.status, instead.body ?? { detail: 'Service temporarily unavailable, try again later' });
}

/** A client that goes away, or the end of the simulator, ends the wait. */
async function waitWhileOpen(ms: number, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  const abort = () => gone.abort(new Reset());
  response.once('close', abort);
  try {
    if (response.destroyed) throw new Reset();
    await setTimeout(ms, undefined, { signal: gone.signal });
  } catch {
    throw new Reset();
  } finally {
    response.removeListener('close', abort);
  }
}

function send(response: ServerResponse, request: IncomingMessage, answer: Answer, faults: readonly Effect[]): void {
  if (faults.some(({ kind }) => kind === 'lose-answer')) throw new Reset();
  const text = answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body));
  const bytes = Buffer.from(text);
  const type = answer.text === undefined ? 'application/json' : 'text/plain; version=0.0.4';
  const headers = answer.status === 204 ? {} : { 'Content-Type': type, 'Content-Length': String(bytes.length) };
  response.writeHead(answer.status, headers);
  const cut = faults.find((fault) => fault.kind === 'truncate');
  if (cut === undefined || cut.bytes >= bytes.length) {
    response.end(bytes);
    return;
  }
  response.write(bytes.subarray(0, cut.bytes), () => breakConnection(request));
}

function fail(
  services: VmsServices,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  faults: readonly Effect[],
): void {
  if (error instanceof Reset || response.headersSent || response.destroyed) {
    breakConnection(request);
    return;
  }
  const known = error instanceof VmsError ? error : detailError(500, `Internal error: ${error}`);
  const path = (request.url ?? '').split('?', 1)[0];
  services.log.add('vms', 'request', { method: request.method, path, status: known.status });
  try {
    // A failed request may have changed something before it failed, a token's last use for one.
    services.state.commit();
    send(response, request, { status: known.status, body: known.body }, faults);
  } catch {
    breakConnection(request);
  }
}
