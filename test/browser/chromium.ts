import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const Message = z.looseObject({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
});
const Evaluated = z.looseObject({
  result: z.looseObject({ value: z.unknown().optional() }),
  exceptionDetails: z.unknown().optional(),
});

/** Whether this machine has a Chromium. */
export const hasChromium = spawnSync('chromium', ['--version']).status === 0;

/** A Chromium with one page, over its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/ */
export class Chromium {
  /** What the page complained about: exceptions, refused by the policy, failed loads. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #last = 0;
  #session: string | undefined;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#onMessage(Message.parse(JSON.parse(String(data)))));
  }

  static async open(): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), 'vost-chromium-'));
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-extensions'];
    const child = spawn(
      'chromium',
      [...flags, '--disable-dev-shm-usage', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let url: string | undefined;
    for await (const line of createInterface({ input: child.stderr })) {
      url = /^DevTools listening on (ws:\S+)$/.exec(line)?.[1];
      if (url !== undefined) break;
    }
    child.stderr.resume();
    if (url === undefined) throw new Error('chromium did not start');
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
    const chromium = new Chromium(child, profile, socket);
    const { targetId } = await chromium.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await chromium.send('Target.attachToTarget', { targetId, flatten: true });
    chromium.#session = String(sessionId);
    for (const domain of ['Page', 'Runtime', 'Log']) await chromium.send(`${domain}.enable`);
    return chromium;
  }

  /** One command of the protocol. */
  send(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>> {
    this.#last += 1;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(this.#last, answer);
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    this.#socket.send(JSON.stringify({ id: this.#last, method, params, ...session }));
    return answer.promise;
  }

  /** The value of an expression in the page; promises are waited for. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = Evaluated.parse(answer);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Wait until an expression is true in the page. */
  async until(expression: string): Promise<void> {
    await this.evaluate(
      `new Promise((resolve) => { const look = () => (${expression}) ? resolve(true) : setTimeout(look, 50); look(); })`,
    );
  }

  async press(key: string): Promise<void> {
    const code = { Tab: 9, Enter: 13, Escape: 27 }[key] ?? 0;
    const text = key === 'Enter' ? { text: '\r' } : {};
    await this.send('Input.dispatchKeyEvent', {
      type: 'keyDown',
      key,
      code: key,
      windowsVirtualKeyCode: code,
      ...text,
    });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode: code });
  }

  async close(): Promise<void> {
    const gone = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#socket.close();
    this.#child.kill('SIGKILL');
    await gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  #onMessage({ id, method, params, result, error }: z.output<typeof Message>): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result ?? {});
      else waiting?.reject(new Error(error.message));
    } else if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') {
      this.complaints.push(JSON.stringify(params));
    }
  }
}
