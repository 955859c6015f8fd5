import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { bridge } from '../../../src/bridge/bridge.ts';
import { parseIni } from '../../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../../src/config/settings.ts';
import type { ImageLayout, ReadHandle, ReadRange, WriteHandle } from '../../../src/image/image-backend.ts';
import { journalMemory } from '../../../src/image/journal-memory.ts';
import { Arena } from '../../../src/ost/arena.ts';
import type { ImageBackend, ImageContext } from '../../../src/ost/backend.ts';
import { ServerRegistry } from '../../../src/ost/server-registry.ts';
import { StorageMemory } from '../../../src/ost/storage-memory.ts';
import { createResources, type ProcessResources } from '../../../src/pipeline/resources.ts';
import { StageMeters } from '../../../src/pipeline/stage-meters.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { identity, MIB, randomBytes } from '../../image/support.ts';
import { Host } from './host.ts';

export const SLOTS = 8;
export const TUNING = { partBytes: MIB, parallelParts: 2 } as const;
export const DATA = randomBytes(5 * MIB + 1024);
const log = pino({ level: 'silent' });

/** What a backend is opened with. */
export interface BackendParts {
  readonly settings: Settings;
  readonly resources: ProcessResources;
}

export type OpenBackend = (parts: BackendParts) => Promise<ImageBackend>;

/** What an engine would have around its backend, and the slots of one host. */
export class HandlePlace {
  readonly backend: ImageBackend;
  readonly resources: ProcessResources;
  readonly arena: Arena;
  /** Slots that were handed over and not given back. */
  readonly full = new Set<number>();
  readonly #servers: ServerRegistry;
  readonly #memory: StorageMemory;
  readonly #host: Host;
  #regions = 0;
  #watchers: (() => void)[] = [];

  private constructor({ resources }: BackendParts, backend: ImageBackend, servers: ServerRegistry) {
    this.backend = backend;
    this.resources = resources;
    this.#servers = servers;
    this.#memory = new StorageMemory(resources);
    this.#host = new Host({ slotCount: SLOTS });
    this.arena = new Arena(bridge, this.#host.memfd, this.#host.layout);
  }

  /**
   * @param folder empty; has the LSU `lsu` then, in `store`.
   * @param general further lines of `[general]`.
   */
  static async open(folder: string, openBackend: OpenBackend, general = ''): Promise<HandlePlace> {
    mkdirSync(join(folder, 'store', 'lsu'), { recursive: true });
    mkdirSync(join(folder, 'state'), { recursive: true });
    const text = `[general]
${general}
[engine]
state_dir = ${join(folder, 'state')}
[server test]
store = file:${join(folder, 'store')}
`;
    const settings = buildSettings(parseIni(text, 'test.conf'));
    const parts = { settings, resources: createResources(bridge, 64 * MIB, builtInStages()) };
    const servers = await ServerRegistry.open(settings, log);
    return new HandlePlace(parts, await openBackend(parts), servers);
  }

  /** Rejects when anything was held, with all that is left ended. */
  async close(): Promise<void> {
    const { budget, slabs } = this.resources;
    const held = [this.full.size, budget.used];
    const ended = await this.backend.close?.();
    this.arena.unmap();
    await this.#servers.close();
    await this.#host.close();
    slabs.close();
    if (ended === false) throw new Error('the backend did not end');
    if (held.some((what) => what > 0)) throw new Error(`held in the end: ${held.join(' slots and ')} bytes`);
  }

  /** For a new handle, or for one that goes on with a journal. */
  async context(
    creator: string,
    region?: number,
    signal?: AbortSignal,
    lsu = 'lsu',
  ): Promise<ImageContext & { region: number }> {
    const server = this.#servers.get('VastData:test');
    const number = region ?? this.#regions;
    if (region === undefined) this.#regions += 1;
    const { resources } = this.#memory.of(server.storageOf(lsu));
    return {
      store: await server.open(lsu),
      resources: { ...resources, meters: new StageMeters(resources.meters) },
      journal: journalMemory(this.arena.journal(number)),
      creator,
      signal,
      place: { server, lsu },
      arena: this.arena,
      region: number,
    };
  }

  layout(name: string): ImageLayout {
    return {
      identity: identity(name),
      metadata: { policy: 'policy', schedule: 'full', client: 'client' },
      stages: [],
      chunkBytes: MIB,
      flatDigest: false,
    };
  }

  create(context: ImageContext, name: string): Promise<WriteHandle> {
    return this.backend.create(context, this.layout(name), TUNING);
  }

  /** Fill a slot with a chunk of `data` and hand it over. */
  put(handle: WriteHandle, chunk: number, slot: number, last = false, data: Uint8Array = DATA): void {
    const piece = data.subarray(chunk * MIB, (chunk + 1) * MIB);
    const bytes = this.arena.slot(slot).subarray(0, piece.byteLength);
    bytes.set(piece);
    if (this.full.has(slot)) throw new Error(`slot ${slot} is in use`);
    this.full.add(slot);
    const release = (): void => {
      if (!this.full.delete(slot)) throw new Error(`slot ${slot} was given back twice`);
      // Whoever still reads it reads garbage.
      bytes.fill(0xee);
      for (const resolve of this.#watchers.splice(0)) resolve();
    };
    handle.put(chunk, bytes, last, { release });
  }

  async free(...slots: number[]): Promise<void> {
    while (slots.some((slot) => this.full.has(slot))) await new Promise<void>((next) => this.#watchers.push(next));
  }

  /** All of the data, from a chunk on. */
  async write(handle: WriteHandle, from = 0): Promise<void> {
    const chunks = Math.ceil(DATA.byteLength / MIB);
    for (let n = from; n < chunks; n += 1) {
      await this.free(n % SLOTS);
      this.put(handle, n, n % SLOTS, n === chunks - 1);
    }
  }

  async backup(name: string, creator = `backup/${name}`): Promise<void> {
    const handle = await this.create(await this.context(creator), name);
    await this.write(handle);
    await handle.close('complete', DATA.byteLength);
  }

  async open(name: string): Promise<ReadHandle> {
    const context = { ...(await this.context('reader')), journal: undefined, region: undefined };
    return this.backend.open(context, identity(name));
  }

  /** Everything, through slot 0. */
  async restore(name: string): Promise<Buffer> {
    const reader = await this.open(name);
    const pieces: Buffer[] = [];
    for (let at = 0; ; ) {
      const found = await reader.read(at, MIB, this.arena.slot(0), true);
      const piece = this.piece(at, found);
      pieces.push(piece);
      at += piece.byteLength;
      if (found.eof) break;
    }
    await reader.close();
    return Buffer.concat(pieces);
  }

  /** What a read brought from an offset on. */
  piece(at: number, { start, length, slotOffset }: ReadRange): Buffer {
    const from = slotOffset + (at - start);
    return Buffer.from(this.arena.slot(0).subarray(from, slotOffset + length));
  }
}
