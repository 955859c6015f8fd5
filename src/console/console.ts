import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import { readAccess } from '../metrics/access.ts';
import type { OstEngine } from '../ost/engine.ts';
import { Actions } from './actions.ts';
import { API, type ApiOptions, answerApi } from './api-server.ts';
import { type Asset, readAssets } from './assets.ts';
import { hostCheck } from './host-check.ts';
import { setSecurityHeaders } from './http.ts';
import { LiveClients } from './live.ts';
import { readState } from './read-state.ts';
import { takeSample } from './sample.ts';
import { Sampler } from './sampler.ts';
import { Tokens } from './tokens.ts';

interface ConsoleOptions {
  readonly tokens: Tokens;
  /** `/metrics` is open to whoever reaches it, which only this machine does. */
  readonly openToRead: boolean;
  readonly hostIsFine: (host: string | undefined) => boolean;
  readonly log: Logger;
}

/** The page and the API of one engine, beside `/metrics` on the same server. */
export class Console {
  readonly #options: ConsoleOptions;
  readonly #assets: ReadonlyMap<string, Asset> = readAssets();
  #live: LiveClients | undefined;
  #actions: Actions | undefined;

  private constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  /**
   * Read what `[console]` and `[metrics]` name.
   * @throws EngineError VOST_CREDENTIALS (`credentials`), and as {@link readAccess}
   */
  static async prepare({ console, metrics }: Settings, log: Logger): Promise<Console> {
    const { tls, allows } = await readAccess(metrics);
    const tokens = console.token_file === undefined ? Tokens.none : await Tokens.read(console.token_file);
    return new Console({ tokens, openToRead: allows === undefined, hostIsFine: hostCheck(tls?.cert), log });
  }

  /** What answers the requests about an engine. */
  open(engine: OstEngine): RequestListener {
    const { tokens, openToRead, log } = this.#options;
    const sampler = new Sampler({
      take: (at) => takeSample(engine, at),
      read: (before, now) => readState(engine, before, now),
    });
    const live = new LiveClients(sampler);
    const actions = new Actions(engine.services, log);
    this.#live = live;
    this.#actions = actions;
    const api: ApiOptions = { context: { engine, sampler, actions }, live, tokens, openToRead, log };
    return (request, response) => this.#answer(request, response, api);
  }

  /** Nobody looks any more, and no action runs, when this resolves. */
  async close(): Promise<void> {
    this.#live?.close();
    await this.#actions?.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse, api: ApiOptions): void {
    setSecurityHeaders(response);
    const path = request.url?.split('?', 1)[0] ?? '/';
    const asset = this.#assets.get(path);
    if (!this.#options.hostIsFine(request.headers.host))
      refuse(response, 421, 'ask by address, as localhost, or by a name of the certificate');
    else if (path.startsWith(`${API}/`)) void answerApi(request, response, api);
    else if (asset === undefined) refuse(response, 404, `there are /, /metrics and ${API}/openapi.json`);
    else if (request.method === 'GET' || request.method === 'HEAD')
      response.writeHead(200, { 'content-type': asset.type, 'cache-control': 'no-cache' }).end(asset.body);
    else refuse(response, 405, 'only GET and HEAD', { allow: 'GET, HEAD' });
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  why: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  // What is left of a body is not waited for.
  response.shouldKeepAlive = false;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${why}\n`);
}
