import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { promise } from '../support/promise.ts';
import { buildFolder, startHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';

const OUTAGE = join(buildFolder(), 'ost-test', 'outage');
const LIBRARY = join(buildFolder(), 'libstspiVastData.so');

if (!existsSync(OUTAGE)) t.bailout('build/ost-test/outage is missing: run make');

/** Every function of the interface, from its header. */
const header = readFileSync(fileURLToPath(new URL('../../addon/include/stspi.h', import.meta.url)), 'utf8');
const functions = [...header.matchAll(/^int stsp_([a-z_]+)\(/gm)].map(([, name]) => name as string);

const EOK = 0;
const EINVAL = 2060001;
const EAGAIN = 2060012;
const ENOENT = 2060013;
const ESOCK = 2060019;

/** They need nothing of the engine, or have it already: a page of a list, a copy that cannot be asked about any more. */
const LOCAL: Readonly<Record<string, number>> = {
  init: EOK,
  claim: EOK,
  terminate: EOK,
  // An engine that is not told forgets the server with the connection.
  close_server: EOK,
  close_lsu_list: EOK,
  close_image_list: EOK,
  open_evchannel: EOK,
  close_evchannel: EOK,
  // One page holds everything here.
  list_lsu: ENOENT,
  list_image: ENOENT,
};

const AT_A_TIME = 4;

/** All configured times together are below 25 s; without a bound a call lasts for minutes, or for ever. */
const IN_TIME_MS = 40_000;

/** The same times hold while everything is opened, of an engine that works: a busy machine needs some of them. */
const QUICK = `
slot_mib = 1
connect_timeout_ms = 2000
call_timeout_ms = 10000
data_timeout_ms = 10000
reconnect_patience_ms = 400`;

/** One process per function, all in front of the same engine. */
class Callers {
  readonly #t: Test;
  readonly #callers: { readonly name: string; readonly next: () => Promise<string>; readonly go: () => void }[] = [];

  constructor(t: Test) {
    this.#t = t;
  }

  /** Start them, a few at a time; resolves when all are ready, rejects with what one said instead. */
  async start(served: Served, plugin: string, absent: string[] = []): Promise<void> {
    for (let at = 0; at < functions.length; at += AT_A_TIME) {
      const callers = functions.slice(at, at + AT_A_TIME).map((name) => this.#start(served, plugin, name, absent));
      for (const line of await Promise.all(callers.map(({ next }) => next())))
        if (line !== 'ready') throw new Error(line);
    }
  }

  #start(served: Served, plugin: string, name: string, absent: string[]) {
    const child = startHost(served, [LIBRARY, 'lsu-1', name, ...absent], { program: OUTAGE, plugin });
    // A test that fails leaves them waiting for the next line, and the file waiting for them.
    this.#t.teardown(() => child.kill('SIGKILL'));
    const lines = createInterface(child.stdout);
    const waiting = lines[Symbol.asyncIterator]();
    const closed = once(child, 'close');
    const caller = {
      name,
      next: async () => {
        const { value, done } = await waiting.next();
        if (!done) return value as string;
        const [code, signal] = (await closed) as [number | null, string | null];
        return `ended ${signal ?? code}`;
      },
      go: () => child.stdin.write('go\n'),
    };
    this.#callers.push(caller);
    return caller;
  }

  /** The next line of every process. */
  async lines(): Promise<[name: string, line: string][]> {
    return Promise.all(this.#callers.map(async ({ name, next }) => [name, await next()] as [string, string]));
  }

  go(): void {
    for (const { go } of this.#callers) go();
  }
}

interface Trouble {
  readonly name: string;
  readonly plugin: string;
  readonly begin: (served: Served) => Promise<void>;
  /** Before the handles are let go of. */
  readonly end: (served: Served) => Promise<void>;
  /** Answers of the functions that are not {@link LOCAL}. */
  readonly answers: readonly number[];
}

const nothing = async (): Promise<void> => undefined;
const stopped = async (served: Served): Promise<void> => {
  served.child?.kill('SIGSTOP');
};
const continued = async (served: Served): Promise<void> => {
  served.child?.kill('SIGCONT');
};

const troubles: Trouble[] = [
  {
    name: 'killed',
    plugin: QUICK,
    begin: (served) => served.kill(),
    end: nothing,
    answers: [EAGAIN, ESOCK],
  },
  {
    name: 'hung',
    plugin: `${QUICK}\nengine_timeout_ms = 5000`,
    begin: stopped,
    end: nothing,
    answers: [EAGAIN, ESOCK],
  },
  {
    // It hangs for longer than a call may take, and for less than what makes the plugin leave it.
    name: 'slow',
    plugin: `${QUICK}\nengine_timeout_ms = 60000`,
    begin: stopped,
    end: continued,
    answers: [EAGAIN],
  },
];

async function outage(t: Test, trouble: Trouble): Promise<void> {
  const served = await Served.prepare(t);
  await served.start();
  const callers = new Callers(t);
  await callers.start(served, trouble.plugin);
  await trouble.begin(served);
  callers.go();
  for (const [name, line] of await callers.lines()) {
    const [, status, ms] = /^called (\d+) (\d+)$/.exec(line) ?? [];
    const local = LOCAL[name];
    const good = local === undefined ? trouble.answers.includes(Number(status)) : Number(status) === local;
    t.ok(good && Number(ms) < IN_TIME_MS, `${name}: ${line}`);
  }
  t.strictSame(new Set((await callers.lines()).map(([, line]) => line)), new Set(['done']));
  await trouble.end(served);
  callers.go();
  const fresh = await callers.lines();
  if (trouble.name === 'slow') {
    // Of the others the server, and so the LSU, is gone.
    for (const [name, line] of fresh) {
      if (name !== 'terminate' && name !== 'close_server') t.match(line, /^fresh (0|2060013)$/, `${name}: ${line}`);
    }
  }
  // A server that the engine could not be told about is closed all the same.
  const closed = await callers.lines();
  for (const [name, line] of closed) t.notMatch(line, /2060005/, `${name}: every handle was freed`);
  for (const [name, line] of await callers.lines()) t.equal(line, 'terminate 0', name);
  for (const [name, line] of await callers.lines()) {
    t.ok(Number(/^ended (\d+)$/.exec(line)?.[1]) < IN_TIME_MS, `${name}: letting go took ${line}`);
  }
  for (const [name, line] of await callers.lines()) t.equal(line, 'left 0 0', name);
  for (const [name, line] of await callers.lines()) t.equal(line, 'ended 0', name);
  await continued(served);
}

for (const trouble of troubles) t.test(`an engine that is ${trouble.name}`, (t) => outage(t, trouble));

t.test('an engine that is absent', async (t) => {
  promise({
    row: 'restart',
    promise: 'Every call of the plugin ends with its number when no engine is there',
    fault: 'no engine, longer than the patience',
  });
  const served = await Served.prepare(t);
  const callers = new Callers(t);
  await callers.start(served, QUICK, ['absent']);
  callers.go();
  const wanted: Record<string, number> = {
    init: EOK,
    claim: EOK,
    terminate: EOK,
    open_server: ESOCK,
    get_server_prop_byname: ESOCK,
    async_wait: ENOENT,
    async_cancel: ENOENT,
  };
  for (const [name, line] of await callers.lines()) {
    const [, status, ms] = /^called (\d+) (\d+)$/.exec(line) ?? [];
    // Without a server there are no handles.
    t.ok(Number(status) === (wanted[name] ?? EINVAL) && Number(ms) < IN_TIME_MS, `${name}: ${line}`);
  }
  await callers.lines();
  callers.go();
  for (const wantedLine of [/^fresh/, /^server 2060001$/, /^terminate 0$/, /^ended/, /^left 0 0$/, /^ended 0$/]) {
    for (const [name, line] of await callers.lines()) t.match(line, wantedLine, name);
  }
});
