import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { bridge } from '../../../src/bridge/bridge.ts';
import { Arena, type ArenaLayout, headerOf, layoutOf } from '../../../src/ost/arena.ts';
import { HELLO_MAGIC, MAJOR, MINOR, NO_JOURNAL, OPEN_MODE, RESULT } from '../../../src/ost/wire/constants.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../../src/ost/wire/frame.ts';
import { FrameSplitter } from '../../../src/ost/wire/frame-splitter.ts';
import type { WireError, WireHello, WireImageId } from '../../../src/ost/wire/groups.ts';
import type { Answer, Notice, NoticeName, Question, RequestName } from '../../../src/ost/wire/messages.ts';
import { ARENA_SEALS, descriptorOf, native } from './native.ts';

const MIB = 1024 * 1024;

/** Resolves when a socket is closed, whether in peace or not. */
export async function closing(socket: Socket | undefined): Promise<void> {
  if (socket !== undefined && !socket.closed)
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** An answer that said no. */
export class Refusal extends Error {
  readonly result: string;
  readonly detail: bigint;

  constructor({ result, detail, cause }: WireError) {
    super(cause);
    this.result = Object.entries(RESULT).find(([, value]) => value === result)?.[0] ?? String(result);
    this.detail = detail;
  }
}

/** The promise must be refused with this result. */
export async function refuses(t: Test, asked: Promise<unknown>, result: string, name = result): Promise<Refusal> {
  const refusal = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  t.equal(refusal instanceof Refusal ? refusal.result : refusal, result, name);
  return refusal as Refusal;
}

interface Waiting {
  readonly name: RequestName;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface HostOptions {
  readonly slotBytes?: number;
  readonly slotCount?: number;
  readonly journalCount?: number;
  readonly seals?: number;
}

/** A scripted plugin: one host process with its shared memory, over as many connections as a test wants. */
export class Host {
  readonly key = randomBytes(16).toString('hex');
  readonly layout: ArenaLayout;
  readonly memfd: number;
  readonly arena: Arena;
  socket: Socket | undefined;
  /** Everything the engine said without being asked, in order. */
  readonly notices: { name: NoticeName; value: Notice<NoticeName> }[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #watchers: (() => void)[] = [];
  #nextId = 1;
  #connections = 0;

  constructor(options: HostOptions = {}) {
    const { slotBytes = MIB, slotCount = 16, journalCount = 8, seals = ARENA_SEALS } = options;
    this.layout = layoutOf({ slotBytes, slotCount, journalBytes: 65_536, journalCount }) as ArenaLayout;
    this.memfd = native.makeMemfd(this.layout.arenaBytes, seals);
    this.arena = new Arena(bridge, this.memfd, this.layout);
    const mapped = bridge.mapArena(this.memfd, this.layout.arenaBytes);
    const header = bridge.arenaView(mapped, 0, 4096);
    new Uint8Array(header).set(headerOf(this.layout, this.key));
    bridge.freeSlab(header);
    bridge.unmapArena(mapped);
  }

  hello(): WireHello {
    return {
      magic: HELLO_MAGIC,
      major: MAJOR,
      minor: MINOR,
      connection: this.#connections,
      features: 0n,
      session: this.key,
      arena_bytes: BigInt(this.layout.arenaBytes),
      slots_offset: BigInt(this.layout.slotsOffset),
      slot_bytes: this.layout.slotBytes,
      slot_count: this.layout.slotCount,
      journal_bytes: this.layout.journalBytes,
      journal_count: this.layout.journalCount,
      pid: process.pid,
      program: 'test',
      version: '0',
      reserved: '',
    };
  }

  /** Connect and say hello; resolves to the engine's answer, rejects with its {@link Refusal} or when it closes. */
  async connect(path: string, change: Partial<WireHello> = {}, descriptors = [this.memfd]): Promise<Answer<'HELLO'>> {
    const socket = connect(path);
    await once(socket, 'connect');
    const splitter = new FrameSplitter();
    for (const { reject } of this.#waiting.values()) reject(new Error('the connection was replaced'));
    this.#waiting.clear();
    this.socket = socket;
    this.#connections += 1;
    const gone = (): void => {
      if (this.socket !== socket) return;
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection ended'));
      this.#waiting.clear();
    };
    socket.on('data', (data: Buffer) => {
      if (this.socket === socket) for (const frame of splitter.push(data)) this.#onFrame(decodeFrame(frame));
    });
    socket.on('error', () => undefined);
    socket.on('close', gone);
    const answer = this.#expect('HELLO', 1);
    // A connection that ends before the hello is sent fails the send; the answer that never comes is no second failure.
    answer.catch(() => undefined);
    const value = { ...this.hello(), ...change };
    const frame = encodeFrame({ kind: 'request', name: 'HELLO', id: 1, resend: false, value });
    native.sendWithDescriptors(descriptorOf(socket), frame, descriptors);
    return (await answer) as Answer<'HELLO'>;
  }

  /** Break the connection. */
  async disconnect(): Promise<void> {
    const { socket } = this;
    socket?.destroy();
    await closing(socket);
  }

  /** Disconnect and give the memory back. */
  async close(): Promise<void> {
    await this.disconnect();
    this.arena.unmap();
    closeSync(this.memfd);
  }

  ask<N extends RequestName>(name: N, value: Question<N>, resend = false): Promise<Answer<N>> {
    this.#nextId += 1;
    const id = this.#nextId;
    const answer = this.#expect(name, id);
    this.raw(encodeFrame({ kind: 'request', name, id, resend, value }));
    return answer as Promise<Answer<N>>;
  }

  tell<N extends NoticeName>(name: N, value: Notice<N>): void {
    this.raw(encodeFrame({ kind: 'notice', name, value }));
  }

  raw(bytes: Uint8Array): void {
    this.socket?.write(bytes);
  }

  /** Resolves when a notice like this has come, also when it did before; takes it off the list. */
  async notice<N extends NoticeName>(name: N, match: Partial<Notice<N>> = {}): Promise<Notice<N>> {
    for (;;) {
      const at = this.notices.findIndex(
        (one) =>
          one.name === name &&
          Object.entries(match).every(([key, value]) => (one.value as Record<string, unknown>)[key] === value),
      );
      const [found] = at < 0 ? [] : this.notices.splice(at, 1);
      if (found !== undefined) return found.value as Notice<N>;
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  async openServer(server = 1n, name = 'VastData:test', job = ''): Promise<Answer<'SERVER_OPEN'>> {
    return this.ask('SERVER_OPEN', { server, name, interface: '', cred_type: 1, user: 'user', secret: 'hush', job });
  }

  create(handle: bigint, id: WireImageId, more: Partial<Question<'IMAGE_CREATE'>> = {}, resend = false) {
    const journal = Number(handle) % 8;
    return this.ask('IMAGE_CREATE', { handle, server: 1n, lsu: 'lsu', id, flags: 0, journal, ...more }, resend);
  }

  openRead(handle: bigint, id: WireImageId, lsu = 'lsu') {
    const read = { mode: OPEN_MODE.READ, journal: NO_JOURNAL };
    return this.ask('IMAGE_OPEN', { handle, server: 1n, lsu, id, ...read });
  }

  /** Get a slot, fill it, hand it over. */
  async write(handle: bigint, chunk: number, slot: number, data: Uint8Array, last = false): Promise<void> {
    const { present } = await this.ask('SLOT_WANT', { handle, chunk: BigInt(chunk), slot });
    this.arena.slot(slot).set(data.subarray(present), present);
    this.tell('SLOT_FULL', { handle, chunk: BigInt(chunk), slot, length: data.byteLength, flags: last ? 1 : 0 });
  }

  /** Write a whole image in chunks of `chunkBytes` and close it. */
  async backup(handle: bigint, id: WireImageId, data: Uint8Array, lsu = 'lsu'): Promise<string> {
    const { chunk_bytes: chunkBytes } = await this.create(handle, id, { lsu });
    const slots = [0, 1, 2, 3];
    for (let chunk = 0; chunk * chunkBytes < data.byteLength; chunk += 1) {
      const slot = slots.shift() ?? (await this.notice('SLOT_FREE', { handle })).slot;
      const piece = data.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
      await this.write(handle, chunk, slot, piece, piece.byteLength < chunkBytes);
    }
    return (await this.ask('IMAGE_CLOSE', { handle, mode: 1, size: BigInt(data.byteLength) })).report;
  }

  /** Read a whole image through slot 0. */
  async restore(handle: bigint, id: WireImageId, lsu = 'lsu'): Promise<Buffer> {
    const { info } = await this.openRead(handle, id, lsu);
    const pieces: Buffer[] = [];
    for (let offset = 0n; offset < info.size; ) {
      const read = { handle, offset, length: this.layout.slotBytes, slot: 0, hint: 1 };
      const { start, length, slot_offset: at } = await this.ask('IMAGE_READ', read);
      const skip = Number(offset - start);
      pieces.push(Buffer.from(this.arena.slot(0).subarray(at + skip, at + length)));
      offset = start + BigInt(length);
      this.tell('SLOT_RETURN', { handle, slot: 0 });
    }
    await this.ask('IMAGE_CLOSE', { handle, mode: 4, size: 0n });
    return Buffer.concat(pieces);
  }

  #expect(name: RequestName, id: number): Promise<unknown> {
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { name, resolve, reject }));
    // A test that breaks the connection on purpose need not look at every answer.
    answer.catch(() => undefined);
    return answer;
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === 'notice') {
      this.notices.push({ name: frame.name, value: frame.value as Notice<NoticeName> });
      for (const watcher of this.#watchers.splice(0)) watcher();
      return;
    }
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined || waiting.name !== frame.name)
      throw new Error(`an answer that nobody awaits: ${frame.name}`);
    this.#waiting.delete(frame.id);
    if (frame.kind === 'error') waiting.reject(new Refusal(frame.value));
    else waiting.resolve(frame.value);
  }
}

/** An image's name. */
export const imageId = (basename: string, more: Partial<WireImageId> = {}): WireImageId => ({
  basename,
  date: '1700000000',
  fullname: 'policy',
  number1: 0,
  number2: 0,
  text1: '',
  text2: '',
  ...more,
});
