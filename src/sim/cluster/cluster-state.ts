import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../errors.ts';
import { Collection, type Row, type StoredCollection } from './collection.ts';
import type {
  AccessKey,
  ApiToken,
  ClusterEvent,
  Directory,
  Manager,
  PlainRow,
  Quota,
  Task,
  Tenant,
  User,
  View,
  ViewPolicy,
  VipPool,
} from './records.ts';

const FILE = 'cluster.json';
/** Version of the file's layout. */
const LAYOUT = 1;

/** Settings of VMS itself (`/vms/1/`), durations as VMS writes them. */
export interface VmsSettings {
  readonly access_token_lifetime: string;
  readonly refresh_token_lifetime: string;
  /** Signs tokens, so that they outlive a restart. */
  readonly signing_secret: string;
  /** Tokens of an older generation are invalid. */
  readonly token_generation: number;
}

/**
 * Everything about the simulated cluster but its objects, in one file of the state folder. Changes
 * are made in memory; {@link commit} writes them, and is called before anybody is told about them.
 */
export class ClusterState {
  readonly #path: string;
  #dirty = false;
  #settings: VmsSettings;
  readonly #collections = new Map<string, Collection<Row>>();

  readonly tenants = this.#collection<Tenant>('tenants');
  readonly views = this.#collection<View>('views');
  readonly viewPolicies = this.#collection<ViewPolicy>('viewpolicies');
  readonly users = this.#collection<User>('users');
  readonly keys = this.#collection<AccessKey>('keys');
  readonly quotas = this.#collection<Quota>('quotas');
  readonly vipPools = this.#collection<VipPool>('vippools');
  readonly directories = this.#collection<Directory>('directories');
  readonly managers = this.#collection<Manager>('managers');
  readonly apiTokens = this.#collection<ApiToken>('apitokens');
  readonly tasks = this.#collection<Task>('tasks');
  readonly events = this.#collection<ClusterEvent>('events');
  readonly alarms = this.#collection<PlainRow>('alarms');
  readonly snapshots = this.#collection<PlainRow>('snapshots');
  readonly streams = this.#collection<PlainRow>('streams');
  readonly protectionPolicies = this.#collection<PlainRow>('protectionpolicies');
  readonly protectedPaths = this.#collection<PlainRow>('protectedpaths');
  readonly lifecycleRules = this.#collection<PlainRow>('lifecyclerules');
  readonly s3Policies = this.#collection<PlainRow>('s3policies');
  readonly monitors = this.#collection<PlainRow>('monitors');
  readonly peers = this.#collection<PlainRow>('peers');

  private constructor(dir: string, settings: VmsSettings) {
    this.#path = join(dir, FILE);
    this.#settings = settings;
  }

  /**
   * Read the state of a folder. `fresh` says whether there was none yet, and `settings` what it
   * begins with. Throws VOST_SIM_STATE when the file is damaged.
   */
  static open(dir: string, settings: VmsSettings): { state: ClusterState; fresh: boolean } {
    const state = new ClusterState(dir, settings);
    let text: string;
    try {
      text = readFileSync(state.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { state, fresh: true };
      throw error;
    }
    state.#load(text);
    return { state, fresh: false };
  }

  get settings(): VmsSettings {
    return this.#settings;
  }

  set settings(settings: VmsSettings) {
    this.#settings = settings;
    this.#dirty = true;
  }

  /** Write what changed. The file holds secrets: only its owner may read it. */
  commit(): void {
    if (!this.#dirty) return;
    const collections = Object.fromEntries([...this.#collections].map(([name, rows]) => [name, rows.store()]));
    const text = JSON.stringify({ layout: LAYOUT, settings: this.#settings, collections });
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
    this.#dirty = false;
  }

  #collection<T extends Row>(name: string): Collection<T> {
    const collection = new Collection<T>(() => {
      this.#dirty = true;
    });
    this.#collections.set(name, collection as unknown as Collection<Row>);
    return collection;
  }

  #load(text: string): void {
    try {
      const stored = JSON.parse(text) as {
        layout: number;
        settings: VmsSettings;
        collections: Record<string, StoredCollection>;
      };
      if (stored.layout !== LAYOUT) throw new Error(`layout ${stored.layout} is unknown`);
      this.#settings = stored.settings;
      for (const [name, rows] of Object.entries(stored.collections)) this.#collections.get(name)?.load(rows);
    } catch {
      // No cause: the parser's message quotes the file, which holds secrets.
      throw new EngineError('VOST_SIM_STATE', 'integrity', `simulator state ${this.#path} is damaged`, {
        advice: 'Remove the simulator directory and start it again.',
      });
    }
  }
}
