import type { Socket } from 'node:net';
import type { HostBridge } from '../../bridge/bridge.ts';
import { descriptorOf } from '../../bridge/socket-descriptor.ts';
import type { WireState } from '../transfer-meter.ts';

let bridge: Pick<HostBridge, 'tcpProgress'> | undefined;

/** Load the addon for {@link wireStateOf}; where there is none, nobody knows how the wire is. */
export async function loadWireState(): Promise<void> {
  bridge ??= await import('../../bridge/bridge.ts').then(
    (loaded) => loaded.bridge,
    () => undefined,
  );
}

/** How the bytes that were written to a socket are doing; undefined when it is closed, or without the addon. */
export function wireStateOf(socket: Socket | undefined): WireState | undefined {
  const descriptor = socket === undefined ? undefined : descriptorOf(socket);
  if (socket === undefined || descriptor === undefined || bridge === undefined) return undefined;
  try {
    const { acknowledged, queued, closedMs } = bridge.tcpProgress(descriptor);
    return { unsent: queued > 0 || socket.writableLength > 0, acknowledged, closedMs };
  } catch {
    // No TCP.
    return undefined;
  }
}
