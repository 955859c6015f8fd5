import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { ROUTES } from '../../src/console/routes.ts';
import {
  ActionSchema,
  ActionsSchema,
  ErrorSchema,
  ErrorsSchema,
  EventsSchema,
  ImagesSchema,
  LsusSchema,
  StateSchema,
} from '../../src/console/schemas.ts';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { Bench, memoryBench } from '../ost/support/engine.ts';
import { imageId, refuses } from '../ost/support/host.ts';
import { ACT_TOKEN, type Answer, READ_TOKEN, type Served, serveConsole } from './support.ts';

const MIB = 1024 * 1024;

async function realBench(t: Test) {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  return { bench, engine, host: await bench.host(), served: await serveConsole(t, engine) };
}

/** Change one byte of every fragment of an image. */
function damage(lsu: string, name: string): void {
  const fragments = globSync(join(lsu, '**', '*')).filter(
    (path) => path.includes(name) && /fragment-[^/]*$/.test(path),
  );
  if (fragments.length === 0) throw new Error(`no fragments among ${globSync(join(lsu, '**', '*'))}`);
  for (const path of fragments) {
    const bytes = readFileSync(path);
    bytes[MIB] = (bytes[MIB] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }
}

const errorOf = ({ json }: Answer) => ErrorSchema.parse(json).error;

/** Strict: what the document does not promise is not sent. */
function strict(schema: z.ZodObject, { json }: Answer): void {
  schema.strict().parse(json);
}

t.test('every answer is what the schemas promise, with an image open and others done', async (t) => {
  const { host, served } = await realBench(t);
  const { ask } = served;
  const data = Buffer.alloc(3 * MIB + 512, 'vast-ost');
  await host.backup(1n, imageId('done'), data);
  t.ok((await host.restore(2n, imageId('done'))).equals(data));
  const { chunk_bytes: chunk } = await host.create(3n, imageId('open'));
  await host.write(3n, 0, 0, Buffer.alloc(chunk, 1));
  await host.openRead(4n, imageId('done'));
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 3n, mode: 1, size: BigInt(64 * MIB) }), 'INVALID');
  await host.create(5n, imageId('another'));

  const state = await ask('/api/v1/state');
  strict(StateSchema, state);
  const { flows, images } = StateSchema.parse(state.json);
  t.equal(images.running, 2);
  t.match(images.shown, [
    { operation: 'read', name: imageId('done').basename, size: data.byteLength, server: 'test', lsu: 'lsu' },
    { operation: 'write', name: imageId('another').basename, size: null },
  ]);
  t.match(
    flows.map(({ flow, bottleneck }) => [flow, bottleneck?.limit]),
    [
      ['backup', 'source'],
      ['restore', 'target'],
    ],
    'the hosts do nothing',
  );
  t.strictSame(flows[0]?.stages.at(0)?.stage, 'source');

  const all = await ask('/api/v1/images?limit=2');
  strict(ImagesSchema, all);
  const { running, ended } = ImagesSchema.parse(all.json);
  t.equal(running.length, 2);
  t.match(ended, [
    { operation: 'write', result: 'failed' },
    { operation: 'read', result: 'complete', bytes: data.byteLength, stored: null },
  ]);
  t.ok(ended[1]?.stages.some(({ stage, busy_seconds }) => stage === 'fetcher' && busy_seconds > 0));

  const errors = await ask('/api/v1/errors');
  strict(ErrorsSchema, errors);
  t.match(ErrorsSchema.parse(errors.json).errors, [{ where: 'IMAGE_CLOSE', times: 1 }]);
  const lsus = await ask('/api/v1/lsus');
  strict(LsusSchema, lsus);
  t.match(LsusSchema.parse(lsus.json), {
    unreachable: [],
    lsus: [{ lsu: 'lsu', size: Number, scrubbed: null }, { lsu: 'other' }],
  });
  const events = await ask('/api/v1/events');
  strict(EventsSchema, events);
  t.match(EventsSchema.parse(events.json).events, [{ server: 'test', type: 'IMAGE_COMPLETED' }]);
  t.strictSame((await ask('/api/v1/vips')).json, { servers: [] });
  t.strictSame((await ask('/api/v1/actions')).json, { actions: [] });
  await host.ask('IMAGE_CLOSE', { handle: 4n, mode: 4, size: 0n });
});

/** The action when it has ended. */
async function ended({ ask }: Served, id: string): Promise<z.output<typeof ActionSchema>> {
  for (;;) {
    const action = ActionSchema.strict().parse((await ask(`/api/v1/actions/${id}`)).json);
    if (action.ended !== null) return action;
  }
}

t.test('verification and restore check', async (t) => {
  const { bench, engine, host, served } = await realBench(t);
  const data = Buffer.alloc(2 * MIB + 512, 'vast-ost');
  await host.backup(1n, imageId('good'), data);
  await host.backup(2n, imageId('bad'), data);
  const begin = (kind: string, image: string) =>
    served.ask('/api/v1/actions', {
      method: 'POST',
      token: ACT_TOKEN,
      body: { kind, server: 'test', lsu: 'lsu', image },
    });
  const good = imageId('good').basename;
  for (const kind of ['verify', 'restore-check']) {
    const began = await begin(kind, good);
    t.equal(began.status, 202);
    const { id } = ActionSchema.strict().parse(began.json);
    t.match(await ended(served, id), { kind, state: 'ok', by: 'do', bytes: data.byteLength, size: data.byteLength });
  }
  t.equal(engine.services.usage.size, 0, 'the image is free again');
  t.equal(engine.services.resources.budget.used, 0);

  damage(join(bench.folder, 'store', 'lsu'), 'bad');
  for (const kind of ['verify', 'restore-check']) {
    const { id } = ActionSchema.parse((await begin(kind, imageId('bad').basename)).json);
    const action = await ended(served, id);
    t.match(action, { state: 'failed', error: { failure: 'integrity' } }, kind);
  }
  const none = ActionSchema.parse((await begin('verify', 'no-such-image')).json);
  t.match(await ended(served, none.id), { state: 'failed', error: { failure: 'not-found' } });
  const { errors } = ErrorsSchema.parse((await served.ask('/api/v1/errors')).json);
  t.ok(errors.every(({ failure }) => failure === 'integrity'));
  t.equal(ActionsSchema.parse((await served.ask('/api/v1/actions')).json).actions.length, 5);

  const where = await served.ask('/api/v1/actions', {
    method: 'POST',
    token: ACT_TOKEN,
    body: { kind: 'verify', server: 'nobody', lsu: 'lsu', image: 'x' },
  });
  t.equal(where.status, 404);
});

t.test('actions can be cancelled, are few, and end with the console', async (t) => {
  const bench = await memoryBench(t);
  const engine = bench.engine;
  if (engine === undefined) throw new Error('no engine');
  const { ask, console } = await serveConsole(t, engine);
  const server = engine.services.servers.get('VastData:test');
  const asked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<never>();
  // The storage does not answer before we say so.
  server.open = () => {
    asked.resolve();
    return opened.promise;
  };
  const begin = () =>
    ask('/api/v1/actions', {
      method: 'POST',
      token: ACT_TOKEN,
      body: { kind: 'verify', server: 'test', lsu: 'lsu', image: 'x' },
    });
  const ids: string[] = [];
  for (let count = 0; count < 16; count += 1) ids.push(ActionSchema.parse((await begin()).json).id);
  await asked.promise;
  const refused = await begin();
  t.equal(refused.status, 429);
  t.match(errorOf(refused), { code: 'VOST_LIMIT' });
  const [running = '', waiting = ''] = ids;
  t.match((await ask(`/api/v1/actions/${running}`)).json, { state: 'running' });
  t.match((await ask(`/api/v1/actions/${waiting}`)).json, { state: 'waiting' });
  await ask(`/api/v1/actions/${waiting}`, { method: 'DELETE', token: ACT_TOKEN });
  while (ActionSchema.parse((await ask(`/api/v1/actions/${waiting}`)).json).state !== 'cancelled');
  const closing = console.close();
  opened.reject(new Error('the storage went away'));
  await closing;
  const { actions } = ActionsSchema.parse((await ask('/api/v1/actions')).json);
  t.ok(actions.every(({ ended }) => ended !== null));
  t.match(actions.at(-1), { state: 'failed', error: { message: 'internal error' } }, 'what is not ours is not told');
});

t.test('the OpenAPI document has every route, with schemas', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const { ask } = await serveConsole(t, bench.engine);
  const document = z
    .object({
      openapi: z.literal('3.1.0'),
      paths: z.record(
        z.string(),
        z.record(z.string(), z.looseObject({ summary: z.string(), responses: z.record(z.string(), z.unknown()) })),
      ),
    })
    .parse((await ask('/api/v1/openapi.json')).json);
  for (const { method, path, status } of ROUTES) {
    const operation = document.paths[`/api/v1${path}`]?.[method.toLowerCase()];
    t.ok(operation?.responses[status], `${method} ${path}`);
  }
  const read = ROUTES.filter(({ method, path, run }) => method === 'GET' && run !== undefined && !path.includes('{'));
  for (const { path, answer } of read) {
    const got = await ask(`/api/v1${path}`, { token: READ_TOKEN });
    t.equal(got.status, 200, path);
    answer.parse(got.json);
  }
});
