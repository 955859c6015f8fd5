import { fstatSync } from 'node:fs';
import type { Bridge, Peer } from '../bridge/bridge.ts';
import type { EngineSettings } from '../config/settings.ts';
import { Arena, type ArenaLayout, headerOf, layoutOfHello } from './arena.ts';
import { HELLO_MAGIC, MAJOR, MINOR, RESULT } from './wire/constants.ts';
import { decodeFrame } from './wire/frame.ts';
import type { WireError, WireHello } from './wire/groups.ts';

/** fcntl(2): F_SEAL_SHRINK and F_SEAL_GROW. */
const WANTED_SEALS = 0x0002 | 0x0004;

/** A hello that was refused: what the host hears. */
export class HelloRefused extends Error {
  readonly answer: WireError;

  constructor(result: keyof typeof RESULT, cause: string, detail = 0n) {
    super(cause);
    this.answer = { result: RESULT[result], detail, cause };
  }
}

/** The frame of a hello. Undefined for bytes that are none: their sender is not even answered. */
export function parseHello(bytes: Buffer): { readonly id: number; readonly hello: WireHello } | undefined {
  try {
    const frame = decodeFrame(bytes);
    if (frame.kind !== 'request' || frame.name !== 'HELLO') return undefined;
    const hello = frame.value as WireHello;
    return hello.magic === HELLO_MAGIC ? { id: frame.id, hello } : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses another major version; the minor one is the lower of both. */
export function minorVersion(hello: WireHello): number {
  if (hello.major !== MAJOR) {
    const supported = (BigInt(MAJOR) << 16n) | BigInt(MINOR);
    throw new HelloRefused(
      'PROTOCOL',
      `this engine speaks protocol ${MAJOR}.${MINOR}, the plugin ${hello.major}`,
      supported,
    );
  }
  return Math.min(hello.minor, MINOR);
}

/** Refuses users that the configuration does not name. */
export function checkPeer(peer: Peer, settings: EngineSettings): void {
  const uids = settings.allowed_uids ?? [0, process.geteuid?.() ?? 0];
  const allowed = uids.includes(peer.uid) || (settings.allowed_gids ?? []).includes(peer.gid);
  if (!allowed) {
    throw new HelloRefused('ACCESS', `user ${peer.uid} may not use this engine; see allowed_uids in vast-ost.conf`);
  }
}

/** Refuses sizes that do not fit each other. */
export function checkLayout(hello: WireHello): ArenaLayout {
  const layout = layoutOfHello(hello);
  if (layout === undefined) throw new HelloRefused('ARENA', 'the sizes of the shared memory do not fit each other');
  return layout;
}

/** Map the host's memory. Refuses a file that is not what the hello says, or that could change its size. */
export function mapHostArena(bridge: Bridge, descriptor: number, layout: ArenaLayout, session: string): Arena {
  let arena: Arena;
  try {
    const sealed = (bridge.sealsOf(descriptor) & WANTED_SEALS) === WANTED_SEALS;
    if (!sealed || fstatSync(descriptor).size !== layout.arenaBytes) throw new Error('wrong size or seals');
    arena = new Arena(bridge, descriptor, layout);
  } catch {
    throw new HelloRefused('ARENA', 'the shared memory is not a sealed memfd of the stated size, or cannot be mapped');
  }
  if (arena.header().equals(headerOf(layout, session))) return arena;
  arena.unmap();
  throw new HelloRefused('ARENA', 'the header page of the shared memory does not say what the hello says');
}
