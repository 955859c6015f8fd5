import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

/** Thrown when the connection has to break instead of an answer. */
export class Reset extends Error {}

/** Break a connection as a dying server does: with RST where the socket is plain TCP. */
export function breakConnection({ socket }: IncomingMessage): void {
  if (socket.destroyed) return;
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
