import { VERSION } from '../../version.ts';
import type { StorageServer } from '../storage-server.ts';
import { CAPABILITY } from '../wire/constants.ts';
import type { WireServerInfo } from '../wire/groups.ts';
import type { Handlers } from './handler.ts';

/** server_open.cred_type */
const CREDENTIALS_CLEAR = 1;

/** Only what the tests prove. */
const CAPABILITIES =
  CAPABILITY.WRITE_RANDOM |
  CAPABILITY.COPY_IMAGE |
  CAPABILITY.ASYNC_COPY |
  CAPABILITY.EVENTS |
  CAPABILITY.IMAGE_META |
  CAPABILITY.CONFIG |
  CAPABILITY.LABEL;

function infoOf(server: StorageServer, maxHandles: number): WireServerInfo {
  const capabilities = CAPABILITIES | (server.locksImages ? CAPABILITY.WORM : 0n);
  return { name: server.name, version: VERSION, capabilities, max_handles: maxHandles };
}

/** Answered from the configuration: no request reaches the storage. Only the opening of a server without a section asks around. */
export const serverHandlers: Handlers<'PING' | 'SERVER_OPEN' | 'SERVER_CLOSE' | 'SERVER_PROP'> = {
  PING: () => ({}),

  // Who may connect is settled by the socket; the host's user and secret serve only to find a server that has no section.
  SERVER_OPEN: (session, { server: number, name, cred_type: type, user, secret, job }) => {
    const login = type === CREDENTIALS_CLEAR && user !== '' && secret !== '' ? { user, secret } : undefined;
    const open = (server: StorageServer): WireServerInfo => {
      session.openServer(number, server, job);
      return infoOf(server, session.services.settings.engine.max_handles);
    };
    const found = session.services.servers.find(name, login);
    return found instanceof Promise ? session.hold(found.then(open)) : open(found);
  },

  SERVER_CLOSE: (session, { server }) => {
    session.closeServer(server);
    return {};
  },

  SERVER_PROP: (session, { server: number, name }) => {
    const server = number === 0n ? session.services.servers.get(name) : session.server(number);
    return infoOf(server, session.services.settings.engine.max_handles);
  },
};
