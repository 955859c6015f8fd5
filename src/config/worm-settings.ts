import { lsusOf } from './lsu-data.ts';
import type { Settings } from './settings.ts';
import { periodMs } from './worm-schema.ts';

const DAY_MS = 86_400_000;
const DEFAULT_MINIMUM_MS = DAY_MS;
const DEFAULT_MAXIMUM_MS = 10 * 365 * DAY_MS;

/** How the images of an LSU are locked. Milliseconds. */
export interface WormSettings {
  /** Undefined when they are not. */
  readonly retentionMs: number | undefined;
  readonly minimumMs: number;
  readonly maximumMs: number;
  readonly mode: 'governance' | 'compliance';
}

/**
 * What holds for an LSU: its own section, else its server's. What the cluster was told about locks serves as default. An LSU that is
 * mounted by itself has no locks, whatever its server has.
 */
export function wormOf(settings: Pick<Settings, 'servers' | 'lsus'>, server: string, lsu: string): WormSettings {
  const [own, its] = [settings.lsus.get(`${server}/${lsu}`), settings.servers.get(server)];
  const period = (text: string | undefined): number | undefined => (text === undefined ? undefined : periodMs(text));
  const lockMode = own?.object_lock === 'none' ? undefined : own?.object_lock;
  return {
    retentionMs: own?.mount_point === undefined ? (own?.worm_retention ?? its?.worm_retention) : undefined,
    minimumMs: own?.worm_minimum ?? period(own?.min_retention) ?? its?.worm_minimum ?? DEFAULT_MINIMUM_MS,
    maximumMs: own?.worm_maximum ?? period(own?.max_retention) ?? its?.worm_maximum ?? DEFAULT_MAXIMUM_MS,
    mode: own?.worm_mode ?? lockMode ?? its?.worm_mode ?? 'governance',
  };
}

/** Whether images of any of a server's LSUs are locked. */
export function locksImages(settings: Pick<Settings, 'servers' | 'lsus'>, server: string): boolean {
  return ['', ...lsusOf(settings, server)].some((lsu) => wormOf(settings, server, lsu).retentionMs !== undefined);
}

/** What is wrong with the settings of an LSU; undefined when nothing is. */
export function wormProblem({ retentionMs, minimumMs, maximumMs }: WormSettings): string | undefined {
  if (minimumMs > maximumMs) return 'worm_minimum is above worm_maximum';
  if (retentionMs === undefined) return undefined;
  if (retentionMs < minimumMs) return 'worm_retention is below worm_minimum (1d unless set)';
  return retentionMs > maximumMs ? 'worm_retention is above worm_maximum (10y unless set)' : undefined;
}
