import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { bridge } from '../../../src/bridge/bridge.ts';
import { parseIni } from '../../../src/config/ini.ts';
import { buildSettings } from '../../../src/config/settings.ts';
import type { ImageBackend } from '../../../src/ost/backend.ts';
import { OstEngine } from '../../../src/ost/engine.ts';
import { imageHandles } from '../../../src/ost/image-handles.ts';
import { Lanes, type LanesOptions } from '../../../src/ost/lanes/lanes.ts';
import { createResources } from '../../../src/pipeline/resources.ts';
import { builtInStages } from '../../../src/stages/built-in.ts';
import { TEST_LANES } from '../../support/lanes.ts';
import { Host, type HostOptions } from './host.ts';
import { MemoryBackend } from './memory-backend.ts';

const MIB = 1024 * 1024;

export interface BenchOptions {
  /** Lines of `[engine]`. */
  readonly engine?: string;
  readonly backend?: ImageBackend;
  readonly budget?: number;
  /** Configured length of chunks and parts, MiB. Default 1. */
  readonly chunkMib?: number;
  readonly reserve?: number;
  readonly compression?: 'none' | 'lz4' | 'auto';
  /** Work on images in lanes instead of the backend's thread. */
  readonly lanes?: Pick<LanesOptions, 'count' | 'file' | 'lookMs'>;
}

/** A folder with a directory store, an engine on it, and hosts. Everything ends with the test. */
export class Bench<B extends ImageBackend = MemoryBackend> {
  readonly folder: string;
  readonly socket: string;
  readonly backend: B;
  readonly log: string[] = [];
  engine: OstEngine | undefined;
  lanes: Lanes | undefined;
  readonly #options: BenchOptions;
  readonly #hosts: Host[] = [];

  constructor(t: Test, options: BenchOptions & { backend: B }) {
    this.folder = mkdtempSync(join(tmpdir(), 'vost-ost-'));
    mkdirSync(join(this.folder, 'store', 'lsu'), { recursive: true });
    mkdirSync(join(this.folder, 'store', 'other'));
    this.socket = join(this.folder, 'socket');
    this.backend = options.backend;
    this.#options = options;
    t.teardown(async () => {
      for (const host of this.#hosts) await host.close();
      await this.stop();
      rmSync(this.folder, { recursive: true });
    });
  }

  async start(): Promise<OstEngine> {
    const { engine = '', budget = 64 * MIB, reserve = 64 * MIB, chunkMib = 1 } = this.#options;
    const { compression = 'none', lanes } = this.#options;
    const text = `
[performance]
chunk_size_mb = ${chunkMib}
part_size_mb = ${chunkMib}
compression = ${compression}
[engine]
socket = ${this.socket}
state_dir = ${join(this.folder, 'state')}
${engine}
[server test]
store = file:${join(this.folder, 'store')}
label = a label
`;
    const log = pino({ level: 'debug' }, { write: (line: string) => this.log.push(line) });
    const settings = buildSettings(parseIni(text, 'test.conf'));
    const resources = createResources(bridge, budget, builtInStages());
    const { budget: whole } = resources;
    const real = this.backend === (imageHandles as ImageBackend);
    const used = lanes ?? (real && TEST_LANES ? { count: TEST_LANES } : undefined);
    if (used !== undefined) this.lanes = await Lanes.open({ ...used, settings, budget: whole, log });
    this.engine = await OstEngine.start({
      settings,
      bridge,
      resources,
      slotReserve: reserve,
      backend: this.lanes ?? this.backend,
      log,
    });
    return this.engine;
  }

  async stop(): Promise<void> {
    await this.engine?.stop();
    this.engine = undefined;
    await this.lanes?.close();
    this.lanes = undefined;
  }

  /** A host with a connection and an open server 1. */
  async host(options: HostOptions = {}): Promise<Host> {
    const host = this.stranger(options);
    await host.connect(this.socket);
    await host.openServer();
    return host;
  }

  /** A host without a connection. */
  stranger(options: HostOptions = {}): Host {
    const host = new Host(options);
    this.#hosts.push(host);
    return host;
  }
}

export async function memoryBench(t: Test, options: BenchOptions = {}): Promise<Bench> {
  const bench = new Bench(t, { ...options, backend: new MemoryBackend() });
  await bench.start();
  return bench;
}

/** Open descriptors and mappings of hosts' memory of this process. */
export function held(): { descriptors: number; arenas: number } {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    arenas: maps.filter((line) => line.includes('memfd:ost-client')).length,
  };
}
