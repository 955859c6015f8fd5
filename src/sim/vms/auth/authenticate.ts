import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Manager } from '../../cluster/records.ts';
import { isSince } from '../../cluster/release.ts';
import type { VmsServices } from '../context.ts';
import { detailError, type VmsError } from '../vms-error.ts';
import { sameText } from './same-text.ts';
import { tokenUser } from './tokens.ts';

/** Who asks: by Bearer, Api-Token (5.3 and later), Basic or client certificate. Throws 401 and 403 answers. */
export function authenticate(services: VmsServices, request: IncomingMessage): Manager {
  const { authorization } = request.headers;
  if (authorization === undefined) {
    const manager = byCertificate(services, request);
    if (manager === undefined) throw detailError(401, 'Authentication credentials were not provided.');
    return manager;
  }
  // Manila's driver begins with the bare word `Bearer`.
  const [, scheme = '', value = ''] = /^(\S+)(?:\s+(.*))?$/.exec(authorization) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return byBearer(services, value);
    case 'basic':
      return byPassword(services, value);
    case 'api-token':
      if (!isSince(services.release, '5.3')) throw detailError(401, 'Authentication credentials were not provided.');
      return byApiToken(services, value);
    default:
      throw detailError(401, 'Authentication credentials were not provided.');
  }
}

/** The manager of a name, if the password is right. */
export function checkPassword(services: VmsServices, username: string, password: string): Manager | undefined {
  const manager = managerOf(services, username);
  return manager !== undefined && sameText(manager.password, password) ? manager : undefined;
}

/** What VMS says to tokens that are no good: VAST's own CSI driver looks for this text. */
export function invalidToken({ faults }: VmsServices): VmsError {
  return detailError(faults.modes.expiredStatus, 'Token is invalid or expired', { code: 'token_not_valid' });
}

function managerOf({ state }: VmsServices, username: string): Manager | undefined {
  return state.managers.find((manager) => manager.username === username);
}

function byBearer(services: VmsServices, token: string): Manager {
  const username = tokenUser(services.state, token, 'access', services.clock());
  const manager = username === undefined ? undefined : managerOf(services, username);
  if (manager === undefined) throw invalidToken(services);
  return manager;
}

function byPassword(services: VmsServices, encoded: string): Manager {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const manager = colon < 0 ? undefined : checkPassword(services, text.slice(0, colon), text.slice(colon + 1));
  if (manager === undefined) throw detailError(401, 'Invalid username/password.');
  return manager;
}

function byApiToken(services: VmsServices, token: string): Manager {
  const { state, clock } = services;
  const row = state.apiTokens.find((each) => sameText(each.token, token));
  const expired = row?.expiry_date != null && Date.parse(row.expiry_date) <= clock();
  const manager = row === undefined || row.revoked || expired ? undefined : managerOf(services, row.owner);
  if (row === undefined || manager === undefined) throw invalidToken(services);
  state.apiTokens.replace({ ...row, last_used: new Date(clock()).toISOString() });
  return manager;
}

/** The common name of a certificate that our authority signed is the manager's. */
function byCertificate(services: VmsServices, { socket }: IncomingMessage): Manager | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' ? managerOf(services, name) : undefined;
}
