import { createHash, timingSafeEqual } from 'node:crypto';
import { badSecretFile, readSecretValues } from '../config/secret-file.ts';

/** What a token allows: `act` includes `read`. */
export type Scope = 'read' | 'act';

/** Whoever holds a token. */
export interface Holder {
  /** As in the file; for the log. */
  readonly name: string;
  readonly scope: Scope;
}

interface Known extends Holder {
  readonly digest: Buffer;
}

const MAX_TOKENS = 64;
/** `openssl rand -hex 32` gives 64 characters; less than 32 could be guessed. */
const FORM = /^(read|act)\s+([A-Za-z0-9._~+/=-]{32,256})$/;

/** The tokens of `token_file`. Only their digests are kept. */
export class Tokens {
  readonly #known: readonly Known[];

  private constructor(known: readonly Known[]) {
    this.#known = known;
  }

  static readonly none = new Tokens([]);

  /** @throws EngineError VOST_CREDENTIALS (`credentials`), which never repeats what the file holds */
  static async read(path: string): Promise<Tokens> {
    return new Tokens(
      (await entriesOf(path)).map(({ name, scope, token }) => ({ name, scope, digest: digestOf(token) })),
    );
  }

  /** A token of the file with which the engine of this machine may be read; undefined when there is none. */
  static async anyOf(path: string): Promise<string | undefined> {
    return (await entriesOf(path))[0]?.token;
  }

  /** Whether the same holders have the same tokens, for the same. */
  sameAs(other: Tokens): boolean {
    const text = ({ name, scope, digest }: Known): string => `${name} ${scope} ${digest.toString('hex')}`;
    return this.#known.map(text).join() === other.#known.map(text).join();
  }

  /** Whose token an Authorization header has; undefined for none or an unknown one. */
  holderOf(authorization: string | undefined): Holder | undefined {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const digest = digestOf(token);
    let holder: Holder | undefined;
    // All are compared, so that the time says nothing.
    for (const known of this.#known) if (timingSafeEqual(digest, known.digest)) holder = known;
    return holder;
  }
}

interface Entry extends Holder {
  readonly token: string;
}

async function entriesOf(path: string): Promise<Entry[]> {
  const values = await readSecretValues(path);
  if (values.size > MAX_TOKENS) throw badSecretFile(path, `has more than ${MAX_TOKENS} tokens`);
  return [...values].map(([name, value]) => {
    const [, scope, token] = FORM.exec(value) ?? [];
    if ((scope !== 'read' && scope !== 'act') || token === undefined) {
      const advice = 'write NAME = read TOKEN or NAME = act TOKEN; openssl rand -hex 32 makes a token';
      throw badSecretFile(path, `has no scope and token of at least 32 characters for ${name}`, advice);
    }
    return { name, scope, token };
  });
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
