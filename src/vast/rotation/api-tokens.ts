import type { VmsClient } from '../vms/client.ts';
import type { Rotated } from './rotation.ts';

/** Tokens that a user may have unless an administrator changed it. */
const MOST = 5;

export interface ApiTokenOptions {
  readonly client: VmsClient;
  /** Whose tokens they are. */
  readonly owner: () => Promise<string>;
  /** What ours are called. */
  readonly name: string;
  /** How long a new one is good, as VMS writes it. */
  readonly life: string;
  /** The token's number in the credentials file; '' when the file has a token without one. */
  readonly current: () => Promise<string | undefined>;
  readonly save: (made: { readonly id: string; readonly token: string }) => Promise<void>;
}

/** The API tokens of a user (VAST 5.3 and later). The first one, which an administrator made, has no known number and is left to him. */
export function apiTokens({ client, owner, name, life, current, save }: ApiTokenOptions): Rotated {
  return {
    most: MOST,
    current,
    existing: async (options) => (await client.apiTokens(await owner(), options)).map(({ id }) => id),
    make: async (options) => {
      const made = await client.createApiToken(await owner(), name, life, options);
      return { id: made.id, save: () => save(made) };
    },
    remove: async (id, options) => {
      if (id !== '') await client.revokeApiToken(id, options);
    },
  };
}
