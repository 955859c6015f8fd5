import { z } from 'zod';
import type { OstEngine } from '../ost/engine.ts';
import type { Actions } from './actions.ts';
import { readImages, timeOf } from './read-images.ts';
import { readEvents, readLsus, readVips } from './read-servers.ts';
import type { Sampler } from './sampler.ts';
import {
  ActionSchema,
  ActionsSchema,
  ErrorsSchema,
  EventsSchema,
  ImagesSchema,
  LsusSchema,
  NewActionSchema,
  StateSchema,
  VipsSchema,
} from './schemas.ts';
import type { Scope } from './tokens.ts';

/** What the API works with. */
export interface ApiContext {
  readonly engine: OstEngine;
  readonly sampler: Sampler;
  readonly actions: Actions;
}

/** What a request brings, checked. */
export interface Input<Query, Body> {
  readonly query: Query;
  readonly body: Body;
  /** What stands for `{id}` in the path. */
  readonly id: string;
  /** Name of the token. */
  readonly by: string;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
}

/** One operation of the API: what the server does, and what its OpenAPI document says, come from it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/api/v1`; `{id}` stands for one segment. */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly query: z.ZodObject | undefined;
  readonly body: z.ZodType | undefined;
  /** What it answers; an event stream has one in each event's data. */
  readonly answer: z.ZodType;
  /** Of a success. */
  readonly status: number;
  /** Undefined for the event stream. */
  readonly run: ((context: ApiContext, input: Input<unknown, unknown>) => unknown) | undefined;
}

const NoQuery = z.strictObject({});
const Paged = z.strictObject({
  offset: z.coerce.number().int().min(0).max(100_000).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
const Newest = z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) });

interface Definition<Query extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType>
  extends Pick<Route, 'method' | 'path' | 'summary'> {
  readonly scope?: Scope;
  readonly query?: Query;
  readonly body?: Body;
  readonly answer: Answer;
  readonly status?: number;
  readonly run?: (
    context: ApiContext,
    input: Input<z.output<Query>, z.output<Body>>,
  ) => z.output<Answer> | Promise<z.output<Answer>>;
}

/** The types of a route hold between its schemas and its function; the table forgets them. */
function route<
  Answer extends z.ZodType,
  Query extends z.ZodObject = typeof NoQuery,
  Body extends z.ZodType = z.ZodType,
>(definition: Definition<Query, Body, Answer>): Route {
  const { scope = 'read', query, body, status = 200, run, ...rest } = definition;
  return { ...rest, scope, query, body, status, run: run as Route['run'] };
}

export const ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/state',
    summary: 'The picture of now: flows with their bottleneck, queues, memory, images that are open',
    answer: StateSchema,
    run: ({ sampler }, { signal }) => sampler.state(signal),
  }),
  route({
    method: 'GET',
    path: '/live',
    summary: 'The same every second, as server-sent events named `state`',
    answer: StateSchema,
  }),
  route({
    method: 'GET',
    path: '/images',
    summary: 'Images that are open, and those on which work has ended lately, with where their time went',
    query: Paged,
    answer: ImagesSchema,
    run: async ({ engine, sampler }, { query, signal }) => {
      const { before, now } = await sampler.window(signal);
      return readImages(engine.services, before, now, query);
    },
  }),
  route({
    method: 'GET',
    path: '/lsus',
    summary: 'LSUs with their capacity, and when all of their images were last verified',
    answer: LsusSchema,
    run: ({ engine }) => readLsus(engine.services.servers.all()),
  }),
  route({
    method: 'GET',
    path: '/vips',
    summary: 'Data VIPs of the servers that have some',
    answer: VipsSchema,
    run: ({ engine }) => readVips(engine.services.servers.all()),
  }),
  route({
    method: 'GET',
    path: '/events',
    summary: 'Events of the storage servers',
    query: Newest,
    answer: EventsSchema,
    run: ({ engine }, { query }) => readEvents(engine.services.servers.all(), query.limit),
  }),
  route({
    method: 'GET',
    path: '/errors',
    summary: 'What went wrong since the engine began, and what to do about it',
    answer: ErrorsSchema,
    run: ({ engine }) => ({
      errors: engine.services.problems.all().map(({ first, last, advice, ...problem }) => ({
        ...problem,
        advice: advice ?? null,
        first: timeOf(first),
        last: timeOf(last),
      })),
    }),
  }),
  route({
    method: 'GET',
    path: '/actions',
    summary: 'Verifications and restore checks that were begun here',
    answer: ActionsSchema,
    run: ({ actions }) => ({ actions: actions.all() }),
  }),
  route({
    method: 'POST',
    path: '/actions',
    scope: 'act',
    summary: 'Begin one; they run one after the other',
    body: NewActionSchema,
    answer: ActionSchema,
    status: 202,
    run: ({ actions }, { body, by }) => actions.start(body, by),
  }),
  route({
    method: 'GET',
    path: '/actions/{id}',
    summary: 'How one stands',
    answer: ActionSchema,
    run: ({ actions }, { id }) => actions.get(id),
  }),
  route({
    method: 'DELETE',
    path: '/actions/{id}',
    scope: 'act',
    summary: 'Cancel one',
    answer: ActionSchema,
    run: ({ actions }, { id, by }) => actions.cancel(id, by),
  }),
];

/** The routes of a path, and what stands for `{id}` in it. */
export function routesOf(path: string): { readonly routes: readonly Route[]; readonly id: string } {
  let id = '';
  const routes = ROUTES.filter((one) => {
    if (!one.path.endsWith('/{id}')) return one.path === path;
    const base = one.path.slice(0, -'{id}'.length);
    const rest = path.slice(base.length);
    const fits = path.startsWith(base) && /^[A-Za-z0-9]{1,64}$/.test(rest);
    if (fits) id = rest;
    return fits;
  });
  return { routes, id };
}
