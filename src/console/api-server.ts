import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { z } from 'zod';
import { EngineError } from '../errors.ts';
import { notFound } from '../ost/errors.ts';
import { readJson, sendError, sendJson } from './http.ts';
import type { LiveClients } from './live.ts';
import { openApi } from './openapi.ts';
import { type ApiContext, type Route, routesOf } from './routes.ts';
import type { Holder, Tokens } from './tokens.ts';

export const API = '/api/v1';

export interface ApiOptions {
  readonly context: ApiContext;
  readonly live: LiveClients;
  /** Those that are known now. */
  readonly tokens: () => Tokens;
  /** Who may read without a token. */
  readonly openToRead: boolean;
  readonly log: Logger;
}

/** Answers one request below {@link API}. Never rejects. */
export async function answerApi(
  request: IncomingMessage,
  response: ServerResponse,
  options: ApiOptions,
): Promise<void> {
  try {
    await answer(request, response, options);
  } catch (error) {
    if (!(error instanceof EngineError)) options.log.error({ err: error, path: request.url }, 'the API failed');
    if (response.headersSent) response.destroy();
    else {
      // What is left of a body is not waited for.
      response.shouldKeepAlive = false;
      sendError(response, error);
    }
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: ApiOptions): Promise<void> {
  const { context, live } = options;
  const url = new URL(request.url ?? '/', 'http://localhost');
  const path = url.pathname.slice(API.length);
  const { routes, id } = routesOf(path);
  const route = routes.find((one) => one.method === request.method);
  if (path === '/openapi.json' && request.method === 'GET') {
    allow(request, { scope: 'read' }, options);
    return sendJson(response, 200, openApi());
  }
  if (routes.length === 0)
    throw notFound(`there is no ${url.pathname.slice(0, 100)}`, `${API}/openapi.json has all paths`);
  if (route === undefined) {
    response.setHeader('allow', routes.map((one) => one.method).join(', '));
    return sendJson(response, 405, {
      error: { code: 'VOST_API_METHOD', failure: 'usage', message: 'not with this method', advice: null },
    });
  }
  const holder = allow(request, route, options);
  const query = checked(route.query ?? z.strictObject({}), Object.fromEntries(url.searchParams), 'query');
  if (route.run === undefined) return live.add(response);
  const body = route.body === undefined ? undefined : checked(route.body, await readJson(request), 'body');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const input = { query, body, id, by: holder?.name ?? '', signal: gone.signal };
  const result = await route.run(context, input);
  if (!response.destroyed) sendJson(response, route.status, result);
}

/**
 * Who asks. No cookie and no password that a browser would send by itself ever counts: a page of somebody else's has no token.
 * @throws EngineError VOST_API_TOKEN (`credentials`), VOST_API_SCOPE or VOST_API_ORIGIN (`access`)
 */
function allow(request: IncomingMessage, { scope }: Pick<Route, 'scope'>, options: ApiOptions): Holder | undefined {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new EngineError('VOST_API_ORIGIN', 'access', 'the page that asks is not ours');
  const { authorization } = request.headers;
  const holder = options.tokens().holderOf(authorization);
  if (holder === undefined) {
    if (scope === 'read' && authorization === undefined && options.openToRead) return undefined;
    throw new EngineError('VOST_API_TOKEN', 'credentials', 'a token that is in token_file is needed', {
      advice: `send Authorization: Bearer TOKEN, with a token of scope ${scope}`,
    });
  }
  if (scope === 'act' && holder.scope !== 'act')
    throw new EngineError('VOST_API_SCOPE', 'access', `the token ${holder.name} may only read`);
  return holder;
}

/** @throws EngineError VOST_API_INPUT (`usage`) */
function checked(schema: z.ZodType, value: unknown, what: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = [what, ...(issue?.path ?? [])].join('.');
  throw new EngineError('VOST_API_INPUT', 'usage', `${where}: ${issue?.message ?? 'wrong'}`);
}
