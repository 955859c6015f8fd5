/** The plugin's side of a hello: build/ost-client.node (addon/bridge/test/ost_client.c). */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

interface OstClient {
  makeMemfd(bytes: number, seals: number): number;
  sendWithDescriptors(socket: number, bytes: Buffer, descriptors: readonly number[]): void;
}

export const native = createRequire(import.meta.url)('../../../build/ost-client.node') as OstClient;

/** fcntl(2) */
export const SEAL = { SEAL: 1, SHRINK: 2, GROW: 4, WRITE: 8 } as const;
export const ARENA_SEALS = SEAL.SEAL | SEAL.SHRINK | SEAL.GROW;

/** The descriptor of a connected socket. */
export function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}
