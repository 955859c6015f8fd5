import { z } from 'zod';
import { VERSION } from '../version.ts';
import { ROUTES, type Route } from './routes.ts';
import { ErrorSchema } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

/** The API as an OpenAPI 3.1 document, made from the table of routes. */
export function openApi(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const at = `/api/v1${route.path}`;
    const operations = paths[at] ?? {};
    operations[route.method.toLowerCase()] = operationOf(route);
    paths[at] = operations;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'vast-ost',
      version: VERSION,
      description:
        'What the engine does, and two things that people may have it do. Tokens come from token_file of [console]; reading needs none where /metrics needs no password.',
    },
    components: {
      securitySchemes: {
        read: { type: 'http', scheme: 'bearer', description: 'a token of scope read or act' },
        act: { type: 'http', scheme: 'bearer', description: 'a token of scope act' },
      },
      schemas: { Error: schemaOf(ErrorSchema, 'output') },
    },
    paths,
  };
}

function operationOf({ method, path, scope, summary, query, body, answer, status, run }: Route): Json {
  const type = run === undefined ? 'text/event-stream' : 'application/json';
  const fields: Json = query === undefined ? {} : query.shape;
  const parameters = [
    ...(path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : []),
    ...Object.entries(fields).map(([name, schema]) => ({
      name,
      in: 'query',
      schema: schemaOf(schema as z.ZodType, 'input'),
    })),
  ];
  const refusal = { $ref: '#/components/schemas/Error' };
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\{id\}/, 'one').replace(/\/(.)/g, (_, first: string) => first.toUpperCase())}`,
    summary,
    security: scope === 'act' ? [{ act: [] }] : [{ read: [] }, {}],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      [status]: { description: 'done', content: { [type]: { schema: schemaOf(answer, 'output') } } },
      default: { description: 'refused, or failed', content: { 'application/json': { schema: refusal } } },
    },
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
