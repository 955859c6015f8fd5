import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { Agent, request } from 'undici';
import type { Settings } from '../config/settings.ts';
import { type State, StateSchema } from '../console/schemas.ts';
import { Tokens } from '../console/tokens.ts';
import { abortError, EngineError } from '../errors.ts';

/** Far more than the largest picture. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;
/** A picture comes every second. */
const SILENCE_MS = 15_000;
/** Addresses that stand for all of a machine's. */
const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * The pictures of a running engine, one a second, until the signal fires.
 *
 * @param url of its console; default: where the configuration says that it listens.
 * @throws EngineError VOST_CONSOLE (`retryable`: nobody answers; `usage`: there is none), VOST_API_TOKEN (`credentials`)
 */
export async function* liveStates(
  { metrics, console }: Settings,
  url: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<State> {
  const at = url ?? addressOf(metrics);
  const token = console.token_file === undefined ? undefined : await Tokens.anyOf(console.token_file);
  // A certificate of nobody's but ours is trusted as it is.
  const { tls_cert_file: cert } = metrics;
  const ca = cert === undefined ? undefined : await readFile(cert, 'utf8').catch(() => undefined);
  const dispatcher = new Agent({
    bodyTimeout: SILENCE_MS,
    headersTimeout: SILENCE_MS,
    ...(ca === undefined ? {} : { connect: { ca: [...rootCertificates, ca] } }),
  });
  try {
    const { statusCode, body } = await request(new URL('/api/v1/live', at), {
      dispatcher,
      signal,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    if (statusCode !== 200) throw await refusalOf(at, statusCode, body);
    let text = '';
    for await (const piece of body.setEncoding('utf8') as AsyncIterable<string>) {
      text += piece;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      if (text.length > MAX_EVENT_BYTES) throw unusable(at, 'its pictures are too large');
      for (const event of events) yield parse(at, event);
    }
    throw unreachable(at, new Error('the engine ended the connection'));
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw error instanceof EngineError ? error : unreachable(at, error);
  } finally {
    await dispatcher.destroy();
  }
}

function addressOf({ listen, tls_cert_file: cert }: Settings['metrics']): string {
  if (listen === undefined) {
    throw new EngineError('VOST_CONSOLE', 'usage', 'the configuration turns metrics and console off', {
      advice: 'set listen in [metrics], or name another engine with --url',
    });
  }
  const host = ANY[listen.host] ?? listen.host;
  return `${cert === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}

function parse(at: string, event: string): State {
  try {
    return StateSchema.parse(JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? ''));
  } catch (error) {
    throw unusable(at, 'it is no picture that this version knows', error);
  }
}

async function refusalOf(at: string, status: number, body: AsyncIterable<Uint8Array>): Promise<EngineError> {
  let text = '';
  for await (const piece of body) {
    text += Buffer.from(piece).toString();
    if (text.length > MAX_REFUSAL_BYTES) break;
  }
  if (status === 401 || status === 403) {
    return new EngineError('VOST_API_TOKEN', 'credentials', `${at} wants a token`, {
      advice: 'name a file with one: --token-file, or token_file in [console]',
    });
  }
  return unusable(at, `HTTP ${status}`, new Error(text.slice(0, 1000)));
}

function unusable(at: string, why: string, cause?: unknown): EngineError {
  return new EngineError('VOST_CONSOLE', 'unsupported', `${at}: ${why}`, { cause });
}

function unreachable(at: string, cause: unknown): EngineError {
  return new EngineError('VOST_CONSOLE', 'retryable', `${at} does not answer: ${(cause as Error).message}`, {
    cause,
    advice: 'is the engine running, and is its console there? systemctl status vast-ost',
  });
}
