import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { type Outcome, run } from '../cli/support.ts';
import { tempDir } from '../support/temp-dir.ts';
import { Collector, listen } from './collector.ts';

const MIB = 1024 * 1024;
const FAILED = 2;
/** What is said of a collector that does not do what it should; of every one when the time at the end is over before. */
const LATE = 'the collector did not take the last spans within 5 s';
const SAID: Readonly<Record<string, string>> = {
  absent: '.*ECONNREFUSED',
  refusing: 'HTTP 500',
  endless: '.*exceeded size limit.*',
};

/** A directory store, a file to back up, and the command line on both. */
function site() {
  const dir = tempDir();
  const file = join(dir, 'data');
  const bytes = Buffer.alloc(9 * MIB, 'trace');
  writeFileSync(file, bytes);
  const vastOst = (env: Record<string, string>, ...args: string[]): Promise<Outcome> =>
    run(['--store', `file:${join(dir, 'folder')}`, '--log-file', join(dir, 'log'), ...args], { env });
  const backup = (env: Record<string, string>, image: string) =>
    vastOst(env, 'backup', '--create-lsu', '--part-size-mb', '4', '--chunk-size-mb', '2', 'lsu', image, file);
  return { dir, bytes, vastOst, backup, log: () => readFileSync(join(dir, 'log'), 'utf8') };
}

t.test('a command tells what it did before it ends', async (t) => {
  const collector = await Collector.start(t);
  const { dir, bytes, vastOst, backup, log } = site();
  // Longer than any of the commands: what comes has been sent at the end.
  const env = { ...collector.environment, OTEL_BSP_SCHEDULE_DELAY: '600000' };
  t.match(await backup(env, 'one'), { code: 0, stderr: /complete/ });
  t.equal((await vastOst(env, 'restore', 'lsu', 'one', join(dir, 'out'))).code, 0);
  t.ok(readFileSync(join(dir, 'out')).equals(bytes));
  t.equal((await vastOst(env, 'verify', 'lsu')).code, 0);
  t.not((await vastOst(env, 'restore', 'lsu', 'none', join(dir, 'no'))).code, 0);
  t.equal((await vastOst(env, 'delete', 'lsu', 'one')).code, 0);

  const done = { 'vast_ost.lsu': 'lsu', 'vast_ost.result': 'complete' };
  const made = collector.one('backup');
  t.match(made.attributes, { ...done, 'vast_ost.image.name': 'one', 'vast_ost.bytes': bytes.byteLength });
  const parts = collector.childrenOf(made).filter(({ name }) => name === 'part');
  t.equal(parts.length, 3);
  t.ok(parts.every((part) => collector.childrenOf(part).some(({ name }) => name.startsWith('file '))));
  t.match(collector.resources[0], { 'service.name': 'vast-ost' });
  t.match(
    collector.one('restore', ({ status }) => status.code !== FAILED),
    { attributes: { ...done, 'vast_ost.bytes': bytes.byteLength } },
  );
  t.match(
    collector.one('restore', ({ attributes }) => attributes['vast_ost.image.name'] === 'none'),
    { attributes: { 'vast_ost.result': 'failed', 'error.type': /^VOST_/ } },
  );
  t.match(collector.one('verify').attributes, { ...done, 'vast_ost.bytes': bytes.byteLength });
  t.match(collector.one('delete').attributes, done);
  t.ok(log().includes(`"trace_id":"${made.trace}"`), 'lines of the log lead to the trace');
});

t.test('without tracing nothing of it is loaded; with it, the standard encoding', async (t) => {
  const { backup, dir } = site();
  const loaded = join(dir, 'loaded.mjs');
  writeFileSync(
    loaded,
    `import { registerHooks } from 'node:module';
     import { appendFileSync } from 'node:fs';
     registerHooks({ load: (url, context, next) => {
       const name = /@opentelemetry\\/([a-z-]+)\\//.exec(url)?.[1];
       if (name) appendFileSync(${JSON.stringify(join(dir, 'packages'))}, name + '\\n');
       return next(url, context);
     } });`,
  );
  const hooked = { NODE_OPTIONS: `--import=${loaded}` };
  const packages = (): Set<string> => new Set(readFileSync(join(dir, 'packages'), 'utf8').trim().split('\n'));
  t.equal((await backup(hooked, 'off')).code, 0);
  t.strictSame([...packages()], ['api']);

  let body = Buffer.alloc(0);
  let type: string | undefined;
  const url = await listen(t, async (request, response) => {
    type = request.headers['content-type'];
    body = Buffer.concat([body, await buffer(request)]);
    response.end();
  });
  t.equal((await backup({ ...hooked, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces` }, 'proto')).code, 0);
  t.ok(packages().has('sdk-trace'));
  t.equal(type, 'application/x-protobuf');
  for (const text of ['vast-ost', 'backup', 'proto', 'vast_ost.result']) t.ok(body.includes(text), text);
});

t.test('collectors that harm nothing', async (t) => {
  const flood = Buffer.alloc(MIB, 'x');
  const urls: Readonly<Record<string, string>> = {
    absent: 'http://user:hush@127.0.0.1:1',
    silent: await listen(t, () => undefined),
    refusing: await listen(t, (_, response) => response.writeHead(500).end('hush '.repeat(1000))),
    endless: await listen(t, (_, response) => {
      const more = (): void => {
        while (response.writable && response.write(flood));
      };
      response.on('drain', more);
      more();
    }),
  };
  for (const [kind, url] of Object.entries(urls)) {
    const { backup } = site();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_MAX_QUEUE_SIZE: '3', OTEL_BSP_SCHEDULE_DELAY: '1' };
    const made = await backup(env, 'one');
    t.match(made, { code: 0, stderr: /one.* is complete/ }, kind);
    t.notMatch(made.stderr, 'hush', 'neither what stands in the URL nor what was answered');
    t.ok(
      made.stderr.split('\n').filter((line) => line.includes('traces:')).length <= 2,
      'it is told, not all the time',
    );
    t.match(
      made.stderr,
      new RegExp(`^vast-ost: traces: (traces were not taken: ${SAID[kind] ?? LATE}|${LATE})`, 'm'),
      'somebody is told',
    );
  }
});
