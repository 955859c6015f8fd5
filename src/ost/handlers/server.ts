import { VERSION } from '../../version.ts';
import type { StorageServer } from '../storage-server.ts';
import { CAPABILITY } from '../wire/constants.ts';
import type { WireServerInfo } from '../wire/groups.ts';
import type { Handlers } from './handler.ts';

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
  return { name: server.name, version: VERSION, capabilities: CAPABILITIES, max_handles: maxHandles };
}

/** Answered from the configuration: no request reaches the storage. */
export const serverHandlers: Handlers<'PING' | 'SERVER_OPEN' | 'SERVER_CLOSE' | 'SERVER_PROP'> = {
  PING: () => ({}),

  // Who may connect is settled by the socket; the host's user and secret are neither checked nor kept.
  SERVER_OPEN: (session, { server: number, name }) => {
    const server = session.services.servers.get(name);
    session.openServer(number, server);
    return infoOf(server, session.services.settings.engine.max_handles);
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
