import { EngineError, failureOf } from '../../errors.ts';
import { sameCredentials, secretsOf, type VmsCredentialSource, type VmsCredentials } from './credentials.ts';
import { badAnswer, errorText, refusalError } from './errors.ts';
import { renewAfter, TokenPair } from './token.ts';
import type { VmsReply, VmsTransport } from './transport.ts';

/** A refused login is not tried again with the same password for so long: accounts get locked. */
const REFUSED_MS = 300_000;

/** What one request says about who sends it. */
export interface Proof {
  /** The `Authorization` header; undefined when the certificate of the connection says it all. */
  readonly header: string | undefined;
}

interface Held {
  readonly credentials: VmsCredentials;
  readonly proof: Proof;
  readonly refresh: string | undefined;
  /** When it should be renewed, by our clock. */
  readonly renewAt: number;
}

interface Refused {
  readonly credentials: VmsCredentials;
  readonly headers: Readonly<Record<string, string>>;
  readonly at: number;
  readonly error: EngineError;
}

export interface AuthenticatorOptions {
  readonly transport: VmsTransport;
  readonly source: VmsCredentialSource;
  /** `/api/v5/`: where `token/` is. */
  readonly base: () => string;
  /** Further headers of a login (the tenant). */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Turns credentials into the header of a request: API token, JWT, Basic, or nothing with a client certificate. Many requests at
 * once cause one login. A token is renewed before it expires.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #secrets = new Set<string>();
  #held: Held | undefined;
  #running: Promise<Proof> | undefined;
  #refused: Refused | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Who we are, now. Throws class `credentials` when the cluster says no. @param signal the end of everything: a login is shared. */
  async proof(signal: AbortSignal): Promise<Proof> {
    const held = this.#held;
    if (held !== undefined && this.#options.now() < held.renewAt) return held.proof;
    return this.#once(held, signal);
  }

  /** `used` was refused: get something better. Rejects when there is nothing better. */
  async renew(used: Proof, signal: AbortSignal): Promise<void> {
    // Somebody else has been here already.
    if (this.#held !== undefined && this.#held.proof !== used) return;
    await this.#once(this.#held, signal);
    if (this.#held?.proof === used)
      throw new EngineError('VOST_VMS_CREDENTIALS', 'credentials', 'nothing newer to try');
  }

  /** A text without anything secret that we know of. */
  clean(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) if (secret !== '') clean = clean.replaceAll(secret, '[secret]');
    return clean;
  }

  #once(old: Held | undefined, signal: AbortSignal): Promise<Proof> {
    this.#running ??= this.#prove(old, signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #prove(old: Held | undefined, signal: AbortSignal): Promise<Proof> {
    const credentials = await this.#options.source();
    for (const secret of secretsOf(credentials)) this.#secrets.add(secret);
    const { transport } = this.#options;
    transport.show(credentials.kind === 'certificate' ? credentials : undefined);
    const same = sameCredentials(old?.credentials, credentials);
    if (credentials.kind === 'password') {
      const held =
        (same ? await this.#refresh(old, credentials, signal) : undefined) ?? (await this.#login(credentials, signal));
      return this.#hold(held);
    }
    // The same token again proves nothing more.
    if (old !== undefined && same) return old.proof;
    const header = credentials.kind === 'token' ? `Api-Token ${credentials.token}` : undefined;
    return this.#hold({ credentials, proof: { header }, refresh: undefined, renewAt: Number.POSITIVE_INFINITY });
  }

  #hold(held: Held): Proof {
    this.#held = held;
    // The newest few: whatever was sent lately may come back in an answer.
    for (const secret of [held.proof.header?.split(' ')[1], held.refresh]) if (secret) this.#secrets.add(secret);
    while (this.#secrets.size > 32) this.#secrets.delete([...this.#secrets][0] ?? '');
    return held.proof;
  }

  /** Undefined when the refresh token is no longer good for anything. */
  async #refresh(old: Held | undefined, credentials: VmsCredentials, signal: AbortSignal): Promise<Held | undefined> {
    if (old?.refresh === undefined) return undefined;
    const reply = await this.#post('token/refresh/', { refresh: old.refresh }, signal);
    return reply.status < 300 ? this.#heldFrom(reply, credentials, old.refresh) : undefined;
  }

  async #login(credentials: VmsCredentials & { readonly kind: 'password' }, signal: AbortSignal): Promise<Held> {
    const { now, headers } = this.#options;
    const refused = this.#refused;
    const again = refused !== undefined && refused.headers === headers() && now() - refused.at < REFUSED_MS;
    if (again && sameCredentials(refused.credentials, credentials)) throw refused.error;
    const { user: username, password } = credentials;
    const reply = await this.#post('token/', { username, password }, signal);
    // A cluster, or something before it, that issues no tokens.
    if (reply.status === 404 || reply.status === 405) {
      const header = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
      return { credentials, proof: { header }, refresh: undefined, renewAt: Number.POSITIVE_INFINITY };
    }
    if (reply.status >= 300) {
      const refusal = { status: reply.status, text: this.clean(errorText(reply.text)) };
      const error = refusalError(refusal, `login of ${username} at ${this.#options.transport.origin}`);
      if (failureOf(error) === 'credentials') {
        this.#refused = { credentials, headers: headers(), at: now(), error };
      }
      throw error;
    }
    return this.#heldFrom(reply, credentials, undefined);
  }

  #heldFrom(reply: VmsReply, credentials: VmsCredentials, before: string | undefined): Held {
    let pair: TokenPair;
    try {
      pair = TokenPair.parse(JSON.parse(reply.text));
    } catch {
      throw badAnswer('login', 'the answer has no token', reply.status);
    }
    const { access, refresh = before } = pair;
    const renewAt = this.#options.now() + renewAfter(access);
    return { credentials, proof: { header: `Bearer ${access}` }, refresh, renewAt };
  }

  #post(resource: string, body: unknown, signal: AbortSignal): Promise<VmsReply> {
    const { transport, base, headers } = this.#options;
    return transport.send({ method: 'POST', path: `${base()}${resource}`, headers: headers(), body, signal });
  }
}
