/**
 * How a VMS user proves who he is. Never logged, never shown.
 * - `password`: JWT, or Basic where the cluster issues none.
 * - `token`: an API token (VAST 5.3 and later).
 * - `certificate`: a client certificate; the connection itself says who we are.
 */
export type VmsCredentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'certificate'; readonly certificate: string; readonly key: string };

/** Read anew at every call, so that rotated credentials are found. Rejects with class `credentials`. */
export type VmsCredentialSource = () => Promise<VmsCredentials>;

/** True when both prove the same in the same way. */
export function sameCredentials(one: VmsCredentials | undefined, other: VmsCredentials): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What must never appear in any text. */
export function secretsOf(credentials: VmsCredentials): readonly string[] {
  switch (credentials.kind) {
    case 'password':
      return [credentials.password];
    case 'token':
      return [credentials.token];
    case 'certificate':
      return [credentials.key];
  }
}
