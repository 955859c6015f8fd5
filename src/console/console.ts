import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import type { AccessFiles } from '../metrics/access.ts';
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
  readonly tokenFile: string | undefined;
  readonly tokens: Tokens;
  /** `/metrics` is open to whoever reaches it, which only this machine does. */
  readonly openToRead: boolean;
  readonly access: AccessFiles;
  readonly log: Logger;
}

/** The page and the API of one engine, beside `/metrics` on the same server. */
export class Console {
  readonly #options: ConsoleOptions;
  #tokens: Tokens;
  #hostIsFine: (host: string | undefined) => boolean;
  readonly #assets: ReadonlyMap<string, Asset> = readAssets();
  #live: LiveClients | undefined;
  #actions: Actions | undefined;

  private constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#tokens = options.tokens;
    this.#hostIsFine = hostCheck(options.access.now.tls?.cert);
    options.access.onReload(({ tls }) => {
      this.#hostIsFine = hostCheck(tls?.cert);
    });
  }

  /**
   * Read what `[console]` names.
   * @param access of `[metrics]`, at the same address.
   * @throws EngineError VOST_CREDENTIALS (`credentials`)
   */
  static async prepare({ console }: Settings, access: AccessFiles, log: Logger): Promise<Console> {
    const { token_file: tokenFile } = console;
    const tokens = tokenFile === undefined ? Tokens.none : await Tokens.read(tokenFile);
    return new Console({ tokenFile, tokens, openToRead: access.now.allows === undefined, access, log });
  }

  /** Read the tokens again; whoever looks has to show a good one when they have changed. Throws as {@link prepare} does; then they stay. */
  async reload(): Promise<void> {
    const { tokenFile } = this.#options;
    if (tokenFile === undefined) return;
    const tokens = await Tokens.read(tokenFile);
    if (tokens.sameAs(this.#tokens)) return;
    this.#tokens = tokens;
    this.#live?.close();
  }

  /** What answers the requests about an engine. */
  open(engine: OstEngine): RequestListener {
    const { openToRead, log } = this.#options;
    const sampler = new Sampler({
      take: (at) => takeSample(engine, at),
      read: (before, now) => readState(engine, before, now),
    });
    const live = new LiveClients(sampler);
    const actions = new Actions(engine.services, log);
    this.#live = live;
    this.#actions = actions;
    const tokens = (): Tokens => this.#tokens;
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
    if (!this.#hostIsFine(request.headers.host))
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
