/** @import { State } from '../schemas.ts' */

const KEY = 'vast-ost-token';
const RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  /** @param {string} value */
  set: (value) => (value === '' ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, value)),
};

/** An answer that says no. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path below /api/v1
 * @param {{ method?: string, body?: unknown, signal?: AbortSignal }} options
 */
async function send(path, { method = 'GET', body, signal } = {}) {
  const mine = token.get();
  const response = await fetch(`/api/v1${path}`, {
    method,
    credentials: 'omit',
    cache: 'no-store',
    headers: {
      ...(mine === '' ? {} : { authorization: `Bearer ${mine}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => undefined);
  const { message = `HTTP ${response.status}`, advice } = answer?.error ?? {};
  throw new ApiError(response.status, advice ? `${message}; ${advice}` : message);
}

/**
 * @param {string} path
 * @param {{ method?: string, body?: unknown }} [options]
 */
export async function ask(path, options) {
  return (await send(path, options)).json();
}

/**
 * Hear of every picture for ever; a connection that ends is made anew.
 *
 * @param {(state: State) => void} onState
 * @param {(problem: Error | undefined) => void} onConnection undefined: it is there
 */
export async function live(onState, onConnection) {
  let pause = RETRY_MS;
  for (;;) {
    try {
      const { body } = await send('/live');
      if (body === null) throw new Error('no answer');
      onConnection(undefined);
      pause = RETRY_MS;
      await readEvents(body, onState);
      onConnection(new Error('the engine ended the connection'));
    } catch (error) {
      onConnection(error instanceof Error ? error : new Error(String(error)));
      pause = Math.min(MAX_RETRY_MS, pause * 1.5);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
      addEventListener('vast-ost-token', resolve, { once: true });
    });
  }
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {(state: State) => void} onState
 */
async function readEvents(body, onState) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    const data = events.at(-1)?.match(/^data: (.*)$/m)?.[1];
    if (data !== undefined) onState(JSON.parse(data));
  }
}
