import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { liveStates } from '../../src/cli/live-states.ts';
import { screenOf } from '../../src/cli/top-screen.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { type State, StateSchema } from '../../src/console/schemas.ts';
import { READ_TOKEN, serveConsole } from '../console/support.ts';
import { memoryBench } from '../ost/support/engine.ts';
import { imageId } from '../ost/support/host.ts';
import { refusal } from '../support/refusal.ts';
import { jsonLines, run } from './support.ts';

const NONE = buildSettings(parseIni('', 'x.conf'));

const STATE: State = {
  at: '2026-01-01T00:01:00.000Z',
  window_seconds: 9,
  engine: { version: '1.2.3', instance: 'x', began: '2026-01-01T00:00:00.000Z', draining: true, sessions: 2 },
  flows: [
    {
      flow: 'backup',
      bytes_per_second: 1024 ** 3,
      stages: [
        { stage: 'source', streams: 1, bytes_per_second: 1, busy: 0.1, waits_upstream: 0, waits_downstream: 0.9 },
        { stage: 'lz4', streams: 1, bytes_per_second: 1, busy: 1, waits_upstream: 0, waits_downstream: 0 },
      ],
      bottleneck: { limit: 'compress', stage: 'lz4', share: 0.9, text: 'compression' },
    },
    { flow: 'restore', bytes_per_second: 0, stages: [], bottleneck: null },
  ],
  queues: { parts_in_flight: 3, parts_waiting: 1, slots: {}, slots_waiting: 0, stages_waiting: 0 },
  memory: { used: 1024, limit: 2048 },
  images: {
    running: 1,
    shown: [
      {
        operation: 'read',
        server: 's',
        lsu: 'l',
        image_id: 'i',
        name: 'evil\x1b]0;title\x07\u202e',
        began: '2026-01-01T00:00:00.000Z',
        bytes: 50,
        size: 200,
        stored: null,
        bytes_per_second: 10,
        parts_in_flight: null,
        host_waited_seconds: 0,
        bottleneck: null,
      },
    ],
  },
  problems: 2,
};

t.test('the picture', async (t) => {
  const lines = screenOf(StateSchema.parse(STATE), 200, 100);
  t.match(lines[0], /^vast-ost 1\.2\.3 \(stopping\) {3}up 1m00s {3}2 host processes {3}memory 1\.00 KiB of 2\.00 KiB/);
  t.ok(lines.includes('backup 1.00 GiB/s   held back by compression [compress, 90%]'));
  t.match(
    lines.find((line) => line.includes('source')),
    /^ {2}source {2}\[##={18}\] {2}busy {2}10%/,
  );
  t.match(
    lines.find((line) => line.includes('lz4 ')),
    /^> lz4 .*\[#{20}\]/,
  );
  t.ok(lines.includes('restore: nothing runs'));
  const image = lines.find((line) => line.includes('evil')) ?? '';
  t.match(image, /evil\?\]0;title\?\? .* 50 B 25% .* 10 B\/s/, 'a terminal would obey');
  t.match(lines.at(-1), /^2 different errors/);
  t.strictSame(
    screenOf(STATE, 10, 3).map((line) => line.length <= 10),
    [true, true, true],
  );
});

t.test('from a running engine', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const host = await bench.host();
  await host.create(1n, imageId('open'));
  const { port } = await serveConsole(t, bench.engine);
  const url = `http://127.0.0.1:${port}`;
  const top = (...args: string[]) => run(['--config', '/dev/null', ...args, '--url', url, '--once']);
  const shown = await top('top');
  t.strictSame([shown.code, shown.stderr], [0, '']);
  const out = String(shown.stdout);
  t.match(out, /^vast-ost .*\n\nbackup .*held back by the host.*\[source, 100%\]\n> source/);
  t.match(out, /1 images are open\n {2}write {2}open/);
  const json = await top('--json', 'top');
  t.equal(json.code, 0);
  t.equal(jsonLines(json).length, 1);
  StateSchema.strict().parse(jsonLines(json)[0]);
});

t.test('tokens, and engines that are not there', async (t) => {
  const bench = await memoryBench(t);
  if (bench.engine === undefined) throw new Error('no engine');
  const password = join(bench.folder, 'password');
  writeFileSync(password, 'user = a\npassword = b\n', { mode: 0o600 });
  const { port } = await serveConsole(t, bench.engine, `password_file = ${password}`);
  const url = `http://127.0.0.1:${port}`;
  const { signal } = new AbortController();
  await t.rejects(liveStates(NONE, url, signal).next(), refusal('credentials', { code: 'VOST_API_TOKEN' }));
  const file = join(bench.folder, 'tokens');
  writeFileSync(file, `look = read ${READ_TOKEN}\n`, { mode: 0o600 });
  const withToken = buildSettings(parseIni(`[console]\ntoken_file = ${file}`, 'x.conf'));
  const states = liveStates(withToken, url, signal);
  t.equal((await states.next()).done, false);
  await states.return(undefined);

  const off = buildSettings(parseIni('[metrics]\nlisten = off', 'x.conf'));
  await t.rejects(liveStates(off, undefined, signal).next(), refusal('usage', { code: 'VOST_CONSOLE' }));
  await t.rejects(liveStates(NONE, url, AbortSignal.abort()).next(), refusal('aborted'));
  const other = createServer((_, response) => response.end('event: state\ndata: {"not":"ours"}\n\n'));
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port: free } = other.address() as AddressInfo;
  const elsewhere = `http://127.0.0.1:${free}`;
  await t.rejects(liveStates(NONE, elsewhere, signal).next(), refusal('unsupported', { code: 'VOST_CONSOLE' }));
  other.close();
  await once(other, 'close');
  await t.rejects(liveStates(NONE, elsewhere, signal).next(), refusal('retryable', { code: 'VOST_CONSOLE' }));
});
