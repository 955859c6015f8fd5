import type { ClusterState } from '../cluster/cluster-state.ts';
import type { FileSystem } from '../cluster/file-system.ts';
import type { Manager } from '../cluster/records.ts';
import type { Release } from '../cluster/release.ts';
import type { EventLog } from '../faults/event-log.ts';
import type { FaultBoard } from '../faults/fault-board.ts';

/** What serves every request. */
export interface VmsServices {
  readonly state: ClusterState;
  readonly files: FileSystem;
  readonly faults: FaultBoard;
  readonly log: EventLog;
  readonly release: Release;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Name of the cluster. */
  readonly name: string;
  /** What the cluster's logical capacity is said to be, bytes. */
  readonly capacityBytes: number;
  /** Addresses that do not answer at present. */
  readonly isVipDown: (address: string) => boolean;
}

/** One authenticated request. */
export interface Context extends VmsServices {
  readonly manager: Manager;
  /** The tenant that the request is confined to: a tenant administrator's, or that of X-Tenant-Name. */
  readonly tenantId: number | undefined;
  readonly query: URLSearchParams;
  /** `{}` when there is none. */
  readonly body: Readonly<Record<string, unknown>>;
  /** `https://host:port/api/v5`, for links. */
  readonly baseUrl: string;
  /** Path and query as they came in. */
  readonly url: string;
  /** Now, ISO 8601. */
  readonly now: string;
}

/** What a handler answers. Without a body nothing is sent. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Plain text instead of JSON. */
  readonly text?: string;
}

/** One route: `path` is written like `/users/:id/access_keys/`. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Absent from older releases. */
  readonly since?: '5.1' | '5.2' | '5.3' | '5.5';
  /** The schema writes some paths without a trailing slash; both forms are served. Default: it is required. */
  readonly slash?: 'optional';
  /** May an administrator of one tenant call it? Default yes. */
  readonly clusterOnly?: boolean;
  /** Who need not say who they are. */
  readonly open?: boolean;
  readonly run: (context: Context, ids: Ids) => Answer | Promise<Answer>;
}

/** The numbers in a path, by name. */
export type Ids = Readonly<Record<string, number>>;
