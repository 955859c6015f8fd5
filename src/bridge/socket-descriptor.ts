import type { Socket } from 'node:net';

/** The descriptor of a socket, TLS or not, undefined once it is closed. Node has no public way to it. */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd === undefined || handle.fd < 0 ? undefined : handle.fd;
}
